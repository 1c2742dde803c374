"""fcnet train: check the gradients, train, judge, draw, and keep the run folder true at every moment."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from jax.sharding import Mesh

from fcnet import checkpoint, devices, metrics, runs, streaming
from fcnet.commands.conclude import conclude
from fcnet.commands.first_gradients import check_gradients
from fcnet.commands.interrupts import finish_chunk_on_signals, how_to_go_on, resumable
from fcnet.commands.recorder import Recorder
from fcnet.commands.train_facts import describe
from fcnet.config import ProcessesConfig, TrainConfig
from fcnet.console import Reporter
from fcnet.data import Dataset, encoding, load
from fcnet.devices import Processes
from fcnet.errors import Interrupted, require
from fcnet.fitting import DivergedError, Progress, check_fits, compile_run, fit, shapes, stored_rows
from fcnet.runs import RunFolder
from fcnet.train import RunSpec, RunState

# Compiling two programs at once takes 0.1 GB more; a run on more data than this trains for longer than it would save.
MOST_BYTES_BESIDE = 16 * 2**20


def train(
    config: TrainConfig, *, out: Path | None = None, quiet: bool = False, others: ProcessesConfig = ProcessesConfig()
) -> Path | None:
    """Train a network as ``config`` says and leave a run folder.

    Args:
        others: processes that share the rows with this one; process 0 keeps the folder.

    Returns:
        The folder; None in the processes other than 0.

    Raises:
        InputError: a config that does not fit its data or devices, a folder that is taken or cannot be written, or
            processes that do not come.
        Interrupted: after a signal; the run can be resumed.
    """
    mesh, processes = _devices(config, others)
    reporter = Reporter(quiet=quiet)
    devices.use_precision(config.network.dtype)
    dataset = load(config.data_spec())
    config = replace(config, data=config.data.with_absolute_paths())
    spec = config.run_spec(dataset.description)
    check_fits(spec, dataset, mesh)
    if processes.index > 0:
        _help(config, spec, dataset, None, mesh)
        return None
    folder = runs.create(out or runs.default_path(dataset.description.name))
    runs.begin(folder, config, dataset)
    with resumable("train", folder.path):
        describe(reporter, spec, config, dataset)
        hparams = config.hparams(dataset.description)
        with finish_chunk_on_signals() as received, ThreadPoolExecutor(1) as beside:
            ahead = None
            if _compiles_beside(config, dataset, processes):
                # the longest program, on the cores that the check leaves idle; ``fit`` finds it compiled
                ahead = beside.submit(compile_run, spec, hparams, shapes(stored_rows(dataset)), mesh)
            comparison = check_gradients(spec, hparams, dataset, config.loop.seed)
            reporter.gradients(comparison)
            folder.update(gradient_check=comparison.summary())
            if ahead is not None:
                ahead.result()
        if received:
            raise Interrupted(f"stopped before epoch 1; {how_to_go_on('train', folder.path)}", 128 + received[0])
        _run(reporter, folder, config, spec, dataset, None, mesh)
    return folder.path


def _compiles_beside(config: TrainConfig, dataset: Dataset, processes: Processes) -> bool:
    """Whether what trains is compiled while the gradients are checked."""
    if processes.count > 1:  # XLA may need all of them to compile what they run
        return False
    return streaming.bytes_of(dataset.train) <= MOST_BYTES_BESIDE and not _streams(config, dataset, None)


def _devices(config: TrainConfig, others: ProcessesConfig) -> tuple[Mesh | None, Processes]:
    """The devices that share the rows, None for one alone, and which process this is."""
    if config.loop.data_parallel:
        processes = others.join()
        return devices.mesh(), processes
    require(others == ProcessesConfig(), "several processes train one network with --data-parallel: add it")
    return None, Processes(0, 1)


def resume(run: Path, *, quiet: bool = False, others: ProcessesConfig = ProcessesConfig()) -> Path | None:
    """Go on with a run that was stopped, to the very result it would have had; see ``train`` for ``others``.

    Raises:
        InputError: not a run folder, a damaged checkpoint, or data that have changed since.
        Interrupted: after a signal; the run can be resumed again.
    """
    reporter, folder = Reporter(quiet=quiet), RunFolder(run)
    config, status = folder.config(), folder.read()["status"]
    folder.require_unchanged()
    require(status != "diverged", f"{run} diverged: start a new run with a smaller --learning-rate")
    if status == "finished":
        reporter.result(f"{run} is finished: nothing to resume. See fcnet evaluate {run}")
        return run
    mesh, processes = _devices(config, others)
    devices.use_precision(config.network.dtype)
    dataset = load(config.data_spec())
    runs.require_same_data(folder, dataset)
    if dataset.encoder is not None and not folder.encoder.exists() and processes.index == 0:
        # it was killed between the two files
        encoding.save(dataset.encoder, folder.encoder)
    spec = config.run_spec(dataset.description)
    check_fits(spec, dataset, mesh)
    with resumable("train", run):
        state = None if checkpoint.latest(folder.checkpoints) is None else runs.load_state(folder)
        if processes.index > 0:
            _help(config, spec, dataset, state, mesh)
            return None
        describe(reporter, spec, config, dataset)
        reporter.fact("resuming", f"{run} after epoch {0 if state is None else int(state.epoch)}")
        _run(reporter, folder, config, spec, dataset, state, mesh)
    return folder.path


def _streams(config: TrainConfig, dataset: Dataset, mesh: Mesh | None) -> bool:
    """Whether rows are streamed: all processes do as the one with the least memory must."""
    return bool(devices.agree(int(config.loop.stream or streaming.is_needed(dataset)), mesh))


def _run(
    reporter: Reporter,
    folder: RunFolder,
    config: TrainConfig,
    spec: RunSpec,
    dataset: Dataset,
    state: RunState | None,
    mesh: Mesh | None,
) -> None:
    score = metrics.score_name(spec.loss)
    hparams, dtype = config.hparams(dataset.description), spec.model.param_dtype
    earlier = runs.read_metrics(folder, 0 if state is None else int(state.epoch), dtype)
    recorder = Recorder(folder, spec, earlier)
    stream = _streams(config, dataset, mesh)
    if stream:
        why = "as --stream says" if config.loop.stream else "they are too large for the device's memory"
        reporter.fact("streaming", f"rows are read in blocks while the device trains, {why}")
    with finish_chunk_on_signals() as received, reporter.training(spec, len(dataset.train.y), score) as display:

        def listen(told: Progress) -> None:
            recorder(told)
            display(told)
            if signal := devices.agree(sum(received), mesh):
                recorder.save()
                reached = int(told.state.epoch)
                raise Interrupted(f"stopped after epoch {reached}; {how_to_go_on('train', folder.path)}", 128 + signal)

        try:
            outcome = fit(
                spec, hparams, dataset, seed=config.loop.seed, state=state, listener=listen, mesh=mesh, stream=stream
            )
        except DivergedError:
            recorder.save()
            folder.update(status="diverged")
            raise
    recorder.state = outcome.state
    recorder.save()
    conclude(reporter, folder, spec, dataset, outcome, recorder.history, recorder.seconds)


def _help(config: TrainConfig, spec: RunSpec, dataset: Dataset, state: RunState | None, mesh: Mesh | None) -> None:
    """The part of a process other than 0: it trains along, and neither writes nor prints."""
    hparams = config.hparams(dataset.description)
    with finish_chunk_on_signals() as received:

        def listen(told: Progress) -> None:
            if signal := devices.agree(sum(received), mesh):
                raise Interrupted(f"stopped with process 0 after epoch {int(told.state.epoch)}", 128 + signal)

        stream = _streams(config, dataset, mesh)
        fit(spec, hparams, dataset, seed=config.loop.seed, state=state, listener=listen, mesh=mesh, stream=stream)
