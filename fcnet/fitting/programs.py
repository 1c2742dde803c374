"""The compiled programs of a run, and what they are called with."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from fcnet import devices
from fcnet.arrays import AnyArray
from fcnet.contracts import HParams
from fcnet.data import Dataset
from fcnet.train import (
    History,
    RunSpec,
    RunState,
    TrainData,
    abstract_hparams,
    abstract_state,
    initial_state,
    run_epochs,
)

# Rows of history that one call can return, and therefore the most epochs it can run.
MOST_EPOCHS_A_CALL = 64
# Chunks that are kept compiled, the latest; what comes back later is read from the compilation cache on disk.
MOST_PROGRAMS = 16


def stored_rows(dataset: Dataset) -> TrainData:
    """The training and validation rows of a data set, as stored on the host."""
    x, y, weight = cast("tuple[Any, ...]", dataset.train)
    validation: Any = None if dataset.validation is None else dataset.validation[:2]
    return TrainData(x, y, validation, weight)


def on_device(dataset: Dataset) -> TrainData:
    """The same as device arrays."""
    return jax.tree.map(lambda stored: jnp.asarray(np.asarray(stored)), stored_rows(dataset))


def shapes(stored: Any) -> Any:
    """Shapes of stored arrays, with the dtypes that they have on a device."""
    return jax.tree.map(
        lambda array: jax.ShapeDtypeStruct(array.shape, jax.dtypes.canonicalize_dtype(array.dtype)), stored
    )


def as_hparams(hparams: HParams, dtype: jnp.dtype) -> HParams:
    """The same values as device scalars of the run's dtype; None stays None."""
    return jax.tree.map(lambda value: jnp.asarray(value, dtype), hparams)


def fresh_state(spec: RunSpec, hparams: HParams, rows: int, seed: int) -> RunState:
    """Epoch 0 of the run with this seed, drawn by one compiled program; see ``train.initial_state``."""
    return jax.jit(initial_state, static_argnums=(0, 2))(spec, hparams, rows, key=jax.random.key(seed))


class CompiledRun(NamedTuple):
    """A chunk, compiled for one spec and one shape of data.

    ``call``: (hparams, state, data, until) ↦ (state, history); see ``train.run_epochs``.
    ``room``: the most epochs of one call. ``seconds``: of compiling, when that was done.
    """

    call: Callable[[HParams, RunState, TrainData, AnyArray], tuple[RunState, History]]
    room: int
    seconds: float


def compile_run(spec: RunSpec, hparams: HParams, data: TrainData, mesh: Mesh | None = None) -> CompiledRun:
    """``run_epochs`` compiled ahead of time, or kept from an earlier run; a call takes its state's memory over.

    Args:
        hparams: whichever of them are there; their values do not matter.
        data: arrays, or their ``shapes``.
        mesh: everything is whole on each of its devices before and after.
    """
    return _compile(spec, abstract_hparams(spec, hparams), shapes(data), mesh)


@devices.keep(MOST_PROGRAMS)
def _compile(spec: RunSpec, hparams: HParams, data: TrainData, mesh: Mesh | None) -> CompiledRun:
    started = time.perf_counter()
    room = min(MOST_EPOCHS_A_CALL, spec.epochs)

    def chunk(hparams: HParams, state: RunState, data: TrainData, until: jax.Array) -> tuple[RunState, History]:
        return run_epochs(spec, hparams, state, data, until, room=room, mesh=mesh)

    whole = devices.whole(mesh)
    state = abstract_state(spec, hparams, data.x.shape[0])
    placed = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), (hparams, state, data)
    )
    program = jax.jit(chunk, donate_argnums=1, out_shardings=whole)
    compiled = program.lower(*placed, np.int32(0)).compile()
    return CompiledRun(compiled, room, time.perf_counter() - started)
