"""Validation rows that do not fit the device beside the training rows: judged in blocks."""

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import numpy as np

from fcnet import losses, metrics
from fcnet.arrays import AnyArray
from fcnet.contracts import CLASSIFICATION
from fcnet.data import Rows, mapped
from fcnet.streaming.blocks import ahead, put_ahead
from fcnet.train import Carry, RunSpec


class Judged(NamedTuple):
    """Some validation rows."""

    x: AnyArray
    y: AnyArray


# ↦ ``metrics.totals``
Judge = Callable[[Carry, Judged], metrics.Evaluation]


def evaluate_in_blocks(
    spec: RunSpec,
    judge: dict[int, Judge],
    carry: Carry,
    part: Rows,
    blocks: list[slice],
    put: Callable[[Judged], Judged],
) -> metrics.Evaluation:
    """Like ``metrics.evaluate`` up to the order of summation: blocks are summed in float64.

    Of one network, or of several where ``judge`` gives arrays.

    Args:
        judge: compiled, by the number of rows at a time.
        blocks: of the rows of ``part``.
        put: brings arrays to where ``carry`` lies.

    Raises:
        InputError: the file of the rows has vanished or was cut.
    """

    def read(rows: slice) -> Judged:
        mapped.require_whole(part.x)
        return Judged(np.asarray(part.x[rows]), part.y[rows])

    count = len(part.y)
    loss: AnyArray = 0.0
    score: AnyArray = 0.0
    with closing(ahead(read(rows) for rows in blocks)) as coming:
        for block in put_ahead(coming, put):
            found = judge[len(block.y)](carry, block)
            del block
            loss, score = loss + np.asarray(found.loss, np.float64), score + np.asarray(found.score, np.float64)
    if losses.get(spec.loss).task == CLASSIFICATION:
        score /= count
    else:
        y = part.y.astype(np.float64)
        with np.errstate(divide="ignore"):
            score = 1 - score / np.square(y - y.mean(axis=0)).sum()
    return metrics.Evaluation(*np.array([loss / count, score], spec.model.param_dtype))
