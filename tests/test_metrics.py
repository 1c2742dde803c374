"""Scores against scikit-learn's, and evaluation in blocks against evaluation at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from fcnet import metrics, models
from fcnet.models import MLPSpec
from fcnet.objective import ObjectiveSpec


def test_accuracy(random):
    outputs, labels = random.normal(size=(50, 4)).astype(np.float32), random.integers(0, 4, 50)
    expected = accuracy_score(labels, outputs.argmax(axis=1))
    assert float(jax.jit(metrics.accuracy)(outputs, jnp.asarray(labels, jnp.int32))) == pytest.approx(expected)


@pytest.mark.parametrize("columns", [1, 3])
def test_r2(columns, random):
    y = random.normal(size=(60, columns))
    outputs = y + 0.5 * random.normal(size=y.shape)
    # one spread over all outputs, as the docstring's formula says: scikit-learn's variance-weighted mean
    expected = r2_score(y, outputs, multioutput="variance_weighted")
    got = metrics.r2(jnp.asarray(outputs, jnp.float32), jnp.asarray(y, jnp.float32))
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_blocks_change_nothing(key, random, monkeypatch):
    spec = ObjectiveSpec(MLPSpec(5, 3, (6,)), "cross_entropy")
    params, _ = models.init(spec.model, key)
    x = jnp.asarray(random.normal(size=(103, 5)), jnp.float32)
    whole = metrics.outputs_of(spec, params, {}, x)
    monkeypatch.setattr(metrics, "EVALUATION_ROWS", 10)
    np.testing.assert_allclose(metrics.outputs_of(spec, params, {}, x), whole, rtol=1e-6, atol=1e-6)


def test_smoothing_and_penalties_stay_out_of_the_reported_loss(key, random):
    spec = ObjectiveSpec(MLPSpec(5, 3), "cross_entropy")
    params, _ = models.init(spec.model, key)
    x, y = jnp.asarray(random.normal(size=(9, 5)), jnp.float32), jnp.asarray(random.integers(0, 3, 9), jnp.int32)
    outputs = models.apply(spec.model, params, x)
    expected = -jax.nn.log_softmax(outputs)[jnp.arange(9), y]
    np.testing.assert_allclose(metrics.evaluate(spec, params, {}, x, y).loss, expected.mean(), rtol=1e-6)


def test_soft_targets_count_by_their_largest(random):
    outputs = jnp.asarray(random.normal(size=(20, 3)), jnp.float32)
    soft = jnp.asarray(random.dirichlet(np.ones(3), 20), jnp.float32)
    assert float(metrics.accuracy(outputs, soft)) == float((outputs.argmax(1) == soft.argmax(1)).mean())
