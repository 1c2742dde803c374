"""Every loss: worked numbers, by hand against autodiff, kinks and ends, and the shapes and names of the records."""

from functools import partial
from math import exp, log, pi, sqrt

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import losses
from fcnet.contracts import CLASSIFICATION, REGRESSION
from fcnet.errors import InputError

# every loss, with its options at their defaults and away from them
TEXTS = [
    *losses.LOSSES,
    "smooth_l1:beta=0.3",
    "smooth_l1:beta=0",
    "huber:delta=2.5",
    "tukey:c=1.5",
    "poisson_nll:full=true",
    "poisson_nll:log_input=false,full=true,eps=0.01",
    "gaussian_nll:full=true,eps=0.5",
    "kl_divergence:log_target=true",
    "margin_ranking:margin=0.5",
    "multi_margin:p=2,margin=0.7",
    "hinge_embedding:margin=20",
    "cosine_embedding:margin=-0.3",
    "triplet_margin:p=1,margin=2",
    "triplet_margin:p=3.5,eps=0.01,swap=true",
    "triplet_distance:distance=manhattan,swap=true",
    "triplet_distance:distance=squared,margin=0.5",
    "triplet_distance:distance=cosine,swap=true",
    "ctc:zero_infinity=true",
]


def in_domain(text, z):
    """What a network for this loss could answer instead of z."""
    loss = losses.get(text)
    if loss.outputs == "probabilities":
        return np.exp(-np.logaddexp(0, -z))
    if loss.outputs == "log_probabilities":
        return z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    if loss.name == "poisson_nll":
        # rates, or logarithms of rates that float32 can hold
        return np.abs(z) if "log_input=false" in text else np.minimum(z, 80.0)
    return z


def targets_for(loss, rows, k, random):
    return {
        "probabilities": lambda: random.dirichlet(np.ones(k), rows),
        "one_hot": lambda: np.eye(k)[random.integers(0, k, rows)],
        "memberships": lambda: random.uniform(size=(rows, k)),
        "numbers": lambda: random.normal(size=(rows, k)),
        "counts": lambda: random.poisson(2.0, (rows, k)).astype(float),
    }[loss.targets]()


# One program each: operation by operation every one of them would be compiled by itself.
@partial(jax.jit, static_argnames="function")
def by_autodiff(function, outputs, targets, upstream, weights):
    value, pullback = jax.vjp(lambda z: function(z, targets, **weights), outputs)
    return value, pullback(upstream.astype(value.dtype))[0]


@partial(jax.jit, static_argnames="function")
def by_hand_in_jax(function, outputs, targets, upstream):
    value, pullback = function(outputs, targets)
    return value, pullback(upstream.astype(value.dtype))


def differentiated(loss, outputs, targets, upstream, **weights):
    """Value and gradient of ``function`` by autodiff, in float64."""
    with jax.enable_x64(True):
        found = by_autodiff(loss.function, *jax.tree.map(jnp.asarray, (outputs, targets, upstream, weights)))
        return jax.tree.map(np.asarray, found)


@pytest.mark.parametrize(
    ("text", "errors", "expected"),
    [
        ("mse", [0.01, 0.03, 0.02, 0.01], 0.000375),
        ("mse", [0.01, 0.03, 0.02, 10], 25.00035),
        ("mae", [0.01, 0.03, 0.02, 0.01], 0.0175),
        ("mae", [0.01, 0.03, 0.02, 10], 2.515),
        ("half_mse", [0.01, 0.03, 0.02, 10], 25.00035 / 2),
        ("smooth_l1", [0.01, 0.03, 0.02, 10], (0.5 * (0.01**2 + 0.03**2 + 0.02**2) + 9.5) / 4),
        ("huber:delta=2", [0.01, 0.03, 0.02, 10], (0.5 * (0.01**2 + 0.03**2 + 0.02**2) + 18) / 4),
    ],
)
def test_the_lectures_worked_numbers(text, errors, expected):
    outputs = np.array(errors).reshape(4, 1)
    value, _ = losses.get(text).by_hand(outputs, np.zeros_like(outputs))
    np.testing.assert_allclose(value.mean(), expected, rtol=1e-14)


# worked with pencil: a row of outputs, a row of targets, and the row's loss or losses
WORKED = [
    ("mse", [3.0], [1.0], [4.0]),
    ("half_mse", [3.0], [1.0], [2.0]),
    ("mae", [-1.0], [1.0], [2.0]),
    ("smooth_l1:beta=0.5", [3.0, 1.25], [1.0, 1.0], [1.75, 0.0625]),
    ("huber:delta=0.5", [3.0, 1.25], [1.0, 1.0], [0.875, 0.03125]),
    ("tukey:c=3", [1.0, 4.0], [0.0, 0.0], [1.5 * (1 - (8 / 9) ** 3), 1.5]),
    ("poisson_nll", [log(2)], [3.0], [2 - 3 * log(2)]),
    (
        "poisson_nll:full=true",
        [log(2), 0.0],
        [3.0, 1.0],
        [2 - 3 * log(2) + 3 * log(3) - 3 + 0.5 * log(6 * pi), 1.0],
    ),
    ("poisson_nll:log_input=false,eps=0.5", [2.0], [3.0], [2 - 3 * log(2.5)]),
    ("gaussian_nll", [1.0, log(4)], [3.0], [0.5 * (log(4) + 1)]),
    ("gaussian_nll:full=true,eps=4", [1.0, -9.0], [3.0], [0.5 * (log(4) + 1 + log(2 * pi))]),
    ("cross_entropy", [0.0, log(3)], [1.0, 0.0], log(4)),
    ("cross_entropy", [0.0, log(3)], [0.5, 0.5], 0.5 * (log(4) + log(4 / 3))),
    ("nll", [log(0.25), log(0.75)], [1.0, 0.0], log(4)),
    ("nll", [-np.inf, 0.0], [0.0, 1.0], 0.0),
    ("binary_cross_entropy", [log(3), log(3)], [1.0, 0.0], [log(4 / 3), log(4)]),
    ("binary_cross_entropy_probability", [0.25, 0.0, 1.0], [1.0, 1.0, 1.0], [log(4), 100.0, 0.0]),
    ("kl_divergence", [log(0.25), log(0.75)], [0.5, 0.5], [0.5 * log(2), 0.5 * log(2 / 3)]),
    ("kl_divergence", [-np.inf, log(0.75)], [0.0, 1.0], [0.0, log(4 / 3)]),
    ("margin_ranking:margin=1", [2.0, 1.5, -3.0], [1.0, 0.0, 0.0], 0.25),
    ("multi_margin", [2.0, 1.5, -3.0], [1.0, 0.0, 0.0], 0.5 / 3),
    ("multi_margin:p=2", [2.0, 1.5, -3.0], [1.0, 0.0, 0.0], 0.25 / 3),
    ("multilabel_margin", [0.1, 0.2, 0.4, 0.8], [1.0, 0.0, 0.0, 1.0], (1.1 + 1.3 + 0.4 + 0.6) / 4),
    ("soft_margin", [log(3), log(3)], [1.0, 0.0], [log(4 / 3), log(4)]),
    ("multilabel_soft_margin", [log(3), log(3)], [1.0, 0.0], 0.5 * (log(4) + log(4 / 3))),
    ("hinge_embedding:margin=6", [2.0, 1.0], [1.0, 0.0], 0.5 * (2 + (6 - 4))),
    ("cosine_embedding", [3.0, 4.0], [1.0, 0.0], 0.5 * (0.4 + 0.8)),
    ("triplet_margin:eps=0", [0.0, 3.0], [1.0, 0.0], 1 + sqrt(10) - 2),
    ("triplet_margin:eps=0,swap=true", [0.0, 3.0], [1.0, 0.0], 1 + sqrt(10) - sqrt(2)),
    ("triplet_margin:eps=0,p=3", [0.0, 3.0], [1.0, 0.0], 1 + 28 ** (1 / 3) - 2),
    ("triplet_distance:distance=squared", [0.0, 3.0], [1.0, 0.0], 1 + 10 - 4),
    ("triplet_distance:distance=cosine", [3.0, 4.0], [1.0, 0.0], 1 + 0.4 - 0.2),
    ("ctc", [0.0, log(2)], [0.0, 1.0], log(2)),
]


@pytest.mark.parametrize(("text", "outputs", "targets", "expected"), WORKED)
def test_worked_numbers(text, outputs, targets, expected):
    outputs, targets = np.array([outputs]), np.array([targets])
    value, _ = losses.get(text).by_hand(outputs, targets)
    in_jax, _ = differentiated(losses.get(text), outputs, targets, np.ones_like(value))
    # 1e-12 is what PyTorch, and so the cosine, adds to squared lengths; the rest is rounding of numbers near 1
    np.testing.assert_allclose(value[0], expected, rtol=2e-12, atol=1e-15)
    np.testing.assert_allclose(in_jax[0], expected, rtol=2e-12, atol=1e-15)


def test_every_loss_has_a_worked_number():
    assert {text.partition(":")[0] for text, *_ in WORKED} == set(losses.LOSSES)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_by_hand_meets_autodiff(text, k, weighted, random):
    loss = losses.get(text)
    if weighted and not loss.takes_class_weights:
        with pytest.raises(TypeError, match="class_weights"):
            loss.function(jnp.ones((1, k * loss.outputs_per_target)), jnp.ones((1, k)), class_weights=jnp.ones(k))
        return
    weights = {"class_weights": random.uniform(0.5, 2, k)} if weighted else {}
    outputs = in_domain(text, 3 * random.normal(size=(16, k * loss.outputs_per_target)))
    targets = targets_for(loss, 16, k, random)
    value, pullback = loss.by_hand(outputs, targets, **weights)
    upstream = random.normal(size=value.shape)
    expected, gradient = differentiated(loss, outputs, targets, upstream, **weights)
    assert value.shape == expected.shape
    # terms of size 10 and slopes of size 10 that may cancel: some tens of roundings of 2e-16 each
    np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(pullback(upstream), gradient, rtol=1e-12, atol=3e-14)


@pytest.mark.parametrize("text", TEXTS)
def test_by_hand_is_the_same_in_jax_under_jit(text, random):
    loss = losses.get(text)
    outputs = in_domain(text, 3 * random.normal(size=(8, 3 * loss.outputs_per_target)))
    targets = targets_for(loss, 8, 3, random)
    value, pullback = loss.by_hand(outputs, targets)
    upstream = random.normal(size=value.shape)
    with jax.enable_x64(True):
        answer, gradient = by_hand_in_jax(loss.by_hand, *map(jnp.asarray, (outputs, targets, upstream)))
    np.testing.assert_allclose(answer, value, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(gradient, pullback(upstream), rtol=1e-12, atol=3e-14)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_finite_and_equal_at_the_ends_and_at_ties(text, size):
    loss = losses.get(text)
    z = size * np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [0.0, -0.0]])
    outputs = in_domain(text, np.concatenate([z] * loss.outputs_per_target, axis=1))
    targets = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    value, pullback = loss.by_hand(outputs, targets)
    expected, gradient = differentiated(loss, outputs, targets, np.ones_like(value))
    # squares of outputs cancel in distances
    rounding = 16 * np.finfo(np.float64).eps * max(1.0, size**2)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=rounding)
    np.testing.assert_allclose(pullback(np.ones_like(value)), gradient, rtol=1e-12, atol=rounding)
    for dtype in (jnp.float32, jnp.bfloat16):
        narrow = [jnp.asarray(array, dtype) for array in (outputs, targets, np.ones_like(value))]
        for answer in (*by_hand_in_jax(loss.by_hand, *narrow), *by_autodiff(loss.function, *narrow, {})):
            assert answer.dtype == dtype
            assert np.isfinite(np.asarray(answer, np.float32)).all()


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.optimised  # one of the passes takes a product with a mask of 0 and 1 for a choice of 0
def test_outputs_that_are_no_numbers_are_not_hidden(text):
    loss = losses.get(text)
    outputs, targets = jnp.full((1, 2 * loss.outputs_per_target), jnp.nan), jnp.array([[1.0, 0.0]])
    in_jax, by_hand = jax.jit(lambda z, y: (loss.function(z, y), loss.by_hand(z, y)[0]))(outputs, targets)
    for value in (in_jax, by_hand, loss.by_hand(np.asarray(outputs), np.asarray(targets))[0]):
        assert np.isnan(value).any()


# PyTorch rounds the least denominator 1e-12 to float32
STEEPEST = 1 / float(np.float32(1e-12))


@pytest.mark.parametrize(
    ("text", "outputs", "targets", "slope"),
    [
        ("mae", [1.0, -0.0], [1.0, 0.0], [0.0, 0.0]),
        ("smooth_l1:beta=0", [1.0, 2.0], [1.0, 1.0], [0.0, 1.0]),
        ("smooth_l1:beta=0.5", [1.5, 0.5, 1.0], [1.0, 1.0, 1.0], [1.0, -1.0, 0.0]),
        ("huber:delta=2", [2.0, -2.0, 0.0], [0.0, 0.0, 0.0], [2.0, -2.0, 0.0]),
        ("tukey:c=2", [2.0, -2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ("gaussian_nll:eps=1", [0.0, 0.0], [2.0], [-2.0, -1.5]),
        ("gaussian_nll:eps=1", [0.0, -1.0], [2.0], [-2.0, -1.5 * exp(-1)]),
        ("binary_cross_entropy_probability", [0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0], [0, -STEEPEST, STEEPEST, 0]),
        ("margin_ranking:margin=1", [1.0, 0.0], [1.0, 0.0], [-1.0, 1.0]),
        ("multi_margin", [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]),
        ("multilabel_margin", [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]),
        ("hinge_embedding:margin=2", [1.0, 0.0], [1.0, 0.0], [-1.0, 1.0]),
        ("cosine_embedding", [1.0, 0.0], [1.0, 0.0], [0.0, 0.5]),
        ("triplet_distance:distance=squared,margin=2", [1.0, 0.0], [1.0, 0.0], [-2.0, 2.0]),
        ("triplet_distance:distance=squared,margin=3,swap=true", [1.0, 0.0], [1.0, 0.0], [-1.0, 1.0]),
        ("triplet_margin:eps=0,margin=2", [1.0, 0.0], [1.0, 0.0], [-sqrt(0.5), sqrt(0.5)]),
    ],
)
def test_kinks_take_pytorchs_value(text, outputs, targets, slope):
    loss, outputs, targets = losses.get(text), np.array([outputs]), np.array([targets])
    value, pullback = loss.by_hand(outputs, targets)
    _, gradient = differentiated(loss, outputs, targets, np.ones_like(value))
    # the cosine's added 1e-12 leaves 1e-12 of a slope that is 0 without it
    np.testing.assert_allclose(pullback(np.ones_like(value)), [slope], rtol=3e-12, atol=1e-12)
    np.testing.assert_allclose(gradient, [slope], rtol=3e-12, atol=1e-12)


def test_tukey_is_its_definition():
    errors, c = np.linspace(-6, 6, 97), 4.685
    value, _ = losses.get("tukey").by_hand(errors[:, None], np.zeros((97, 1)))
    expected = np.where(np.abs(errors) <= c, c**2 / 6 * (1 - (1 - (errors / c) ** 2) ** 3), c**2 / 6)
    # the definition takes a small number from 1: rounding of K = 3.7
    np.testing.assert_allclose(value[:, 0], expected, rtol=1e-13, atol=2e-15)
    # and at errors where it has no digits left: e²/2
    np.testing.assert_allclose(losses.get("tukey").by_hand(np.full((1, 1), 1e-9), np.zeros((1, 1)))[0], 5e-19)


def test_cross_entropy_is_entropy_plus_divergence(random):
    logits, p = random.normal(size=(5, 3)), random.dirichlet(np.ones(3), 5)
    p[0] = [0, 1, 0]
    with jax.enable_x64(True):
        z, y = jnp.asarray(logits), jnp.asarray(p)
        log_q = jax.nn.log_softmax(z)
        cross, likelihood = losses.get("cross_entropy").function(z, y), losses.get("nll").function(log_q, y)
        divergence = losses.get("kl_divergence").function(log_q, y).sum(axis=1)
    expected = losses.entropy(p) + np.asarray(divergence)
    np.testing.assert_allclose(cross, expected, rtol=1e-13)
    np.testing.assert_allclose(likelihood, expected, rtol=1e-13)
    assert losses.entropy(p)[0] == 0
    np.testing.assert_allclose(losses.entropy(np.full((1, 8), 1 / 8)), log(8), rtol=1e-14)


def test_smoothing_spreads_the_target():
    float32 = jnp.dtype(jnp.float32)
    smoothed = losses.probability_targets(jnp.array([1]), 4, float32, 0.2)
    # one rounding of float32 in each of two operations
    np.testing.assert_allclose(smoothed, [[0.05, 0.85, 0.05, 0.05]], rtol=3e-7)
    np.testing.assert_array_equal(losses.probability_targets(jnp.array([1]), 4, float32), np.eye(4)[[1]])
    np.testing.assert_allclose(losses.smoothed(jnp.array([[1.0, 1.0]]), 0.5), [[0.75, 0.75]])


ROWWISE = {"cross_entropy", "nll", "margin_ranking", "multi_margin", "multilabel_margin", "multilabel_soft_margin"} | {
    "hinge_embedding",
    "cosine_embedding",
    "triplet_margin",
    "triplet_distance",
    "ctc",
}


@pytest.mark.parametrize("text", TEXTS)
def test_shapes_and_predictions(text, random):
    loss = losses.get(text)
    outputs = jnp.asarray(in_domain(text, random.normal(size=(5, 3 * loss.outputs_per_target))), jnp.float32)
    targets = jnp.asarray(targets_for(loss, 5, 3, random), jnp.float32)
    assert jax.eval_shape(loss.function, outputs, targets).shape == ((5,) if loss.name in ROWWISE else (5, 3))
    answers = jax.jit(loss.predict)(outputs)
    assert answers.shape == (5, 3)
    if loss.task == CLASSIFICATION:
        assert ((answers >= 0) & (answers <= 1)).all()
        np.testing.assert_array_equal(answers.argmax(axis=1), outputs.argmax(axis=1))
    else:
        assert loss.task == REGRESSION
        of_name = {"poisson_nll": np.exp(outputs), "gaussian_nll": outputs[:, :3]}.get(loss.name, outputs)
        expected = outputs if "log_input=false" in text else of_name
        # exp of float32
        np.testing.assert_allclose(answers, expected, rtol=1e-6)


def test_a_negative_is_the_largest_other_output():
    loss, own = losses.get("triplet_distance:distance=squared,margin=9"), np.array([[1.0, 0.0, 0.0]])
    # where the loss is not 0, its slope is 2 (negative − positive)
    for outputs, negative in (([5.0, 1.0, 2.0], 2), ([1.0, 1.0, 1.0], 1)):
        _, pullback = loss.by_hand(np.array([outputs]), own)
        np.testing.assert_array_equal(pullback(np.ones(1)), 2 * (np.eye(3)[[negative]] - own))
    # one class is its own negative: nothing to learn
    value, pullback = loss.by_hand(np.array([[3.0]]), np.array([[1.0]]))
    assert value == 9
    assert pullback(np.ones(1)) == 0


def test_options_are_filled_in_once():
    assert losses.get("huber:delta=2") is losses.get("huber:delta=2")
    assert losses.get("huber") is not losses.get("huber:delta=2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crossentropy", "unknown loss 'crossentropy': did you mean cross_entropy"),
        ("huber:beta=2", "unknown option of loss huber 'beta'"),
        ("huber:delta=0", "loss huber: delta must be a number > 0, got 0"),
        ("mse:delta=1", "loss mse has no options, got delta=1"),
        ("multi_margin:p=3", r"loss multi_margin: p must be an integer in \[1, 2\], got 3"),
        ("cosine_embedding:margin=2", r"loss cosine_embedding: margin must be a number in \[-1, 1\], got 2"),
        ("triplet_distance:distance=far", "distance must be euclidean or manhattan or squared or cosine, got far"),
        ("poisson_nll:full=maybe", "loss poisson_nll: full must be true or false, got maybe"),
    ],
)
def test_what_is_not_in_the_catalogue(text, message):
    with pytest.raises(InputError, match=message):
        losses.get(text)
