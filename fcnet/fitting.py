"""The thin loop around the compiled programs of a run: compile once, call them for a short while, listen between.

Progress, checkpoints, early stopping and Ctrl-C live between calls; no step pays for Python.
"""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from fcnet import devices, losses, streaming
from fcnet.arrays import AnyArray
from fcnet.contracts import CLASSIFICATION, HParams, ModelState, Params
from fcnet.data import Dataset, Rows
from fcnet.errors import InputError, require
from fcnet.streaming import Reached
from fcnet.train import History, RunSpec, RunState, TrainData, initial_state, is_finished, run_epochs

# Rows of history that one call can return, and therefore the most epochs it can run.
MOST_EPOCHS_A_CALL = 64
# A call aims at this long: often enough for a progress line, a checkpoint and Ctrl-C.
SECONDS_A_CALL = 0.3


def on_device(dataset: Dataset) -> TrainData:
    """The training and validation rows of a data set as device arrays."""

    def put(rows: Rows) -> tuple[jax.Array, jax.Array]:
        return jnp.asarray(np.asarray(rows.x)), jnp.asarray(rows.y)

    weight = None if dataset.train.weight is None else jnp.asarray(dataset.train.weight)
    return TrainData(*put(dataset.train), None if dataset.validation is None else put(dataset.validation), weight)


class Progress(NamedTuple):
    """What a listener is told after each call of the compiled program.

    ``state``: on the device, of the last whole epoch. ``history``: NumPy arrays of the epochs of this call.
    ``seconds``: of this call. ``rows``: how many the epoch under way has been through, where rows are streamed.
    """

    state: RunState
    history: History
    seconds: float
    rows: int = 0


@dataclass(frozen=True)
class Outcome:
    """A finished run: its last state, whole history as NumPy arrays, and where the time went."""

    state: RunState
    history: History
    compile_seconds: float
    train_seconds: float

    @property
    def params(self) -> Params:
        """The best parameters by the validation score, the last ones without validation."""
        return self.state.best.params

    @property
    def model_state(self) -> ModelState:
        """What the network carries beside ``params``, such as running averages; {} where it has none."""
        return self.state.best.model_state

    @property
    def best_epoch(self) -> int:
        """The epoch that ``params`` come from."""
        return int(self.state.best.epoch)


class DivergedError(InputError):
    """The loss became NaN or infinite; the state is that of the last good epoch."""


def as_hparams(hparams: HParams, dtype: jnp.dtype) -> HParams:
    """The same values as device scalars of the run's dtype; None stays None."""
    return jax.tree.map(lambda value: jnp.asarray(value, dtype), hparams)


def check_fits(spec: RunSpec, dataset: Dataset, mesh: Mesh | None = None) -> None:
    """Refuse a spec that does not fit its data, or the devices that are to share each batch.

    Raises:
        InputError: a batch larger than the training part or too small for batch norm, patience without validation, a
            loss for another task, targets that the loss cannot take, no row that is not ignored, or fewer rows a step
            than devices.
    """
    data, rows = dataset.description, len(dataset.train.y)
    require(
        spec.batch_size <= rows, f"batch size {spec.batch_size} is larger than the {rows} training rows of {data.name}"
    )
    require(
        not spec.patience or dataset.validation is not None,
        f"patience {spec.patience} needs a validation part: give one, or set patience to 0",
    )
    loss = losses.get(spec.loss)
    task = loss.task
    what = "classes" if data.task == CLASSIFICATION else "numbers"
    require(task == data.task, f"loss {spec.loss} is for {task}, but {data.name} has {what} to predict")
    model, wanted = spec.model, data.outputs * loss.outputs_per_target
    require(
        (model.inputs, model.outputs) == (data.inputs, wanted),
        f"the network has {model.inputs} inputs and {model.outputs} outputs, {data.name} needs {data.inputs} and "
        f"{wanted}",
    )
    for name, part in dataset.parts.items():
        if part.y.ndim == 2:
            losses.check_targets(loss, part.y, f"{data.name}, {name} part")
    require(
        _some_row_counts(spec, dataset.train),
        f"all {rows} training rows of {data.name} are ignored or weigh 0: no row is left to learn from",
    )
    over_batch = any(layer.norm is not None and layer.norm.over_batch for layer in model.layers)
    smallest = rows % spec.batch_size or spec.batch_size
    require(
        not over_batch or smallest > 1,
        f"norm batch needs 2 rows a step, but {rows} rows in batches of {spec.batch_size} leave a last one of "
        f"{smallest}: choose another batch size",
    )
    require(
        model.dtype != "float64" or jax.dtypes.canonicalize_dtype("float64") == jnp.float64,
        "float64 needs jax.config.update('jax_enable_x64', True) before anything is computed",
    )
    if mesh is not None:
        require(
            spec.batch_size >= mesh.size,
            f"batch size {spec.batch_size} leaves some of the {mesh.size} devices without a row: choose at least "
            f"{mesh.size}, or train on one device",
        )
        require(spec.engine == "jax", f"engine {spec.engine} computes on one device: use engine jax on {mesh.size}")


def _some_row_counts(spec: RunSpec, rows: Rows) -> bool:
    counts = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    if rows.y.ndim == 1 and spec.ignored is not None:
        counts = counts * (rows.y != spec.ignored)
    if rows.y.ndim == 1 and spec.class_weights is not None:
        counts = counts * np.asarray(spec.class_weights)[rows.y]
    return bool(counts.any())


def fresh_state(spec: RunSpec, hparams: HParams, rows: int, seed: int) -> RunState:
    """Epoch 0 of the run with this seed, drawn by one compiled program; see ``train.initial_state``."""
    return jax.jit(initial_state, static_argnums=(0, 2))(spec, hparams, rows, key=jax.random.key(seed))


class CompiledRun(NamedTuple):
    """A chunk, compiled for one spec and one shape of data, and how long that took."""

    call: Callable[[HParams, RunState, TrainData, AnyArray], tuple[RunState, History]]
    seconds: float


def compile_run(
    spec: RunSpec, hparams: HParams, state: RunState, data: TrainData, mesh: Mesh | None = None
) -> CompiledRun:
    """``run_epochs`` compiled ahead of time; ``state`` is given up to the call, which reuses its memory.

    With a ``mesh`` everything is whole on each of its devices before and after.
    """
    started = time.perf_counter()
    room = min(MOST_EPOCHS_A_CALL, spec.epochs)

    def chunk(hparams: HParams, state: RunState, data: TrainData, until: jax.Array) -> tuple[RunState, History]:
        return run_epochs(spec, hparams, state, data, until, room=room, mesh=mesh)

    program = jax.jit(chunk, donate_argnums=1, out_shardings=devices.whole(mesh))
    compiled = program.lower(hparams, state, data, np.int32(0)).compile()
    return CompiledRun(compiled, time.perf_counter() - started)


def _calls(
    spec: RunSpec, compiled: CompiledRun, hparams: HParams, state: RunState, data: TrainData, mesh: Mesh | None
) -> Generator[Reached, None, None]:
    """Train until finished, as many epochs a call as take ``SECONDS_A_CALL``; ``state`` is given up."""
    here, epochs, room = devices.local(state), 1, min(MOST_EPOCHS_A_CALL, spec.epochs)
    while not bool(is_finished(spec, here)):
        first, started = int(here.epoch), time.perf_counter()
        with devices.together(mesh):
            state, filled = compiled.call(hparams, state, data, np.int32(first + epochs))
            here = devices.local(state)
            done = int(here.epoch) - first
            history = History(*(np.asarray(column)[:done] for column in filled))
        seconds = time.perf_counter() - started
        yield Reached(here, history, 0)
        if done:
            epochs = devices.agree(int(np.clip(SECONDS_A_CALL * done / seconds, 1, room)), mesh)


def fit(
    spec: RunSpec,
    hparams: HParams,
    dataset: Dataset,
    *,
    seed: int = 0,
    state: RunState | None = None,
    listener: Callable[[Progress], None] | None = None,
    mesh: Mesh | None = None,
    stream: bool | None = None,
) -> Outcome:
    """Train one network.

    Args:
        hparams: numbers or device scalars; None leaves a part out of the program.
        seed: of initial parameters, batch order and dropout.
        state: from an earlier run of the same spec, to go on from; it is consumed.
        listener: called after every call of the compiled program; it may raise to stop.
        mesh: devices that share the rows of each step: the result is that of one device up to the order in which rows
            are summed. Where it spans processes, each calls this with the same arguments.
        stream: read the rows in blocks instead of having all of them on the device, with the same result; None does
            so where they do not fit.

    Raises:
        InputError: the spec does not fit the data, or the rows' file is gone.
        DivergedError: a loss was NaN or infinite; the listener has seen the last good state.
    """
    check_fits(spec, dataset, mesh)
    hparams = as_hparams(hparams, spec.model.param_dtype)
    if state is None:
        state = fresh_state(spec, hparams, len(dataset.train.y), seed)
    hparams, state = devices.replicate((hparams, state), mesh)
    here = devices.local(state)
    if devices.agree(int(streaming.is_needed(dataset) if stream is None else stream), mesh):
        streamed = streaming.compile_run(spec, hparams, state, dataset, mesh)
        calls, compile_seconds = streamed.calls(state), streamed.seconds
    else:
        data = devices.replicate(on_device(dataset), mesh)
        compiled = compile_run(spec, hparams, state, data, mesh)
        calls, compile_seconds = _calls(spec, compiled, hparams, state, data, mesh), compiled.seconds
    devices.agree(0, mesh)  # nobody begins before all are here
    parts: list[History] = []
    train_seconds, started = 0.0, time.perf_counter()
    with closing(calls):
        for here, history, rows in calls:
            seconds = time.perf_counter() - started
            train_seconds += seconds
            parts.append(history)
            if listener is not None:
                listener(Progress(here, history, seconds, rows))
            started = time.perf_counter()
    if int(here.failed_step) > 0:
        raise DivergedError(
            f"the loss became NaN or infinite in epoch {int(here.epoch) + 1}, step {int(here.failed_step)}: "
            "try a smaller --learning-rate"
        )
    empty = History(*(np.empty(0) for _ in History._fields))
    whole = History(*(np.concatenate(columns) for columns in zip(*(parts or [empty]), strict=True)))
    return Outcome(here, whole, compile_seconds, train_seconds)
