"""Activations along a line: closed forms, gaps where a line would cross a break, and PyTorch's value at each."""

import numpy as np
import pytest

from fcnet import activations
from fcnet.activations import ACTIVATIONS
from fcnet.analysis.profiles import profile
from fcnet.errors import InputError


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax_of_three(z):
    return np.exp(z) / (np.exp(z) + 2)


CLOSED_FORMS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky_relu:slope=0.2": (lambda z: np.where(z > 0, z, 0.2 * z), lambda z: np.where(z > 0, 1, 0.2)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "softmax": (softmax_of_three, lambda z: softmax_of_three(z) * (1 - softmax_of_three(z))),
    "log_softmax": (lambda z: z - np.log(np.exp(z) + 2), lambda z: 1 - softmax_of_three(z)),
    "glu": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "maxout": (lambda z: np.maximum(z, -z / 2), lambda z: np.where(z > 0, 1, -0.5)),
    "prelu": (lambda z: np.where(z > 0, z, 0.25 * z), lambda z: np.where(z > 0, 1, 0.25)),
    "two_slope": (lambda z: np.where(z > 0, z, 0.1 * z), lambda z: np.where(z > 0, 1, 0.1)),
    "splash": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    # the mean of 1/8 and 1/3
    "rrelu": (lambda z: np.where(z > 0, z, 11 / 48 * z), lambda z: np.where(z > 0, 1, 11 / 48)),
}


@pytest.mark.parametrize("text", CLOSED_FORMS)
def test_follows_the_closed_form(text):
    found = profile(text)
    plain = ~np.isnan(found.z)  # NaN stands between the sides of a break
    value, derivative = CLOSED_FORMS[text]
    z = found.z[plain]
    # a handful of float64 operations on values up to 4
    np.testing.assert_allclose(found.value[plain], value(z), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(found.derivative[plain], derivative(z), rtol=1e-13, atol=1e-15)
    assert found.name == text


# Where each breaks, and the derivative that torch.autograd takes there; for maxout the first piece has it.
MARKS = {
    "relu": [(0, 0)],
    "relu6": [(0, 0), (6, 0)],
    "maxout": [(0, 1)],
    "leaky_relu": [(0, 0.01)],
    "elu:alpha=2": [(0, 2)],
    "hardtanh": [(-1, 0), (1, 0)],
    "hardtanh:low=-2,high=0.5": [(-2, 0), (0.5, 0)],
    "hardsigmoid": [(-3, 0), (3, 0)],
    "hardshrink": [(-0.5, 0), (0.5, 0)],
    "softshrink:threshold=1": [(-1, 0), (1, 0)],
    "threshold:threshold=1": [(1, 0)],
    "step": [(0, 0)],
    "prelu": [(0, 0.25)],
    "rrelu": [(0, 11 / 48)],
    "tanh": [],
}


@pytest.mark.parametrize("text", MARKS)
def test_marks_are_pytorchs_values(text):
    found = profile(text)
    assert found.marks.shape == (len(MARKS[text]), 2)
    np.testing.assert_allclose(found.marks, np.reshape(MARKS[text], (-1, 2)), rtol=1e-15)


@pytest.mark.parametrize("text", ACTIVATIONS)
def test_gaps_stand_at_the_breaks_and_nowhere_else(text):
    found = profile(text)
    gaps = np.isnan(found.z)
    assert gaps.sum() == len(found.marks)
    for array in (found.value, found.derivative):
        assert array.shape == found.z.shape
        np.testing.assert_array_equal(np.isnan(array), gaps)
    for place, (kink, _) in zip(np.flatnonzero(gaps), found.marks, strict=True):
        assert found.z[place - 1] < kink < found.z[place + 1]
        assert found.z[place + 1] - found.z[place - 1] < 1e-8
    assert np.all(np.diff(found.z[~gaps]) > 0)


@pytest.mark.parametrize("text", ACTIVATIONS)
def test_the_derivative_is_the_slope_of_the_value(text):
    found = profile(text, points=4001)
    step = found.z[1] - found.z[0]
    # inner points of stretches with no break and no tie beside them, where neighbours are one step away
    even = (np.abs(np.diff(found.z, n=2)) < 1e-9 * step) & (np.abs(found.z[1:-1]) > 2 * step)
    slope = ((found.value[2:] - found.value[:-2]) / (2 * step))[even]
    # the error of a central difference is h²/6 · |f‴|, and no |f‴| here exceeds 10
    np.testing.assert_allclose(found.derivative[1:-1][even], slope, rtol=0, atol=10 * step**2 / 6 + 1e-12 / step)
    assert even.sum() > 3900


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("tanh", (-4, 4)),
        ("relu6", (-4, 7.5)),
        ("hardtanh:low=-20,high=10", (-25, 12.5)),
        ("threshold:threshold=8", (-4, 10)),
    ],
)
def test_every_break_is_within_the_ends(text, ends):
    found = profile(text, points=11)
    assert (np.nanmin(found.z), np.nanmax(found.z)) == ends
    np.testing.assert_allclose(found.marks[:, 0], activations.get(text).kinks())


def test_maxout_of_more_pieces():
    """Slopes from 1 down to −½ in even steps: the middle ones never win."""
    found = profile("maxout:pieces=4")
    plain = ~np.isnan(found.z)
    np.testing.assert_allclose(found.value[plain], CLOSED_FORMS["maxout"][0](found.z[plain]), rtol=1e-14)
    np.testing.assert_allclose(found.marks, [[0, 1]], atol=1e-15)


@pytest.mark.parametrize(
    ("text", "words"),
    [("softmax", "the others at 0"), ("rrelu", "mean slope"), ("prelu", "before it learns"), ("relu", "")],
)
def test_captions_say_what_z_is(text, words):
    caption = profile(text).caption
    assert words in caption
    assert bool(caption) == bool(words)


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="unknown activation 'rleu': did you mean relu"):
        profile("rleu")
