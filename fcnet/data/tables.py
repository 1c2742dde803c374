"""Tables from files: CSV (also gzipped) and Parquet, read by pyarrow.

A column of numbers is numeric, a column of text or booleans is a category. What is missing is imputed later, inside
the split; what cannot be meant (text among numbers, an identifier for every row, an empty column) is refused here.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcnet.contracts import CLASSIFICATION, REGRESSION
from fcnet.data.dataset import Rows, Source
from fcnet.errors import InputError, require, unknown

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
MISSING = ["", "?", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None"]
# A target of whole numbers with at most this many different values is taken for classes unless --task says otherwise.
MOST_INTEGER_CLASSES = 20
# A text column with more different values than this is no category but an identifier or free text.
MOST_CATEGORIES = 200


class Column(NamedTuple):
    """One column: its values (float64 with NaN for missing, or objects with None for missing) and which it is."""

    name: str
    values: np.ndarray
    is_numeric: bool


def is_table(path: Path) -> bool:
    """Whether the file's name says that it is a table that can be read."""
    return path.name.lower().endswith(SUFFIXES)


def read(path: Path, as_text: tuple[str, ...] = ()) -> list[Column]:
    """All columns of a table; those named in ``as_text`` as categories even where they look like numbers.

    Raises:
        InputError: not a readable table, not UTF-8, no rows, or a column name that comes twice.
    """
    import pyarrow as pa

    require(path.stat().st_size > 0, f"{path} is empty: expected a table with a header line")
    try:
        table = _read_parquet(path) if path.name.lower().endswith(".parquet") else _read_csv(path)
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8: save it in that encoding") from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as broken:
        raise InputError(f"{path} cannot be read as a table: {_one_line(broken)}") from None
    require(table.num_rows > 0, f"{path} has a header but no rows")
    names = table.column_names
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    require(not twice, f"{path}: column {twice[0] if twice else ''!r} is there twice: rename one")
    return [_column(name, table.column(name), name in as_text) for name in names]


def _read_parquet(path: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(path)


def _read_csv(path: Path) -> Any:
    """Every column as text: what is a number is decided in one place, and the same way whenever the file is read."""
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(delimiter="\t" if ".tsv" in path.name.lower() else ",")
    with csv.open_csv(path, parse_options=parse) as reader:
        text = dict.fromkeys(reader.schema.names, pa.string())
    convert = csv.ConvertOptions(null_values=MISSING, strings_can_be_null=True, column_types=text)
    return csv.read_csv(path, parse_options=parse, convert_options=convert)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _column(name: str, values: Any, as_text: bool) -> Column:
    import pyarrow as pa
    from pyarrow import compute

    kind = values.type
    if pa.types.is_string(kind) and not as_text:
        with suppress(pa.ArrowInvalid):  # one cell that is no number makes a column of text
            values = compute.utf8_trim_whitespace(values).cast(pa.float64())
    if _is_number(values.type):
        return Column(name, values.cast(pa.float64(), safe=False).to_numpy(), True)
    objects = np.array([None if value is None else str(value) for value in values.to_pylist()], dtype=object)
    return Column(name, objects, False)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    of_numbers = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_null)
    return any(holds(kind) for holds in of_numbers)


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def check_column(column: Column, path: Path) -> None:
    """Refuse what cannot be a feature.

    Raises:
        InputError: nothing but missing values, an infinite number, text among numbers, or an identifier.
    """
    where = f"{path}: column {column.name!r}"
    if column.is_numeric:
        require(not np.isnan(column.values).all(), f"{where} has no value in any row: leave it out with --drop")
        infinite = np.isinf(column.values)
        require(not infinite.any(), f"{where} is infinite in row {int(infinite.argmax()) + 1}: mend it or use --drop")
        return
    present = [value for value in column.values if value is not None]
    require(bool(present), f"{where} has no value in any row: leave it out with --drop")
    text = [row for row, value in enumerate(column.values) if value is not None and _as_number(value) is None]
    if text and len(text) < 0.5 * len(present):
        raise InputError(
            f"{where} holds numbers but for row {text[0] + 1} ({column.values[text[0]]!r}): mend it or use --drop"
        )
    different = len(set(present))
    too_many = different > MOST_CATEGORIES or (different == len(present) and len(present) > 20)
    require(
        not too_many,
        f"{where} is not numeric and has {different} different values in {len(present)} rows: "
        "no number and no category, leave it out with --drop",
    )


def load(
    path: Path, target: str | None, task: str | None = None, drop: tuple[str, ...] = (), weight: str | None = None
) -> Source:
    """The table in the file ``path``; see ``from_columns``."""
    return from_columns(read(path), path, target, task, drop, weight)


def from_columns(
    columns: list[Column],
    path: Path,
    target: str | None,
    task: str | None = None,
    drop: tuple[str, ...] = (),
    weight: str | None = None,
) -> Source:
    """A table with the column ``target`` as what is to be predicted.

    Args:
        path: where the columns came from, for messages.
        target: the name of a column. Text is classified, numbers are predicted, except that a few whole numbers
            (at most 20 different) are classes too.
        task: "classification" or "regression" to decide otherwise.
        drop: columns to leave out.
        weight: the column that says how much a row counts in training.

    Raises:
        InputError: what ``check_column`` refuses, a column that is not there, a target that is constant or has
            missing values, weights that are missing, negative or all 0, or no feature left.
    """
    named = {column.name: column for column in columns}
    require(target is not None, f"{path} is a table: say which column to predict with --target: {', '.join(named)}")
    for name in (*drop, target or "", *(() if weight is None else (weight,))):
        if name not in named:
            raise unknown(f"column of {path}", name, named)
    goal = named[target or ""]
    require(goal.name not in drop, f"column {goal.name!r} cannot be both --target and --drop")
    require(weight != goal.name, f"column {goal.name!r} cannot be both --target and --sample-weight")
    kept = [column for column in columns if column.name not in (goal.name, weight, *drop)]
    require(bool(kept), f"{path} has no column beside the target {goal.name!r}")
    for column in kept:
        check_column(column, path)
    y, classes, task = _target(goal, task, path)
    return Source(
        name=path.name.split(".")[0],
        task=task,
        rows=Rows(stack(kept), y, None if weight is None else _weights(named[weight], path)),
        features=tuple(column.name for column in kept),
        origin=f"{path}, {len(y):,} rows",
        classes=classes,
        target=goal.name,
        numeric=tuple(index for index, column in enumerate(kept) if column.is_numeric),
        categorical=tuple(index for index, column in enumerate(kept) if not column.is_numeric),
        standardise_target=task == REGRESSION,
    )


def stack(columns: list[Column]) -> np.ndarray:
    """(rows, columns): float64 where all are numeric, else objects."""
    dtype = np.float64 if all(column.is_numeric for column in columns) else object
    return np.stack([column.values.astype(dtype) for column in columns], axis=1)


def class_name(value: Any) -> str:
    """What a class is called: its text, or its number with the digits that tell it from any other."""
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if value.is_integer() else repr(float(value))


def _weights(column: Column, path: Path) -> np.ndarray:
    where = f"{path}: weight column {column.name!r}"
    require(column.is_numeric, f"{where} is not numeric")
    bad = ~(np.isfinite(column.values) & (column.values >= 0))
    row = int(bad.argmax())
    require(not bad.any(), f"{where} must be numbers ≥ 0, row {row + 1} has {column.values[row]:g}")
    require(bool(column.values.any()), f"{where} is 0 in every row: no row counts")
    return column.values.astype(np.float32)


def _target(goal: Column, task: str | None, path: Path) -> tuple[np.ndarray, tuple[str, ...], str]:
    where = f"{path}: target column {goal.name!r}"
    missing = np.isnan(goal.values) if goal.is_numeric else np.array([value is None for value in goal.values])
    require(not missing.any(), f"{where} has no value in row {int(missing.argmax()) + 1}: remove such rows first")
    if goal.is_numeric:
        infinite = np.isinf(goal.values)
        require(not infinite.any(), f"{where} is infinite in row {int(infinite.argmax()) + 1}: remove such rows first")
    different = np.unique(goal.values if goal.is_numeric else goal.values.astype(str))
    require(len(different) > 1, f"{where} has the same value in every row: there is nothing to learn")
    if task is None:
        few_integers = (
            goal.is_numeric
            and len(different) <= MOST_INTEGER_CLASSES
            and bool((different == np.floor(different)).all())
        )
        task = CLASSIFICATION if few_integers or not goal.is_numeric else REGRESSION
    if task == REGRESSION:
        require(goal.is_numeric, f"{where} is not numeric: use --task classification")
        return goal.values.reshape(-1, 1), (), task
    require(len(different) <= MOST_CATEGORIES, f"{where} has {len(different)} different values, too many for classes")
    labels = np.searchsorted(different, goal.values if goal.is_numeric else goal.values.astype(str))
    classes = tuple(class_name(value) for value in different)
    return labels.astype(np.int32), classes, task
