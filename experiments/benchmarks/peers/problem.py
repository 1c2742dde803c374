"""What all contestants are given, and what each one is."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np


def _nothing() -> None:
    pass


class Problem(NamedTuple):
    """Rows of classes, and the networks to train on them: ReLU between the layers, cross-entropy at the end.

    ``x``: (rows, inputs) as stored; times ``input_scale`` in [0, 1]. ``y``: (rows,) int32.
    ``sizes``: units from inputs to classes.
    ``batch_size``: rows a step; the last step of an epoch has what is left.
    ``weight_decay``: λ of ½ λ ‖W‖² in the loss.
    """

    x: np.ndarray
    y: np.ndarray
    sizes: tuple[int, ...]
    batch_size: int
    input_scale: float = 1.0
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-4

    @property
    def scaled(self) -> np.ndarray:
        """``x`` as float32 in [0, 1], for libraries that are spared the scaling."""
        return self.x.astype(np.float32) * np.float32(self.input_scale)

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(fan_in, fan_out) of each."""
        return list(pairwise(self.sizes))


class Contestant(NamedTuple):
    """One way to train ``networks`` networks on a ``Problem``.

    ``epochs(k)``: train all of them k epochs more, and return when that is done.
    ``loss()``: their mean training loss now or in the last epoch, to see that they learn.
    ``close()``: end what was started.
    """

    networks: int
    epochs: Callable[[int], None]
    loss: Callable[[], float]
    close: Callable[[], None] = _nothing
