"""What a network is judged by, safe under jit and vmap."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fcnet import losses
from fcnet.contracts import CLASSIFICATION, HParams, ModelState, Params
from fcnet.errors import require
from fcnet.models import apply
from fcnet.objective import ObjectiveSpec, targets


class Evaluation(NamedTuple):
    """``loss``: mean data loss. ``score``: accuracy, or R² for regression; higher is better."""

    loss: jax.Array
    score: jax.Array


# What people call a score.
SCORE_TITLES = {"accuracy": "accuracy", "r2": "R²"}


def score_name(loss: str) -> str:
    """What ``Evaluation.score`` is for a loss: "accuracy" or "r2"."""
    return "accuracy" if losses.get(loss).task == CLASSIFICATION else "r2"


def accuracy(outputs: jax.Array, y: jax.Array) -> jax.Array:
    """Share of rows whose largest output is that of their class: outputs (batch, classes).

    ``y``: (batch,) class indices, or (batch, classes) memberships, of which the largest is taken.
    """
    if y.ndim == 2:
        require(y.shape == outputs.shape, f"memberships must have the outputs' shape {outputs.shape}, got {y.shape}")
    labels = y if y.ndim == 1 else jnp.argmax(y, axis=-1)
    return jnp.mean((jnp.argmax(outputs, axis=-1).astype(labels.dtype) == labels).astype(outputs.dtype))


def r2(outputs: jax.Array, y: jax.Array) -> jax.Array:
    """R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)², over all rows and outputs, both (batch, k).

    1 is perfect, 0 what always answering the mean gives; −∞ for a constant y that is missed.
    """
    y = y.astype(outputs.dtype)
    mean = jnp.mean(y, axis=0, keepdims=True)
    return 1 - jnp.sum(jnp.square(y - outputs)) / jnp.sum(jnp.square(y - mean))


def score(loss: str, outputs: jax.Array, y: jax.Array) -> jax.Array:
    """Accuracy or R² of what the outputs predict, whichever belongs to the loss's task."""
    if losses.get(loss).task == CLASSIFICATION:
        return accuracy(outputs, y)
    return r2(losses.get(loss).predict(outputs), y)


# Rows evaluated at a time: bounds the memory that hidden layers take over a whole part.
EVALUATION_ROWS = 4096


def outputs_of(spec: ObjectiveSpec, params: Params, state: ModelState, x: jax.Array) -> jax.Array:
    """Evaluation outputs (rows, outputs) for all rows of x, in blocks of ``EVALUATION_ROWS``."""
    if x.shape[0] <= EVALUATION_ROWS:
        return apply(spec.model, params, x, state)
    answer_one = lambda row: apply(spec.model, params, row[None], state)[0]  # noqa: E731 - lax.map batches it
    return jax.lax.map(answer_one, x, batch_size=EVALUATION_ROWS)


def per_example_loss(spec: ObjectiveSpec, outputs: jax.Array, y: jax.Array) -> jax.Array:
    """ℓᵢ of each row, (rows,), the mean of its terms, without smoothing, class weights or penalties.

    It is comparable between any two runs.
    """
    plain = HParams(learning_rate=0.0)
    unreduced = losses.get(spec.loss).function(outputs, targets(spec, plain, y, outputs))
    return unreduced if unreduced.ndim == 1 else jnp.mean(unreduced, axis=-1)


def totals(spec: ObjectiveSpec, params: Params, state: ModelState, x: jax.Array, y: jax.Array) -> Evaluation:
    """What some of the rows add to an evaluation in blocks: Σ ℓᵢ, and the rows answered right or Σ (y − ŷ)²."""
    outputs = outputs_of(spec, params, state, x)
    loss = jnp.sum(per_example_loss(spec, outputs, y))
    if losses.get(spec.loss).task == CLASSIFICATION:
        return Evaluation(loss, accuracy(outputs, y) * len(y))
    answers = losses.get(spec.loss).predict(outputs)
    return Evaluation(loss, jnp.sum(jnp.square(y.astype(answers.dtype) - answers)))


def evaluate(spec: ObjectiveSpec, params: Params, state: ModelState, x: jax.Array, y: jax.Array) -> Evaluation:
    """Mean loss and score over all rows, nothing random."""
    outputs = outputs_of(spec, params, state, x)
    return Evaluation(jnp.mean(per_example_loss(spec, outputs, y)), score(spec.loss, outputs, y))
