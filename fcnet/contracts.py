"""The types that rooms hand each other. Nothing here computes."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jax

# What a target is: one of several classes, or numbers.
CLASSIFICATION, REGRESSION = "classification", "regression"

# {"layer_1": {"kernel": (fan_in, fan_out), "bias": (fan_out,)}, "layer_2": …}
Params = Mapping[str, Mapping[str, jax.Array]]

# What a model carries along without training it, such as the running averages of batch norm:
# {"layer_1": {"mean": (units,), "variance": (units,)}, …}; {} where it has nothing of the kind.
ModelState = Mapping[str, Any]


class Batch(NamedTuple):
    """Rows that are seen together.

    ``x``: (batch, features), as stored (uint8 pixels or floating point); the model scales it.
    ``y``: (batch,) int32 class indices, or (batch, outputs) floating-point targets.
    ``weight``: (batch,) non-negative sample weights, or None where every row counts alike.
    """

    x: jax.Array
    y: jax.Array
    weight: jax.Array | None = None


class HParams(NamedTuple):
    """What may be swept: traced scalars, so that another value never compiles again.

    A field that is None is not part of the program at all (no mask is drawn, no penalty added); a field with a
    number, zero included, is. The tree's structure therefore says what is compiled, its leaves what is tried.

    ``learning_rate``: η. ``momentum``: µ, or β₁. ``weight_decay``: λ of the optimiser's decay.
    ``l1``, ``l2``: λ of the penalties λ₁ Σ|W| and ½ λ₂ Σ W² in the objective; both together are the elastic net.
    ``dropout``: p of all hidden layers, or a tuple with one for each. ``label_smoothing``: ε.
    ``input_noise``, ``hidden_noise``: σ of Gaussian noise added in training to inputs and to hidden activations.
    ``max_norm``: the most that the incoming weights of a unit may have as Euclidean norm.
    ``clip_norm``, ``clip_value``: the most that the gradient's norm, or each of its entries, may have.
    ``init_scale``: what initial kernels are multiplied by.
    """

    learning_rate: jax.Array | float
    momentum: jax.Array | float | None = None
    weight_decay: jax.Array | float | None = None
    l1: jax.Array | float | None = None
    l2: jax.Array | float | None = None
    dropout: jax.Array | float | tuple[jax.Array | float, ...] | None = None
    label_smoothing: jax.Array | float | None = None
    input_noise: jax.Array | float | None = None
    hidden_noise: jax.Array | float | None = None
    max_norm: jax.Array | float | None = None
    clip_norm: jax.Array | float | None = None
    clip_value: jax.Array | float | None = None
    init_scale: jax.Array | float | None = None


class Gradients(NamedTuple):
    """What a ``GradFn`` returns.

    ``loss``: the objective that ``grads`` belong to: the reduced loss plus penalties.
    ``grads``: ∂loss/∂params, the same tree as the parameters.
    ``data_loss``: the mean loss alone, whatever the reduction: comparable between batch sizes, and with evaluation but
        for class weights and smoothing.
    ``outputs``: (batch, outputs) what the network answered.
    ``state``: the model's non-trained state after this batch.
    """

    loss: jax.Array
    grads: Params
    data_loss: jax.Array
    outputs: jax.Array
    state: ModelState


class GradFn(Protocol):
    """Gradients of one objective, however they are found: by autodiff or by hand."""

    def __call__(self, params: Params, batch: Batch, *, state: ModelState, key: jax.Array) -> Gradients:
        """Loss and gradients at ``params`` on ``batch``; ``key`` feeds whatever is random in the network."""
        ...
