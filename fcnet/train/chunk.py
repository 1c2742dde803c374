"""A chunk of epochs: what a run's compiled program is."""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from fcnet.contracts import HParams
from fcnet.train.epoch import run_epoch
from fcnet.train.spec import RunSpec
from fcnet.train.state import History, RunState, TrainData


def is_finished(spec: RunSpec, state: RunState) -> jax.Array:
    """Whether no further epoch is to be trained: all done, patience over, or the loss no longer finite.

    Of one state, or elementwise of several that are stacked.
    """
    waited = state.epoch - state.best.epoch
    out_of_patience = waited >= spec.patience if spec.patience else jnp.bool_(False)
    return (state.epoch >= spec.epochs) | out_of_patience | (state.failed_step > 0)


def run_epochs(
    spec: RunSpec,
    hparams: HParams,
    state: RunState,
    data: TrainData,
    until: jax.Array,
    *,
    room: int,
    mesh: Mesh | None = None,
) -> tuple[RunState, History]:
    """Train until epoch ``until`` or until finished: the program of a chunk, pure, to be jitted or vmapped.

    Args:
        until: the epoch to stop after, traced.
        room: entries of history to return; ``until`` − ``state.epoch`` must not exceed it.
        mesh: see ``run_epoch``.

    Returns:
        The state reached and a history whose first (reached − started) entries are filled.
    """
    start = state.epoch
    empty = jnp.full((room,), jnp.nan, spec.model.param_dtype)

    def body(loop: tuple[RunState, History]) -> tuple[RunState, History]:
        state, history = loop
        after, row = run_epoch(spec, hparams, state, data, mesh=mesh)
        place = state.epoch - start
        return after, History(*(column.at[place].set(value) for column, value in zip(history, row, strict=True)))

    def unfinished(loop: tuple[RunState, History]) -> jax.Array:
        return (loop[0].epoch < until) & ~is_finished(spec, loop[0])

    return jax.lax.while_loop(unfinished, body, (state, History(empty, empty, empty)))
