"""From columns as found to numbers a network takes: scikit-learn's transformers, fitted on the training part."""

from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.dataset import Source
from fcnet.data.mapped import Selection
from fcnet.errors import InputError
from fcnet.files import write_with

MISSING_CATEGORY = "(missing)"


def encoder(source: Source) -> Any:
    """An unfitted transformer for the columns of ``source``, or None where x is used as stored.

    Numbers: missing ones become the median of the training part, then mean 0 and variance 1. Categories: one-hot,
    missing being a category of its own; one that the training part never saw gives zeros.
    """
    if not source.numeric and not source.categorical:
        return None
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    # a column that is empty in the training part alone must not change the number of columns
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=MISSING_CATEGORY, missing_values=None),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    steps = [("numbers", numbers, list(source.numeric)), ("categories", categories, list(source.categorical))]
    return ColumnTransformer([step for step in steps if step[2]])


def encode(fitted: Any, x: np.ndarray | Selection, features: tuple[str, ...], what: str) -> np.ndarray | Selection:
    """(rows, columns) as found ↦ (rows, inputs) float32 by a fitted encoder; x itself where there is none.

    Args:
        features: names of the columns; ``what``: where they come from: both for messages.

    Raises:
        InputError: a number that float32 cannot hold once it is standardised.
    """
    if fitted is None:
        return x
    with np.errstate(over="ignore", invalid="ignore"):
        encoded = np.asarray(fitted.transform(x), np.float32)
    bad = np.argwhere(~np.isfinite(encoded))
    if len(bad):
        row, column = bad[0]
        # numbers come first, in the order of their columns; a one-hot entry is always finite
        name = features[{step: indices for step, _, indices in fitted.transformers_}["numbers"][column]]
        raise InputError(f"{what}: row {row + 1}, column {name!r} is too large to be standardised: mend or remove it")
    return encoded


def save(fitted: Any, path: Path) -> None:
    """Write a fitted encoder with skops: JSON and arrays in a zip file, nothing that runs code when it is read."""
    from skops import io

    write_with(path, lambda temporary: io.dump(fitted, temporary))


def restore(path: Path) -> Any:
    """A fitted encoder from ``save``.

    Raises:
        InputError: the file is not one, or holds types that an encoder has no need of.
    """
    from skops import io

    try:
        # the one type of an encoder that skops does not trust unasked: the dtype of its columns
        return io.load(path, trusted=["numpy.dtype"])
    except Exception as broken:  # skops raises whatever zipfile, json and its own audit raise
        raise InputError(f"{path} is damaged ({type(broken).__name__}): train again") from None
