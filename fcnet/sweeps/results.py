"""The results of a sweep as read back from its folder, also while it runs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet.errors import InputError, require
from fcnet.runs import RUN_FILE, SWEEP_FILE
from fcnet.sweeps.axes import Axis
from fcnet.sweeps.cells import from_cell
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.members import Member, members_of, setting
from fcnet.sweeps.parts import PARTS, all_curves, latest_members
from fcnet.sweeps.tables import CURVES_FILE, MEMBERS_FILE, METADATA, curve_schema, member_schema, read_table

if TYPE_CHECKING:
    import pyarrow as pa


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
        members, curves = read_table(folder / MEMBERS_FILE), read_table(folder / CURVES_FILE)
    else:
        require((folder / SWEEP_FILE).is_file(), _not_a_sweep(folder))
        so_far = latest_members(folder)
        if so_far is None:
            raise InputError(f"{folder} has no finished member yet: wait, or go on with fcnet sweep --resume {folder}")
        members, curves = so_far, all_curves(folder)
    where = folder / (MEMBERS_FILE if is_complete else PARTS)
    results = _understood(members, curves, is_complete, where)
    if is_complete:
        _require_whole(results, folder)
    return results


def _not_a_sweep(folder: Path) -> str:
    if (folder / RUN_FILE).is_file():
        return f"{folder} is the folder of a single run, not of a sweep: see fcnet evaluate {folder}"
    return f"{folder} is not the folder of a sweep: it has no {SWEEP_FILE}"


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
    same &= _columns(curves.schema) in [_columns(curve_schema(dtype)) for dtype in (np.float32, np.float64)]
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
