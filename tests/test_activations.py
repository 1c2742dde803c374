"""Every activation: by hand equals the closed form, its derivation equals autodiff's, in every dtype and at every kink.

What PyTorch has is beside PyTorch's numbers in the ledger; here everything else is held to mpmath and to itself.
"""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from fcnet import activations
from fcnet.activations import ACTIVATIONS
from fcnet.errors import InputError

OPTIONS = [
    "leaky_relu:slope=0.2", "elu:alpha=0.5", "celu:alpha=2", "softplus:beta=3,threshold=4", "hardtanh:low=-2,high=0.5",
    "hardshrink:threshold=1", "softshrink:threshold=2", "threshold:threshold=1,value=-3", "rrelu:low=0.1,high=0.9",
    "scaled_tanh:height=2,steepness=0.5", "step:at_zero=0.5", "maxout:pieces=3", "prelu:per_unit=true",
    "two_slope:start_above=2,start_below=-1,per_unit=true", "splash:per_unit=true",
]  # fmt: skip
TEXTS = [*sorted(ACTIVATIONS), *OPTIONS]
# the awkward points: kinks, both zeros, saturation and the far ends
GRID = np.array(
    [
        -1e4,
        -100.0,
        -20.0,
        -6.0,
        -3.0,
        -2.5,
        -2.0,
        -1.0,
        -0.5,
        -1e-3,
        -0.0,
        0.0,
        1e-3,
        0.5,
        1.0,
        2.0,
        2.5,
        3.0,
        6.0,
        20.0,
        100.0,
        1e4,
    ]
)
UNITS = 6


def batch_for(activation, dtype=np.float64):
    """The grid as rows of units, in as many pieces as the activation wants, and what it learns, away from its start."""
    width = activation.pieces() * UNITS
    z = np.resize(GRID, (len(GRID), width)).astype(dtype)
    learned = {} if activation.learned is None else activation.learned(UNITS)
    shift = np.linspace(-0.3, 0.4, UNITS)
    return z, {
        name: (start + (shift if start.shape[-1] == UNITS else 0.125)).astype(dtype) for name, start in learned.items()
    }


def by_autodiff(activation, z, learned, upstream):
    @jax.jit
    def both(z, learned):
        value, pull = jax.vjp(lambda z, learned: activation.function(z, **learned), z, learned)
        return value, pull(upstream)

    return both(z, learned)


def in_jax(array, dtype):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), array)


@pytest.mark.parametrize("text", TEXTS)
def test_by_hand_on_numpy_meets_autodiff_in_float64(text, random):
    activation = activations.get(text)
    z, learned = batch_for(activation)
    upstream = random.normal(size=(len(z), UNITS))
    value, pullback = activation.by_hand(z, **learned)
    towards_z, shares = pullback(upstream)
    towards = {name: of_rows.sum(axis=0) for name, of_rows in shares.items()}
    with jax.enable_x64(True):
        expected, (slope, slopes) = by_autodiff(activation, *in_jax((z, learned, upstream), jnp.float64))
    assert value.shape == upstream.shape
    assert towards.keys() == slopes.keys()
    # a handful of operations of 1.1e-16 each, and sums over 22 rows
    np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(towards_z, slope, rtol=1e-12, atol=1e-14)
    for name, found in towards.items():
        assert found.shape == learned[name].shape
        np.testing.assert_allclose(found, slopes[name], rtol=1e-12)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_narrow_types_keep_their_type_and_stay_finite(text, dtype):
    activation = activations.get(text)
    z, learned = in_jax(batch_for(activation), dtype)
    upstream = jnp.ones((z.shape[0], UNITS), dtype)

    @jax.jit
    def by_hand(z, learned):
        value, pullback = activation.by_hand(z, **learned)
        towards_z, shares = pullback(upstream)
        return value, (towards_z, {name: jnp.sum(of_rows, axis=0) for name, of_rows in shares.items()})

    (value, (slope, towards)), (expected, (gradient, gradients)) = (
        by_hand(z, learned),
        by_autodiff(activation, z, learned, upstream),
    )
    eps = float(jnp.finfo(dtype).eps)
    pairs = [(value, expected), (slope, gradient), *((towards[name], gradients[name]) for name in towards)]
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype == dtype
        ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        assert np.isfinite(ours).all()
        assert np.isfinite(theirs).all()
        # a handful of operations, each rounding once at the size of its result; learned ones add up 22 rows
        assert (np.abs(ours - theirs) <= 22 * eps * np.maximum(np.abs(theirs), 1)).all()


SELU_ALPHA, SELU_SCALE = mpmath.mpf("1.6732632423543772"), mpmath.mpf("1.0507009873554805")


def _sigma(z):
    return 1 / (1 + mpmath.exp(-z))


# the textbook formula, in 50 digits
CLOSED_FORMS = {
    "identity": lambda z: z,
    "sigmoid": _sigma,
    "tanh": mpmath.tanh,
    "scaled_tanh": lambda z: mpmath.mpf(1.7159) * mpmath.tanh(mpmath.mpf(2 / 3) * z),
    "tanhshrink": lambda z: z - mpmath.tanh(z),
    "log_sigmoid": lambda z: -mpmath.log(1 + mpmath.exp(-z)),
    "silu": lambda z: z * _sigma(z),
    "mish": lambda z: z * mpmath.tanh(mpmath.log(1 + mpmath.exp(z))),
    "gelu": lambda z: z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2,
    "gelu_tanh": lambda z: z * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (z + mpmath.mpf(0.044715) * z**3))) / 2,
    "softsign": lambda z: z / (1 + abs(z)),
    "celu": lambda z: z if z > 0 else mpmath.expm1(z),
    "elu": lambda z: z if z > 0 else mpmath.expm1(z),
    "selu": lambda z: SELU_SCALE * (z if z > 0 else SELU_ALPHA * mpmath.expm1(z)),
    "relu": lambda z: max(z, 0),
    "leaky_relu": lambda z: z if z > 0 else mpmath.mpf(0.01) * z,
    "relu6": lambda z: min(max(z, 0), 6),
    "hardsigmoid": lambda z: min(max(z + 3, 0), 6) / mpmath.mpf(6),
    "hardswish": lambda z: z * min(max(z + 3, 0), 6) / 6,
    "step": lambda z: 1 if z >= 0 else 0,
}


@pytest.mark.parametrize("name", sorted(CLOSED_FORMS))
def test_values_and_derivatives_are_the_textbooks_in_50_digits(name):
    local, kinks = activations.get(name).local, activations.get(name).kinks()
    value, slope = local(GRID)
    with mpmath.workdps(400):  # 1 + exp(−100) keeps 50 digits of the small term
        for z, ours, derivative in zip(GRID, value, slope, strict=True):
            exact = mpmath.mpf(CLOSED_FORMS[name](mpmath.mpf(z)))
            # a rounding of z alone moves f by |z f′| ε; z − tanh(z) and z (1 + tanh u) cannot keep more digits than z
            cancels = name in ("tanhshrink", "gelu_tanh")
            scale = abs(exact) + abs(z * derivative) + (abs(z) if cancels else 0)
            assert abs(ours - exact) <= 4e-15 * scale + 1e-300
            if min((abs(z - kink) for kink in kinks), default=1) > 1e-6 and abs(z) < 1e4:
                exact = mpmath.diff(CLOSED_FORMS[name], mpmath.mpf(z), h=mpmath.mpf("1e-40"))
                assert abs(derivative - exact) <= 1e-13 * abs(exact) + 1e-15


def test_softplus_follows_the_exact_function_up_to_its_threshold():
    z = np.linspace(-30, 19, 50)
    value, slope = activations.get("softplus").local(z)
    np.testing.assert_allclose(value, np.logaddexp(z, 0), rtol=1e-14)
    np.testing.assert_allclose(slope, 1 / (1 + np.exp(-z)), rtol=1e-14)
    np.testing.assert_array_equal(activations.get("softplus").local(np.array([20.5]))[0], [20.5])


def test_scaled_tanh_passes_through_one():
    value, _ = activations.get("scaled_tanh").local(np.array([1.0, -1.0]))
    np.testing.assert_allclose(value, [1.0, -1.0], atol=5e-5)  # 1.7159 is rounded to five digits


def test_step_says_what_it_answers_at_zero():
    value, slope = activations.get("step:at_zero=0.5").local(np.array([-1.0, 0.0, 2.0]))
    np.testing.assert_array_equal(value, [0, 0.5, 1])
    np.testing.assert_array_equal(slope, 0)


def test_two_slope_and_splash_are_what_the_formulas_say():
    z = np.array([[-3.0, -1.5, 0.5, 2.75]])
    value, pullback = activations.get("two_slope").by_hand(z, np.array([2.0]), np.array([-0.5]))
    np.testing.assert_array_equal(value, [[1.5, 0.75, 1.0, 5.5]])
    assert pullback(np.ones_like(z))[1]["above"].sum(axis=0) == 0.5 + 2.75
    assert pullback(np.ones_like(z))[1]["below"].sum(axis=0) == -4.5
    right, left = np.array([[1.0], [2.0], [0.0], [4.0]]), np.array([[0.5], [0.0], [1.0], [0.0]])
    value, _ = activations.get("splash").by_hand(z, right, left)
    #  left of 0: 0.5 · 3 + 1 · (3 − 2), 0.5 · 1.5; right: 0.5, 2.75 + 2 · 1.75 + 4 · 0.25
    np.testing.assert_array_equal(value, [[2.5, 0.75, 0.5, 7.25]])


def test_splash_starts_as_relu():
    z = np.linspace(-4, 4, 20).reshape(4, 5)
    start = activations.get("splash").learned(5)
    np.testing.assert_array_equal(activations.get("splash").by_hand(z, **start)[0], np.maximum(z, 0))


def test_of_equal_pieces_the_first_wins():
    z = np.array([[1.0, 5.0, 1.0, 2.0]])  # two units, two pieces: (1, 1) and (5, 2)
    value, pullback = activations.get("maxout").by_hand(z)
    np.testing.assert_array_equal(value, [[1, 5]])
    np.testing.assert_array_equal(pullback(np.array([[1.0, 1.0]]))[0], [[1, 1, 0, 0]])


def test_random_slopes_are_uniform_between_their_ends(key):
    activation = activations.get("rrelu:low=0.1,high=0.5")
    slopes = np.asarray(activation.draw(key, (400, 50), jnp.float32))
    assert slopes.min() >= np.float32(0.1)
    assert slopes.max() <= np.float32(0.5)
    # five standard errors of a mean of 20,000 uniform numbers
    assert abs(slopes.mean() - 0.3) <= 5 * 0.4 / np.sqrt(12 * slopes.size)
    z = np.array([[-2.0, 2.0]])
    np.testing.assert_allclose(activation.by_hand(z)[0], [[-0.6, 2.0]])
    np.testing.assert_allclose(activation.by_hand(z, slope=np.array([[0.2, 0.4]]))[0], [[-0.4, 2.0]])


@pytest.mark.parametrize("text", [text for text in TEXTS if activations.get(text).local is not None])
def test_kinks_are_where_the_sides_differ_and_nowhere_else(text):
    local, kinks = activations.get(text).local, activations.get(text).kinks()
    for kink in kinks:
        (left, right), (below, above) = local(np.array([kink - 1e-9, kink + 1e-9]))
        assert abs(below - above) > 1e-3 or abs(left - right) > 1e-3
    z = np.linspace(-7.05, 7.05, 1000)
    z = z[np.min([np.abs(z - kink) for kink in kinks] or [np.ones_like(z)], axis=0) > 0.02]
    slopes = (local(z + 1e-6)[0] - local(z - 1e-6)[0]) / 2e-6
    if "threshold" in activations.get(text).options and activations.get(text).name == "softplus":
        z, slopes = z[np.abs(3 * z - 4) > 0.1], slopes[np.abs(3 * z - 4) > 0.1]
    # central differences: h² f‴ / 6 plus rounding ε / h
    np.testing.assert_allclose(local(z)[1], slopes, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_records_are_complete(name):
    record = ACTIVATIONS[name]
    assert record.name == name
    assert record.formula
    assert record.derivative_formula
    assert record.range
    assert record.source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rleu", "unknown activation 'rleu': did you mean relu"),
        ("relu:slope=1", "activation relu has no options"),
        ("hardtanh:low=2", "activation hardtanh: low must be below high, got 2.0 and 1.0"),
        ("softplus:beta=0", "activation softplus: beta must be a number > 0, got 0"),
        ("maxout:pieces=1", r"activation maxout: pieces must be an integer in \[2, 64\], got 1"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(InputError, match=message):
        activations.get(text)
