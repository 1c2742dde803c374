"""Many members as one pure function: every device holds a lane, members that share one data set.

A lane has slots, each with one member or none. In turn, a member's program is the very one that it would run alone, one
after the other (``lax.map``); together, all slots of a lane take each step at once (``vmap``). No device waits for
another within a call, and nothing is exchanged between them.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from fcnet import metrics
from fcnet.contracts import HParams, ModelState, Params
from fcnet.train import History, RunSpec, RunState, TrainData, batch_order, initial_state, is_finished, run_epoch
from fcnet.train import run_epochs as run_alone

Mode = Literal["exact", "fast"]
Pair = tuple[jax.Array, jax.Array]


class LaneData(NamedTuple):
    """What the members of one lane share; each array has the lanes in front once they are stacked.

    ``test``: the rows that judge finished members, or None. ``order_key``: of the batch orders, where they are shared,
    as the data of a typed key.
    """

    train: TrainData
    test: tuple[jax.Array, jax.Array] | None
    order_key: jax.Array


class Judged(NamedTuple):
    """A finished member's best parameters, judged: scalars. ``finite``: whether they give a finite training loss."""

    test: metrics.Evaluation
    finite: jax.Array


class Shape(NamedTuple):
    """What the programs of a group depend on beside the shapes of their arguments.

    ``stream_bytes``: what streamed rows may take of a device at a time (see ``streamed``); 0 has all rows there.
    """

    spec: RunSpec
    mode: Mode
    shared_order: bool
    mesh: Mesh
    stream_bytes: int = 0


def members_in_turn(
    spec: RunSpec, hparams: HParams, states: RunState, data: TrainData, until: jax.Array, room: int
) -> tuple[RunState, History]:
    """Each slot's member until its own epoch ``until``, (slots,), one after the other: bit for bit its solo run."""

    def member(own: tuple[HParams, RunState, jax.Array]) -> tuple[RunState, History]:
        return run_alone(spec, own[0], own[1], data, own[2], room=room)

    return jax.lax.map(member, (hparams, states, until))


def running(spec: RunSpec, states: RunState, until: jax.Array) -> jax.Array:
    """Which members have an epoch to train before ``until``: (slots,) booleans."""
    return (states.epoch < until) & ~jax.vmap(lambda state: is_finished(spec, state))(states)


def common_order(order_key: jax.Array, epoch: jax.Array, rows: int) -> jax.Array:
    """The order of the rows that all members share in the epoch after ``epoch``: (rows,) int32."""
    return batch_order(jax.random.fold_in(order_key, epoch), rows)


def where(active: jax.Array, new: RunState, old: RunState) -> RunState:
    """The ``new`` states of the members that are ``active``, (slots,) booleans; all others keep their bits."""

    def chosen(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(active.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(chosen, new, old)


def members_together(
    spec: RunSpec,
    hparams: HParams,
    states: RunState,
    data: TrainData,
    until: jax.Array,
    room: int,
    order_key: jax.Array | None = None,
) -> tuple[RunState, History]:
    """All slots' members until their own epochs ``until``, (slots,), every step of all of them at once.

    Args:
        order_key: of batch orders that all share. The members must then be at the same epoch.
    """
    empty = jnp.full((until.shape[0], room), jnp.nan, spec.model.param_dtype)

    def epoch(loop: tuple[jax.Array, RunState, History]) -> tuple[jax.Array, RunState, History]:
        place, states, history = loop
        active = running(spec, states, until)
        order = None
        if order_key is not None:
            number = jnp.max(jnp.where(active, states.epoch, 0))
            order = common_order(order_key, number, data.x.shape[0])
        after, row = jax.vmap(lambda h, s: run_epoch(spec, h, s, data, order))(hparams, states)
        columns = (
            column.at[:, place].set(jnp.where(active, value, jnp.nan))
            for column, value in zip(history, row, strict=True)
        )
        return place + 1, where(active, after, states), History(*columns)

    start = (jnp.int32(0), states, History(empty, empty, empty))
    _, states, history = jax.lax.while_loop(lambda loop: jnp.any(running(spec, loop[1], until)), epoch, start)
    return states, history


def begin_members(
    spec: RunSpec, rows: int, states: RunState, hparams: HParams, keys: jax.Array, fresh: jax.Array
) -> RunState:
    """Initial states in the slots that are ``fresh``, (slots,) booleans; the other slots stay as they are."""

    def slot(own: tuple[RunState, HParams, jax.Array, jax.Array]) -> RunState:
        state, values, key, new = own
        return jax.lax.cond(new, lambda: initial_state(spec, values, rows, key=key), lambda: state)

    return jax.lax.map(slot, (states, hparams, keys, fresh))


def empty(shape: jax.ShapeDtypeStruct) -> jax.Array:
    """An array that stands where nobody's is."""
    if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), shape.shape)
    return jnp.zeros(shape.shape, shape.dtype)


def judge(spec: RunSpec, states: RunState, done: jax.Array, test: Pair | None, train: Pair | None) -> Judged:
    """The best parameters of the slots that are ``done``, on the test rows; NaN elsewhere, and without such rows.

    Args:
        train: the rows whose loss tells whether the parameters are finite; None where validation has told.
    """
    objective, dtype = spec.objective, spec.model.param_dtype
    unjudged = metrics.Evaluation(jnp.asarray(jnp.nan, dtype), jnp.asarray(jnp.nan, dtype))

    def judged(params: Params, model_state: ModelState) -> Judged:
        found = unjudged if test is None else metrics.evaluate(objective, params, model_state, *test)
        if train is None:
            return Judged(found, jnp.bool_(True))
        return Judged(found, jnp.isfinite(metrics.evaluate(objective, params, model_state, *train).loss))

    def slot(own: tuple[Params, ModelState, jax.Array]) -> Judged:
        params, model_state, is_done = own
        return jax.lax.cond(is_done, lambda: judged(params, model_state), lambda: Judged(unjudged, jnp.bool_(True)))

    return jax.lax.map(slot, (states.best.params, states.best.model_state, done))


def train_members(
    shape: Shape, room: int, hparams: HParams, states: RunState, data: LaneData, until: jax.Array
) -> tuple[RunState, History]:
    """The members of a lane until their own epochs ``until``, in the shape's mode; at most ``room`` epochs each."""
    if shape.mode == "exact":
        return members_in_turn(shape.spec, hparams, states, data.train, until, room)
    order_key = jax.random.wrap_key_data(data.order_key) if shape.shared_order else None
    return members_together(shape.spec, hparams, states, data.train, until, room, order_key)
