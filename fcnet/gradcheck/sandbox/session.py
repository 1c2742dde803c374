"""Someone's file in a process of its own, with limits of time and memory, and a name for every way it can end.

The limits are against mistakes, not against an attacker: a file can read what its user can read. What comes back is
JSON alone, and nothing that the file does to its own process reaches this one.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fcnet.errors import require
from fcnet.files import write_json
from fcnet.gradcheck.sandbox.outcome import Limits, Outcome, Session, out_of_memory, read, readable

# Python and the libraries are loaded before the file's own time begins; on a busy machine that is slow.
START_SECONDS = 120.0
# Of what the file prints, this many characters are kept.
MOST_PRINTED = 4000


def run(file: Path, entry: str, *, options: Mapping[str, Any], limits: Limits) -> Session:
    """Load ``file`` in a process of its own and do there what ``entry`` says.

    Tasks are done one after the other in one process. One that loops or crashes costs itself alone: the rest is done
    by a new process.

    Args:
        entry: a module of fcnet with ``plan(module, options) -> list of tasks`` and
            ``perform(module, task, options) -> plain values``.
        options: plain values for both.

    Raises:
        InputError: there is no such file, or a limit makes no sense.
    """
    require(file.is_file(), f"{file} is not there: name a Python file")
    require(limits.seconds > 0, f"a time limit of {limits.seconds:g} s: it must be above 0")
    require(limits.memory_gib > 0, f"a memory limit of {limits.memory_gib:g} GiB: it must be above 0")
    with TemporaryDirectory(prefix="fcnet-") as name:
        folder = Path(name)
        job = {"file": str(file.resolve()), "entry": entry, "options": dict(options), "limits": vars(limits)}
        outcomes: list[Outcome] = []
        while True:
            write_json(folder / "job.json", job | {"first": len(outcomes)})
            load = _one_process(folder, file.resolve().parent, outcomes, limits)
            tasks = _plan(load)
            if tasks is None or len(outcomes) >= len(tasks):
                break
        printed = _printed(folder)
    return Session(load, dict(zip(tasks or (), outcomes, strict=False)), printed)


def _one_process(folder: Path, work: Path, outcomes: list[Outcome], limits: Limits) -> Outcome:
    """Start a worker and follow it until its tasks are done or it stops; the outcome of loading.

    Args:
        folder: for what is handed over. work: the file's own, so that it finds the data that lie beside it.
    """
    for stale in ("started", "plan.json"):
        (folder / stale).unlink(missing_ok=True)
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    # networks that are checked are small, and a limit of memory does not fit what a GPU's driver maps
    environment.setdefault("JAX_PLATFORMS", "cpu")
    with (folder / "printed").open("ab") as printed:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "fcnet.gradcheck.sandbox.worker", str(folder)],
            cwd=work,
            stdin=subprocess.PIPE,  # nothing is written: the worker ends when it breaks, see ``limits``
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        started = _appears(folder / "started", process, START_SECONDS)
        if not started or not _appears(folder / "plan.json", process, limits.seconds):
            return _ending(process, folder, limits)
        load = read(folder / "plan.json")
        for number in range(len(outcomes), len(_plan(load) or ())):
            step = folder / f"{number}.json"
            if not _appears(step, process, limits.seconds):
                outcomes.append(_ending(process, folder, limits))
                break
            outcomes.append(read(step))
        return load
    finally:
        _end(process)


def _appears(path: Path, process: subprocess.Popen[bytes], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not path.exists():
        if process.poll() is not None:
            return path.exists()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the worker with what it has started, but for processes that have left its group on purpose."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):  # gone already
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _plan(load: Outcome) -> list[str] | None:
    return load.value if load.kind == "finished" else None


def _ending(process: subprocess.Popen[bytes], folder: Path, limits: Limits) -> Outcome:
    """What became of a worker that did not write the next result."""
    code = process.poll()
    if code is None:
        return Outcome("timed_out", message=f"ran longer than {limits.seconds:g} s: does a loop not end?")
    last_words = _printed(folder, last=True).lower()
    if any(words in last_words for words in ("bad_alloc", "memoryerror", "out of memory", "cannot allocate memory")):
        return Outcome("out_of_memory", message=out_of_memory(limits.memory_gib))
    if code >= 0:
        return Outcome("exited", message=f"ended the process with exit code {code}: leave that out")
    name = next((known.name for known in signal.Signals if known == -code), str(-code))
    if name == "SIGXCPU":
        return Outcome("timed_out", message=f"used more processor time than {limits.seconds:g} s on every core")
    return Outcome("killed", message=f"was killed by the signal {name}")


def _printed(folder: Path, *, last: bool = False) -> str:
    """The beginning of what was printed, or its end."""
    with (folder / "printed").open("rb") as file:
        if last:
            file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_PRINTED))
        text = file.read(4 * MOST_PRINTED).decode("utf-8", "replace")
    if last:
        return text
    return readable(text[:MOST_PRINTED]) + (" … (more was printed)" if len(text) > MOST_PRINTED else "")
