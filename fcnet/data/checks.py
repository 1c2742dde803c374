"""What must hold of any data before a network sees it."""

import numpy as np

from fcnet.contracts import CLASSIFICATION
from fcnet.data.dataset import Rows, Source
from fcnet.data.mapped import Selection, pieces
from fcnet.errors import require


def check_rows(rows: Rows, what: str) -> None:
    """Rows there, as many targets as examples, and every target a number.

    Raises:
        InputError: naming what and, where there is one, the row (counted from 1).
    """
    require(len(rows.x) > 0, f"{what} has no rows")
    require(len(rows.x) == len(rows.y), f"{what} has {len(rows.x)} rows of x but {len(rows.y)} of y")
    bad = ~np.isfinite(rows.y.reshape(len(rows.y), -1)).all(axis=1)
    require(not bad.any(), f"{what}: the target is not a finite number in row {int(bad.argmax()) + 1}")


def check_numbers(x: np.ndarray | Selection, features: tuple[str, ...], what: str) -> None:
    """Every entry of x: (rows, features) finite.

    Raises:
        InputError: naming the first row (counted from 1) and column that is not.
    """
    require(x.ndim == 2 and x.shape[1] == len(features), f"{what}: expected {len(features)} columns, got {x.shape}")
    for first, piece in pieces(x) if x.dtype.kind == "f" else ():
        for row, column in np.argwhere(~np.isfinite(piece))[:1]:
            value, name = piece[row, column], features[column]
            require(False, f"{what}: row {first + row + 1}, column {name!r} is {value}: mend or remove it")


def check_labels(y: np.ndarray, classes: tuple[str, ...], what: str) -> None:
    """Class indices in [0, classes).

    Raises:
        InputError: naming the first row whose label is outside.
    """
    outside = (y < 0) | (y >= len(classes))
    row = int(outside.argmax())
    require(
        not outside.any(),
        f"{what}: row {row + 1} has label {y[row]}, outside the {len(classes)} classes 0 to {len(classes) - 1}",
    )


def check_source(source: Source) -> None:
    """All of the above for a whole source; missing values are allowed where an encoder will impute them.

    Raises:
        InputError: see the single checks.
    """
    parts = {source.name: source.rows}
    if source.official_test is not None:
        parts[f"{source.name}, test part"] = source.official_test
    for what, rows in parts.items():
        check_rows(rows, what)
        if not source.numeric and not source.categorical:
            check_numbers(rows.x, source.features, what)
        if source.task == CLASSIFICATION:
            check_labels(rows.y, source.classes, what)
