"""fcnet sweep: plan, train thousands of members, keep the folder true at every moment, show who leads."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from fcnet import devices, metrics, runs
from fcnet.commands import sweep_facts
from fcnet.commands.interrupts import finish_chunk_on_signals, how_to_go_on, resumable, stoppable
from fcnet.commands.sweep_display import SweepDisplay
from fcnet.commands.sweep_show import show
from fcnet.config import ProcessesConfig
from fcnet.console import Reporter
from fcnet.devices import Processes
from fcnet.errors import Interrupted, require
from fcnet.runs import SWEEP_FILE
from fcnet.sweeps import folder as folders
from fcnet.sweeps import parts
from fcnet.sweeps.calls import Calls
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.distance import Distance
from fcnet.sweeps.folder import SweepFolder
from fcnet.sweeps.planning import PlannedStage, Sweep
from fcnet.sweeps.progress import Progress
from fcnet.sweeps.results import read
from fcnet.sweeps.running import Running
from fcnet.sweeps.tables import WAITING

# Another process may have more programs to compile and to try before it begins.
SECONDS_TO_PLAN = 1800.0
# How long a network's disk may go on saying that a file is not there.
SECONDS_TO_APPEAR = 60.0


def sweep(
    config: SweepConfig,
    *,
    out: Path | None = None,
    quiet: bool = False,
    silent: bool = False,
    others: ProcessesConfig = ProcessesConfig(),
) -> Path:
    """Train all members of a sweep and leave its folder; ``silent`` prints nothing at all.

    Raises:
        InputError: a member that does not fit its data, a device too small for one, or a folder that is taken.
        Interrupted: after a signal; the sweep can be resumed.
    """
    processes = others.join()
    reporter = Reporter(quiet=quiet or silent or processes.index > 0)
    require(
        out is not None or processes.count == 1,
        f"{processes.count} processes leave one sweep: name its folder with --out, on a disk that all of them see",
    )
    if out is not None and processes.index == 0:
        runs.require_free(out)  # before anything takes time
    config = replace(config, train=replace(config.train, data=config.train.data.with_absolute_paths()))
    known = _sweep(config, reporter, processes)
    sweep_facts.announce(reporter, known)
    with stoppable("stopped before anything was trained"):
        first = known.next_stage()
        assert first is not None
        path = out or runs.default_path(f"{known.anything.description.name}-sweep")
        sweep_facts.describe(reporter, known, first)
        sweep_facts.check(reporter, known, first)
        if processes.index == 0:
            runs.create(path)
            folders.begin(
                path, config, known.fingerprint(), plan=_plain(first), batch=known.batch, processes=processes.count
            )
        devices.barrier("the folder of the sweep", seconds=SECONDS_TO_PLAN)
        seen = f"process {processes.index} does not see {path}: name a folder on a disk that all processes see"
        require(_appears(path / SWEEP_FILE), seen)
    folder = SweepFolder(path, processes.index)
    with folder.locked():
        return _train(reporter, Running(known, folder), first, None, silent=silent)


def resume(path: Path, *, quiet: bool = False, others: ProcessesConfig = ProcessesConfig()) -> Path:
    """Go on with a sweep that was stopped; nothing is trained twice.

    Raises:
        InputError: not a sweep's folder, damaged files, or data that have changed since.
        Interrupted: after a signal; the sweep can be resumed again.
    """
    processes = others.join()
    reporter, folder = Reporter(quiet=quiet or processes.index > 0), SweepFolder(path, processes.index)
    config, stored = folder.config(), folder.read()
    require(
        stored["processes"] == processes.count,
        f"{path} was begun by {stored['processes']} processes: go on with as many, there are {processes.count} now",
    )
    finished = f"{path} is finished: nothing to resume. See fcnet sweep show {path}"
    if stored["status"] == "finished":
        reporter.result(finished)
        return path
    with folder.locked(), resumable("sweep", path):
        if folder.read()["status"] == "finished":  # by another command, since
            reporter.result(finished)
            return path
        known = _sweep(config, reporter, processes, stored["batch"])
        distances = [Distance(**found) for found in stored.get("distances", [])]
        call, position = Calls(folder).last()
        _require_as_many_devices(path, position, known.mesh.size)
        if position is None:
            stage = known.next_stage()
        else:
            known.results = parts.collected(path)
            stage = known.stage_again(position)
        require(
            stored["identity"].get("data") == known.fingerprint(),
            f"the data are no longer those that {path} began with: start again",
        )
        through = sum(result.status != WAITING for result in known.results.values())
        reporter.fact("resuming", f"{path} after {call} calls, {through:,} members are through")
        return _train(reporter, Running(known, folder, call, distances), stage, position)


def _sweep(config: SweepConfig, reporter: Reporter, processes: Processes, batch: int = 0) -> Sweep:
    devices.use_precision(config.train.network.dtype)
    return Sweep(config, devices.mesh(jax.local_devices()), processes, reporter.working, batch)


def _appears(path: Path) -> bool:
    """Whether a file is there that was just written; a network's disk may take a while to show it."""
    deadline = time.monotonic() + SECONDS_TO_APPEAR
    while not path.is_file():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.5)
    return True


def _require_as_many_devices(path: Path, position: dict[str, Any] | None, count: int) -> None:
    """Members in training are kept device by device."""
    if position is not None and position["engine"] is not None:
        before = len(position["engine"]["lanes"])
        require(
            before == count,
            f"{path} was stopped while {before} devices trained, there are {count} now: go on with as many "
            f"(on a CPU: JAX_NUM_CPU_DEVICES={before})",
        )


def _plain(stage: PlannedStage) -> list[dict[str, Any]]:
    return [
        {"sizes": list(group.spec.model.sizes), "members": len(group.entrants), **plan._asdict()}
        for group, plan in zip(stage.groups, stage.plans, strict=True)
    ]


def _train(
    reporter: Reporter,
    running: Running,
    stage: PlannedStage | None,
    position: dict[str, Any] | None,
    *,
    silent: bool = False,
) -> Path:
    path, score = running.folder.path, metrics.SCORE_TITLES[running.sweep.score]
    resumed_by = how_to_go_on("sweep", path)
    with (
        resumable("sweep", path),
        finish_chunk_on_signals() as received,
        SweepDisplay(reporter, score) as display,
    ):

        def stop_if_asked(after: str = "stopped") -> None:
            if received:
                raise Interrupted(f"{after}; {resumed_by}", 128 + received[0])

        def listen(progress: Progress) -> None:
            display(progress)
            stop_if_asked(f"stopped after {progress.done} of {progress.members} members")

        running.train(stage, position, listen, stop_if_asked)
    devices.barrier("the end of training", seconds=600)  # until then, somebody may still read what is removed here
    if running.sweep.processes.index == 0:
        parts.write_final(path)
        read(path)  # whole, or what it is made of stays
        sweep_facts.compare(reporter, running.distances, shared_order=running.sweep.config.shared_order)
        running.folder.update(status="finished")
        # what only a sweep that goes on needs
        shutil.rmtree(running.folder.parts, ignore_errors=True)
        shutil.rmtree(running.folder.states, ignore_errors=True)
        if not silent:
            show(path)
    devices.barrier("the results of the sweep", seconds=600)
    return path
