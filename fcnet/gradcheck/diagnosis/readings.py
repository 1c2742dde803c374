"""What the parts of a batch may be: rows or columns, labels or targets, dropout masks and weights of rows."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

# The share of units that dropout keeps, where neither the mask nor a number beside it tells.
KEEPS = (0.5, 0.8, 0.9, 0.75, 0.7, 0.6, 0.85, 0.95, 0.4, 0.3, 0.25, 0.2, 0.1)
# A share this near to another cannot be told from it by rounding.
SAME = 1e-12
# NumPy's kinds of types that are read as real numbers.
NUMBERS = "biuf"

Multipliers = tuple[np.ndarray | None, ...]


def rows_of(x: Any, y: Any) -> Iterator[np.ndarray]:
    """x as (rows, features), the likelier orientation first: that in which y has as many rows."""
    array, wanted = np.asarray(x), np.asarray(y)
    if array.dtype.kind not in NUMBERS:
        return
    array = array.astype(np.float64)
    if array.ndim == 1:
        yield from (array[:, None], array[None, :])
        return
    if array.ndim > 2:
        yield array.reshape(array.shape[0], -1)
        return
    if array.ndim == 2:
        fits = [found for found in (array, array.T) if found.shape[0] in (*wanted.shape, 1)]
        as_given = wanted.ndim == 0 or wanted.shape[0] == array.shape[0]
        yield from fits if as_given else reversed(fits)


def targets_of(y: Any, rows: int, outputs: int) -> np.ndarray | None:
    """y as (rows, outputs): labels one-hot, columns turned; None where it does not fit."""
    array = np.asarray(y)
    if array.dtype.kind not in NUMBERS:
        return None
    if array.size == rows and (array.ndim < 2 or 1 in array.shape):
        flat = array.reshape(rows).astype(np.float64)
        if outputs == 1:
            return flat[:, None]
        is_label = np.all(flat == np.round(flat)) and flat.min() >= 0 and flat.max() < outputs
        return np.eye(outputs)[flat.astype(int)] if is_label else None
    if array.shape == (rows, outputs):
        return array.astype(np.float64)
    return array.T.astype(np.float64) if array.shape == (outputs, rows) else None


def output_widths(y: Any, rows: int, widths: Sequence[int]) -> tuple[int, ...]:
    """Of ``widths`` those that ``targets_of`` accepts."""
    return tuple(width for width in dict.fromkeys(widths) if targets_of(y, rows, width) is not None)


def flattened(more: Any) -> list[Any]:
    """The leaves of what comes after x and y, in order, None and text left out."""
    if isinstance(more, Mapping):
        return [leaf for value in more.values() for leaf in flattened(value)]
    if isinstance(more, list | tuple):
        return [leaf for value in more for leaf in flattened(value)]
    return [] if more is None or isinstance(more, str) else [more]


def _is_mask(array: np.ndarray) -> bool:
    if array.dtype.kind not in NUMBERS or array.size == 0:
        return False
    values = np.unique(array)
    return array.ndim >= 1 and values.size <= 2 and float(values[0]) == 0 and float(values[-1]) >= 0 and array.size > 1


def _as_rows(array: np.ndarray, rows: int, units: int) -> np.ndarray | None:
    wanted = array.astype(np.float64)
    if array.shape == (rows, units):
        return wanted
    if array.shape == (units, rows):
        return wanted.T
    if array.size == units and units != rows:
        return np.broadcast_to(wanted.reshape(1, units), (rows, units))
    return None


def multipliers(
    more: Any, rows: int, widths: Sequence[int], claimed: float | None = None
) -> Iterator[tuple[Multipliers, float]]:
    """What dropout may multiply by, one entry for the input and for each layer, and the share that is kept.

    Args:
        more: what comes after x and y. widths: of the input and of every layer. claimed: p, where its author says it.
    """
    leaves = flattened(more)
    masks = [array for leaf in leaves if _is_mask(array := np.asarray(leaf))]
    if not masks:
        yield (None,) * len(widths), 1.0
        return
    numbers = [float(leaf) for leaf in leaves if np.ndim(leaf) == 0 and np.asarray(leaf).dtype.kind in NUMBERS]
    scalars = [number for number in numbers if 0 < number < 1]
    # of hidden layers, else of the input as well
    ways = [*combinations(range(1, len(widths) - 1), len(masks)), *combinations(range(len(widths) - 1), len(masks))]
    for chosen in dict.fromkeys(ways):
        turned = [_as_rows(mask, rows, widths[place]) for mask, place in zip(masks, chosen, strict=True)]
        if any(mask is None for mask in turned):
            continue
        given = dict(zip(chosen, turned, strict=True))
        largest = max(float(mask.max()) for mask in masks)
        keeps = [1.0]
        if abs(largest - 1) < SAME:
            told = [*([] if claimed is None else [1 - claimed]), *(k for s in scalars for k in (1 - s, s))]
            keeps += [*told, *KEEPS]
        for keep in keeps:
            kept = 1 / largest if keep == 1.0 and largest > 0 else keep
            scaled = {place: mask / keep for place, mask in given.items() if mask is not None}
            yield tuple(scaled.get(place) for place in range(len(widths))), kept
    yield (None,) * len(widths), 1.0


def row_weights(more: Any, targets: np.ndarray) -> Iterator[np.ndarray | None]:
    """What the rows may weigh: (rows,) numbers in the batch, class weights at each row's class, or nothing."""
    rows, outputs = targets.shape
    for leaf in flattened(more):
        array = np.asarray(leaf)
        if array.dtype.kind not in NUMBERS:
            continue
        if array.size == rows and (array.ndim == 1 or 1 in array.shape):
            yield array.reshape(rows).astype(np.float64)
        elif array.shape == (outputs,) and outputs > 1:
            yield targets @ array.astype(np.float64)
    yield None
