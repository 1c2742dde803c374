"""What a sweep leaves: a table with a row per member, and one with a row per member and epoch, as Parquet files.

members.parquet  member, setting, seed, fold (null without folds), one column per axis, then ``MemberResult``'s fields
curves.parquet   member, epoch, train_loss, validation_loss, validation_score

NaN becomes null: in a table it means that there is nothing. The metadata of members.parquet say which sweep it was.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

import numpy as np

from fcnet.errors import InputError, require
from fcnet.files import write_with
from fcnet.sweeps.axes import Axis
from fcnet.sweeps.cells import as_cell, cell_type, from_cell
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.members import Member, members_of, setting
from fcnet.train import History

if TYPE_CHECKING:
    import pyarrow as pa

MEMBERS_FILE, CURVES_FILE, PARTS = "members.parquet", "curves.parquet", "parts"
METADATA = b"fcnet"


class MemberResult(NamedTuple):
    """How one member ended.

    ``status``: "finished", "stopped early", "diverged" or "dropped"; "waiting" for a later stage of a running sweep.
    ``cause``: of a divergence or of being dropped, else empty. ``best_epoch``: whose parameters were kept, from 1.
    Losses are means over the rows of the part; NaN where there is none. ``seconds``: its share of the training time.
    ``program``: number of the compiled program that trained it. ``mode``: "exact", its solo run bit for bit, or "fast".
    """

    status: str
    cause: str
    epochs_run: int
    best_epoch: int
    best_validation_loss: float
    best_validation_score: float
    last_train_loss: float
    last_validation_loss: float
    last_validation_score: float
    test_loss: float
    test_score: float
    seconds: float
    program: int
    mode: str


def _result_types() -> "dict[str, pa.DataType]":
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int32(), float: pa.float64()}
    return {name: types[kind] for name, kind in get_type_hints(MemberResult).items()}


def member_schema(config: SweepConfig, *, score: str, task: str) -> "pa.Schema":
    """Columns of members.parquet, with what ``read`` needs to know of the sweep as metadata."""
    import pyarrow as pa

    fields = {"member": pa.int32(), "setting": pa.int32(), "seed": pa.int64(), "fold": pa.int32()}
    fields |= {axis.name: cell_type(axis) for axis in config.axes} | _result_types()
    axes = [{"name": axis.name, "kind": axis.kind, "text": axis.text} for axis in config.axes]
    about = {"axes": axes, "score": score, "task": task, "config": config.to_json()}
    return pa.schema(fields, metadata={METADATA: json.dumps(about, ensure_ascii=False).encode()})


def member_table(
    config: SweepConfig, members: Sequence[Member], results: Mapping[int, MemberResult], *, score: str, task: str
) -> "pa.Table":
    """A row for each of ``members``, whose ``results`` are known by number.

    Args:
        score: what the scores are, "accuracy" or "r2".
        task: "classification" or "regression".
    """
    import pyarrow as pa

    def row(member: Member) -> dict[str, Any]:
        who = {"member": member.number, "setting": member.setting, "seed": member.seed, "fold": member.fold}
        cells = {axis.name: as_cell(axis, member.values[axis.name]) for axis in config.axes}
        return who | cells | {name: _or_null(value) for name, value in results[member.number]._asdict().items()}

    return pa.Table.from_pylist([row(member) for member in members], member_schema(config, score=score, task=task))


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def curve_table(member: int, history: History, first_epoch: int) -> "pa.Table":
    """Epochs ``first_epoch``, ``first_epoch`` + 1, … of one member; each column of ``history`` is (epochs,)."""
    import pyarrow as pa

    count = len(history.train_loss)
    columns = {
        "member": pa.array(np.full(count, member, np.int32)),
        "epoch": pa.array(np.arange(first_epoch, first_epoch + count, dtype=np.int32)),
    }
    for name, column in history._asdict().items():
        columns[name] = pa.array(np.asarray(column, np.float64), from_pandas=True)  # NaN is null
    return pa.table(columns)


def joined(tables: "Sequence[pa.Table]") -> "pa.Table":
    """One table out of one or more of the same columns."""
    import pyarrow as pa

    return pa.concat_tables(tables)


def write_table(path: Path, table: "pa.Table") -> None:
    """Write a table as a Parquet file that appears whole or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    import pyarrow.parquet as pq

    write_with(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def _read_table(path: Path) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # not read_table, which would take the word before a "=" in the path for a column
        return pq.ParquetFile(path).read()
    except FileNotFoundError:
        raise InputError(f"{path} is not there: the sweep is not complete") from None
    except (OSError, ValueError, pa.ArrowException) as broken:
        raise InputError(f"{path} is damaged ({type(broken).__name__}): start the sweep again") from None


def _parts(folder: Path, kind: str) -> "list[pa.Table]":
    found = {path: _read_table(path) for path in sorted((folder / PARTS).glob(f"{kind}-*.parquet"))}
    for path, table in found.items():
        same = table.schema.equals(next(iter(found.values())).schema) and "member" in table.schema.names
        require(same, f"{path} is damaged (its columns are not the sweep's): start the sweep again")
    return list(found.values())


def _latest_members(folder: Path, until: int | None = None) -> "pa.Table | None":
    """A row per member out of parts/, where one that waited for a later stage has several.

    Args:
        until: leave out what is known of later epochs than this, after which members waited.
    """
    parts = _parts(folder, "members")
    if not parts:
        return None
    table = joined(parts)
    waiting = np.asarray(table["status"]) == "waiting"
    member, epochs = (table[name].to_numpy() for name in ("member", "epochs_run"))
    if until is not None:
        known = np.flatnonzero(epochs <= until)
        table, member, epochs, waiting = table.take(known), member[known], epochs[known], waiting[known]
    # a final row is later than one that waited after the same epoch, but for those that waited after the very last
    order = np.lexsort((waiting if until is not None else ~waiting, epochs, member))
    last = np.append(np.diff(member[order]) > 0, True)
    return table.take(order[last])


def _all_curves(folder: Path) -> "pa.Table":
    """Every epoch of parts/ once, by member and epoch."""
    parts = _parts(folder, "curves")
    table = joined(parts or [curve_table(0, History(*np.empty((3, 0))), 1)])
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
    table = _latest_members(folder)
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
    curves = _all_curves(folder)
    own = curves["member"].to_numpy() == member
    return History(*(curves[name].to_numpy()[own].astype(dtype) for name in History._fields))


def write_final(folder: Path) -> None:
    """Put all of parts/ together as members.parquet and curves.parquet, in the order of the members.

    Raises:
        InputError: there is no part or a damaged one, or the folder cannot be written.
    """
    members = _latest_members(folder)
    if members is None:
        raise InputError(f"{folder} has no finished member yet")
    write_table(folder / CURVES_FILE, _all_curves(folder))
    write_table(folder / MEMBERS_FILE, members)  # the last, because ``read`` takes it as the sign of a whole sweep


@dataclass(frozen=True)
class SweepResults:
    """A sweep as read back.

    ``score``: "accuracy" or "r2". ``task``: "classification" or "regression". ``is_complete``: False while it runs or
    where it was stopped; the tables then have what is there so far.
    """

    config: SweepConfig
    score: str
    task: str
    members: "pa.Table"
    curves: "pa.Table"
    is_complete: bool

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What was varied."""
        return self.config.axes

    def column(self, name: str) -> np.ndarray:
        """A column of ``members``, (members,); null is NaN."""
        return self.members[name].to_numpy()

    @property
    def split(self) -> np.ndarray:
        """Which fold or random split each member was trained on, (members,); 0 where there is one only."""
        return np.nan_to_num(self.column("fold")).astype(int)

    def member(self, number: int) -> Member:
        """The member with this number, its config and all.

        Raises:
            InputError: there is no such member.
        """
        rows = np.flatnonzero(self.column("member") == number)
        require(len(rows) == 1, f"there is no member {number} among the {self.members.num_rows:,} of this sweep")
        row = self.members.slice(int(rows[0]), 1).to_pylist()[0]
        values = {axis.name: from_cell(axis, row[axis.name], MEMBERS_FILE) for axis in self.axes}
        own = members_of(self.config, [setting(self.config, row["setting"], values)])
        return own[number % len(own)]._replace(number=number)


def read(folder: Path) -> SweepResults:
    """The results of the sweep in ``folder``, or what there is of them so far.

    Raises:
        InputError: not the folder of a sweep, nobody is through yet, or a file is damaged.
    """
    require(folder.is_dir(), f"{folder} is not there: give the folder of a sweep")
    is_complete = (folder / MEMBERS_FILE).is_file()
    if is_complete:
        members, curves = _read_table(folder / MEMBERS_FILE), _read_table(folder / CURVES_FILE)
    else:
        require((folder / "sweep.json").is_file(), _not_a_sweep(folder))
        so_far = _latest_members(folder)
        if so_far is None:
            raise InputError(f"{folder} has no finished member yet: wait, or go on with fcnet sweep --resume {folder}")
        members, curves = so_far, _all_curves(folder)
    where = folder / (MEMBERS_FILE if is_complete else PARTS)
    results = _understood(members, curves, is_complete, where)
    if is_complete:
        _require_whole(results, folder)
    return results


def _not_a_sweep(folder: Path) -> str:
    if (folder / "run.json").is_file():
        return f"{folder} is the folder of a single run, not of a sweep: see fcnet evaluate {folder}"
    return f"{folder} is not the folder of a sweep: it has no sweep.json"


def _understood(members: "pa.Table", curves: "pa.Table", is_complete: bool, where: Path) -> SweepResults:
    about: Any = None
    try:
        about = json.loads((members.schema.metadata or {})[METADATA])
        score, task, stored = about["score"], about["task"], about["config"]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{where} is not a sweep of this version of fcnet: it does not say which sweep") from None
    config = SweepConfig.from_json(stored, str(where))
    wanted = member_schema(config, score=score, task=task)
    same = _columns(members.schema) == _columns(wanted)
    same &= _columns(curves.schema) == _columns(curve_table(0, History(*np.empty((3, 0))), 1).schema)
    require(same, f"{where} is not a sweep of this version of fcnet: it has other columns")
    return SweepResults(config, score, task, members, curves, is_complete)


def _columns(schema: "pa.Schema") -> "list[tuple[str, pa.DataType]]":
    return [(field.name, field.type) for field in schema]


def _require_whole(results: SweepResults, folder: Path) -> None:
    """Every member has its row and every epoch that it ran."""
    number = results.column("member")
    epochs = np.bincount(results.curves["member"].to_numpy(), minlength=len(number))
    same = np.array_equal(number, np.arange(len(number))) and np.array_equal(epochs, results.column("epochs_run"))
    require(same, f"{folder / MEMBERS_FILE} and {CURVES_FILE} do not fit together: start the sweep again")
