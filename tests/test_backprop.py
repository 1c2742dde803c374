"""Backprop by hand meets autodiff over the whole catalogue, and runs on NumPy as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import activations, losses, models, objective
from fcnet.backprop import manual
from fcnet.backprop.backward import backward
from fcnet.backprop.forward import forward
from fcnet.contracts import Batch, HParams
from fcnet.gradcheck import compare
from fcnet.models import MLPSpec

ROWS = 16


def problem(spec, loss, key, random, dtype):
    """Parameters with non-zero biases, a weighted batch, and every traced option switched on."""
    params, state = models.init(spec, key)
    params = jax.tree.map(lambda leaf: leaf + 0.05, params)
    x = jnp.asarray(random.normal(size=(ROWS, spec.inputs)), dtype)
    classes = losses.get(loss).task == losses.CLASSIFICATION
    y = (
        jnp.asarray(random.integers(0, spec.outputs, ROWS), jnp.int32)
        if classes
        else jnp.asarray(random.normal(size=(ROWS, spec.outputs)), dtype)
    )
    weight = jnp.asarray(random.uniform(0.5, 2, ROWS), dtype)
    value = lambda number: jnp.asarray(number, dtype)  # noqa: E731
    hparams = HParams(
        value(0.1), l1=value(0.01), l2=value(0.02), dropout=value(0.3), label_smoothing=value(0.1) if classes else None
    )
    return params, state, Batch(x, y, weight), hparams


def worst(spec, loss, key, random, dtype):
    params, state, batch, hparams = problem(spec, loss, key, random, dtype)
    goal = objective.ObjectiveSpec(spec, loss)

    @jax.jit
    def both(hparams, params, batch):
        by_hand = manual(goal, hparams)(params, batch, state=state, key=key)
        return by_hand, objective.autodiff(goal, hparams)(params, batch, state=state, key=key)

    by_hand, automatic = both(hparams, params, batch)
    np.testing.assert_allclose(by_hand.loss, automatic.loss, rtol=20 * float(jnp.finfo(dtype).eps))
    np.testing.assert_allclose(by_hand.data_loss, automatic.data_loss, rtol=20 * float(jnp.finfo(dtype).eps))
    return max(row.relative_difference for row in compare(by_hand.grads, automatic.grads))


@pytest.mark.parametrize("loss", sorted(losses.LOSSES))
@pytest.mark.parametrize("activation", sorted(activations.ACTIVATIONS))
def test_every_activation_with_every_loss_in_float64(activation, loss, key, random):
    with jax.enable_x64(True):
        spec = MLPSpec(5, 3, (7, 6), activation, dtype="float64")
        # as for float32 below: a few dozen roundings, of 1.1e-16 here, and some room
        assert worst(spec, loss, key, random, jnp.float64) <= 1e-13


@pytest.mark.parametrize("activation", sorted(activations.ACTIVATIONS))
def test_float32(activation, key, random):
    # 16 terms a sum, 3 layers: a few dozen roundings of 6e-8
    assert worst(MLPSpec(5, 3, (7, 6), activation), "cross_entropy", key, random, jnp.float32) <= 5e-6


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_depth(depth, key, random):
    with jax.enable_x64(True):
        spec = MLPSpec(4, 2, (6,) * depth, "tanh", dtype="float64")
        assert worst(spec, "mse", key, random, jnp.float64) <= 1e-13


def test_pixels_and_bfloat16(key, random):
    goal = objective.ObjectiveSpec(MLPSpec(6, 3, (8,), input_scale=1 / 255, dtype="bfloat16"), "cross_entropy")
    params, state = models.init(goal.model, key)
    x = jnp.asarray(random.integers(0, 256, (ROWS, 6)), jnp.uint8)
    batch = Batch(x, jnp.asarray(random.integers(0, 3, ROWS), jnp.int32))
    by_hand = manual(goal, HParams(0.1))(params, batch, state=state, key=key)
    automatic = objective.autodiff(goal, HParams(0.1))(params, batch, state=state, key=key)
    for row in compare(by_hand.grads, automatic.grads):
        assert row.relative_difference <= 4 * 2**-7
    assert by_hand.grads["layer_1"]["kernel"].dtype == jnp.float32


def test_under_vmap_over_members(key, random):
    spec = MLPSpec(4, 2, (5,), "gelu")
    goal, (params, state, batch, hparams) = (
        objective.ObjectiveSpec(spec, "smooth_l1"),
        problem(spec, "smooth_l1", key, random, jnp.float32),
    )
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf, -leaf]), params)
    run = jax.vmap(lambda p: manual(goal, hparams)(p, batch, state=state, key=key).grads)
    together = run(many)
    for index in range(3):
        alone = manual(goal, hparams)(jax.tree.map(lambda leaf: leaf[index], many), batch, state=state, key=key)  # noqa: B023
        member = jax.tree.map(lambda leaf: leaf[index], together)  # noqa: B023
        for row in compare(member, alone.grads):
            # batched products sum 16 terms in another order: √16 ε a layer
            assert row.relative_difference <= 2e-6


def test_the_same_lines_run_on_numpy_and_match_central_differences(random):
    spec = MLPSpec(3, 2, (4, 3), "silu", input_scale=0.5)
    sizes = list(zip(spec.layer_names, spec.sizes[:-1], spec.sizes[1:], strict=True))
    params = {name: {"kernel": random.normal(size=(i, o)), "bias": random.normal(size=o)} for name, i, o in sizes}
    x, y = random.normal(size=(ROWS, 3)), random.normal(size=(ROWS, 2))
    mask = (random.uniform(size=(ROWS, 4)) < 0.7) / 0.7
    by_hand = losses.get("mse").by_hand

    def loss(p):
        outputs, _ = forward(spec, p, x, [mask, None], np.float64)
        return by_hand(outputs, y)[0].mean()

    outputs, caches = forward(spec, params, x, [mask, None], np.float64)
    grads = backward(spec, params, caches, by_hand(outputs, y)[1] / ROWS)
    step = 1e-6
    for name, layer in params.items():
        for part, array in layer.items():
            for place in np.ndindex(array.shape):
                kept = array[place]
                array[place] = kept + step
                above = loss(params)
                array[place] = kept - step
                below = loss(params)
                array[place] = kept
                # rounding of a loss of size 1 over the step, beside h² terms
                np.testing.assert_allclose(grads[name][part][place], (above - below) / (2 * step), rtol=1e-6, atol=1e-9)
