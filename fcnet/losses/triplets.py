"""Losses on triplets: an anchor should be nearer to a positive example than to a negative one, by a margin.

As losses of a classifier the anchor is a row's outputs, the positive its class's corner (one-hot vector) and the
negative the nearest other corner: that of the largest output among the others.
"""

from functools import partial

import jax
import jax.numpy as jnp

from fcnet.arrays import AnyArray, namespace, positive_part
from fcnet.catalogue import Option, table
from fcnet.contracts import CLASSIFICATION
from fcnet.losses.distances import (
    DISTANCES,
    PAIRWISE_EPS,
    Distance,
    DistanceByHand,
    pairwise_distance,
    pairwise_distance_by_hand,
)
from fcnet.losses.record import Loss, from_slope, from_slopes, softmax_of

Slopes = tuple[AnyArray, AnyArray, AnyArray]


def triplet_margin_with_distance(
    anchor: jax.Array,
    positive: jax.Array,
    negative: jax.Array,
    *,
    distance: Distance,
    margin: float = 1.0,
    swap: bool = False,
) -> jax.Array:
    """max(0, m + d(a, p) − d(a, n)) for any distance; with ``swap``, d(p, n) stands for d(a, n) where it is smaller.

    Args:
        anchor, positive, negative: (batch, features).
        distance: two of these ↦ (batch,), in JAX.

    Returns:
        (batch,).

    Source: Balntas et al. 2016, Learning local feature descriptors with triplets and shallow CNNs.
    """
    far = distance(anchor, negative)
    if swap:
        far = jnp.minimum(far, distance(positive, negative))
    shortfall = margin + distance(anchor, positive) - far
    return jnp.where(shortfall < 0, 0.0, shortfall)


def _of_triplets(
    anchor: AnyArray, positive: AnyArray, negative: AnyArray, *, distance: DistanceByHand, margin: float, swap: bool
) -> tuple[AnyArray, Slopes]:
    xp = namespace(anchor)
    near, near_by_anchor, near_by_positive = distance(anchor, positive)
    far, far_by_anchor, far_by_negative = distance(anchor, negative)
    far_by_positive = xp.zeros_like(positive)
    if swap:
        swapped, by_positive, by_negative = distance(positive, negative)
        # the smaller one counts, each half where they are equal
        stays = 0.5 * (xp.astype(far <= swapped, anchor.dtype) + xp.astype(far < swapped, anchor.dtype))[:, None]
        far_by_anchor, far_by_positive = stays * far_by_anchor, (1 - stays) * by_positive
        far_by_negative = stays * far_by_negative + (1 - stays) * by_negative
        far = xp.minimum(far, swapped)
    shortfall = margin + near - far
    inside = xp.astype(shortfall >= 0, anchor.dtype)
    slopes = (near_by_anchor - far_by_anchor, near_by_positive - far_by_positive, -far_by_negative)
    by_anchor, by_positive, by_negative = (inside[:, None] * slope for slope in slopes)
    return positive_part(shortfall), (by_anchor, by_positive, by_negative)


def triplet_margin_of_inputs(
    anchor: jax.Array, positive: jax.Array, negative: jax.Array, *, margin: float, p: float, eps: float, swap: bool
) -> jax.Array:
    """max(0, m + ‖a − p + ε‖ₚ − ‖a − n + ε‖ₚ): three times (batch, features) ↦ (batch,)."""
    distance = partial(pairwise_distance, p=p, eps=eps)
    return triplet_margin_with_distance(anchor, positive, negative, distance=distance, margin=margin, swap=swap)


def _triplet_margin_of_inputs(
    anchor: AnyArray, positive: AnyArray, negative: AnyArray, *, margin: float, p: float, eps: float, swap: bool
) -> tuple[AnyArray, Slopes]:
    distance = partial(pairwise_distance_by_hand, p=p, eps=eps)
    return _of_triplets(anchor, positive, negative, distance=distance, margin=margin, swap=swap)


def triplet_distance_of_inputs(
    anchor: jax.Array, positive: jax.Array, negative: jax.Array, *, margin: float, distance: str, swap: bool
) -> jax.Array:
    """``triplet_margin_with_distance`` with a distance of ``DISTANCES``: three times (batch, features) ↦ (batch,)."""
    chosen, _ = DISTANCES[distance]
    return triplet_margin_with_distance(anchor, positive, negative, distance=chosen, margin=margin, swap=swap)


def _triplet_distance_of_inputs(
    anchor: AnyArray, positive: AnyArray, negative: AnyArray, *, margin: float, distance: str, swap: bool
) -> tuple[AnyArray, Slopes]:
    _, chosen = DISTANCES[distance]
    return _of_triplets(anchor, positive, negative, distance=chosen, margin=margin, swap=swap)


def nearest_other_corner(outputs: AnyArray, targets: AnyArray) -> AnyArray:
    """The one-hot vector of the class with the largest output among the others, the first of equal ones.

    Outputs and one-hot targets ↦ (batch, classes), in the array API. Where there is one class, that class.
    """
    xp = namespace(outputs)
    best = xp.argmax(xp.where(targets > 0, xp.full_like(outputs, -xp.inf), outputs), axis=-1)
    classes = xp.arange(outputs.shape[-1], dtype=best.dtype)
    return xp.astype(xp.reshape(best, (-1, 1)) == xp.reshape(classes, (1, -1)), outputs.dtype)


def triplet_margin(
    outputs: jax.Array, targets: jax.Array, *, margin: float, p: float, eps: float, swap: bool
) -> jax.Array:
    """The same of outputs, their corner and the nearest other: (batch, classes), one-hot targets ↦ (batch,)."""
    other = nearest_other_corner(outputs, targets)
    return triplet_margin_of_inputs(outputs, targets, other, margin=margin, p=p, eps=eps, swap=swap)


def _triplet_margin(
    outputs: AnyArray, targets: AnyArray, *, margin: float, p: float, eps: float, swap: bool
) -> tuple[AnyArray, AnyArray]:
    other = nearest_other_corner(outputs, targets)
    value, (slope, _, _) = _triplet_margin_of_inputs(outputs, targets, other, margin=margin, p=p, eps=eps, swap=swap)
    return value, slope


def triplet_distance(outputs: jax.Array, targets: jax.Array, *, margin: float, distance: str, swap: bool) -> jax.Array:
    """Likewise with a distance of ``DISTANCES``: (batch, classes), one-hot targets ↦ (batch,)."""
    other = nearest_other_corner(outputs, targets)
    return triplet_distance_of_inputs(outputs, targets, other, margin=margin, distance=distance, swap=swap)


def _triplet_distance(
    outputs: AnyArray, targets: AnyArray, *, margin: float, distance: str, swap: bool
) -> tuple[AnyArray, AnyArray]:
    other = nearest_other_corner(outputs, targets)
    value, (slope, _, _) = _triplet_distance_of_inputs(
        outputs, targets, other, margin=margin, distance=distance, swap=swap
    )
    return value, slope


_MARGIN = Option(1.0, "how much nearer the positive must be", low=0, open_low=True)
_SWAP = Option(False, "where the positive is nearer to the negative than the anchor is, take that distance")
_KINKS = "at the margin: as inside; equal distances under swap share the slope; distance 0: 0"
TRIPLETS = table(
    Loss(
        name="triplet_margin",
        task=CLASSIFICATION,
        function=triplet_margin,
        by_hand=from_slope(_triplet_margin),
        formula="max(0, margin + d(a, p) − d(a, n)), d = ‖x₁ − x₂ + ε‖ₚ; of a row: a = z, p = e_y, n nearest other",
        derivative_formula="∂d/∂x₁ = sign(δ) (|δ| / d)ᵖ⁻¹ with δ = x₁ − x₂ + ε, ∂d/∂x₂ the opposite",
        targets="one_hot",
        predict=softmax_of,
        kinks=_KINKS,
        of_inputs=triplet_margin_of_inputs,
        of_inputs_by_hand=from_slopes(_triplet_margin_of_inputs),
        options={
            "margin": _MARGIN,
            "p": Option(2.0, "p: which norm", low=1),
            "eps": Option(PAIRWISE_EPS, "ε: added to each difference", low=0),
            "swap": _SWAP,
        },
        torch="torch.nn.TripletMarginLoss",
        differs="p below 1, which is no norm, is refused",
        source="Balntas et al. 2016, Learning local feature descriptors with triplets and shallow CNNs",
    ),
    Loss(
        name="triplet_distance",
        task=CLASSIFICATION,
        function=triplet_distance,
        by_hand=from_slope(_triplet_distance),
        formula="max(0, margin + d(a, p) − d(a, n)), d a distance; of a row: a = z, p = e_y, n nearest other",
        derivative_formula="∂d(a, p) − ∂d(a, n) where the maximum is not 0",
        targets="one_hot",
        predict=softmax_of,
        kinks=_KINKS,
        of_inputs=triplet_distance_of_inputs,
        of_inputs_by_hand=from_slopes(_triplet_distance_of_inputs),
        options={
            "margin": _MARGIN,
            "distance": Option("euclidean", "d: how distances are measured", choices=tuple(DISTANCES)),
            "swap": _SWAP,
        },
        torch="torch.nn.TripletMarginWithDistanceLoss",
        source="Schroff et al. 2015, FaceNet: a unified embedding for face recognition and clustering",
    ),
)
