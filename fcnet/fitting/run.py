"""The thin loop around the compiled programs of a run: compile once, call them for a short while, listen between.

Progress, checkpoints, early stopping and Ctrl-C live between calls; no step pays for Python.
"""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh

from fcnet import devices, streaming
from fcnet.contracts import HParams, ModelState, Params
from fcnet.data import Dataset
from fcnet.errors import InputError
from fcnet.fitting.checks import check_fits
from fcnet.fitting.programs import CompiledRun, as_hparams, compile_run, fresh_state, on_device
from fcnet.streaming import Reached
from fcnet.train import History, RunSpec, RunState, TrainData, is_finished

# A call aims at this long: often enough for a progress line, a checkpoint and Ctrl-C.
SECONDS_A_CALL = 0.3


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
    """A finished run: its last state, whole history as NumPy arrays, and where the time went.

    ``compile_seconds``: of its program, perhaps for an earlier run of this process.
    """

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


def _calls(
    spec: RunSpec, compiled: CompiledRun, hparams: HParams, state: RunState, data: TrainData, mesh: Mesh | None
) -> Generator[Reached, None, None]:
    """Train until finished, as many epochs a call as take ``SECONDS_A_CALL``; ``state`` is given up."""
    here, epochs = devices.local(state), 1
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
            epochs = devices.agree(int(np.clip(SECONDS_A_CALL * done / seconds, 1, compiled.room)), mesh)


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
        state: from an earlier run of the same spec, to go on from, on JAX's default device; it is consumed.
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
        compiled = compile_run(spec, hparams, data, mesh)
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
