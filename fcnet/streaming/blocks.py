"""Blocks of an epoch on the host: how large they are, and reading them one ahead of the device.

A thread and NumPy's indexing are all that reading needs: rows of a given order are fetched from memory or from a
memory-mapped file by one call a block. Libraries that fetch row by row take fifty times as long for rows so small.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import jax
import numpy as np

from fcnet import devices
from fcnet.arrays import AnyArray
from fcnet.data import Dataset, Rows, mapped

# Of a device's memory, for rows; the rest is for parameters, the optimiser's state and what lies between layers.
SHARE_FOR_ROWS = 0.5
# The most that a block takes: a fraction of a second of training, after which a run listens.
MOST_BYTES_A_BLOCK = 2**27

Item = TypeVar("Item")


class Block(NamedTuple):
    """Some steps of an epoch with the rows that they take.

    ``x``, ``y``, ``weight``: the rows, as in ``Rows``, in the order in which they are stored. ``batches``: (steps,
    batch_size) int32, which of them each step takes. ``keys``: (steps, …) uint32, the data of each step's key.
    """

    x: AnyArray
    y: AnyArray
    weight: AnyArray | None
    batches: AnyArray
    keys: AnyArray


def bytes_of(rows: Rows | None) -> int:
    """What x, y and weights take."""
    return 0 if rows is None else sum(array.nbytes for array in rows if array is not None)


def room() -> int:
    """Bytes of this process's first device that rows may take."""
    return int(SHARE_FOR_ROWS * devices.device_bytes(jax.local_devices()[0]))


def is_needed(dataset: Dataset) -> bool:
    """Whether training and validation rows take more of a device's memory than is meant for them."""
    return bytes_of(dataset.train) + bytes_of(dataset.validation) > room()


class Plan(NamedTuple):
    """What a run has on the device at a time.

    ``blocks``: (steps, batch size) of each block of an epoch. ``judged``: which validation rows each block of them has,
    empty where all stay on the device.
    """

    blocks: list[tuple[int, int]]
    judged: list[slice]


def plan(dataset: Dataset, batch_size: int, free: int) -> Plan:
    """Two blocks of training rows take at most half of the ``free`` bytes, validation rows the other half."""
    part = dataset.validation
    most_bytes = min(MOST_BYTES_A_BLOCK, free // 4)
    judged = []
    if part is not None and bytes_of(part) > free // 2:
        judged = slices(part, most_bytes)
    return Plan(layout(dataset.train, batch_size, most_bytes), judged)


def slices(part: Rows, most_bytes: int) -> list[slice]:
    """All rows of a part in their order, as many at a time as take ``most_bytes``, or one."""
    step, count = max(1, most_bytes * len(part.y) // bytes_of(part)), len(part.y)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def layout(train: Rows, batch_size: int, most_bytes: int) -> list[tuple[int, int]]:
    """The (steps, batch size) of each block of an epoch, each of at most ``most_bytes`` or one step.

    Whole batches are dealt out evenly, so that there are no more than two shapes; the smaller last batch comes by
    itself.
    """
    rows = len(train.y)
    full, rest = divmod(rows, batch_size)
    most_steps = max(1, most_bytes * rows // (batch_size * bytes_of(train)))
    dealt = np.array_split(np.arange(full), -(-full // most_steps))
    return [(len(steps), batch_size) for steps in dealt] + [(1, rest)] * (rest > 0)


def gather(train: Rows, chosen: np.ndarray, keys: np.ndarray) -> Block:
    """The rows ``chosen``, (steps, batch_size), read from low to high.

    Raises:
        InputError: their file has vanished or was cut.
    """
    mapped.require_whole(train.x)
    by_place = np.argsort(chosen, axis=None)
    batches = np.empty(chosen.size, np.int32)
    batches[by_place] = np.arange(chosen.size, dtype=np.int32)
    rows = chosen.reshape(-1)[by_place]
    weight = None if train.weight is None else train.weight[rows]
    return Block(train.x[rows], train.y[rows], weight, batches.reshape(chosen.shape), keys)


def read_epochs(
    train: Rows,
    blocks: list[tuple[int, int]],
    draw: Callable[[int], tuple[np.ndarray, np.ndarray]],
    epochs: range,
) -> Iterator[Block]:
    """The blocks of one epoch after the other.

    Args:
        blocks: see ``layout``.
        draw: the order of the rows, (rows,), and the keys' data, (steps, …), of the epoch after this one.

    Raises:
        InputError: see ``gather``.
    """
    for epoch in epochs:
        order, keys = draw(epoch)
        row = step = 0
        for steps, size in blocks:
            chosen = order[row : row + steps * size].reshape(steps, size)
            yield gather(train, chosen, keys[step : step + steps])
            row, step = row + steps * size, step + steps


def ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items; a thread makes the next one while one is used."""
    with ThreadPoolExecutor(1, "fcnet-reader") as reader:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item


def put_ahead(items: Iterator[Item], put: Callable[[Item], Item]) -> Iterator[Item]:
    """The items on the device, each while the next one is on its way there: never more than two at once."""
    waiting: deque[Item] = deque()
    for item in items:
        waiting.append(put(item))
        if len(waiting) == 2:
            # what is handed out is kept nowhere here: its memory is free once the caller is done with it
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()
