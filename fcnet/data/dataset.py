"""What a source gives, and what training takes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

CLASSIFICATION, REGRESSION = "classification", "regression"


class Rows(NamedTuple):
    """Examples of one part: ``x`` (rows, features), ``y`` (rows,) int32 classes or (rows, outputs) numbers."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Source:
    """A set of examples as it was found, before any split.

    ``rows``: x as stored; for a table with categories, an object array.
    ``official_test``: the rows that the set's authors keep for testing, or None.
    ``numeric``, ``categorical``: columns of x to standardise and to one-hot encode; both empty for data that is
        used as it is, such as pixels and generated points.
    ``input_scale``: what x is multiplied by inside the network (1/255 for 8-bit pixels).
    ``standardise_target``: whether a regression target is brought to mean 0 and variance 1 on the training part.
    ``origin``: one phrase for people: where it came from.
    """

    name: str
    task: str
    rows: Rows
    features: tuple[str, ...]
    origin: str
    classes: tuple[str, ...] = ()
    target: str = "target"
    official_test: Rows | None = None
    numeric: tuple[int, ...] = ()
    categorical: tuple[int, ...] = ()
    image_shape: tuple[int, ...] | None = None
    input_scale: float = 1.0
    standardise_target: bool = False
    path: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """Split, checked and encoded: ready for a network.

    ``train``, ``validation``, ``test``: the parts; the last two are None where none was asked for.
    ``features``: the columns of the source; ``classes`` is empty for regression.
    ``encoder``: the fitted scikit-learn transformer from raw columns to x, or None where x is used as stored.
    ``target_shift``, ``target_scale``: a regression target is shift + scale · y.
    """

    name: str
    task: str
    train: Rows
    validation: Rows | None
    test: Rows | None
    features: tuple[str, ...]
    classes: tuple[str, ...]
    target: str
    origin: str
    input_scale: float = 1.0
    image_shape: tuple[int, ...] | None = None
    target_shift: float = 0.0
    target_scale: float = 1.0
    encoder: Any = field(default=None, compare=False)

    @property
    def inputs(self) -> int:
        """Columns of x after encoding: the units of the network's input layer."""
        return self.train.x.shape[1]

    @property
    def outputs(self) -> int:
        """Units of the output layer: one per class, or one per target."""
        return len(self.classes) if self.task == CLASSIFICATION else self.train.y.shape[1]

    @property
    def parts(self) -> dict[str, Rows]:
        """The parts that are there, by name, in the order train, validation, test."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: rows for name, rows in named.items() if rows is not None}
