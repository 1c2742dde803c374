"""The compiled programs of members that share one stream: what ``streaming.programs`` has for one, for every slot."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from fcnet import devices, metrics
from fcnet.contracts import HParams
from fcnet.objective import ObjectiveSpec
from fcnet.streaming.blocks import Block
from fcnet.streaming.validation import Judge
from fcnet.streaming.validation import Judged as Part
from fcnet.sweeps.compiling import Slots
from fcnet.sweeps.lowering import abstract, bytes_needed, bytes_of, compiled, over_lanes
from fcnet.sweeps.program import Judged, LaneData, Shape, common_order, judge, running, where
from fcnet.sweeps.stream_layout import Layout
from fcnet.train import Carry, History, RunSpec, RunState, TrainData, end_epoch, epoch_keys, run_block, steps_per_epoch


def step_keys(spec: RunSpec, rows: int, states: RunState) -> jax.Array:
    """The data of each member's keys for all steps of its next epoch: (slots, steps, …) uint32."""
    return jax.random.key_data(jax.vmap(lambda state: epoch_keys(spec, state.key, state.epoch, rows)[1])(states))


def begin(states: RunState) -> Carry:
    """What the first block goes on from: copies, because a failed epoch falls back on ``states``."""
    return jax.tree.map(jnp.copy, Carry.of(states))


def steps(
    spec: RunSpec, rows: int, hparams: HParams, states: RunState, carry: Carry, keys: jax.Array, block: Block
) -> tuple[Carry, jax.Array]:
    """``train.run_block`` of every member over one block, which is there once.

    Args:
        states: of the epoch's start. ``keys``: see ``step_keys``.
        block: its ``keys`` are the numbers of its steps.
    """
    data = TrainData(block.x, block.y, None, block.weight)

    def member(hparams: HParams, state: RunState, carry: Carry, keys: jax.Array) -> tuple[Carry, jax.Array]:
        own = jax.random.wrap_key_data(keys[block.keys], impl=jax.random.key_impl(state.key))
        return run_block(spec, hparams, state.plateau, rows, carry, data, block.batches, own)

    return jax.vmap(member)(hparams, states, carry, keys)


def totals(objective: ObjectiveSpec, carry: Carry, part: Part) -> metrics.Evaluation:
    """``metrics.totals`` of every member: (slots,) each."""
    return jax.vmap(lambda own: metrics.totals(objective, own.params, own.model_state, part.x, part.y))(carry)


def end(
    spec: RunSpec,
    rows: int,
    states: RunState,
    carry: Carry,
    losses: jax.Array,
    until: jax.Array,
    judged: metrics.Evaluation | Part | None,
) -> tuple[RunState, History]:
    """``train.end_epoch`` of every member that was running; the others keep their bits and have NaN for a history.

    Args:
        judged: the validation part where it lies on the device, or what was found by judging it in blocks.
    """
    active = running(spec, states, until)

    def member(state: RunState, carry: Carry, losses: jax.Array, found: metrics.Evaluation | None) -> Any:
        if isinstance(judged, Part):  # here, and not in a program of its own, which would round differently
            found = metrics.evaluate(spec.objective, carry.params, carry.model_state, judged.x, judged.y)
        return end_epoch(spec, state, carry, losses, found, rows)

    after, row = jax.vmap(member)(states, carry, losses, None if isinstance(judged, Part) else judged)
    return where(active, after, states), History(*(jnp.where(active, value, jnp.nan) for value in row))


class StreamPrograms(NamedTuple):
    """What is called, all of it compiled; arguments as in the functions above, without what is static.

    ``order``: (data of the order key, epoch) ↦ the order that all share. ``running``: (states, until) ↦ flags.
    ``steps``: by the (steps, batch size) of a block. ``test``: (states, done, test part) ↦ ``Judged``. ``totals``: of
    parts that are judged in blocks, by the part's name and the number of rows. ``bytes``: that a device needs at most,
    rows that stay and the other block aside.
    """

    order: Callable[[np.ndarray, np.int32], jax.Array]
    running: Callable[[RunState, jax.Array], jax.Array]
    keys: Callable[[RunState], jax.Array]
    begin: Callable[[RunState], Carry]
    steps: dict[tuple[int, int], Callable[..., tuple[Carry, jax.Array]]]
    end: Callable[..., tuple[RunState, History]]
    test: Callable[..., Judged]
    totals: dict[str, dict[int, Judge]]
    bytes: int


def some(stored: Any, count: int, mesh: Mesh) -> Any:
    """The shape of ``count`` rows, whole on every device."""
    if stored is None:
        return None
    return jax.ShapeDtypeStruct((count, *stored.shape[1:]), stored.dtype, sharding=devices.whole(mesh))


def compile_stream(shape: Shape, made: Slots, data: LaneData, layout: Layout) -> StreamPrograms:
    """All programs of a layout; ``data``: shapes and dtypes of the whole."""
    spec, mesh, rows, dtype = shape.spec, shape.mesh, data.train.x.shape[0], shape.spec.model.param_dtype
    slots = made.until.shape[0]
    lanes: Any = partial(over_lanes, mesh)

    def own(*of_one: int) -> Any:
        return abstract(jax.ShapeDtypeStruct(of_one, dtype), slots, mesh)

    def whole(pair: Any, count: int | None = None) -> Any:
        return None if pair is None else Part(*(some(stored, count or len(stored), mesh) for stored in pair))

    key_data = jax.eval_shape(partial(step_keys, spec, rows), made.states)
    keys = abstract(jax.ShapeDtypeStruct(key_data.shape[1:], key_data.dtype), slots, mesh)
    carry = Carry.of(made.states)
    judged_of = carry._replace(opt_state=())

    def steps_of(count: int, size: int) -> Any:
        x, y, weight = (some(stored, count * size, mesh) for stored in (data.train.x, data.train.y, data.train.weight))
        batches, numbers = (jax.ShapeDtypeStruct(of, jnp.int32) for of in ((count, size), (count,)))
        block = Block(x, y, weight, some(batches, count, mesh), some(numbers, count, mesh))
        return lanes(partial(steps, spec, rows), made.hparams, made.states, carry, keys, block, given_up=2, common=4)

    def totals_of(pair: Any, judged: list[slice]) -> dict[int, Judge]:
        counts, of = {part.stop - part.start for part in judged}, partial(totals, spec.objective)
        return {count: lanes(of, judged_of, whole(pair, count), common=1) for count in counts}

    validation, test = layout.staying(data)
    in_blocks = metrics.Evaluation(own(), own()) if layout.validation else None
    found, place = (in_blocks, {}) if validation is None else (whole(validation), {"common": 4})
    losses = own(steps_per_epoch(spec, rows))
    order: Any = jax.jit(lambda key, epoch: common_order(jax.random.wrap_key_data(key), epoch, rows))
    lowered = (
        order.lower(data.order_key, np.int32(0)),
        lanes(partial(running, spec), made.states, made.until),
        lanes(partial(step_keys, spec, rows), made.states),
        lanes(begin, made.states),
        {of: steps_of(*of) for of in dict.fromkeys(layout.blocks)},
        lanes(partial(end, spec, rows), made.states, carry, losses, made.until, found, given_up=0, **place),
        lanes(lambda s, d, t: judge(spec, s, d, t, None), made.states, made.flags, whole(test), common=2),
        {
            "validation": totals_of(data.train.validation, layout.validation),
            "test": totals_of(data.test, layout.test),
            "train": totals_of((data.train.x, data.train.y), layout.train),
        },
    )
    each, structure = jax.tree.flatten(lowered)
    order_program, *of_lanes = compiled(*each)
    # what a program is not told of its arguments it does not count: the states are there all the time
    most = max(map(bytes_needed, of_lanes)) + bytes_of(made.states) // mesh.size
    return StreamPrograms._make([*jax.tree.unflatten(structure, [order_program, *of_lanes]), most])
