"""The oracles against derivatives in closed form, with errors that hold, steps that fit, and samples that cover."""

import numpy as np
import pytest

from fcnet.gradcheck import check
from fcnet.gradcheck.examination import differences, sampling
from fcnet.gradcheck.examination.kinks import look
from fcnet.gradcheck.examination.oracles import Oracle, estimates, scale_of
from fcnet.gradcheck.examination.subject import Subject

EPS = float(np.finfo(np.float64).eps)

# t ↦ L, dL/dt at 0
SMOOTH = {
    "exp": (np.exp, 1.0),
    "sine of much": (lambda t: np.sin(3 * t + 1), 3 * np.cos(1)),
    "a small slope on a large loss": (lambda t: 1e3 + 1e-4 * np.tanh(t), 1e-4),
    "steep": (lambda t: np.exp(30 * t), 30.0),
    "flat": (lambda t: 1.0 + 0 * t, 0.0),
    "a kink nearby": (lambda t: np.exp(t) + np.maximum(t - 1e-4, 0), 1.0),
}


@pytest.mark.parametrize("name", sorted(SMOOTH))
def test_differences_are_within_their_own_error(name):
    line, expected = SMOOTH[name]
    noise = differences.noise(line)
    step = differences.best_step(noise, line(0.0))
    found = differences.derivative(line, step, noise, 1e-7 * abs(expected))
    assert abs(found.value - expected) <= found.error
    # the noise of the loss, one part in 10¹³ of it at most, over a step of 10⁻³ or more
    assert found.error <= 1e-6 * abs(expected) + 1e-9 * abs(line(0.0))


@pytest.mark.parametrize(("dtype", "low", "high"), [(np.float64, 0.5, 8), (np.float32, 0.05, 8)])
def test_noise_is_that_of_the_arithmetic(dtype, low, high, random):
    x = random.normal(size=50)

    def line(t):
        return float(np.sum(np.sin(x.astype(dtype) * dtype(1 + t))).astype(dtype) + dtype(20))

    # one rounding of a sum near 20 at least, some roundings of 50 terms at most
    assert low * np.finfo(dtype).eps * 4 < differences.noise(line) < high * np.finfo(dtype).eps * 20


# t ↦ L, the author's choice, the oracle's, whether that is a matter of taste
KINKS = {
    "relu, other side": (lambda t: np.maximum(t, 0), 1.0, 0.0, True),
    "relu, in between": (lambda t: np.maximum(t, 0), 0.3, 0.0, True),
    "relu, twice its slope": (lambda t: np.maximum(t, 0), 3.0, 0.0, False),
    "two units against each other": (lambda t: np.maximum(t, 0) + np.maximum(-t, 0), 0.0, 1.0, True),
    "a jump": (lambda t: float(t > 0), 1.0, 0.0, True),
    "smooth": (np.sin, 0.9, 1.0, False),
    "a kink elsewhere": (lambda t: np.maximum(t - 0.1, 0) + t, 1.5, 1.0, False),
    "a kink with a smaller gap": (lambda t: t + 0.01 * np.abs(t), 2.0, 1.0, False),
}


@pytest.mark.parametrize("name", sorted(KINKS))
def test_a_kink_explains_no_more_than_its_gap(name):
    line, found, expected, explained = KINKS[name]
    assert look(line, found, expected, EPS, exact=True)[0] is explained


def test_a_farther_step_is_replaced_by_a_nearer_one():
    # differences at steps of 10⁻³ see the kink at 10⁻⁵; the author is right
    is_kink, slope = look(lambda t: t + np.maximum(t - 1e-5, 0), 1.0, 1.5, EPS, exact=False)
    assert not is_kink
    assert abs(slope.value - 1.0) <= slope.error < 0.1


def oracle_of(function, params, batch=()):
    subject = Subject(function, params, params, batch, batch, "numpy")
    reading = subject.reading(subject.start)
    return Oracle(subject, subject.start, scale_of(subject, subject.start), reading.gradients, np.inf)


def test_the_complex_step_has_all_digits_and_is_left_where_it_lies(random):
    params = {"w": random.normal(size=(3, 2)), "v": random.normal(size=4)}

    def analytic(params):
        loss = np.exp(params["w"]).sum() + np.sin(params["v"]).prod()
        return loss, {name: np.zeros_like(value) for name, value in params.items()}

    found = estimates(oracle_of(analytic, params), 1000)
    assert {estimate.source for estimate in found.values()} == {"complex step"}
    np.testing.assert_allclose(found["w"].value, np.exp(params["w"]), rtol=8 * EPS)
    expected = np.sin(params["v"]).prod() / np.tan(params["v"])
    np.testing.assert_allclose(found["v"].value, expected, rtol=64 * EPS)

    def half_analytic(params):
        loss, gradients = analytic(params)
        return loss + (np.abs(params["v"]) ** 2).sum(), gradients

    found = estimates(oracle_of(half_analytic, params), 1000)
    assert {name: estimate.source for name, estimate in found.items()} == {
        "w": "complex step",
        "v": "central differences",
    }
    wanted = expected + 2 * params["v"]
    assert (np.abs(found["v"].value - wanted) <= found["v"].error).all()


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (7, 1), (40,)])
def test_samples_meet_every_row_and_column_and_the_largest(shape, random):
    gradient = random.normal(size=shape)
    chosen = sampling.choose(gradient, max(shape) + 10, np.random.default_rng(0))
    assert len(set(chosen)) == min(len(chosen), gradient.size) == min(max(shape) + 10, gradient.size)
    for axis, index in enumerate(np.unravel_index(chosen, shape)):
        assert set(index) == set(range(shape[axis]))
    assert int(np.abs(gradient).argmax()) in chosen
    np.testing.assert_array_equal(chosen, sampling.choose(gradient, max(shape) + 10, np.random.default_rng(0)))


def test_shares_keep_the_budget_and_leave_small_tensors_whole():
    shapes = {"W1": (784, 128), "b1": (128,), "W2": (128, 10), "b2": (10,)}
    found = sampling.shares(shapes, 1200)
    assert sum(found.values()) <= 1200
    assert (found["b1"], found["b2"]) == (128, 10)
    assert found["W1"] >= 784
    assert found["W2"] >= 128
    assert sampling.shares(shapes, 10**6)["W1"] == 784 * 128
    few = sampling.shares(shapes, 8)
    assert all(count >= 1 for count in few.values())


def test_a_loss_whose_slope_drowns_in_rounding_is_not_called_right():
    # no difference of a loss of 10⁶ shows a slope of 10⁻¹⁸, nor that the complex step is fooled by |w|
    def function(w):
        return 1e6 + 1e-18 * np.abs(w).sum() ** 2, np.full_like(w, 5e-18)

    report = check(function, np.ones(2), ())
    assert not report.right
    assert "no parameter changes" in report.problems[0].message
