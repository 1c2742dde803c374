"""What a source gives, and what training takes."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fcnet.data.mapped import Selection


class Rows(NamedTuple):
    """Examples of one part: ``x`` (rows, features), ``y`` (rows,) int32 classes or (rows, outputs) numbers.

    ``x``: in memory, or on disk where it is large: ``np.memmap``, or a ``Selection`` of one's rows.
    ``weight``: (rows,) how much each counts in training, or None where all count alike.
    """

    x: np.ndarray | Selection
    y: np.ndarray
    weight: np.ndarray | None = None


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


@dataclass(frozen=True)
class Description:
    """What a data set is, without its rows: enough to build a network for it and to read the network's answers.

    ``rows``: how many each part has. ``features``: the columns of the source, ``inputs`` after encoding.
    ``classes``: their names, empty for regression; ``class_counts``: how many training rows each has.
    ``input_scale``: what x is multiplied by inside the network.
    ``target_mean``: of the y of the training rows, for regression.
    ``target_shift``, ``target_scale``: a regression target is shift + scale · y.
    """

    name: str
    task: str
    origin: str
    rows: dict[str, int]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    target: str
    inputs: int
    outputs: int
    input_scale: float = 1.0
    image_shape: tuple[int, ...] | None = None
    target_shift: float = 0.0
    target_scale: float = 1.0
    class_counts: tuple[int, ...] = ()
    target_mean: float = 0.0


@dataclass(frozen=True)
class Dataset:
    """Split, checked and encoded: ready for a network.

    ``validation``, ``test``: None where none was asked for.
    ``encoder``: the fitted scikit-learn transformer from raw columns to x, or None where x is used as stored.
    """

    description: Description
    train: Rows
    validation: Rows | None = None
    test: Rows | None = None
    encoder: Any = None

    @property
    def parts(self) -> dict[str, Rows]:
        """The parts that are there, by name, in the order train, validation, test."""
        return present(self.train, self.validation, self.test)


def present(train: Rows, validation: Rows | None, test: Rows | None) -> dict[str, Rows]:
    """Parts by name, without those that are None."""
    named = {"train": train, "validation": validation, "test": test}
    return {name: rows for name, rows in named.items() if rows is not None}
