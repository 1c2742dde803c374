"""parts/: what each call of a running sweep brought, put together to what is known of its members so far."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet.errors import InputError, require
from fcnet.sweeps.tables import (
    CURVES_FILE,
    MEMBERS_FILE,
    WAITING,
    MemberResult,
    curve_schema,
    joined,
    read_table,
    write_table,
)
from fcnet.train import History

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = "parts"


def _parts(folder: Path, kind: str) -> "list[pa.Table]":
    found = {path: read_table(path) for path in sorted((folder / PARTS).glob(f"{kind}-*.parquet"))}
    for path, table in found.items():
        same = table.schema.equals(next(iter(found.values())).schema) and "member" in table.schema.names
        require(same, f"{path} is damaged (its columns are not the sweep's): start the sweep again")
    return list(found.values())


def latest_members(folder: Path, until: int | None = None) -> "pa.Table | None":
    """A row per member out of parts/, where one that waited for a later stage has several.

    Args:
        until: leave out what is known of later epochs than this, after which members waited.

    Returns:
        None where there is no part.

    Raises:
        InputError: a part is damaged.
    """
    parts = _parts(folder, "members")
    if not parts:
        return None
    table = joined(parts)
    waiting = np.asarray(table["status"]) == WAITING
    member, epochs = (table[name].to_numpy() for name in ("member", "epochs_run"))
    if until is not None:
        known = np.flatnonzero(epochs <= until)
        table, member, epochs, waiting = table.take(known), member[known], epochs[known], waiting[known]
    # a final row is later than one that waited after the same epoch; but at ``until`` itself, it is too late
    order = np.lexsort((np.where(epochs == until, waiting, ~waiting), epochs, member))
    last = np.append(np.diff(member[order]) > 0, True)
    return table.take(order[last])


def all_curves(folder: Path) -> "pa.Table":
    """Every epoch of parts/ once, by member and epoch.

    Raises:
        InputError: a part is damaged.
    """
    parts = _parts(folder, "curves")
    table = joined(parts) if parts else curve_schema().empty_table()
    member, epoch = (table[name].to_numpy() for name in ("member", "epoch"))
    order = np.lexsort((epoch, member))
    new = np.append(True, (np.diff(member[order]) != 0) | (np.diff(epoch[order]) != 0))[: len(order)]
    return table.take(order[new])


def collected(folder: Path, until: int | None = None) -> dict[int, MemberResult]:
    """What parts/ says of each member so far, by number.

    Args:
        until: what was known when everyone had reached this epoch, whatever came later.

    Raises:
        InputError: a part is damaged.
    """
    table = latest_members(folder, until)
    if table is None:
        return {}
    columns: list[list[Any]] = [
        [math.nan if value is None else value for value in table[name].to_pylist()] for name in MemberResult._fields
    ]
    rows = zip(*columns, strict=True)
    return dict(zip(table["member"].to_pylist(), map(MemberResult._make, rows), strict=True))


def history(folder: Path, member: int, dtype: Any) -> History:
    """Every epoch of one member of a sweep that runs, out of parts/, in the ``dtype`` that it was trained in.

    Raises:
        InputError: a part is damaged.
    """
    curves = all_curves(folder)
    own = curves["member"].to_numpy() == member
    return History(*(curves[name].to_numpy()[own].astype(dtype) for name in History._fields))


def write_final(folder: Path) -> None:
    """Put all of parts/ together as members.parquet and curves.parquet, in the order of the members.

    Raises:
        InputError: there is no part or a damaged one, or the folder cannot be written.
    """
    members = latest_members(folder)
    if members is None:
        raise InputError(f"{folder} has no finished member yet")
    write_table(folder / CURVES_FILE, all_curves(folder))
    write_table(folder / MEMBERS_FILE, members)  # the last: ``results.read`` takes it as the sign of a whole sweep
