"""The objective: it reduces once, weighs rows and penalties rightly, and refuses what would broadcast."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import models, objective, regularizers
from fcnet.contracts import Batch, HParams
from fcnet.errors import InputError
from fcnet.models import MLPSpec

SPEC = objective.ObjectiveSpec(MLPSpec(3, 2, (4,), "tanh"), "mse")


def batch_of(random, rows=6):
    return Batch(
        jnp.asarray(random.normal(size=(rows, 3)), jnp.float32), jnp.asarray(random.normal(size=(rows, 2)), jnp.float32)
    )


def test_weights_count_rows(key, random):
    params, state = models.init(SPEC.model, key)
    x, y, _ = batch_of(random)
    gradients = jax.jit(objective.autodiff(SPEC, HParams(0.1)))
    doubled = Batch(jnp.concatenate([x, x[:2]]), jnp.concatenate([y, y[:2]]))
    weighted = Batch(x, y, jnp.array([2.0, 2.0, 1.0, 1.0, 1.0, 1.0]))
    by_weight = gradients(params, weighted, state=state, key=key)
    by_rows = gradients(params, doubled, state=state, key=key)
    np.testing.assert_allclose(by_weight.loss, by_rows.loss, rtol=2e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7), by_weight.grads, by_rows.grads)


def test_equal_weights_are_no_weights(key, random):
    params, state = models.init(SPEC.model, key)
    x, y, _ = batch_of(random)
    gradients = objective.autodiff(SPEC, HParams(0.1))
    plain = gradients(params, Batch(x, y), state=state, key=key)
    weighted = gradients(params, Batch(x, y, jnp.full(6, 3.0)), state=state, key=key)
    np.testing.assert_allclose(plain.loss, weighted.loss, rtol=1e-6)


def test_penalties_touch_kernels_only(key, random):
    params, state = models.init(SPEC.model, key)
    params["layer_1"]["bias"] = jnp.ones(4)
    batch = batch_of(random)
    plain = objective.autodiff(SPEC, HParams(0.1))(params, batch, state=state, key=key)
    penalised = objective.autodiff(SPEC, HParams(0.1, l1=0.3, l2=0.2))(params, batch, state=state, key=key)
    kernels = [params[name]["kernel"] for name in SPEC.model.layer_names]
    expected = sum(0.3 * np.abs(w).sum() + 0.5 * 0.2 * np.square(w).sum() for w in kernels)
    np.testing.assert_allclose(penalised.loss - plain.loss, expected, rtol=1e-5)
    assert penalised.data_loss == plain.data_loss
    for name in SPEC.model.layer_names:
        w = params[name]["kernel"]
        np.testing.assert_array_equal(penalised.grads[name]["bias"], plain.grads[name]["bias"])
        difference = penalised.grads[name]["kernel"] - plain.grads[name]["kernel"]
        np.testing.assert_allclose(difference, 0.3 * jnp.sign(w) + 0.2 * w, rtol=1e-4, atol=1e-6)


def test_l1_leaves_a_zero_weight_alone():
    params = {"layer_1": {"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)}}
    by_autodiff = jax.grad(lambda p: regularizers.penalty(HParams(0.1, l1=1.0), p))(params)
    by_hand = regularizers.add_penalty_gradient(HParams(0.1, l1=1.0), params, jax.tree.map(jnp.zeros_like, params))
    jax.tree.map(np.testing.assert_array_equal, by_autodiff, by_hand)
    assert not by_hand["layer_1"]["kernel"].any()


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        ("mse", jnp.zeros(6), r"mse needs numbers of shape \(batch, 2\), got float32 of shape \(6,\)"),
        ("mse", jnp.zeros((6, 1)), "needs numbers of shape"),
        ("mse", jnp.zeros((6, 2), jnp.int32), "got int32"),
        ("cross_entropy", jnp.zeros((6, 1), jnp.int32), "needs class indices"),
        ("cross_entropy", jnp.zeros(6), "needs class indices of shape"),
    ],
)
def test_nothing_broadcasts_silently(loss, y, message, key):
    spec = objective.ObjectiveSpec(SPEC.model, loss)
    params, state = models.init(spec.model, key)
    with pytest.raises(InputError, match=message):
        objective.autodiff(spec, HParams(0.1))(params, Batch(jnp.zeros((6, 3)), y), state=state, key=key)
