"""Every activation: by hand equals jax.nn's, its derivative equals autodiff's, and both equal SciPy or closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from fcnet import activations
from fcnet.errors import InputError

NAMES = sorted(activations.ACTIVATIONS)
# the awkward points: kinks, both zeros, saturation and the far ends
GRID = np.array([-1e4, -100.0, -20.0, -3.0, -1.0, -1e-3, -0.0, 0.0, 1e-3, 0.5, 1.0, 3.0, 20.0, 100.0, 1e4])

CLOSED_FORMS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z >= 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, special.expm1(np.minimum(z, 0))),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * special.expm1(np.minimum(z, 0))),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softplus": lambda z: np.logaddexp(z, 0),
    "silu": lambda z: z * special.expit(z),
    "gelu": lambda z: z * special.ndtr(z),
    "gelu_tanh": lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
}


@pytest.mark.parametrize("name", NAMES)
def test_by_hand_is_the_closed_form(name):
    value, _ = activations.get(name).by_hand(GRID)
    np.testing.assert_allclose(value, CLOSED_FORMS[name](GRID), rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_function_and_by_hand_agree_in_jax(name, dtype):
    activation = activations.get(name)
    z = jnp.asarray(GRID, dtype)
    value, slope = jax.jit(activation.by_hand)(z)
    expected = activation.function(z)
    gradient = jax.vmap(jax.grad(activation.function))(z)
    assert value.dtype == expected.dtype == slope.dtype == dtype
    eps = float(jnp.finfo(dtype).eps)
    scale = np.maximum(np.abs(np.asarray(expected, np.float64)), 1)
    for ours, theirs in ((value, expected), (slope, gradient)):
        ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        assert np.isfinite(ours).all()
        # a handful of operations, each rounding once at the size of its result
        assert (np.abs(ours - theirs) <= 8 * eps * scale).all()


@pytest.mark.parametrize("name", NAMES)
def test_derivative_in_float64(name):
    activation = activations.get(name)
    with jax.enable_x64(True):
        _, slope = activation.by_hand(jnp.asarray(GRID))
        gradient = jax.vmap(jax.grad(activation.function))(jnp.asarray(GRID))
        np.testing.assert_allclose(slope, gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_derivative_is_the_slope_of_the_function(name, random):
    activation = activations.get(name)
    z = random.uniform(-4, 4, 200)
    z = z[[np.all(np.abs(point - np.array(activation.kinks)) > 1e-3) if activation.kinks else True for point in z]]
    step = 1e-5
    slope = (activation.by_hand(z + step)[0] - activation.by_hand(z - step)[0]) / (2 * step)
    # central differences: h² f‴ / 6 plus rounding ε / h
    np.testing.assert_allclose(activation.by_hand(z)[1], slope, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_records_are_complete(name):
    activation = activations.get(name)
    assert activation.name == name
    assert activation.formula
    assert activation.derivative_formula
    for kink in activation.kinks:
        left, right = (activation.by_hand(np.array([kink + side]))[1][0] for side in (-1e-9, 1e-9))
        assert abs(left - right) > 1e-3


def test_unknown_name_lists_the_nearest():
    with pytest.raises(InputError, match="unknown activation 'rleu': did you mean relu"):
        activations.get("rleu")
