"""Whether a gradient and an oracle differ because the loss has no derivative there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fcnet.gradcheck.examination.differences import Derivative, Line, Sides, sides

# Entries and lines (rows, then columns, of a matrix) of one tensor that are looked at one by one.
ENTRIES, LINES = 24, 64


@dataclass(frozen=True)
class Settled:
    """What a closer look found.

    ``kinks``: entries along which the loss has no derivative. ``slopes``: {flat index: derivative} at steps far
    smaller than the oracle's own.
    """

    kinks: np.ndarray
    slopes: dict[int, Derivative]


def _explains(at: Sides, found: float, expected: float) -> bool:
    """Whether kinks account for |g − r|.

    With L = s t + Σₖ cₖ max(aₖ t, 0), any choice of max′(0) ∈ [0, 1], the oracle's and the author's, is off by no more
    than both one-sided slopes are from the oracle's, plus their gap. For a smooth loss all three are 0.
    """
    bound = abs(at.right - expected) + abs(at.left - expected) + at.gap
    return abs(found - expected) <= bound + 4 * at.error


def look(line: Line, found: float, expected: float, noise: float, exact: bool) -> tuple[bool, Derivative | None]:
    """(whether kinks explain found ≠ expected, the derivative at a far smaller step where there is one).

    Args:
        exact: whether ``expected`` holds at the very point, as autodiff's does, and not for the length of a step: that
            is replaced by the mean of the one-sided slopes.
    """
    pair = sides(line, abs(found - expected), noise)
    if pair is None:
        return False, None
    near, far = pair
    middle = (near.right + near.left) / 2
    smooth = near.gap <= 4 * near.error + 0.1 * abs(found - expected)
    if not exact and smooth:
        return False, Derivative(middle, near.error + near.gap)
    # a kink that lies within 8 steps, but not within one, shows at the farther ones alone, and is none
    explained = (_explains(at, found, expected if exact else middle) for at in (near, far))
    return all(explained), None


def _groups(shape: tuple[int, ...], differing: np.ndarray) -> Iterator[np.ndarray]:
    """Masks of what one unit shares: all, then columns and rows, those with the largest differences first."""
    yield np.ones(shape, bool)
    if len(shape) != 2:
        return
    for axis in (1, 0):
        sizes = np.linalg.norm(differing, axis=1 - axis)
        for place in np.argsort(-sizes)[: LINES // 2]:
            if sizes[place] > 0:
                mask = np.zeros(shape, bool)
                mask[(slice(None), place) if axis == 1 else (place, slice(None))] = True
                yield mask


def settle(
    along: Callable[[np.ndarray], Line],
    found: np.ndarray,
    expected: np.ndarray,
    suspects: np.ndarray,
    size: float,
    noise: float,
    exact: bool,
) -> Settled:
    """Look at the worst entries one by one and, if one of them is a kink, at what many entries may share.

    A unit whose input is exactly 0 in one row has a kink in all its weights, and in all weights before it: along the
    difference g − r itself that shows at once.

    Args:
        along: from a direction of the tensor's shape to the loss along it.
        suspects: mask of the entries that differ.
        size: the natural size of an entry of the tensor.
        noise: of the loss.
        exact: see ``look``.
    """
    kinks = np.zeros(found.shape, bool)
    slopes: dict[int, Derivative] = {}
    expected = np.where(suspects, expected, 0.0)
    found = np.where(suspects, found, 0.0)
    order = np.argsort(-np.abs(found - expected), axis=None)[: min(ENTRIES, int(suspects.sum()))]
    for flat in order:
        index = np.unravel_index(flat, found.shape)
        direction = np.zeros(found.shape)
        direction[index] = size
        is_kink, slope = look(along(direction), size * float(found[index]), size * float(expected[index]), noise, exact)
        kinks[index] = is_kink
        if slope is not None:
            slopes[int(flat)] = Derivative(slope.value / size, slope.error / size)
    if not kinks.any():
        return Settled(kinks, slopes)
    for mask in _groups(found.shape, found - expected):
        rest = np.where(mask & ~kinks, found - expected, 0.0)
        length = float(np.linalg.norm(rest))
        if length == 0:
            continue
        direction = rest / length * size
        towards = float((direction * found).sum()), float((direction * expected).sum())
        if look(along(direction), *towards, noise, exact)[0]:
            kinks |= rest != 0
    return Settled(kinks, slopes)
