"""fcnet train: check the gradients, train, judge, draw, and keep the run folder true at every moment."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fcnet import checkpoint, gradcheck, metrics, provenance, runs
from fcnet.commands.conclude import conclude
from fcnet.commands.interrupts import finish_chunk_on_signals, how_to_go_on, resumable
from fcnet.config import TrainConfig
from fcnet.console import Reporter
from fcnet.contracts import Batch, HParams
from fcnet.data import Dataset, encoding, load
from fcnet.errors import Interrupted, require
from fcnet.fitting import DivergedError, Progress, as_hparams, check_fits, fit, fresh_state, on_device
from fcnet.runs import RunFolder
from fcnet.train import History, RunSpec, RunState

# A checkpoint takes 0.1 s: at most this often, and at the end.
SECONDS_BETWEEN_SAVES = 2.0
# Rows of the batch on which gradients by hand meet jax.grad.
CHECKED_ROWS = 128


def check_gradients(spec: RunSpec, hparams: HParams, dataset: Dataset, seed: int) -> gradcheck.Comparison:
    """This network at its initial parameters: gradients by hand against ``jax.grad`` on one batch."""
    traced = as_hparams(hparams, spec.model.param_dtype)
    rows = min(CHECKED_ROWS, len(dataset.train.y))
    state = fresh_state(spec, traced, len(dataset.train.y), seed)
    data = on_device(dataset)
    batch = Batch(data.x[:rows], data.y[:rows], None if data.weight is None else data.weight[:rows])
    return gradcheck.compare_manual_with_autodiff(
        spec.objective, traced, state.params, batch, state=state.model_state, key=state.key
    )


def _describe(reporter: Reporter, spec: RunSpec, config: TrainConfig, dataset: Dataset) -> None:
    data, device = dataset.description, provenance.device()
    count = f"{device['count']} × " if device["count"] > 1 else ""
    reporter.fact("device", f"{device['platform']}: {count}{device['kind']}, JAX {jax.__version__}")
    sizes = " / ".join(f"{count:,} {name}" for name, count in data.rows.items())
    reporter.fact("data", f"{data.name} ({data.origin}): {sizes} rows")
    model = spec.model
    parts = [*_each(model.activation), *(f"{text} norm" for text in _each(model.norm) if text != "none")]
    if model.output_activation != "identity":
        parts.append(f"{model.output_activation} outputs")
    sizes = "-".join(map(str, model.sizes))
    reporter.fact(
        "network",
        f"{sizes}, {', '.join(parts)}, {model.parameter_count:,} parameters, {model.dtype}; "
        f"{spec.loss.replace('_', ' ')}",
    )
    present = {name: value for name, value in config.hparams(data)._asdict().items() if value is not None}
    settings = [f"{name.replace('_', ' ')} {_numbers(value)}" for name, value in present.items()]
    if spec.augmentation is not None:
        settings.append(f"augmented by {' '.join(spec.augmentation.transforms)}")
    reporter.fact(
        "optimiser",
        f"{spec.optimizer.name}, {spec.optimizer.schedule} schedule, {', '.join(settings)}, "
        f"batches of {spec.batch_size}",
    )


def _numbers(value: Any) -> str:
    return " ".join(f"{number:g}" for number in _each(value))


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


class _Recorder:
    """Keeps the run folder up to date while training: metrics first, then the checkpoint they belong to."""

    def __init__(self, folder: RunFolder, spec: RunSpec, earlier: History) -> None:
        self.folder, self.spec = folder, spec
        stored = folder.read()
        self.identity, self.seconds = stored["identity"], stored.get("train_seconds", 0.0)
        self.history = earlier
        self.saved_at = time.monotonic()

    def __call__(self, told: Progress) -> None:
        self.seconds += told.seconds
        joined = (np.concatenate(columns) for columns in zip(self.history, told.history, strict=True))
        self.history = History(*joined)
        self.state = told.state
        if time.monotonic() - self.saved_at >= SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        runs.write_metrics(self.folder, self.history, metrics.score_name(self.spec.loss))
        checkpoint.save(self.folder.checkpoints, int(self.state.epoch), self.state, self.identity)
        self.folder.update(train_seconds=round(self.seconds, 3))
        self.saved_at = time.monotonic()


def train(config: TrainConfig, *, out: Path | None = None, quiet: bool = False) -> Path:
    """Train a network as ``config`` says and leave a run folder.

    Raises:
        InputError: a config that does not fit its data, or a folder that is taken or cannot be written.
        Interrupted: after a signal; the run can be resumed.
    """
    reporter = Reporter(quiet=quiet)
    _set_precision(config)
    dataset = load(config.data_spec())
    config = replace(config, data=config.data.with_absolute_paths())
    spec = config.run_spec(dataset.description)
    check_fits(spec, dataset)
    folder = runs.create(out or runs.default_path(dataset.description.name))
    runs.begin(folder, config, dataset)
    with resumable(folder):
        _describe(reporter, spec, config, dataset)
        comparison = check_gradients(spec, config.hparams(dataset.description), dataset, config.loop.seed)
        reporter.gradients(comparison)
        folder.update(gradient_check=comparison.summary())
        _run(reporter, folder, config, spec, dataset, None)
    return folder.path


def resume(run: Path, *, quiet: bool = False) -> Path:
    """Go on with a run that was stopped, to the very result it would have had.

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
    _set_precision(config)
    dataset = load(config.data_spec())
    runs.require_same_data(folder, dataset)
    if dataset.encoder is not None and not folder.encoder.exists():  # killed between the two files
        encoding.save(dataset.encoder, folder.encoder)
    spec = config.run_spec(dataset.description)
    with resumable(folder):
        _describe(reporter, spec, config, dataset)
        state = None if checkpoint.latest(folder.checkpoints) is None else runs.load_state(folder)
        reporter.fact("resuming", f"{run} after epoch {0 if state is None else int(state.epoch)}")
        _run(reporter, folder, config, spec, dataset, state)
    return folder.path


def _set_precision(config: TrainConfig) -> None:
    if config.network.dtype == "float64":
        jax.config.update("jax_enable_x64", True)


def _run(
    reporter: Reporter,
    folder: RunFolder,
    config: TrainConfig,
    spec: RunSpec,
    dataset: Dataset,
    state: RunState | None,
) -> None:
    score = metrics.score_name(spec.loss)
    hparams, dtype = config.hparams(dataset.description), spec.model.param_dtype
    earlier = runs.read_metrics(folder, 0 if state is None else int(state.epoch), dtype)
    recorder = _Recorder(folder, spec, earlier)
    with finish_chunk_on_signals() as received, reporter.training(spec, len(dataset.train.y), score) as display:

        def listen(told: Progress) -> None:
            recorder(told)
            display(told)
            if received:
                recorder.save()
                raise Interrupted(
                    f"stopped after epoch {int(told.state.epoch)}; {how_to_go_on(folder)}", 128 + received[0]
                )

        try:
            outcome = fit(spec, hparams, dataset, seed=config.loop.seed, state=state, listener=listen)
        except DivergedError:
            recorder.save()
            folder.update(status="diverged")
            raise
    recorder.state = outcome.state
    recorder.save()
    conclude(reporter, folder, spec, dataset, outcome, recorder.history, recorder.seconds)
