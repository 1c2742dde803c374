"""Many members as one compiled program: every device holds a lane, members that share one data set.

A lane has slots, each with one member or none. In turn, a member's program is the very one that it would run alone, one
after the other (``lax.map``); together, all slots of a lane take each step at once (``vmap``). No device waits for
another within a call, and nothing is exchanged between them.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from fcnet import metrics
from fcnet.contracts import HParams, ModelState, Params
from fcnet.train import History, RunSpec, RunState, TrainData, batch_order, initial_state, is_finished, run_epoch
from fcnet.train import run_epochs as run_alone

Mode = Literal["exact", "fast"]

# Rows of history that one call can return, and therefore the most epochs it can run.
MOST_EPOCHS_A_CALL = 256


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
    """What the programs of a group depend on beside the shapes of their arguments."""

    spec: RunSpec
    mode: Mode
    shared_order: bool
    mesh: Mesh


def members_in_turn(
    spec: RunSpec, hparams: HParams, states: RunState, data: TrainData, until: jax.Array, room: int
) -> tuple[RunState, History]:
    """Each slot's member until its own epoch ``until``, (slots,), one after the other: bit for bit its solo run."""

    def member(own: tuple[HParams, RunState, jax.Array]) -> tuple[RunState, History]:
        return run_alone(spec, own[0], own[1], data, own[2], room=room)

    return jax.lax.map(member, (hparams, states, until))


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

    def running(states: RunState) -> jax.Array:
        return (states.epoch < until) & ~jax.vmap(lambda state: is_finished(spec, state))(states)

    def epoch(loop: tuple[jax.Array, RunState, History]) -> tuple[jax.Array, RunState, History]:
        place, states, history = loop
        active = running(states)
        order = None
        if order_key is not None:
            number = jnp.max(jnp.where(active, states.epoch, 0))
            order = batch_order(jax.random.fold_in(order_key, number), data.x.shape[0])
        after, row = jax.vmap(lambda h, s: run_epoch(spec, h, s, data, order))(hparams, states)

        def kept(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(active.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

        columns = (
            column.at[:, place].set(jnp.where(active, value, jnp.nan))
            for column, value in zip(history, row, strict=True)
        )
        return place + 1, jax.tree.map(kept, after, states), History(*columns)

    start = (jnp.int32(0), states, History(empty, empty, empty))
    _, states, history = jax.lax.while_loop(lambda loop: jnp.any(running(loop[1])), epoch, start)
    return states, history


def _begin(shape: Shape, rows: int, states: RunState, hparams: HParams, keys: jax.Array, fresh: jax.Array) -> RunState:
    """Initial states in the slots that are ``fresh``, (slots,) booleans; the other slots stay as they are."""

    def slot(own: tuple[RunState, HParams, jax.Array, jax.Array]) -> RunState:
        state, values, key, new = own
        return jax.lax.cond(new, lambda: initial_state(shape.spec, values, rows, key=key), lambda: state)

    return jax.lax.map(slot, (states, hparams, keys, fresh))


def _nothing(shape: jax.ShapeDtypeStruct) -> jax.Array:
    """An array that stands where nobody's is."""
    if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), shape.shape)
    return jnp.zeros(shape.shape, shape.dtype)


def _judge(shape: Shape, states: RunState, data: LaneData, done: jax.Array) -> Judged:
    """The best parameters of the slots that are ``done``, on the test rows; NaN elsewhere, and without such rows."""
    objective, dtype = shape.spec.objective, shape.spec.model.param_dtype
    nothing = metrics.Evaluation(jnp.asarray(jnp.nan, dtype), jnp.asarray(jnp.nan, dtype))

    def judged(params: Params, model_state: ModelState) -> Judged:
        test = nothing if data.test is None else metrics.evaluate(objective, params, model_state, *data.test)
        if data.train.validation is not None:  # which has looked at every epoch's last update
            return Judged(test, jnp.bool_(True))
        train = metrics.evaluate(objective, params, model_state, data.train.x, data.train.y)
        return Judged(test, jnp.isfinite(train.loss))

    def slot(own: tuple[Params, ModelState, jax.Array]) -> Judged:
        params, model_state, is_done = own
        return jax.lax.cond(is_done, lambda: judged(params, model_state), lambda: Judged(nothing, jnp.bool_(True)))

    return jax.lax.map(slot, (states.best.params, states.best.model_state, done))


def _train(
    shape: Shape, room: int, hparams: HParams, states: RunState, data: LaneData, until: jax.Array
) -> tuple[RunState, History]:
    if shape.mode == "exact":
        return members_in_turn(shape.spec, hparams, states, data.train, until, room)
    order_key = jax.random.wrap_key_data(data.order_key) if shape.shared_order else None
    return members_together(shape.spec, hparams, states, data.train, until, room, order_key)


class Programs(NamedTuple):
    """The compiled calls of a group; all arguments lie over the devices of the mesh, lane by lane.

    ``nobody``: () ↦ states of empty slots. ``one``: shapes and dtypes of one member's state.
    ``begin``: (states, hparams, keys, fresh) ↦ states. ``train``: (hparams, states, data, until) ↦ (states, history).
    ``judge``: (states, data, done) ↦ ``Judged``. States are given up to ``begin`` and ``train``.
    ``room``: the most epochs of one call. ``bytes``: what a device needs while it trains. ``seconds``: of compiling.
    """

    nobody: Callable[[], RunState]
    one: RunState
    begin: Callable[..., RunState]
    train: Callable[..., tuple[RunState, History]]
    judge: Callable[..., Judged]
    room: int
    bytes: int
    seconds: float


@cache
def compile_programs(shape: Shape, hparams: HParams, data: LaneData, slots: int) -> Programs:
    """Compile for lanes of ``slots`` slots, once in a process for the same arguments.

    Args:
        hparams: of one member, as ``jax.ShapeDtypeStruct`` leaves. ``data``: of one lane, likewise.
    """
    started = time.perf_counter()
    spec, mesh = shape.spec, shape.mesh
    rows, lanes, room = data.train.x.shape[0], mesh.size, min(MOST_EPOCHS_A_CALL, spec.epochs)
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(lambda h, k: initial_state(spec, h, rows, key=k), hparams, key)
    spread = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))

    def stacked(tree: Any, count: int) -> Any:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype, sharding=spread), tree)

    members = lanes * slots
    states, values, keys = (stacked(tree, members) for tree in (state, hparams, key))
    flags, until = (jax.ShapeDtypeStruct((members,), dtype, sharding=spread) for dtype in (jnp.bool_, jnp.int32))
    lane_data = stacked(data, lanes)

    def own(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], tree)

    def begin(states: RunState, hparams: HParams, keys: jax.Array, fresh: jax.Array) -> RunState:
        return _begin(shape, rows, states, hparams, keys, fresh)

    def train(hparams: HParams, states: RunState, data: LaneData, until: jax.Array) -> tuple[RunState, History]:
        return _train(shape, room, hparams, states, own(data), until)

    def judge(states: RunState, data: LaneData, done: jax.Array) -> Judged:
        return _judge(shape, states, own(data), done)

    def over_lanes(function: Callable[..., Any], *arguments: Any, given_up: int | None = None) -> Any:
        spec_ = PartitionSpec(mesh.axis_names[0])
        lane_by_lane = jax.shard_map(function, mesh=mesh, in_specs=spec_, out_specs=spec_, check_vma=False)
        donated = () if given_up is None else (given_up,)
        return jax.jit(lane_by_lane, donate_argnums=donated).lower(*arguments).compile()

    training = over_lanes(train, values, states, lane_data, until, given_up=1)
    memory = training.memory_analysis()
    needed = (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes
    )
    return Programs(
        jax.jit(lambda: jax.tree.map(_nothing, states), out_shardings=spread).lower().compile(),
        state,
        over_lanes(begin, states, values, keys, flags, given_up=0),
        training,
        over_lanes(judge, states, lane_data, flags),
        room,
        int(needed),
        time.perf_counter() - started,
    )
