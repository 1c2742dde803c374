"""What PyTorch does not have, in 50 digits: values and derivatives of the formulas as they are printed."""

import mpmath
import numpy as np
import pytest

from fcnet import activations, losses
from fcnet.activations.learned import SPLASH_KNOTS
from fcnet.backprop.backward import backward
from fcnet.backprop.forward import forward
from fcnet.noise import LayerNoise, Noise
from fcnet.spec import MLPSpec

UNITS, ROWS = 3, 7


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


def exact(array):
    return np.vectorize(mpmath.mpf, otypes=[object])(np.asarray(array, float))


def positive(z):
    return max(z, mpmath.mpf(0))


def two_slope(z, above, below):
    return above * z if z > 0 else below * z


def splash(z, *coefficients):
    right, left = coefficients[: len(SPLASH_KNOTS)], coefficients[len(SPLASH_KNOTS) :]
    terms = [r * positive(z - b) + s * positive(-z - b) for r, s, b in zip(right, left, SPLASH_KNOTS, strict=True)]
    return mpmath.fsum(terms)


def scaled_tanh(z):
    return mpmath.mpf(1.7159) * mpmath.tanh(mpmath.mpf(2 / 3) * z)


LEARNED = {"two_slope": two_slope, "splash": splash, "scaled_tanh": scaled_tanh}


@pytest.mark.parametrize("name", sorted(LEARNED))
def test_elementwise_ones(name, random):
    z, upstream = 2 * random.normal(size=(ROWS, UNITS)), random.normal(size=(ROWS, UNITS))
    activation = activations.get(name)
    start = {} if activation.learned is None else activation.learned(UNITS)
    learned = {key: value + random.normal(size=value.shape) for key, value in start.items()}
    value, pullback = activation.by_hand(z, **learned)
    towards_z, shares = pullback(upstream)
    flat = [parameter for key in learned for parameter in exact(learned[key]).reshape(-1)]
    function, summed = LEARNED[name], [mpmath.mpf(0)] * len(flat)
    for place in np.ndindex(z.shape):
        at = mpmath.mpf(z[place])
        # a dozen roundings of 1.1e-16 at the size of the terms
        assert abs(value[place] - function(at, *flat)) <= 1e-14 * (1 + abs(at))
        slope = mpmath.diff(lambda x: function(x, *flat), at, h=mpmath.mpf("1e-20"))
        assert abs(towards_z[place] - slope * upstream[place]) <= 1e-13
        for index in range(len(flat)):
            plus = [p + (1 if index == other else 0) for other, p in enumerate(flat)]
            # f is linear in what is learned: a step of 1 gives the derivative itself
            summed[index] += (function(at, *plus) - function(at, *flat)) * mpmath.mpf(upstream[place])
    found = np.concatenate([shares[key].sum(axis=0).reshape(-1) for key in learned]) if learned else np.empty(0)
    for mine, theirs in zip(found, summed, strict=True):
        assert abs(mine - theirs) <= 1e-13 * (1 + abs(theirs))


@pytest.mark.parametrize("pieces", [2, 5])
def test_maxout(pieces, random):
    z, upstream = random.normal(size=(ROWS, pieces * UNITS)), random.normal(size=(ROWS, UNITS))
    value, pullback = activations.get(f"maxout:pieces={pieces}").by_hand(z)
    towards, _ = pullback(upstream)
    for row in range(ROWS):
        for unit in range(UNITS):
            mine = [mpmath.mpf(z[row, piece * UNITS + unit]) for piece in range(pieces)]
            assert value[row, unit] == max(mine)
            for piece in range(pieces):
                expected = upstream[row, unit] if mine[piece] == max(mine) else 0
                assert towards[row, piece * UNITS + unit] == expected


@pytest.mark.parametrize("c", [4.685, 0.5])
def test_tukey(c, random):
    errors = np.concatenate([3 * random.normal(size=40), [0.0, c, -c, 1e-6, -1e4]]).reshape(-1, 1)
    value, pullback = losses.get(f"tukey:c={c}").by_hand(errors, np.zeros_like(errors))
    slope = pullback(np.ones_like(value))
    width = mpmath.mpf(c)
    for error, mine, derivative in zip(errors[:, 0], value[:, 0], slope[:, 0], strict=True):
        e = mpmath.mpf(error)
        rest = 1 - (e / width) ** 2
        inside = abs(e) <= width
        expected = width**2 / 6 * (1 - rest**3 if inside else 1)
        assert abs(mine - expected) <= 1e-14 * expected
        assert abs(derivative - (e * rest**2 if inside else 0)) <= 1e-14 * abs(e)


def test_drop_connect_in_a_whole_layer(random):
    """a (W ⊙ M / q) + b and the gradients of ½ Σ output² through it, entry by entry."""
    spec = MLPSpec(4, 2, (UNITS,), "identity", dropout="connect")
    params = {
        layer.name: {
            "kernel": random.normal(size=(layer.fan_in, layer.columns)), "bias": random.normal(size=layer.columns)
        }
        for layer in spec.layers
    }  # fmt: skip
    x, kept = random.normal(size=(ROWS, 4)), random.uniform(size=(4, UNITS)) < 0.6
    mask = kept / 0.6
    noise = Noise(None, (LayerNoise(kernel=mask),))
    outputs, caches, _ = forward(spec, params, x, state={}, noise=noise, dtype=np.float64)
    grads = backward(spec, params, caches, outputs)
    w1, b1, w2, b2 = (exact(params[layer][part]) for layer in params for part in ("kernel", "bias"))
    a = exact(x) @ (w1 * exact(mask)) + b1
    answers = a @ w2 + b2
    delta = answers @ w2.T
    expected = {
        "layer_1": {"kernel": (exact(x).T @ delta) * exact(mask), "bias": delta.sum(axis=0)},
        "layer_2": {"kernel": a.T @ answers, "bias": answers.sum(axis=0)},
    }
    np.testing.assert_allclose(outputs, answers.astype(float), rtol=1e-13)
    for layer, parts in expected.items():
        for part, value in parts.items():
            # sums of at most 7 products of sums of 4
            np.testing.assert_allclose(grads[layer][part], value.astype(float), rtol=1e-12, atol=1e-14)
    assert not grads["layer_1"]["kernel"][~kept].any()
