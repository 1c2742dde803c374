"""Kinks, ties and gradients that cancel are no mistakes, and hide none."""

import numpy as np
import pytest

from fcnet.gradcheck import check

from .gradcheck_examples import network_parameters, verdicts


def relu_network(params, x, y, slope_at_zero=0.0):
    """Two layers, mean squared error; the author's choice of relu′(0)."""
    z = x @ params["W1"] + params["b1"]
    a = np.maximum(z, 0)
    error = a @ params["W2"] - y
    delta = 2 * error / error.size
    towards = (delta @ params["W2"].T) * np.where(z == 0, slope_at_zero, z > 0)
    return np.mean(error**2), {"W1": x.T @ towards, "b1": towards.sum(axis=0), "W2": a.T @ delta}


@pytest.mark.parametrize("slope_at_zero", [0.0, 0.5, 1.0])
def test_any_subgradient_of_relu_at_zero_is_no_mistake(slope_at_zero, random):
    params = {key: value for key, value in network_parameters(random).items() if key != "b2"}
    params["b1"] = np.zeros(4)
    x, y = np.zeros((6, 5)), random.normal(size=(6, 3))
    report = check(lambda *at: relu_network(*at, slope_at_zero), params, (x, y))
    assert report.right, report
    found = next(tensor for tensor in report.tensors if tensor.name == "b1")
    # the complex step takes one of the two sides; where the author took another, there is a kink
    assert found.verdict == "kink" or slope_at_zero == 1.0


@pytest.mark.parametrize("slope_at_zero", [0.0, 1.0])
def test_a_unit_that_is_exactly_zero_gives_all_its_weights_a_kink(slope_at_zero, random):
    # numbers rounded to quarters: sums are exact, and one row's pre-activation of each unit is 0
    params = {"W1": np.round(4 * random.normal(size=(30, 20))) / 4, "b1": np.zeros(20)}
    params["W2"] = random.normal(size=(20, 3))
    x = np.round(4 * random.normal(size=(6, 30))) / 4
    params["b1"] = -(x[2] @ params["W1"])
    report = check(lambda *at: relu_network(*at, slope_at_zero), params, (x, random.normal(size=(6, 3))))
    assert report.right, report
    assert sum(tensor.kinks for tensor in report.tensors) > 24 or slope_at_zero == 1.0


def test_a_wrong_gradient_stays_wrong_beside_a_kink(random):
    params = {key: value for key, value in network_parameters(random).items() if key != "b2"}
    x, y = random.normal(size=(6, 5)), random.normal(size=(6, 3))
    params["b1"] = -(x[2] @ params["W1"])

    def sign_turned(*at):
        loss, gradients = relu_network(*at)
        return loss, gradients | {"W1": -gradients["W1"]}

    assert verdicts(check(sign_turned, params, (x, y)))["W1"] == "wrong"


def absolute_penalty(weight, slope):
    """Lasso at weights of which some are exactly 0."""

    def function(w, x, y):
        error = x @ w - y
        return error @ error / 2 + weight * np.abs(w).sum(), x.T @ error + weight * np.where(w == 0, slope, np.sign(w))

    return function


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.3])
def test_the_absolute_value_at_zero(slope, random):
    w = np.array([0.0, 1.0, -2.0, 0.0])
    batch = random.normal(size=(9, 4)), random.normal(size=9)
    report = check(absolute_penalty(0.7, slope), w, batch)
    assert report.right
    assert report.tensors[0].source == "central differences", "the absolute value drops imaginary parts"
    assert report.tensors[0].kinks == (0 if slope == 0 else 2)
    # no subgradient of |w| is 3
    beyond = check(absolute_penalty(0.7, 6.0), w, batch)
    assert verdicts(beyond) == {"params": "wrong"}


@pytest.mark.parametrize("place", [0, 1])
def test_ties_of_a_maximum(place):
    def function(params, x):
        z = x @ params
        best = np.flatnonzero(z == z.max())
        gradient = np.zeros_like(params)
        gradient[:, best[min(place, len(best) - 1)]] = x
        return z.max(), gradient

    # the second and third columns win alike
    report = check(function, np.array([[0.0, 1.0, 1.0], [0.5, 2.0, 2.0]]), (np.array([1.0, 0.25]),))
    assert report.right, report


def batch_norm(params, x, y, through=True):
    """A bias in front of batch norm: its gradient is 0 but for rounding."""
    z = x @ params["W"] + params["b"]
    centred = z - z.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0) + 1e-5)
    normed = centred / deviation
    error = normed * params["gamma"] - y
    delta = error * params["gamma"] / error.size
    back = delta - delta.mean(axis=0) - (normed * (delta * normed).mean(axis=0) if through else 0)
    back = back / deviation
    gradients = {"W": x.T @ back, "b": back.sum(axis=0), "gamma": (error * normed).sum(axis=0) / error.size}
    return np.sum(error**2) / error.size / 2, gradients


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_that_cancels_is_right(zero, dtype, random):
    params = {"W": random.normal(size=(4, 3)), "b": random.normal(size=3), "gamma": random.normal(size=3)}
    params = {name: value.astype(dtype) for name, value in params.items()}
    batch = random.normal(size=(8, 4)).astype(dtype), random.normal(size=(8, 3)).astype(dtype)

    def function(*at):
        loss, gradients = batch_norm(*at)
        return loss, gradients | ({"b": np.zeros_like(gradients["b"])} if zero else {})

    report = check(function, params, batch)
    assert verdicts(report) == {"W": "right", "b": "right", "gamma": "right"}, report
    wrong = check(lambda *at: batch_norm(*at, through=False), params, batch)
    assert verdicts(wrong)["W"] == "wrong"
