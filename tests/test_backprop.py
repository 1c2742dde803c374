"""Backprop by hand meets autodiff over the whole catalogue, and runs on NumPy as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import activations, losses, models, objective
from fcnet.backprop import manual
from fcnet.backprop.backward import backward
from fcnet.backprop.forward import forward
from fcnet.contracts import CLASSIFICATION, Batch, HParams
from fcnet.gradcheck import compare
from fcnet.layers import DROPOUTS
from fcnet.models import MLPSpec
from fcnet.noise import LayerNoise, Noise

ROWS = 16
# losses of what is no logit need outputs to match
OUTPUT_ACTIVATION = {
    "nll": "log_softmax",
    "kl_divergence": "log_softmax",
    "binary_cross_entropy_probability": "sigmoid",
    "poisson_nll:log_input=false": "softplus",
}


def problem(spec, loss, key, random, dtype, **hparams):
    """Parameters with non-zero biases, a weighted batch, and penalties."""
    params, state = models.init(spec, key)
    params = jax.tree.map(lambda leaf: leaf + jnp.asarray(0.05 * random.normal(size=leaf.shape), leaf.dtype), params)
    x = jnp.asarray(random.normal(size=(ROWS, spec.inputs)), dtype)
    record = losses.get(loss)
    classes = record.task == CLASSIFICATION
    shape = (ROWS, spec.outputs // record.outputs_per_target)
    numbers = random.poisson(2, shape) if record.targets == "counts" else random.normal(size=shape)
    labels = jnp.asarray(random.integers(0, spec.outputs, ROWS), jnp.int32)
    y = labels if classes else jnp.asarray(numbers, dtype)
    weight = jnp.asarray(random.uniform(0.5, 2, ROWS), dtype)
    value = lambda number: jnp.asarray(number, dtype)  # noqa: E731
    traced = jax.tree.map(value, HParams(0.1, l1=0.01, l2=0.02, **hparams))
    return params, state, Batch(x, y, weight), traced


def worst(spec, loss, key, random, dtype, fields=(), **hparams):
    params, state, batch, traced = problem(spec, loss, key, random, dtype, **hparams)
    goal = objective.ObjectiveSpec(spec, loss, **dict(fields))

    @jax.jit
    def both(hparams, params, batch):
        by_hand = manual(goal, hparams)(params, batch, state=state, key=key)
        return by_hand, objective.autodiff(goal, hparams)(params, batch, state=state, key=key)

    by_hand, automatic = both(traced, params, batch)
    rounding = 50 * float(jnp.finfo(dtype).eps)
    for name in ("loss", "data_loss"):
        np.testing.assert_allclose(getattr(by_hand, name), getattr(automatic, name), rtol=rounding, atol=rounding)
    assert jax.tree.structure(by_hand.state) == jax.tree.structure(automatic.state)
    for mine, theirs in zip(jax.tree.leaves(by_hand.state), jax.tree.leaves(automatic.state), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=rounding, atol=rounding)
    return max(row.relative_difference for row in compare(by_hand.grads, automatic.grads))


LOSSES = [*sorted(losses.LOSSES), "poisson_nll:log_input=false", "huber:delta=0.3", "multi_margin:p=2", "tukey:c=0.5"]


@pytest.mark.slow  # the quick suite compares every name's gradients in tests/test_cli_catalogue.py
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_in_float64(loss, key, random):
    with jax.enable_x64(True):
        outputs = 4 if losses.get(loss).outputs_per_target == 2 else 3
        spec = MLPSpec(
            5, outputs, (7, 6), "tanh", dtype="float64", output_activation=OUTPUT_ACTIVATION.get(loss, "identity")
        )
        # sums of 16 terms through 3 layers: a few dozen roundings of 1.1e-16, and some room
        assert worst(spec, loss, key, random, jnp.float64, dropout=0.3) <= 1e-13


ACTIVATIONS = [*sorted(activations.ACTIVATIONS), "maxout:pieces=4", "prelu:per_unit=true", "splash:per_unit=true"]


@pytest.mark.slow  # likewise
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_in_float64(activation, key, random):
    with jax.enable_x64(True):
        spec = MLPSpec(5, 3, (7, 6), activation, dtype="float64")
        found = worst(spec, "cross_entropy", key, random, jnp.float64, dropout=0.3, label_smoothing=0.1)
        assert found <= 1e-13


# one of each file of activations; their formulas are the same in every type, and the ledger has all in float32
@pytest.mark.parametrize("activation", ["relu", "gelu", "glu", "softmax", "prelu", "splash:per_unit=true"])
def test_float32(activation, key, random):
    # 16 terms a sum, 3 layers: a few dozen roundings of 6e-8
    assert worst(MLPSpec(5, 3, (7, 6), activation), "cross_entropy", key, random, jnp.float32) <= 5e-6


NORMED = ["batch", "layer", "group", "instance:affine=true", ("none", "batch:affine=false")]
# each norm on either side of the activation, each kind of dropout with norms of both families
NORMS_AND_DROPOUTS = [
    (norm, position, sorted(DROPOUTS)[(2 * index + side) % 4])
    for index, norm in enumerate(NORMED)
    for side, position in enumerate(("before", "after"))
]


@pytest.mark.parametrize(("norm", "position", "dropout"), NORMS_AND_DROPOUTS)
def test_every_norm_and_every_dropout(norm, position, dropout, key, random):
    with jax.enable_x64(True):
        activation = ("glu", "prelu") if position == "before" else ("tanh", "maxout")
        spec = MLPSpec(5, 3, (8, 6), activation, dtype="float64", norm=norm, norm_position=position, dropout=dropout)
        noise = {"input_noise": 0.1, "hidden_noise": 0.2, "dropout": (0.3, 0.1)}
        # a norm takes differences of numbers of its own size: another factor of ten
        assert worst(spec, "cross_entropy", key, random, jnp.float64, **noise) <= 1e-12


@pytest.mark.parametrize(
    ("loss", "fields"),
    [
        ("mse", {"reduction": "sum"}),
        ("kl_divergence", {"reduction": "batchmean"}),
        ("cross_entropy", {"class_weights": (0.5, 2.0, 0.0), "ignored": 1}),
        ("cross_entropy", {"class_weights": (0.5, 2.0, 1.0), "reduction": "sum"}),
        ("binary_cross_entropy", {"class_weights": (0.5, 2.0, 1.0), "reduction": "batchmean"}),
        ("multi_margin", {"class_weights": (0.5, 2.0, 1.0), "ignored": 0}),
    ],
)
def test_reductions_class_weights_and_ignored_rows(loss, fields, key, random):
    with jax.enable_x64(True):
        output = OUTPUT_ACTIVATION.get(loss, "identity")
        spec = MLPSpec(5, 3, (7,), "tanh", dtype="float64", output_activation=output)
        assert worst(spec, loss, key, random, jnp.float64, fields.items()) <= 1e-13


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_depth(depth, key, random):
    with jax.enable_x64(True):
        spec = MLPSpec(4, 2, (6,) * depth, "tanh", dtype="float64")
        assert worst(spec, "mse", key, random, jnp.float64, dropout=0.2) <= 1e-13


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


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_norms_and_what_is_learned_in_bfloat16(norm, key, random):
    model = MLPSpec(6, 3, (8,), "splash", norm=norm, dropout="alpha", dtype="bfloat16")
    goal, hparams = objective.ObjectiveSpec(model, "cross_entropy"), HParams(0.1, dropout=0.2, hidden_noise=0.1)
    params, state = models.init(model, key)
    batch = Batch(
        jnp.asarray(random.normal(size=(ROWS, 6)), jnp.float32), jnp.asarray(random.integers(0, 3, ROWS), jnp.int32)
    )
    by_hand = manual(goal, hparams)(params, batch, state=state, key=key)
    automatic = objective.autodiff(goal, hparams)(params, batch, state=state, key=key)
    for row in compare(by_hand.grads, automatic.grads):
        # four layers of steps that round to 8 bits
        assert row.relative_difference <= 8 * 2**-7
    assert {leaf.dtype for leaf in jax.tree.leaves((by_hand.grads, by_hand.state))} == {jnp.dtype(jnp.float32)}


def test_under_vmap_over_members(key, random):
    spec = MLPSpec(4, 2, (5,), "gelu", norm="batch")
    goal = objective.ObjectiveSpec(spec, "smooth_l1")
    params, state, batch, hparams = problem(spec, "smooth_l1", key, random, jnp.float32)
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf, -leaf]), params)
    run = jax.vmap(lambda p: manual(goal, hparams)(p, batch, state=state, key=key).grads)
    together = run(many)
    for index in range(3):
        alone = manual(goal, hparams)(jax.tree.map(lambda leaf: leaf[index], many), batch, state=state, key=key)  # noqa: B023
        member = jax.tree.map(lambda leaf: leaf[index], together)  # noqa: B023
        for row in compare(member, alone.grads):
            # batched products sum 16 terms in another order: √16 ε a layer, and the norm's differences
            assert row.relative_difference <= 5e-6


def test_the_same_lines_run_on_numpy_and_match_central_differences(random):
    spec = MLPSpec(3, 2, (4, 3), ("silu", "glu"), input_scale=0.5, norm=("batch", "layer"), dropout="connect")
    params = {}
    for layer in spec.layers:
        params[layer.name] = {"kernel": random.normal(size=(layer.fan_in, layer.columns))}
        if layer.bias is not None:
            params[layer.name]["bias"] = random.normal(size=layer.columns)
        for name in layer.norm_parameters:
            params[layer.name][name] = random.normal(size=layer.normalised)
    state = {"layer_1": {"mean": np.zeros(4), "variance": np.ones(4)}}
    x, y = random.normal(size=(ROWS, 3)), random.normal(size=(ROWS, 2))
    mask = (random.uniform(size=(ROWS, 4)) < 0.7) / 0.7
    kernel = (random.uniform(size=(4, 6)) < 0.7) / 0.7
    noise = Noise(random.normal(size=(ROWS, 3)), (LayerNoise(multiplier=mask), LayerNoise(kernel=kernel)))
    by_hand = losses.get("mse").by_hand

    def run(p):
        outputs, caches, _ = forward(spec, p, x, state=state, noise=noise, dtype=np.float64)
        value, pullback = by_hand(outputs, y)
        return value.mean(), caches, pullback(np.full_like(value, 1 / value.size))

    _, caches, towards_outputs = run(params)
    grads = backward(spec, params, caches, towards_outputs)
    step = 1e-6
    for name, layer in params.items():
        for part, array in layer.items():
            for place in np.ndindex(array.shape):
                kept = array[place]
                array[place] = kept + step
                above = run(params)[0]
                array[place] = kept - step
                below = run(params)[0]
                array[place] = kept
                # rounding of a loss of size 1 over the step, beside h² terms
                np.testing.assert_allclose(grads[name][part][place], (above - below) / (2 * step), rtol=1e-6, atol=1e-9)
