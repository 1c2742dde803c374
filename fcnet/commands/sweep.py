"""fcnet sweep: plan, train thousands of members, keep the folder true at every moment, show who leads."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from fcnet import devices, metrics, provenance, runs
from fcnet.commands.interrupts import finish_chunk_on_signals
from fcnet.commands.sweep_display import SweepDisplay
from fcnet.commands.sweep_show import show
from fcnet.commands.train import check_gradients
from fcnet.config import ProcessesConfig
from fcnet.console import Reporter, duration, size_text
from fcnet.devices import Processes
from fcnet.errors import Interrupted, require
from fcnet.runs import SWEEP_FILE
from fcnet.sweeps import folder as folders
from fcnet.sweeps import results as tables
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.distance import Distance
from fcnet.sweeps.folder import SweepFolder
from fcnet.sweeps.groups import Group
from fcnet.sweeps.plan import Plan
from fcnet.sweeps.running import PlannedStage, Progress, Sweep

# Another process may have more programs to compile and to try before it begins.
SECONDS_TO_PLAN = 1800.0


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
    running = _sweep(config, reporter, processes)
    _announce(reporter, running)
    with _stoppable("stopped before anything was trained"):
        first = running.next_stage()
        assert first is not None
        name = running.anything.description.name
        path = out or runs.default_path(f"{name}-sweep")
        _describe(reporter, running, first)
        _check_gradients(reporter, first, running)
        if processes.index == 0:
            runs.create(path)
            folders.begin(
                path, config, running.fingerprint(), plan=_plain(first), batch=running.batch, processes=processes.count
            )
        devices.barrier("the folder of the sweep", seconds=SECONDS_TO_PLAN)
        seen = (path / SWEEP_FILE).is_file()
        require(seen, f"process {processes.index} does not see {path}: name a folder on a disk that all processes see")
    folder = SweepFolder(path, processes.index)
    with folder.locked():
        return _train(reporter, folder, running, first, None, silent=silent)


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
    if stored["status"] == "finished":
        reporter.result(f"{path} is finished: nothing to resume. See fcnet sweep show {path}")
        return path
    running = _sweep(config, reporter, processes, stored["batch"])
    running.distances = [Distance(**found) for found in stored.get("distances", [])]
    with folder.locked(), _stoppable(f"stopped; {_how_to_go_on(path)}"):
        last, stage, position = folder.last_call(), None, None
        if last is not None:
            running.call, position = last
            running.results = tables.collected(path)
            stage = running.stage_again(position)
        else:
            stage = running.next_stage()
        require(
            stored["identity"].get("data") == running.fingerprint(),
            f"the data are no longer those that {path} began with: start again",
        )
        reporter.fact("resuming", f"{path} after {running.call} calls, {len(running.results)} members are through")
        return _train(reporter, folder, running, stage, position)


def _sweep(config: SweepConfig, reporter: Reporter, processes: Processes, batch: int = 0) -> Sweep:
    if config.train.network.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    return Sweep(config, devices.mesh(jax.local_devices()), processes, batch, tell=reporter.working)


def _how_to_go_on(path: Path) -> str:
    return f"go on with: fcnet sweep --resume {path}"


@contextmanager
def _stoppable(message: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(message, 128 + signal.SIGINT) from None


def _announce(reporter: Reporter, running: Sweep) -> None:
    """What is known before anything is compiled."""
    device, count = provenance.device(), running.processes.count
    kind = f"{device['kind']} cores" if device["platform"] == "cpu" else device["kind"]
    processes = f", {count} processes" if count > 1 else ""
    reporter.fact("device", f"{device['platform']}: {running.mesh.size} × {kind}, JAX {jax.__version__}{processes}")
    reporter.fact("members", running.config.describe())


def _describe(reporter: Reporter, running: Sweep, first: PlannedStage) -> None:
    data = running.anything.description
    sizes = " / ".join(f"{count:,} {name}" for name, count in data.rows.items())
    folds = f", {len(running.datasets)} splits" if len(running.datasets) > 1 else ""
    reporter.fact("data", f"{data.name} ({data.origin}): {sizes} rows{folds}")
    anywhere = {name for group in first.groups for name in _present(group)}
    for group, plan in zip(first.groups, first.plans, strict=True):
        reporter.fact("program", _program(group, plan, running.mesh.size, anywhere))
    took = duration(first.seconds) if first.seconds >= 1 else "a second"
    reporter.fact("plan", f"at most {took} for the {_stage_name(running.config)}")


def _present(group: Group) -> set[str]:
    """The hyper-parameters in a group's program."""
    return {name for name, value in group.hparams._asdict().items() if value is not None}


def _stage_name(config: SweepConfig) -> str:
    return "first batch of the search" if config.search else "whole sweep" if not config.halving else "first rung"


def _program(group: Group, plan: Plan, lanes: int, anywhere: set[str]) -> str:
    model = group.spec.model
    absent = [f"without {name.replace('_', ' ')}" for name in sorted(anywhere - _present(group))]
    how = "in turn, bit for bit their solo runs" if plan.mode == "exact" else "together (vmap)"
    how += ", rows read in blocks, once for all" if plan.stream_bytes else ""
    waves = f"{plan.waves} wave{'s' if plan.waves > 1 else ''}"
    what = ", ".join([group.spec.loss.replace("_", " "), *absent])
    return (
        f"{'-'.join(map(str, model.sizes))} {group.spec.optimizer.name}, {what}: "
        f"{len(group.entrants):,} members {how}; {lanes} × {plan.slots} at a time, {waves}; "
        f"{size_text(plan.bytes_of_member)} a member, {size_text(plan.bytes)} a device; "
        f"{1e3 * plan.seconds_of_epoch:.3g} ms per member and epoch"
    )


def _check_gradients(reporter: Reporter, first: PlannedStage, running: Sweep) -> None:
    """By hand and by jax.grad, once for each network, loss and set of hyper-parameters."""
    once = {(group.spec.objective, *sorted(_present(group))): group.entrants[0] for group in first.groups}
    for entrant in once.values():
        reporter.gradients(check_gradients(entrant.spec, entrant.hparams, running.datasets[entrant.data], entrant.seed))


def _plain(stage: PlannedStage) -> list[dict[str, Any]]:
    return [
        {"sizes": list(group.spec.model.sizes), "members": len(group.entrants), **plan._asdict()}
        for group, plan in zip(stage.groups, stage.plans, strict=True)
    ]


def _train(
    reporter: Reporter,
    folder: SweepFolder,
    running: Sweep,
    stage: PlannedStage | None,
    position: dict[str, Any] | None,
    *,
    silent: bool = False,
) -> Path:
    score = metrics.SCORE_TITLES[running.score]
    with (
        _stoppable(f"stopped; {_how_to_go_on(folder.path)}"),
        finish_chunk_on_signals() as received,
        SweepDisplay(reporter, score) as display,
    ):

        def listen(progress: Progress) -> None:
            display(progress)
            if received:
                raise Interrupted(
                    f"stopped after {progress.done} of {progress.members} members; {_how_to_go_on(folder.path)}",
                    128 + received[0],
                )

        running.train(folder, stage, listen, position=position)
    if running.processes.index == 0:
        conclude(reporter, folder, running)
        if not silent:
            show(folder.path)
    devices.barrier("the results of the sweep", seconds=600)
    return folder.path


def conclude(reporter: Reporter, folder: SweepFolder, running: Sweep) -> None:
    """Join the parts into the two tables, remove what is no longer needed, and say how far solo runs are."""
    tables.write_final(folder.path)
    for distance in running.distances:
        same = (
            "equals its solo run bit for bit"
            if distance.equal
            else (f"is {distance.loss:.1g} (relative) from its solo run's losses at most")
        )
        reporter.fact("checked", f"member {distance.member}, {distance.mode}: {same} over {distance.epochs} epochs")
    folder.update(status="finished")
    for scratch in (folder.parts, folder.path / "states"):
        shutil.rmtree(scratch, ignore_errors=True)
