"""The doctor's own backward pass against differences of its own forward pass, and mistakes planted in it."""

from dataclasses import replace

import numpy as np
import pytest

from fcnet import losses
from fcnet.gradcheck.diagnosis.acts import itself, times
from fcnet.gradcheck.diagnosis.factors import factor_between, named
from fcnet.gradcheck.diagnosis.network import Layer, LossForm, Network, canonical, forward, used_targets
from fcnet.gradcheck.diagnosis.patterns import Compared, exchanged, of_tensor
from fcnet.gradcheck.diagnosis.reenact import Planted, Scene
from fcnet.gradcheck.diagnosis.solve import solve

ROWS = 7


def normal(*shape: int) -> np.ndarray:
    return 0.5 * np.random.default_rng(sum(shape)).standard_normal(shape)


def network(norm: str | None, *, before: bool = True, dropout: bool = False, form: LossForm | None = None) -> Network:
    learned = {"scale": "g", "shift": "s"} if norm else {}
    layers = (
        Layer("A", False, 6, bias="a", activation="tanh", norm=norm, norm_before=before, **learned),
        Layer("B", True, 5, bias="b", activation="gelu"),
        Layer("C", False, 3, bias="c"),
    )
    mask = (np.random.default_rng(0).random((ROWS, 6)) < 0.6) / 0.6 if dropout else None
    targets = np.eye(3)[np.arange(ROWS) % 3]
    chosen = form or LossForm("cross_entropy", factor=1 / ROWS, own=0.9, spread=0.1 / 3, l1=0.01, l2=0.02)
    return Network(layers, normal(ROWS, 4), targets, (None, mask, None, None), chosen)


def parameters(net: Network) -> dict[str, np.ndarray]:
    params = {"A": normal(4, 6), "a": normal(6), "B": normal(5, 6), "b": normal(5), "C": normal(5, 3), "c": normal(3)}
    if net.layers[0].norm:
        params |= {"g": 1 + normal(6), "s": normal(6) / 2}
    return params


def loss_of(net: Network, params: dict[str, np.ndarray]) -> float:
    outputs = forward(net, params)[-1].output
    unreduced, _ = losses.get(net.form.loss).by_hand(outputs, used_targets(net))
    touched = [value for name, value in params.items() if name in "ABC" or net.form.penalises_all]
    penalty = sum(net.form.l1 * np.sum(np.abs(w)) + 0.5 * net.form.l2 * np.sum(w**2) for w in touched)
    return float(net.form.factor * np.sum(unreduced) + penalty)


def scene_of(net: Network, found: dict[str, np.ndarray] | None = None) -> Scene:
    params = canonical(net.layers, parameters(net))
    scene = Scene(net, params, forward(net, params), {}).planting(())
    return replace(scene, found=scene.gradients if found is None else found)


FORMS = (
    LossForm("mse", factor=0.3),
    LossForm("binary_cross_entropy", factor=1.0),
    LossForm("cross_entropy", factor=1 / ROWS, l2=0.3, penalises_all=True),
)


@pytest.mark.parametrize("net", [
    network(None), network("batch"), network("layer"), network("batch", before=False), network("layer", before=False),
    network("batch", dropout=True), *(network(None, form=form) for form in FORMS),
])  # fmt: skip
def test_the_backward_pass_is_the_derivative_of_the_forward_pass(net):
    scene = scene_of(net)
    params = dict(scene.params)
    random = np.random.default_rng(1)
    for name, value in params.items():
        along = random.standard_normal(value.shape)
        step = 1e-5
        up, down = (loss_of(net, {**params, name: value + sign * step * along}) for sign in (1, -1))
        # central differences: step² from the third derivative, and 1e-16 / step from rounding
        expected = (up - down) / (2 * step)
        np.testing.assert_allclose(np.sum(scene.gradients[name] * along), expected, rtol=1e-6, atol=1e-9)


def test_a_mistake_reaches_its_own_layer_and_those_before():
    scene = scene_of(network(None))
    wrong = scene.planting((Planted("activation", 1, itself),))
    changed = {name for name, value in scene.gradients.items() if not np.array_equal(value, wrong.gradients[name])}
    assert changed == {"A", "a", "B", "b"}


@pytest.mark.parametrize(
    ("use", "expected"), [("kernel", {"B"}), ("bias", {"b"}), ("through", {"A", "a"}), ("all", {"A", "a", "B", "b"})]
)
def test_a_mistake_for_one_use_of_delta(use, expected):
    scene = scene_of(network("batch"))
    wrong = scene.planting((Planted("activation", 1, times(2.0), use),))
    changed = {name for name, value in scene.gradients.items() if not np.array_equal(value, wrong.gradients[name])}
    # a is 0 but for rounding, which another δ rounds otherwise: the batch's mean takes every constant away
    assert changed - {"g", "s", "a"} == expected - {"a"}


def test_two_mistakes_at_once():
    scene = scene_of(network(None))
    both = scene.planting((Planted("output", 2, times(3.0)),)).planting((Planted("bias", 0, times(0.0)),))
    data = {name: value - 0.01 * np.sign(scene.params[name]) - 0.02 * scene.params[name]
            for name, value in scene.gradients.items() if name in "ABC"}  # fmt: skip
    got = {name: value - 0.01 * np.sign(scene.params[name]) - 0.02 * scene.params[name]
           for name, value in both.gradients.items() if name in "ABC"}  # fmt: skip
    for name in "ABC":
        # three roundings more or less in sums of a few terms
        np.testing.assert_allclose(got[name], 3 * data[name], rtol=1e-10, atol=1e-14)
    assert not np.any(both.gradients["a"])


def test_solving_for_a_factor_finds_it_and_refuses_what_is_none():
    scene = scene_of(network(None))
    wrong = scene.planting((Planted("output", 2, times(0.37)),))
    solved = solve(replace(scene, found=wrong.gradients), "output", 2, [itself])
    assert solved is not None
    assert solved[0] == pytest.approx(0.37, rel=1e-10)
    noise = {name: normal(*value.shape) for name, value in scene.gradients.items()}
    assert solve(replace(scene, found=noise), "output", 2, [itself]) is None


@pytest.mark.parametrize(
    ("c", "summed", "expected"),
    [
        (-1.0, False, ["sign"]),
        (8.0, False, ["missing_mean", "wrong_reduction"]),
        (1 / 8, False, ["extra_mean"]),
        (1 / 8, True, ["bias_averaged", "extra_mean"]),
        (2.0, False, ["doubled"]),
        (0.5, False, ["halved"]),
        (24.0, False, ["wrong_reduction"]),
        (1 / 3, False, ["wrong_reduction"]),
        (-8.0, True, ["sign", "missing_mean"]),
        (16.0, True, ["missing_mean", "doubled"]),
        (0.77, False, ["factor"]),
    ],
)
def test_factors_have_names(c, summed, expected):
    assert [found.mistake for found in named(c, 8, 3, summed=summed)] == expected


def test_a_factor_is_one_only_where_every_entry_has_it():
    r = normal(4, 5)
    assert factor_between(2 * r, r, 1e-9) == pytest.approx(2)
    assert factor_between(r, r, 1e-9) is None
    assert factor_between(2 * r + 1e-3, r, 1e-9) is None


def compared(found: np.ndarray, expected: np.ndarray, value: np.ndarray | None = None, **about: object) -> Compared:
    theta = normal(*expected.shape) if value is None else value
    defaults = {"summed": False, "units_first": None, "strengths": None}
    return Compared("W", theta, found, expected, 1e-7, **(defaults | about))


R = normal(5, 4)


@pytest.mark.parametrize(
    ("found", "mistake"),
    [
        (0 * R, "missing"),
        (-R, "sign"),
        (R * (np.arange(4) != 2), "one_class"),
        (R + 3 * (np.arange(20).reshape(5, 4) == 7), "one_entry"),
        (np.clip(R, -0.2, 0.2), "clipped"),
        (R.T.reshape(5, 4), "transposed"),
    ],
)
@pytest.mark.parametrize("sampled", [False, True])
def test_patterns(found, mistake, sampled):
    expected = R.copy()
    if sampled:
        expected[np.random.default_rng(0).random(R.shape) < 0.2] = np.nan
        expected.flat[7] = R.flat[7]  # the one that is wrong was asked for
    assert of_tensor(compared(found, expected), 8, 3)[0].mistake == mistake


@pytest.mark.parametrize(
    ("times_there", "mistake"),
    [(0, "penalty_missing"), (2, "penalty_doubled"), (0.5, "penalty_halved"), (3, "penalty_factor")],
)
@pytest.mark.parametrize("strengths", [(0.0, 0.1), (0.1, 0.0), (0.1, 0.2)])
def test_penalties_by_their_strength(times_there, mistake, strengths):
    theta = np.roll(R, 3)
    penalty = strengths[0] * np.sign(theta) + strengths[1] * theta
    one = compared(R + (times_there - 1) * penalty, R, theta, strengths=strengths)
    assert of_tensor(one, 8, 3)[0].mistake == mistake


def test_a_square_transposed_and_a_penalty_that_nobody_asked_for():
    square = normal(4, 4)
    assert of_tensor(compared(square.T, square), 8, 3)[0].mistake == "transposed"
    theta = np.roll(R, 3)
    extra = compared(R + 0.1 * theta, R, theta, strengths=(0.0, 0.0))
    assert of_tensor(extra, 8, 3)[0].mistake == "penalty_not_in_loss"
    bias = compared(R[0] + 0.1 * theta[0], R[0], theta[0], summed=True)
    assert of_tensor(bias, 8, 3)[0].mistake == "penalty_on_biases"


def test_noise_shows_nothing():
    assert of_tensor(compared(np.roll(R, 3), R), 8, 3) == ()


def test_exchanged_tensors():
    one, other = normal(3, 3), normal(3, 3) + 1
    pair = {"W1": compared(other, one), "W2": compared(one, other)}
    assert [names for names, _ in exchanged(pair)] == [("W1", "W2")]
    assert list(exchanged({"W1": compared(one, one), "W2": compared(other, other)})) == []
