"""Backprop by hand as a ``GradFn``: all that autodiff's gives, from the same key, also under jit and vmap.

The other files of this name hold the gradients themselves over the whole catalogue: ``table`` and ``random`` to
autodiff, ``differences`` to differences of the loss, ``rows`` and ``second_order`` what else is asked of them,
``engines`` on NumPy and PyTorch inside a run.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import models, objective
from fcnet.backprop import Point, by_hand, manual, quiet
from fcnet.contracts import Batch, HParams
from fcnet.gradcheck import compare
from fcnet.layers import DROPOUTS
from fcnet.models import MLPSpec
from fcnet.objective import ObjectiveSpec

from .backprop_oracles import wrong
from .backprop_problems import ROWS, problem, spec_for

NOISE = {"input_noise": 0.1, "hidden_noise": 0.2, "l1": 0.01, "l2": 0.02}


def hold(goal, hparams, point, key, bound):
    """Everything in ``Gradients``, from the same key, in one compiled program."""

    @jax.jit
    def both(hparams, point):
        arguments = {"state": point.state, "key": key}
        by_hand = manual(goal, hparams)(point.params, point.batch, **arguments)
        return by_hand, objective.autodiff(goal, hparams)(point.params, point.batch, **arguments)

    found, automatic = both(hparams, point)
    assert wrong(found.grads, automatic.grads, bound, 0) == {}
    rest = [(each.loss, each.data_loss, each.outputs, each.state) for each in (found, automatic)]
    assert jax.tree.structure(rest[0]) == jax.tree.structure(rest[1])
    for mine, theirs in zip(*map(jax.tree.leaves, rest), strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=bound, atol=bound)
    return found


NORMS = [("batch", "before"), ("layer", "after"), ("group", "before"), (("none", "batch:affine=false"), "after")]


@pytest.mark.parametrize(("dropout", "norm"), list(zip(sorted(DROPOUTS), NORMS, strict=True)))
def test_every_kind_of_dropout(dropout, norm, key, random):
    with jax.enable_x64(True):
        model = spec_for(
            "cross_entropy", (8, 6), ("glu", "prelu"), norm=norm[0], norm_position=norm[1], dropout=dropout
        )
        goal = ObjectiveSpec(model, "cross_entropy", class_weights=(0.5, 2.0, 0.0), ignored=1)
        _, hparams, point = problem(goal, random, label_smoothing=0.1, **NOISE).on("jax")
        rates = (jnp.asarray(0.3, jnp.float64), jnp.asarray(0.1, jnp.float64))
        # sums of 12 terms through 3 layers, a few dozen roundings of 1.1e-16; a norm takes differences of them
        hold(goal, hparams._replace(dropout=rates), point, key, 1e-12)


def test_no_hidden_layer(key, random):
    with jax.enable_x64(True):
        goal = ObjectiveSpec(spec_for("mse", ()), "mse", "sum")
        _, hparams, point = problem(goal, random, input_noise=0.1, l2=0.1).on("jax")
        hold(goal, hparams, point, key, 1e-13)


# one of each file of activations
@pytest.mark.parametrize("activations", [("relu", "gelu"), ("glu", "softmax"), ("prelu", "splash:per_unit=true")])
def test_float32(activations, key, random):
    goal = ObjectiveSpec(spec_for("cross_entropy", (7, 6), activations), "cross_entropy")
    goal, hparams, point = problem(goal, random, dropout=0.3, **NOISE).on("jax", "float32")
    # 12 terms a sum, 3 layers: a few dozen roundings of 6e-8
    hold(goal, hparams, point, key, 5e-6)


def test_pixels_and_bfloat16(key, random):
    goal = ObjectiveSpec(MLPSpec(6, 3, (8,), input_scale=1 / 255, dtype="bfloat16"), "cross_entropy")
    params, state = models.init(goal.model, key)
    x = jnp.asarray(random.integers(0, 256, (ROWS, 6)), jnp.uint8)
    batch = Batch(x, jnp.asarray(random.integers(0, 3, ROWS), jnp.int32))
    found = manual(goal, HParams(0.1))(params, batch, state=state, key=key)
    automatic = objective.autodiff(goal, HParams(0.1))(params, batch, state=state, key=key)
    for row in compare(found.grads, automatic.grads):
        assert row.relative_difference <= 4 * 2**-7
    assert found.grads["layer_1"]["kernel"].dtype == jnp.float32


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_norms_and_what_is_learned_in_bfloat16(norm, key, random):
    model = MLPSpec(6, 3, (8,), "splash", norm=norm, dropout="alpha", dtype="bfloat16")
    goal, hparams = ObjectiveSpec(model, "cross_entropy"), HParams(0.1, dropout=0.2, hidden_noise=0.1)
    params, state = models.init(model, key)
    x = jnp.asarray(random.normal(size=(ROWS, 6)), jnp.float32)
    batch = Batch(x, jnp.asarray(random.integers(0, 3, ROWS), jnp.int32))
    found = manual(goal, hparams)(params, batch, state=state, key=key)
    automatic = objective.autodiff(goal, hparams)(params, batch, state=state, key=key)
    for row in compare(found.grads, automatic.grads):
        # four layers of steps that round to 8 bits
        assert row.relative_difference <= 8 * 2**-7
    assert {leaf.dtype for leaf in jax.tree.leaves((found.grads, found.state))} == {jnp.dtype(jnp.float32)}


def test_under_vmap_over_members_and_traced_once(key, random):
    """Members with parameters, hyper-parameters and keys of their own, and one program for all of them."""
    goal = ObjectiveSpec(spec_for("smooth_l1", (5,), "gelu", norm="batch"), "smooth_l1")
    goal, hparams, point = problem(goal, random, dropout=0.2, **NOISE).on("jax", "float32")
    traced = []

    def gradients(params, hparams, key):
        traced.append(1)
        return manual(goal, hparams)(params, point.batch, state=point.state, key=key).grads

    def member(index):
        scale = jnp.asarray([1.0, 2.0, -1.0])[index]
        own = hparams._replace(dropout=hparams.dropout * (1 + 0.5 * index), l2=hparams.l2 * index)
        return jax.tree.map(lambda leaf: leaf * scale, point.params), own, jax.random.fold_in(key, index)

    alone = jax.jit(gradients)
    apart = [alone(*member(index)) for index in range(3)]
    assert len(traced) == 1
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(member(index) for index in range(3)))
    together = jax.vmap(gradients)(*stacked)
    for index in range(3):
        row = jax.tree.map(lambda leaf: leaf[index], together)  # noqa: B023
        # batched products sum 12 terms in another order: √12 ε a layer, and the norm's differences
        assert wrong(row, apart[index], 5e-6, 0) == {}
    assert wrong(apart[0], apart[1], 0.1, 0) != {}


def test_quiet_draws_are_none_at_all(key, random):
    goal = ObjectiveSpec(spec_for("mse", (5, 4), "tanh"), "mse")
    goal, hparams, point = problem(goal, random).on("jax", "float32")
    silent = Point(point.params, point.batch, point.state, quiet(goal.model))
    drawn = manual(goal, hparams)(point.params, point.batch, state=point.state, key=key)
    assert jax.tree.all(jax.tree.map(np.array_equal, by_hand(goal, hparams, silent), drawn))
