"""What a sweep saves after every call, and where it goes on from after the last of them.

A call counts once its position is written, the last of its files; what lies there of later calls is forgotten.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fcnet.files import make_folder, read_json, write_json
from fcnet.sweeps.folder import SweepFolder
from fcnet.sweeps.states import read_resting, read_states, write_resting, write_states
from fcnet.sweeps.tables import curve_table, joined, write_table
from fcnet.sweeps.told import Resting, Told
from fcnet.train import RunState

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Calls:
    """The calls of one process, numbered from 1, in the folder of its sweep."""

    folder: SweepFolder

    def save(
        self, number: int, told: Told, rows: "pa.Table", *, states: RunState | None, position: dict[str, Any]
    ) -> None:
        """Write what a call brought.

        Args:
            rows: one for each of the results that were told, as in members.parquet.
            states: of who is in training, None where nobody is.
            position: where it left off, as plain values.

        Raises:
            InputError: the folder cannot be written.
        """
        make_folder(self.folder.parts)
        pieces = [curve_table(curve.member, curve.history, curve.first) for curve in told.curves]
        if pieces:
            write_table(self._part("curves", number, "parquet"), joined(pieces))
        if told.results:
            write_table(self._part("members", number, "parquet"), rows)
        stage = position["stage"]
        for member, kept in told.resting.items():
            write_resting(self._resting(member, stage), kept)
        if states is not None:
            write_states(self._state(number), states)
        write_json(self._part("position", number, "json"), position)
        for old in self._positions()[:-1]:
            old.unlink()
        for old in self._states.glob("*.npz"):
            if int(old.stem) < number:
                old.unlink()
        for member in told.results:  # what they began from is no longer needed
            self._resting(member, stage - 1).unlink(missing_ok=True)

    def last(self) -> tuple[int, dict[str, Any] | None]:
        """Number and position of the last call that was completely written; what lies beyond it is removed.

        Returns:
            0 and None where there is no such call.

        Raises:
            InputError: the position is damaged.
        """
        found = self._positions()
        last = int(found[-1].stem.split("-")[-1]) if found else 0
        for path in self.folder.parts.glob(f"*-{self.folder.process}-*.parquet"):
            if int(path.stem.split("-")[-1]) > last:
                path.unlink()
        for path in self._states.glob("*.npz"):
            if int(path.stem) > last:
                path.unlink()
        return last, read_json(found[-1]) if found else None

    def furthest_stage(self) -> int:
        """The latest stage that any process has begun."""
        while True:
            try:
                found = [path.read_text(encoding="utf-8") for path in self.folder.parts.glob("position-*.json")]
            except FileNotFoundError:  # its process has just written a newer one
                continue
            return max((json.loads(text)["stage"] for text in found), default=0)

    def states(self, number: int, like: RunState) -> RunState:
        """The states of who was in training after call ``number``, the last; see ``read_states``."""
        return read_states(self._state(number), like)[0]

    def resting(self, member: int, stage: int, like: RunState) -> Resting:
        """What a member goes on from that waited since the end of ``stage``; see ``read_resting``."""
        return read_resting(self._resting(member, stage), like)

    @property
    def _states(self) -> Path:
        return self.folder.states / f"process-{self.folder.process}"

    def _state(self, number: int) -> Path:
        return self._states / f"{number:06d}.npz"

    def _resting(self, member: int, stage: int) -> Path:
        # by stage, because a call that is not finished must not change what it began from
        return self.folder.states / "waiting" / f"member-{member}-stage-{stage}.npz"

    def _part(self, kind: str, number: int, suffix: str) -> Path:
        return self.folder.parts / f"{kind}-{self.folder.process}-{number:06d}.{suffix}"

    def _positions(self) -> list[Path]:
        return sorted(self.folder.parts.glob(f"position-{self.folder.process}-*.json"))
