"""The two tables of a sweep: a row per member, and a row per member and epoch.

members.parquet  member, setting, seed, fold (null without folds), one column per axis, then ``MemberResult``'s fields:
                 whole numbers int32, seed and whole-number axes int64, numbers float64, all else string
curves.parquet   member, epoch: int32; train_loss, validation_loss, validation_score: as computed, float32, or float64
                 with --dtype float64

NaN becomes null: in a table it means that there is nothing. The metadata of members.parquet say which sweep it was.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

import numpy as np

from fcnet.errors import InputError
from fcnet.files import write_with
from fcnet.sweeps.cells import as_cell, cell_type
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.members import Member
from fcnet.train import History

if TYPE_CHECKING:
    import pyarrow as pa

MEMBERS_FILE, CURVES_FILE = "members.parquet", "curves.parquet"
METADATA = b"fcnet"
FINISHED, STOPPED_EARLY, DIVERGED, DROPPED, WAITING = "finished", "stopped early", "diverged", "dropped", "waiting"


class MemberResult(NamedTuple):
    """How one member ended.

    ``status``: "finished", "stopped early", "diverged" or "dropped"; "waiting" for a later stage of a running sweep.
    ``cause``: of a divergence or of being dropped, else empty. ``best_epoch``: whose parameters were kept, from 1.
    Losses are means over the rows of the part; NaN where there is none. ``seconds``: its share of the training time.
    ``program``: its number among the compiled programs of a stage in one process, from 0.
    ``mode``: "exact", its solo run bit for bit, or "fast".
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


def member_schema(config: SweepConfig, *, score: str, task: str) -> "pa.Schema":
    """Columns of members.parquet, with what a reader needs to know of the sweep as metadata."""
    import pyarrow as pa

    fields = {"member": pa.int32(), "setting": pa.int32(), "seed": pa.int64(), "fold": pa.int32()}
    fields |= {axis.name: cell_type(axis) for axis in config.axes}
    types = {str: pa.string(), int: pa.int32(), float: pa.float64()}
    fields |= {name: types[kind] for name, kind in get_type_hints(MemberResult).items()}
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


def curve_schema(dtype: Any = np.float32) -> "pa.Schema":
    """Columns of curves.parquet; ``dtype``: in which losses and scores were computed."""
    import pyarrow as pa

    numbers = dict.fromkeys(History._fields, pa.from_numpy_dtype(dtype))
    return pa.schema({"member": pa.int32(), "epoch": pa.int32()} | numbers)


def curve_table(member: int, history: History, first_epoch: int) -> "pa.Table":
    """Epochs ``first_epoch``, ``first_epoch`` + 1, … of one member; each column of ``history`` is (epochs,)."""
    import pyarrow as pa

    count, dtype = len(history.train_loss), history.train_loss.dtype
    columns = [
        pa.array(np.full(count, member, np.int32)),
        pa.array(np.arange(first_epoch, first_epoch + count, dtype=np.int32)),
        *(pa.array(np.asarray(column), from_pandas=True) for column in history),  # NaN is null
    ]
    return pa.table(columns, curve_schema(dtype))


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


def read_table(path: Path) -> "pa.Table":
    """The table in a Parquet file.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # not read_table, which would take the word before a "=" in the path for a column
        return pq.ParquetFile(path).read()
    except FileNotFoundError:
        raise InputError(f"{path} is not there: the sweep is not complete") from None
    except (OSError, ValueError, pa.ArrowException) as broken:
        raise InputError(f"{path} is damaged ({type(broken).__name__}): start the sweep again") from None
