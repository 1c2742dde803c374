"""Losses on pairs: how near, or how aligned, two points should be.

As losses of a classifier they compare a row's outputs z with the corners e_c (one-hot vectors) of the classes: near its
own corner, y = 1, and away from the others, y = −1. A row's loss is the mean over all corners.
"""

import jax
import jax.numpy as jnp

from fcnet.arrays import AnyArray, namespace, positive_part
from fcnet.catalogue import Option, table
from fcnet.contracts import CLASSIFICATION
from fcnet.losses.record import Loss, from_slope, from_slopes, softmax_of

# What PyTorch adds to squared lengths: 1e-12 rounded to float32, for every dtype.
LEAST_SQUARE = 9.999999960041972e-13


def hinge_embedding_of_inputs(x: jax.Array, y: jax.Array, *, margin: float) -> jax.Array:
    """The distance x where y = 1, max(0, m − x) where y = −1; elementwise, both of one shape."""
    shortfall = margin - x
    far = jnp.where(y == 1, 0.0, jnp.where(shortfall < 0, 0.0, shortfall))
    return far + jnp.where(y == -1, 0.0, x)


def _hinge_embedding_of_inputs(x: AnyArray, y: AnyArray, *, margin: float) -> tuple[AnyArray, tuple[AnyArray]]:
    xp = namespace(x)
    shortfall = margin - x
    push = xp.astype((y != 1) & (shortfall >= 0), x.dtype)
    pull = xp.astype(y != -1, x.dtype)
    zero = xp.zeros_like(x)
    far = xp.where(y == 1, zero, positive_part(shortfall))
    return far + xp.where(y == -1, zero, x), (pull - push,)


def hinge_embedding(outputs: jax.Array, targets: jax.Array, *, margin: float) -> jax.Array:
    """Its mean over the corners, with x_c = |z − e_c|²: outputs and one-hot targets (batch, classes) ↦ (batch,)."""
    squares = jnp.sum(jnp.square(outputs), axis=-1, keepdims=True) - 2 * outputs + 1
    return jnp.mean(hinge_embedding_of_inputs(squares, 2 * targets - 1, margin=margin), axis=-1)


def _hinge_embedding(outputs: AnyArray, targets: AnyArray, *, margin: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    squares = xp.sum(outputs * outputs, axis=-1, keepdims=True) - 2 * outputs + 1
    each, (towards_square,) = _hinge_embedding_of_inputs(squares, 2 * targets - 1, margin=margin)
    # ∂x_c/∂z = 2 (z − e_c)
    slope = 2 * (outputs * xp.sum(towards_square, axis=-1, keepdims=True) - towards_square) / outputs.shape[-1]
    return xp.mean(each, axis=-1), slope


def _of_cosine_in_jax(cosine: jax.Array, y: jax.Array, margin: float) -> jax.Array:
    excess = cosine - margin
    return jnp.where(y == 1, 1 - cosine, 0.0) + jnp.where((y != -1) | (excess < 0), 0.0, excess)


def _of_cosine(cosine: AnyArray, y: AnyArray, margin: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(cosine)
    excess = cosine - margin
    pull, push = xp.astype(y == 1, cosine.dtype), xp.astype((y == -1) & (excess >= 0), cosine.dtype)
    zero = xp.zeros_like(cosine)
    value = xp.where(y == 1, 1 - cosine, zero) + xp.where(y == -1, positive_part(excess), zero)
    return value, push - pull


def _square(x: AnyArray) -> AnyArray:
    return namespace(x).sum(x * x, axis=-1, keepdims=True) + LEAST_SQUARE


def cosine_embedding_of_inputs(x1: jax.Array, x2: jax.Array, y: jax.Array, *, margin: float) -> jax.Array:
    """1 − cos(x₁, x₂) where y = 1, max(0, cos(x₁, x₂) − m) where y = −1.

    x₁, x₂: (batch, features), y: (batch,) ↦ (batch,). 1e-12 is added to both squared lengths.
    """
    squares = _square(x1) * _square(x2)
    cosine = jnp.sum(x1 * x2, axis=-1) / jnp.sqrt(squares[:, 0])
    return _of_cosine_in_jax(cosine, y, margin)


def _cosine_embedding_of_inputs(
    x1: AnyArray, x2: AnyArray, y: AnyArray, *, margin: float
) -> tuple[AnyArray, tuple[AnyArray, AnyArray]]:
    xp = namespace(x1)
    square1, square2 = _square(x1), _square(x2)
    lengths = xp.sqrt(square1 * square2)
    cosine = xp.sum(x1 * x2, axis=-1, keepdims=True) / lengths
    value, slope = _of_cosine(cosine, xp.reshape(y, (-1, 1)), margin)
    towards_x1 = slope * (x2 / lengths - cosine * x1 / square1)
    towards_x2 = slope * (x1 / lengths - cosine * x2 / square2)
    return value[:, 0], (towards_x1, towards_x2)


def cosine_embedding(outputs: jax.Array, targets: jax.Array, *, margin: float) -> jax.Array:
    """Its mean over the corners, cos(z, e_c) = z_c / |z|: outputs and one-hot targets (batch, classes) ↦ (batch,)."""
    cosines = outputs / jnp.sqrt(_square(outputs) * (1 + LEAST_SQUARE))
    return jnp.mean(_of_cosine_in_jax(cosines, 2 * targets - 1, margin), axis=-1)


def _cosine_embedding(outputs: AnyArray, targets: AnyArray, *, margin: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    square = _square(outputs)
    length = xp.sqrt(square * (1 + LEAST_SQUARE))
    cosines = outputs / length
    each, towards_cosine = _of_cosine(cosines, 2 * targets - 1, margin)
    # ∂cos_c/∂z = e_c / length − cos_c z / |z|²
    along = xp.sum(towards_cosine * cosines, axis=-1, keepdims=True)
    return xp.mean(each, axis=-1), (towards_cosine / length - along * outputs / square) / outputs.shape[-1]


EMBEDDINGS = table(
    Loss(
        name="hinge_embedding",
        task=CLASSIFICATION,
        function=hinge_embedding,
        by_hand=from_slope(_hinge_embedding),
        formula="x if y = 1, max(0, margin − x) if y = −1; of a row: its mean over classes c for x = |z − e_c|²",
        derivative_formula="1 if y = 1; −1 if y = −1 and x ≤ margin; else 0",
        targets="one_hot",
        predict=softmax_of,
        kinks="x = margin: −1, as inside",
        of_inputs=hinge_embedding_of_inputs,
        of_inputs_by_hand=from_slopes(_hinge_embedding_of_inputs),
        options={"margin": Option(1.0, "how far apart is far enough")},
        torch="torch.nn.HingeEmbeddingLoss",
        source="Hadsell, Chopra & LeCun 2006, Dimensionality reduction by learning an invariant mapping",
    ),
    Loss(
        name="cosine_embedding",
        task=CLASSIFICATION,
        function=cosine_embedding,
        by_hand=from_slope(_cosine_embedding),
        formula="1 − cos(x₁, x₂) if y = 1, max(0, cos(x₁, x₂) − margin) if y = −1; of a row: its mean over x₂ = e_c",
        derivative_formula="∓ (x₂ / (|x₁| |x₂|) − cos(x₁, x₂) x₁ / |x₁|²) towards x₁; 0 if y = −1 and cos < margin",
        targets="one_hot",
        predict=softmax_of,
        kinks="cos = margin: as inside",
        of_inputs=cosine_embedding_of_inputs,
        of_inputs_by_hand=from_slopes(_cosine_embedding_of_inputs),
        options={"margin": Option(0.0, "the most that unlike points may be aligned", low=-1, high=1)},
        torch="torch.nn.CosineEmbeddingLoss",
        source="Barz & Denzler 2020, Deep learning on small datasets without pre-training using cosine loss",
    ),
)
