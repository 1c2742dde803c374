"""The folder of a sweep: what lies on disk while it runs, so that nothing is lost and nothing is trained twice.

sweep.json       config, data, programs, devices, provenance, status
members.parquet  a row per member          curves.parquet  a row per member and epoch (both at the end)
parts/           the same, call by call, and where each call left off
states/          the state of the members in training (see ``checkpoint``), and of those that wait for a later stage

With several processes each writes its own parts and states under its own number. A call counts once its position is
written, the last of its files; what lies there of later calls is forgotten.
"""

import dataclasses
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from filelock import FileLock, Timeout

from fcnet import checkpoint, provenance
from fcnet.errors import InputError, require
from fcnet.files import read_json, write_json, write_with
from fcnet.runs import SWEEP_FILE
from fcnet.sweeps import results as tables
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.engine import Curve, Open, Resting
from fcnet.sweeps.members import Member
from fcnet.sweeps.results import MemberResult
from fcnet.train import RunState


@dataclasses.dataclass(frozen=True)
class SweepFolder:
    """One sweep's folder as one process sees it; ``process`` is its number."""

    path: Path
    process: int = 0

    @property
    def parts(self) -> Path:
        """What each call brought."""
        return self.path / "parts"

    @property
    def states(self) -> Path:
        """This process's checkpoints."""
        return self.path / "states" / f"process-{self.process}"

    def _resting(self, member: int, stage: int) -> Path:
        # by stage, because a call that is not finished must not change what it began from
        return self.path / "states" / "waiting" / f"member-{member}-stage-{stage}.npz"

    def _part(self, kind: str, call: int, suffix: str) -> Path:
        return self.parts / f"{kind}-{self.process}-{call:06d}.{suffix}"

    def read(self) -> dict[str, Any]:
        """The content of sweep.json.

        Raises:
            InputError: this is not the folder of a sweep, or the file is damaged.
        """
        require(self.path.is_dir(), f"{self.path} is not there: give the folder of a sweep")
        require((self.path / SWEEP_FILE).is_file(), f"{self.path} is not the folder of a sweep: it has no {SWEEP_FILE}")
        stored = read_json(self.path / SWEEP_FILE)
        absent = [name for name in ("status", "config", "identity", "batch", "processes") if name not in stored]
        where = self.path / SWEEP_FILE
        require(not absent, f"{where} is not a sweep of this version of fcnet: it has no {' and no '.join(absent)}")
        return stored

    def update(self, **changes: Any) -> None:
        """Rewrite sweep.json with these fields changed."""
        write_json(self.path / SWEEP_FILE, self.read() | changes)

    def config(self) -> SweepConfig:
        """What the sweep was asked to do.

        Raises:
            InputError: sweep.json was edited since the sweep began, or is damaged.
        """
        stored, where = self.read(), self.path / SWEEP_FILE
        same = provenance.fingerprint(stored["config"]) == stored["identity"].get("config")
        require(same, f"{where} was changed since the sweep began: undo that, or start again")
        return SweepConfig.from_json(stored["config"], str(where))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else may train this process's members meanwhile; the lock ends with its process, however that ends.

        Raises:
            InputError: somebody else does.
        """
        lock = FileLock(self.path / f".process-{self.process}.lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(f"{self.path} is being trained by another command: wait for it, or stop it") from None
        try:
            yield
        finally:
            lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)

    # after a call

    def save_call(
        self,
        call: int,
        *,
        curves: Iterable[Curve],
        results: Mapping[int, MemberResult],
        resting: Mapping[int, Resting],
        members: Mapping[int, Member],
        config: SweepConfig,
        score: str,
        task: str,
        states: RunState | None,
        position: dict[str, Any],
    ) -> None:
        """Write what a call brought; ``states``: of who is in training, None where nobody is."""
        self.parts.mkdir(exist_ok=True)
        pieces = [tables.curve_table(curve.member, curve.history, curve.first) for curve in curves]
        if pieces:
            tables.write_table(self._part("curves", call, "parquet"), tables.joined(pieces))
        if results:
            own = [members[number] for number in results]
            table = tables.member_table(config, own, results, score=score, task=task)
            tables.write_table(self._part("members", call, "parquet"), table)
        stage = position["stage"]
        for member, kept in resting.items():
            self._write_resting(self._resting(member, stage), kept)
        if states is not None:
            self.states.mkdir(parents=True, exist_ok=True)
            checkpoint.save(self.states, call, states, self.read()["identity"])
        write_json(self._part("position", call, "json"), position | {"has_states": states is not None})
        for old in self._positions()[:-1]:
            old.unlink()
        for member in results:  # what they began from is no longer needed
            self._resting(member, stage - 1).unlink(missing_ok=True)

    def _positions(self) -> list[Path]:
        return sorted(self.parts.glob(f"position-{self.process}-*.json"))

    def last_call(self) -> tuple[int, dict[str, Any]] | None:
        """Number and position of the last call that was completely written; what lies beyond it is removed.

        Raises:
            InputError: the position is damaged.
        """
        found = self._positions()
        last = int(found[-1].stem.split("-")[-1]) if found else 0
        for path in self.parts.glob(f"*-{self.process}-*.parquet") if self.parts.is_dir() else ():
            if int(path.stem.split("-")[-1]) > last:
                path.unlink()
        for path in self.states.glob("*") if self.states.is_dir() else ():
            if path.name.split(".")[0].isdigit() and int(path.name.split(".")[0]) > last:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return (last, read_json(found[-1])) if found else None

    def furthest_stage(self) -> int:
        """The latest stage that any process has begun."""
        return max((read_json(path)["stage"] for path in self.parts.glob("position-*.json")), default=0)

    def load_states(self, like: RunState) -> RunState:
        """The states of the last call's members.

        Raises:
            InputError: see ``checkpoint.load``.
        """
        return checkpoint.load(self.states, like, self.read()["identity"])

    # members that wait for a later stage

    def _write_resting(self, path: Path, kept: Resting) -> None:
        leaves = [
            np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
            for leaf in jax.tree.leaves(kept.state)
        ]
        named = {f"leaf_{number}": leaf for number, leaf in enumerate(leaves)}
        named["known"] = np.array([kept.known.seconds, *kept.known.last])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_with(path, lambda temporary: np.savez(temporary, allow_pickle=False, **named))

    def resting(self, member: int, stage: int, like: RunState) -> Resting:
        """What a member goes on from that waited since the end of ``stage``.

        Args:
            like: shapes and dtypes of its state.

        Raises:
            InputError: its file is not there or damaged.
        """
        path = self._resting(member, stage)
        try:
            with np.load(path, allow_pickle=False) as stored:
                leaves, tree = jax.tree.flatten(like)
                read = [stored[f"leaf_{number}"] for number in range(len(leaves))]
                known = stored["known"]
        except (OSError, ValueError, KeyError) as broken:
            raise InputError(f"{path} is damaged ({type(broken).__name__}): start the sweep again") from None
        typed = [
            jax.random.wrap_key_data(jnp.asarray(got))
            if jnp.issubdtype(wanted.dtype, jax.dtypes.prng_key)
            else jnp.asarray(got)
            for got, wanted in zip(read, leaves, strict=True)
        ]
        fits = all(
            got.shape == wanted.shape and got.dtype == wanted.dtype for got, wanted in zip(typed, leaves, strict=True)
        )
        require(fits, f"{path} does not belong to this sweep: start the sweep again")
        seconds, *last = (float(value) for value in known)
        return Resting(jax.tree.unflatten(tree, typed), Open(seconds, tuple(last)))  # type: ignore[arg-type]  # three


def begin(path: Path, config: SweepConfig, data: str, **facts: Any) -> SweepFolder:
    """Write what is known before the first call; ``data``: fingerprint of all data sets."""
    plain = config.to_json()
    record = {
        "status": "started",
        "config": plain,
        "identity": {"config": provenance.fingerprint(plain), "data": data},
        **facts,
        "provenance": provenance.collect(),
    }
    write_json(path / SWEEP_FILE, record)
    return SweepFolder(path)
