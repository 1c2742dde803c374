"""What a device has of streamed rows at a time."""

from typing import Any, NamedTuple

import numpy as np

from fcnet.data import Rows
from fcnet.streaming.blocks import MOST_BYTES_A_BLOCK, bytes_of, layout, slices
from fcnet.sweeps.program import LaneData

Pair = tuple[Any, Any] | None


class Layout(NamedTuple):
    """Of the bytes that rows may take, each of two blocks, the validation and the test part have at most a quarter.

    ``blocks``: (steps, batch size) of an epoch's. ``validation``, ``test``: rows that are judged at a time; empty where
    the part stays on the device, or is none. ``train``: likewise of the training part, where no validation tells
    whether parameters give a finite loss.
    """

    blocks: list[tuple[int, int]]
    validation: list[slice]
    test: list[slice]
    train: list[slice]

    @classmethod
    def of(cls, data: LaneData, batch_size: int, stream_bytes: int) -> "Layout":
        """For rows of these shapes and dtypes."""
        rows, quarter = _rows(data.train.x, data.train.y, data.train.weight), stream_bytes // 4
        most_bytes = min(MOST_BYTES_A_BLOCK, quarter)

        def in_blocks(pair: Pair) -> list[slice]:
            part = None if pair is None else _rows(*pair)
            return slices(part, most_bytes) if part is not None and bytes_of(part) > quarter else []

        train = slices(rows, most_bytes) if data.train.validation is None else []
        blocks = layout(rows, batch_size, most_bytes)
        return cls(blocks, in_blocks(data.train.validation), in_blocks(data.test), train)

    def staying(self, data: LaneData) -> tuple[Pair, Pair]:
        """The validation and the test part of such data, each where it stays on the device."""
        return None if self.validation else data.train.validation, None if self.test else data.test


def _rows(x: Any, y: Any, weight: Any = None) -> Rows:
    """Rows of these shapes and dtypes that take no memory."""

    def like(array: Any) -> np.ndarray:
        return np.broadcast_to(np.zeros((), array.dtype), array.shape)

    return Rows(like(x), like(y), None if weight is None else like(weight))
