"""Every loss: the lectures' worked numbers, by hand against autodiff, stability, and smoothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import losses
from fcnet.errors import InputError

NAMES = sorted(losses.LOSSES)


def targets_for(loss, shape, random):
    if loss.task == losses.CLASSIFICATION:
        return np.eye(shape[1])[random.integers(0, shape[1], shape[0])]
    return random.normal(size=shape)


@pytest.mark.parametrize(
    ("name", "errors", "expected"),
    [
        ("mse", [0.01, 0.03, 0.02, 0.01], 0.000375),
        ("mse", [0.01, 0.03, 0.02, 10], 25.00035),
        ("mae", [0.01, 0.03, 0.02, 0.01], 0.0175),
        ("mae", [0.01, 0.03, 0.02, 10], 2.515),
        ("half_mse", [0.01, 0.03, 0.02, 10], 25.00035 / 2),
        ("smooth_l1", [0.01, 0.03, 0.02, 10], (0.5 * (0.01**2 + 0.03**2 + 0.02**2) + 9.5) / 4),
    ],
)
def test_the_lectures_worked_numbers(name, errors, expected):
    outputs = np.array(errors).reshape(4, 1)
    value, _ = losses.get(name).by_hand(outputs, np.zeros_like(outputs))
    np.testing.assert_allclose(value.mean(), expected, rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("outputs_count", [1, 4])
def test_by_hand_meets_autodiff(name, outputs_count, random):
    loss = losses.get(name)
    outputs = 3 * random.normal(size=(16, outputs_count))
    targets = targets_for(loss, outputs.shape, random)
    value, slope = loss.by_hand(outputs, targets)
    with jax.enable_x64(True):
        expected = loss.function(jnp.asarray(outputs), jnp.asarray(targets))
        gradient = jax.grad(lambda o: loss.function(o, jnp.asarray(targets)).sum())(jnp.asarray(outputs))
    assert value.shape == (16,)
    np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(slope, gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_finite_and_equal_at_the_ends_and_at_ties(name, size):
    loss = losses.get(name)
    outputs = jnp.array([[size, -size], [-size, size], [size, size], [0.0, 0.0]], jnp.float32)
    targets = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], jnp.float32)
    value, slope = loss.by_hand(outputs, targets)
    gradient = jax.grad(lambda o: loss.function(o, targets).sum())(outputs)
    assert np.isfinite(value).all()
    np.testing.assert_allclose(value, loss.function(outputs, targets), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(slope, gradient, rtol=1e-6, atol=1e-6)


def test_mae_takes_zero_where_it_is_not_differentiable():
    _, slope = losses.get("mae").by_hand(np.zeros((1, 1)), np.zeros((1, 1)))
    assert slope[0, 0] == 0


def test_smoothing_spreads_the_target():
    smoothed = losses.probability_targets(jnp.array([1]), 4, jnp.dtype(jnp.float32), 0.2)
    np.testing.assert_allclose(smoothed, [[0.05, 0.85, 0.05, 0.05]], rtol=1e-6)
    np.testing.assert_array_equal(losses.probability_targets(jnp.array([1]), 4, jnp.dtype(jnp.float32)), np.eye(4)[[1]])


def test_cross_entropy_is_entropy_plus_divergence(random):
    logits, p = random.normal(size=(5, 3)), random.dirichlet(np.ones(3), 5)
    value, _ = losses.get("cross_entropy").by_hand(logits, p)
    log_q = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(value, -(p * np.log(p)).sum(1) + (p * (np.log(p) - log_q)).sum(1), rtol=1e-13)


def test_unknown_name():
    with pytest.raises(InputError, match="did you mean cross_entropy"):
        losses.get("crossentropy")
