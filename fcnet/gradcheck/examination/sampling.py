"""Which entries of large tensors are looked at, where all would take too long."""

from collections.abc import Mapping

import numpy as np

from fcnet.gradcheck.record import Tensors


def shares(shapes: Mapping[str, tuple[int, ...]], entries: int) -> dict[str, int]:
    """How many entries of each tensor: all of small ones, each row and column of large ones, then equal shares."""
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    if sum(sizes.values()) <= entries:
        return sizes
    covering = {name: min(sizes[name], max(shape, default=1)) for name, shape in shapes.items()}
    given = covering if sum(covering.values()) <= entries else dict.fromkeys(shapes, 0)
    rest = entries - sum(given.values())
    # the smallest first: what they leave over goes to the larger ones
    for place, name in enumerate(sorted(shapes, key=lambda name: sizes[name] - given[name])):
        more = min(sizes[name] - given[name], max(rest // (len(shapes) - place), 0 if given[name] else 1))
        given[name] += more
        rest -= more
    return given


def choose(gradient: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """``count`` flat indices: a tenth with the largest |g|, one in each row and column of a matrix, the rest random."""
    size = gradient.size
    if count >= size:
        return np.arange(size)
    covering = np.empty(0, int)
    if gradient.ndim == 2 and count >= max(gradient.shape):
        rows, columns = gradient.shape
        longest = max(rows, columns)
        # one step along both axes at once meets every row and every column
        covering = random.permutation(rows)[np.arange(longest) % rows] * columns
        covering = covering + random.permutation(columns)[np.arange(longest) % columns]
    largest = np.argsort(-np.abs(np.nan_to_num(gradient)), axis=None)[: max(1, count // 10)]
    ordered = np.concatenate([covering, largest, random.permutation(size)])
    first = np.sort(np.unique(ordered, return_index=True)[1])
    return np.sort(ordered[first][:count])


def direction(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A random direction that meets every entry about alike; no two by the same, so that nothing cancels by chance."""
    return random.choice(np.array([-1.0, 1.0]), size=shape) * random.uniform(0.5, 1.5, size=shape)


def natural_sizes(params: Tensors) -> dict[str, float]:
    """How large an entry of each tensor typically is: its root mean square, of all tensors where it is all zeros."""
    squares = {name: float(np.mean(value**2)) if value.size else 0.0 for name, value in params.items()}
    overall = float(np.sqrt(np.mean([square for square in squares.values() if square > 0] or [1.0])))
    return {name: float(np.sqrt(square)) or overall for name, square in squares.items()}
