"""The folder of a sweep: what lies on disk while it runs, so that nothing is lost and nothing is trained twice.

sweep.json       config, data, programs, devices, provenance, status
members.parquet  a row per member          curves.parquet  a row per member and epoch (both at the end)
parts/           the same, call by call, and where each call left off
states/          the state of the members in training (see ``states``), and of those that wait for a later stage; and
                 the locks of the processes that train

With several processes each writes its own parts and states under its own number (see ``calls``).
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fcnet import provenance
from fcnet.errors import InputError, require
from fcnet.files import make_folder, read_json, write_json
from fcnet.runs import SWEEP_FILE
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.parts import PARTS


@dataclasses.dataclass(frozen=True)
class SweepFolder:
    """One sweep's folder as one process sees it; ``process`` is its number."""

    path: Path
    process: int = 0

    @property
    def parts(self) -> Path:
        """What each call brought."""
        return self.path / PARTS

    @property
    def states(self) -> Path:
        """What members go on from."""
        return self.path / "states"

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
        make_folder(self.states)
        lock = FileLock(self.states / f"process-{self.process}.lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(f"{self.path} is being trained by another command: wait for it, or stop it") from None
        except OSError as failed:
            raise InputError(f"cannot write into {self.path}: {failed.strerror or failed}") from None
        try:
            yield
        finally:
            lock.release()  # but not removed: another command may hold the same file open


def begin(path: Path, config: SweepConfig, data: str, **facts: Any) -> None:
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
