"""The objective: it reduces once, weighs rows and penalties rightly, and refuses what would broadcast."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import backprop, models, objective, regularizers
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


CLASSES = objective.ObjectiveSpec(MLPSpec(3, 4), "cross_entropy")
Y = jnp.array([0, 1, 2, 1, 3, 0], jnp.int32)


@pytest.fixture
def outputs(random):
    return jnp.asarray(random.normal(size=(6, 4)), jnp.float32)


def by_definition(outputs):
    """−log softmax at the label, in float64."""
    z = np.asarray(outputs, np.float64)
    return np.log(np.exp(z).sum(axis=1)) - z[np.arange(6), np.asarray(Y)]


def valued(outputs, weight=None, **changes):
    spec = dataclasses.replace(CLASSES, **changes)
    return float(objective.value(spec, HParams(0.1), outputs, Batch(jnp.zeros((6, 3)), Y, weight)))


def test_reductions_of_rows(outputs):
    rows = by_definition(outputs)
    weight = np.array([0.5, 0, 2, 1, 1, 3])
    given = jnp.asarray(weight, jnp.float32)
    # six terms of size 1, each a few roundings of float32
    expected = {
        "mean": (rows.mean(), (weight * rows).sum() / weight.sum()),
        "sum": (rows.sum(), (weight * rows).sum()),
        "batchmean": (rows.mean(), (weight * rows).sum() / weight.sum()),
    }
    for reduction, (plain, weighted) in expected.items():
        assert valued(outputs, reduction=reduction) == pytest.approx(plain, rel=2e-6)
        assert valued(outputs, given, reduction=reduction) == pytest.approx(weighted, rel=2e-6)


def test_reductions_of_several_terms_a_row(random):
    terms = random.normal(size=(5, 3))
    unreduced = jnp.asarray(terms, jnp.float32)
    for reduction, expected in (("mean", terms.mean()), ("sum", terms.sum()), ("batchmean", terms.sum() / 5)):
        # 15 terms of size 1 that may cancel: absolute, 15 ε
        np.testing.assert_allclose(objective.reduce(reduction, unreduced), expected, rtol=2e-6, atol=2e-6)
    weights = objective.Weights(jnp.arange(5.0), jnp.arange(5.0))
    mean = (np.arange(5)[:, None] * terms).sum() / (3 * np.arange(5).sum())
    np.testing.assert_allclose(objective.reduce("mean", unreduced, weights), mean, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(
        objective.reduce("none", unreduced, weights), np.arange(5)[:, None] * terms, rtol=2e-7, atol=0
    )


def test_class_weights_divide_by_the_classes_weights(outputs):
    """PyTorch's weighted mean: Σ w(yᵢ) ℓᵢ / Σ w(yᵢ)."""
    rows, weights = by_definition(outputs), np.array([0.5, 2, 1, 0])
    of_class = weights[np.asarray(Y)]
    given = tuple(weights.tolist())
    assert valued(outputs, class_weights=given) == pytest.approx((of_class * rows).sum() / of_class.sum(), rel=2e-6)
    assert valued(outputs, class_weights=given, reduction="sum") == pytest.approx((of_class * rows).sum(), rel=2e-6)
    sample = np.array([1, 0, 2, 1, 1, 0.5])
    both = of_class * sample
    weighted = valued(outputs, jnp.asarray(sample, jnp.float32), class_weights=given)
    assert weighted == pytest.approx((both * rows).sum() / both.sum(), rel=2e-6)


def test_ignored_rows_are_not_there(outputs):
    rows, counted = by_definition(outputs), np.asarray(Y) != 1
    assert valued(outputs, ignored=1) == pytest.approx(rows[counted].mean(), rel=2e-6)
    assert valued(outputs, ignored=1, reduction="sum") == pytest.approx(rows[counted].sum(), rel=2e-6)
    spec = dataclasses.replace(CLASSES, ignored=1)
    batch = Batch(jnp.zeros((6, 3)), Y)
    gradient = jax.grad(lambda z: objective.value(spec, HParams(0.1), z, batch))(outputs)
    assert not gradient[~counted].any()
    assert (np.abs(gradient[counted]).max(axis=1) > 0).all()


@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean"])
def test_a_batch_of_ignored_rows_moves_nothing(reduction, key, outputs):
    spec = dataclasses.replace(CLASSES, ignored=2, reduction=reduction)
    batch = Batch(jnp.ones((6, 3)), jnp.full(6, 2, jnp.int32))
    params, state = models.init(spec.model, key)
    for gradients in (objective.autodiff, backprop.manual):
        found = gradients(spec, HParams(0.1))(params, batch, state=state, key=key)
        assert float(found.loss) == 0
        assert not any(leaf.any() for leaf in jax.tree.leaves(found.grads))


@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_a_reduction(reduction, weighted, random):
    unreduced = jnp.asarray(random.normal(size=(5, 3)), jnp.float32)
    rows = jnp.asarray([0.5, 0.0, 2.0, 1.0, 1.0])
    weights = objective.Weights(rows, 2 * rows) if weighted else objective.Weights()
    expected = jax.grad(lambda value: objective.reduce(reduction, value, weights))(unreduced)
    found = objective.reduction_gradient(reduction, unreduced, weights)
    # one division, which autodiff may take as a product with the reciprocal
    np.testing.assert_allclose(found, expected, rtol=4e-7)


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        ("cross_entropy", "identity"),
        ("nll", "log_softmax"),
        ("binary_cross_entropy_probability", "sigmoid"),
        ("poisson_nll", "identity"),
        ("poisson_nll:log_input=false", "softplus"),
    ],
)
def test_what_output_activation_a_loss_asks_for(loss, activation):
    assert objective.output_activation_for(loss) == activation


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reduction": "none"}, "an objective needs one number: reduction must be mean, sum or batchmean"),
        ({"reduction": "man"}, "unknown reduction 'man': did you mean mean"),
        ({"class_weights": (1.0, 2.0)}, "class weights must be 4 numbers, one for each class, got 2"),
        ({"class_weights": (1.0, 2.0, float("nan"), 1.0)}, "finite and ≥ 0, got nan for class 2"),
        ({"class_weights": (0.0,) * 4}, "class weights must not all be 0"),
        ({"loss": "triplet_margin", "class_weights": (1.0,) * 4}, "class weights go with .* not with triplet_margin"),
        ({"loss": "mse", "ignored": 1}, "an ignored class goes with losses for classes, not with mse"),
        ({"loss": "kl_divergence"}, "kl_divergence needs log-probabilities as outputs: .* log_softmax, got identity"),
        ({"loss": "gaussian_nll", "model": MLPSpec(3, 5)}, "gaussian_nll needs 2 outputs a target, the network has 5"),
    ],
)
def test_objectives_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(CLASSES, **changes)


@pytest.mark.parametrize("by", ["autodiff", "manual"])
@pytest.mark.parametrize("norm", ["batch", "group:groups=4"])
@pytest.mark.parametrize("optimised", [pytest.param(True, marks=pytest.mark.optimised), False])
def test_maxout_has_a_winner_however_it_is_compiled(by, norm, optimised, key, random):
    """A compiler may compute z twice, once rounded and once not: the largest piece must not be found by equality."""
    spec = objective.ObjectiveSpec(MLPSpec(3, 2, (12,), "maxout", norm=norm), "mse")
    params, state = models.init(spec.model, key)
    batch = batch_of(random, rows=30)
    assert not (optimised and jax.config.values["jax_disable_most_optimizations"])
    gradients = {"autodiff": objective.autodiff, "manual": backprop.manual}[by](spec, HParams(0.1))
    plain = gradients(params, batch, state=state, key=key).grads
    compiled = jax.jit(gradients)(params, batch, state=state, key=key).grads
    # sums of 30 terms in another order, through a norm: some 100 ε = 1.2e-7 of the largest
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), compiled, plain)
