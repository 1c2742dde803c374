"""The compiled programs of a group: its beginnings, its training and its judging."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.stages import Lowered

from fcnet import devices
from fcnet.contracts import HParams
from fcnet.sweeps.lowering import abstract, bytes_needed, bytes_of, compiled, over_lanes, spread
from fcnet.sweeps.program import Judged, LaneData, Shape, begin_members, empty, judge, train_members
from fcnet.train import History, RunSpec, RunState, abstract_state

# Rows of history that one call can return, and therefore the most epochs it can run.
MOST_EPOCHS_A_CALL = 256
# Compiled programs that are kept, the latest: planning makes about four for each shape of network (two modes, perhaps
# again with fewer slots), so those of 16 shapes. What comes back later is read from the compilation cache on disk.
MOST_PROGRAMS = 64


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


@devices.keep(MOST_PROGRAMS)
def lower_slots(spec: RunSpec, mesh: Mesh, hparams: HParams, rows: int, slots: int) -> Slots:
    """For lanes of ``slots`` slots and ``rows`` training rows, in any mode; ``hparams``: see ``compile_programs``."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    one = abstract_state(spec, hparams, rows)
    states, values, keys = (abstract(tree, mesh.size * slots, mesh) for tree in (one, hparams, key))
    flags, until = (
        abstract(jax.ShapeDtypeStruct((), dtype), mesh.size * slots, mesh) for dtype in (jnp.bool_, jnp.int32)
    )
    nobody = jax.jit(lambda: jax.tree.map(empty, states), out_shardings=spread(mesh)).lower()
    begin = over_lanes(mesh, partial(begin_members, spec, rows), states, values, keys, flags, given_up=0)
    return Slots(one, states, values, flags, until, nobody, begin)


def room(spec: RunSpec) -> int:
    """The most epochs of one call."""
    return min(MOST_EPOCHS_A_CALL, spec.epochs)


@devices.keep(MOST_PROGRAMS)
def compile_programs(shape: Shape, hparams: HParams, data: LaneData, slots: int) -> Programs:
    """Compile for lanes of ``slots`` slots, or find what was compiled for the same arguments.

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
        return train_members(shape, most_epochs, hparams, states, own(data), until)

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
