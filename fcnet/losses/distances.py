"""Distances between points, row by row: x₁ and x₂ (batch, features) ↦ (batch,), each with its derivation by hand."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from fcnet.arrays import AnyArray, absolute, namespace, sign

Distance = Callable[[jax.Array, jax.Array], jax.Array]
# x₁, x₂ ↦ (d, ∂d/∂x₁, ∂d/∂x₂), the slopes (batch, features)
DistanceByHand = Callable[[AnyArray, AnyArray], tuple[AnyArray, AnyArray, AnyArray]]

# PyTorch's defaults: added to each difference of a pairwise distance; the least length a cosine divides by.
PAIRWISE_EPS = 1e-6
COSINE_EPS = 1e-8


def pairwise_distance(x1: jax.Array, x2: jax.Array, *, p: float, eps: float) -> jax.Array:
    """(Σⱼ |x₁ⱼ − x₂ⱼ + ε|ᵖ)^(1/p), the p-norm of the difference: both (batch, features) ↦ (batch,).

    The largest difference is taken out of the powers, so that none overflows. The slope at distance 0 is 0.
    """
    sizes = absolute(x1 - x2 + eps)
    largest = jax.lax.stop_gradient(jnp.max(sizes, axis=-1, keepdims=True))
    scale = jnp.where(largest == 0, 1.0, largest)
    total = jnp.sum((sizes / scale) ** p, axis=-1)
    root = jnp.where(total == 0, 1.0, total) ** (1 / p)
    return jnp.where(total == 0, 0.0, scale[:, 0] * root)


def pairwise_distance_by_hand(
    x1: AnyArray, x2: AnyArray, *, p: float, eps: float
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """The same with its slopes: sign(δ) (|δ| / d)ᵖ⁻¹ towards x₁, δ = x₁ − x₂ + ε, and the opposite towards x₂."""
    xp = namespace(x1)
    difference = x1 - x2 + eps
    sizes = xp.abs(difference)
    largest = xp.max(sizes, axis=-1, keepdims=True)
    scale = xp.where(largest == 0, xp.ones_like(largest), largest)
    distance = largest * xp.sum((sizes / scale) ** p, axis=-1, keepdims=True) ** (1 / p)
    share = sizes / xp.where(distance == 0, xp.ones_like(distance), distance)
    slope = sign(difference) * share ** (p - 1)
    return distance[:, 0], slope, -slope


def squared_distance(x1: jax.Array, x2: jax.Array) -> jax.Array:
    """Σⱼ (x₁ⱼ − x₂ⱼ)²: both (batch, features) ↦ (batch,)."""
    return jnp.sum(jnp.square(x1 - x2), axis=-1)


def _squared_distance(x1: AnyArray, x2: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
    difference = x1 - x2
    return namespace(x1).sum(difference * difference, axis=-1), 2 * difference, -2 * difference


def cosine_distance(x1: jax.Array, x2: jax.Array) -> jax.Array:
    """1 − x₁·x₂ / (|x₁| |x₂|), lengths at least 1e-8: both (batch, features) ↦ (batch,).

    The derivative passes that floor as if it were not there, as PyTorch's does.
    """
    return 1 - jnp.sum(x1 / _length_in_jax(x1) * (x2 / _length_in_jax(x2)), axis=-1)


def _length_in_jax(x: jax.Array) -> jax.Array:
    length = pairwise_distance(x, jnp.zeros_like(x), p=2, eps=0)[:, None]
    return jax.lax.stop_gradient(jnp.maximum(length, COSINE_EPS)) + (length - jax.lax.stop_gradient(length))


def _cosine_distance(x1: AnyArray, x2: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
    xp = namespace(x1)
    (unit1, length1, direction1), (unit2, length2, direction2) = _in_units(x1), _in_units(x2)
    cosine = xp.sum(unit1 * unit2, axis=-1, keepdims=True)
    towards_x1 = (cosine * direction1 - unit2) / length1
    towards_x2 = (cosine * direction2 - unit1) / length2
    return 1 - cosine[:, 0], towards_x1, towards_x2


def _in_units(x: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
    """x over its floored length, that length (batch, 1), and the length's slope."""
    xp = namespace(x)
    length, direction, _ = pairwise_distance_by_hand(x, xp.zeros_like(x), p=2, eps=0)
    floored = xp.maximum(length, COSINE_EPS * xp.ones_like(length))[:, None]
    return x / floored, floored, direction


DISTANCES: dict[str, tuple[Distance, DistanceByHand]] = {
    "euclidean": (
        partial(pairwise_distance, p=2, eps=PAIRWISE_EPS),
        partial(pairwise_distance_by_hand, p=2, eps=PAIRWISE_EPS),
    ),
    "manhattan": (
        partial(pairwise_distance, p=1, eps=PAIRWISE_EPS),
        partial(pairwise_distance_by_hand, p=1, eps=PAIRWISE_EPS),
    ),
    "squared": (squared_distance, _squared_distance),
    "cosine": (cosine_distance, _cosine_distance),
}
