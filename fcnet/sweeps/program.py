"""Many members as one compiled program: every device holds a lane, members that share one data set.

A lane has slots, each with one member or none. In turn, a member's program is the very one that it would run alone, one
after the other (``lax.map``); together, all slots of a lane take each step at once (``vmap``). No device waits for
another within a call, and nothing is exchanged between them.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Compiled, Lowered

from fcnet import metrics
from fcnet.contracts import HParams, ModelState, Params
from fcnet.train import History, RunSpec, RunState, TrainData, batch_order, initial_state, is_finished, run_epoch
from fcnet.train import run_epochs as run_alone

Mode = Literal["exact", "fast"]

# Rows of history that one call can return, and therefore the most epochs it can run.
MOST_EPOCHS_A_CALL = 256
# Compiled programs that are kept, the latest: planning makes about four for each shape of network (two modes, perhaps
# again with fewer slots), so those of 16 shapes. What comes back later is read from the compilation cache on disk.
MOST_PROGRAMS = 64


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


def _begin(spec: RunSpec, rows: int, states: RunState, hparams: HParams, keys: jax.Array, fresh: jax.Array) -> RunState:
    """Initial states in the slots that are ``fresh``, (slots,) booleans; the other slots stay as they are."""

    def slot(own: tuple[RunState, HParams, jax.Array, jax.Array]) -> RunState:
        state, values, key, new = own
        return jax.lax.cond(new, lambda: initial_state(spec, values, rows, key=key), lambda: state)

    return jax.lax.map(slot, (states, hparams, keys, fresh))


def _nothing(shape: jax.ShapeDtypeStruct) -> jax.Array:
    """An array that stands where nobody's is."""
    if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), shape.shape)
    return jnp.zeros(shape.shape, shape.dtype)


Pair = tuple[jax.Array, jax.Array]


def judge(spec: RunSpec, states: RunState, done: jax.Array, test: Pair | None, train: Pair | None) -> Judged:
    """The best parameters of the slots that are ``done``, on the test rows; NaN elsewhere, and without such rows.

    Args:
        train: the rows whose loss tells whether the parameters are finite; None where validation has told.
    """
    objective, dtype = spec.objective, spec.model.param_dtype
    nothing = metrics.Evaluation(jnp.asarray(jnp.nan, dtype), jnp.asarray(jnp.nan, dtype))

    def judged(params: Params, model_state: ModelState) -> Judged:
        found = nothing if test is None else metrics.evaluate(objective, params, model_state, *test)
        if train is None:
            return Judged(found, jnp.bool_(True))
        return Judged(found, jnp.isfinite(metrics.evaluate(objective, params, model_state, *train).loss))

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
    ``room``: the most epochs of one call. ``bytes``: what a device needs while it trains; ``bytes_of_rows``: of these
    for rows, which do not grow with the slots. ``seconds``: of compiling.
    """

    nobody: Callable[[], RunState]
    one: RunState
    begin: Callable[..., RunState]
    train: Callable[..., tuple[RunState, History]]
    judge: Callable[..., Judged]
    room: int
    bytes: int
    bytes_of_rows: int
    seconds: float


class Slots(NamedTuple):
    """Shapes and dtypes of what the slots of all lanes hold, and the programs that bring states about, to be compiled.

    ``one``: of one member's state. ``nobody``, ``begin``: see ``Programs``.
    """

    one: RunState
    states: RunState
    hparams: HParams
    flags: jax.Array
    until: jax.Array
    nobody: Lowered
    begin: Lowered


@lru_cache(maxsize=MOST_PROGRAMS)
def lower_slots(spec: RunSpec, mesh: Mesh, hparams: HParams, rows: int, slots: int) -> Slots:
    """For lanes of ``slots`` slots and ``rows`` training rows, in any mode; ``hparams``: see ``compile_programs``."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    one = jax.eval_shape(lambda h, k: initial_state(spec, h, rows, key=k), hparams, key)
    states, values, keys = (abstract(tree, mesh.size * slots, mesh) for tree in (one, hparams, key))
    flags, until = (
        abstract(jax.ShapeDtypeStruct((), dtype), mesh.size * slots, mesh) for dtype in (jnp.bool_, jnp.int32)
    )

    def begin(states: RunState, hparams: HParams, keys: jax.Array, fresh: jax.Array) -> RunState:
        return _begin(spec, rows, states, hparams, keys, fresh)

    nobody = jax.jit(lambda: jax.tree.map(_nothing, states), out_shardings=spread(mesh)).lower()
    return Slots(
        one, states, values, flags, until, nobody, over_lanes(mesh, begin, states, values, keys, flags, given_up=0)
    )


def spread(mesh: Mesh) -> NamedSharding:
    """How arrays with the lanes, or the slots of all lanes, in front lie over the devices."""
    return NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))


def abstract(tree: Any, count: int, mesh: Mesh) -> Any:
    """Shapes and dtypes of ``count`` such trees, one after the other over the devices."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype, sharding=spread(mesh)), tree
    )


def over_lanes(
    mesh: Mesh, function: Callable[..., Any], *arguments: Any, given_up: int | None = None, common: int | None = None
) -> Lowered:
    """``function`` for each lane by itself, to be compiled; argument ``common`` is whole on every device."""
    lane = PartitionSpec(mesh.axis_names[0])
    specs = tuple(PartitionSpec() if place == common else lane for place in range(len(arguments)))
    lane_by_lane = jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=lane, check_vma=False)
    donated = () if given_up is None else (given_up,)
    return jax.jit(lane_by_lane, donate_argnums=donated).lower(*arguments)


@lru_cache(maxsize=4 * MOST_PROGRAMS)
def _compiled(lowered: Lowered) -> Compiled:
    return lowered.compile()


def compiled(*lowered: Lowered) -> list[Compiled]:
    """All of them side by side, each once in a process: XLA holds no lock of Python's while it compiles."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_compiled, lowered))


def bytes_needed(program: Compiled) -> int:
    """What a compiled program needs of a device."""
    memory: Any = program.memory_analysis()
    return int(
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes
    )


def bytes_of(tree: Any) -> int:
    """What arrays of these shapes and dtypes take."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def room(spec: RunSpec) -> int:
    """The most epochs of one call."""
    return min(MOST_EPOCHS_A_CALL, spec.epochs)


@lru_cache(maxsize=MOST_PROGRAMS)
def compile_programs(shape: Shape, hparams: HParams, data: LaneData, slots: int) -> Programs:
    """Compile for lanes of ``slots`` slots, once in a process for the same arguments.

    Args:
        hparams: of one member, as ``jax.ShapeDtypeStruct`` leaves. ``data``: of one lane, likewise.
    """
    started = time.perf_counter()
    mesh, most_epochs = shape.mesh, room(shape.spec)
    lane_data = abstract(data, mesh.size, mesh)
    made = lower_slots(shape.spec, mesh, hparams, data.train.x.shape[0], slots)

    def own(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], tree)

    def train(hparams: HParams, states: RunState, data: LaneData, until: jax.Array) -> tuple[RunState, History]:
        return _train(shape, most_epochs, hparams, states, own(data), until)

    def judged(states: RunState, data: LaneData, done: jax.Array) -> Judged:
        lane = own(data)
        # validation has looked at every epoch's last update
        rows = (lane.train.x, lane.train.y) if lane.train.validation is None else None
        return judge(shape.spec, states, done, lane.test, rows)

    training, judging, nobody, begin = compiled(
        over_lanes(mesh, train, made.hparams, made.states, lane_data, made.until, given_up=1),
        over_lanes(mesh, judged, made.states, lane_data, made.flags),
        made.nobody,
        made.begin,
    )
    return Programs(
        nobody,
        made.one,
        begin,
        training,
        judging,
        most_epochs,
        bytes_needed(training),
        bytes_of(data),
        time.perf_counter() - started,
    )
