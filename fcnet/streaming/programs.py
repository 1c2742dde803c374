"""The compiled programs of a streamed run: the draws of an epoch, its beginning, the steps of a block, and its end."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from fcnet import devices, metrics
from fcnet.contracts import HParams
from fcnet.data import Dataset, Rows
from fcnet.streaming.blocks import Block, Plan
from fcnet.streaming.validation import Judge, Judged
from fcnet.train import (
    Carry,
    RunSpec,
    RunState,
    TrainData,
    batch_order,
    end_epoch,
    epoch_keys,
    run_block,
    steps_per_epoch,
)

# What is validated by: all rows on the device, or what was found by judging them in blocks.
Validation = Judged | metrics.Evaluation | None


def draw(spec: RunSpec, rows: int, key: jax.Array, epoch: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The order of the rows in the epoch after ``epoch``, (rows,), and the data of its steps' keys."""
    order_key, keys = epoch_keys(spec, key, epoch, rows)
    return batch_order(order_key, rows), jax.random.key_data(keys)


def begin(state: RunState) -> Carry:
    """What the first block goes on from: a copy, because ``state`` itself is what a failed epoch falls back on."""
    return jax.tree.map(jnp.copy, Carry.of(state))


def steps(
    spec: RunSpec, rows: int, mesh: Mesh | None, hparams: HParams, state: RunState, carry: Carry, block: Block
) -> tuple[Carry, jax.Array]:
    """``train.run_block`` over a block; ``state`` is that of the epoch's start."""
    keys = jax.random.wrap_key_data(block.keys, impl=jax.random.key_impl(state.key))
    data = TrainData(block.x, block.y, None, block.weight)
    return run_block(spec, hparams, state.plateau, rows, carry, data, block.batches, keys, mesh)


def end(
    spec: RunSpec,
    rows: int,
    mesh: Mesh | None,
    state: RunState,
    carry: Carry,
    losses: jax.Array,
    judged: Validation,
) -> tuple[RunState, tuple[jax.Array, ...]]:
    """``train.end_epoch``, after judging the validation rows where these lie on the device."""
    if judged is not None and not isinstance(judged, metrics.Evaluation):
        judged = metrics.evaluate(spec.objective, carry.params, carry.model_state, *devices.spread(judged, mesh))
    return end_epoch(spec, state, carry, losses, judged, rows)


def judge(spec: RunSpec, mesh: Mesh | None, carry: Carry, rows: Judged) -> metrics.Evaluation:
    """``metrics.totals`` of some validation rows."""
    return metrics.totals(spec.objective, carry.params, carry.model_state, *devices.spread(rows, mesh))


class Programs(NamedTuple):
    """What is called, all of it compiled.

    ``steps``: by the (steps, batch size) of a block. ``judge``: by the number of validation rows in a block.
    ``seconds``: of compiling.
    """

    draw: Callable[[jax.Array, np.int32], tuple[jax.Array, jax.Array]]
    begin: Callable[[RunState], Carry]
    steps: dict[tuple[int, int], Callable[[HParams, RunState, Carry, Block], tuple[Carry, jax.Array]]]
    judge: dict[int, Judge]
    end: Callable[[RunState, Carry, jax.Array, Validation], tuple[RunState, tuple[jax.Array, ...]]]
    seconds: float


def compile_programs(
    spec: RunSpec, hparams: HParams, state: RunState, dataset: Dataset, plan: Plan, mesh: Mesh | None
) -> Programs:
    """All programs of a plan; ``hparams`` and ``state`` lie on the devices of ``mesh``, if any."""
    started = time.perf_counter()
    train, rows, whole = dataset.train, len(dataset.train.y), devices.whole(mesh)

    def array(shape: tuple[int, ...], dtype: Any) -> Any:
        return jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(dtype), sharding=whole)

    def some(stored: Any, count: int) -> Any:
        return None if stored is None else array((count, *stored.shape[1:]), stored.dtype)

    def compiled(function: Callable[..., Any], *arguments: Any, given_up: tuple[int, ...] = ()) -> Any:
        return jax.jit(function, donate_argnums=given_up, out_shardings=whole).lower(*arguments).compile()

    here = devices.local(state)
    drawn = jax.jit(partial(draw, spec, rows)).lower(here.key, np.int32(0))
    keys = drawn.out_info[1]
    carry = jax.tree.map(lambda leaf: array(leaf.shape, leaf.dtype), Carry.of(state))

    def steps_of(count: int, size: int) -> Any:
        x, y, weight = (some(stored, count * size) for stored in train)
        block = Block(x, y, weight, array((count, size), jnp.int32), some(keys, count))
        return compiled(partial(steps, spec, rows, mesh), hparams, state, carry, block, given_up=(2,))

    def judge_of(part: Rows, count: int) -> Any:
        return compiled(partial(judge, spec, mesh), carry, Judged(some(part.x, count), some(part.y, count)))

    part = dataset.validation
    judged: Validation = None
    if part is not None:
        loss = array((), spec.model.param_dtype)
        count = len(part.y)
        judged = metrics.Evaluation(loss, loss) if plan.judged else Judged(some(part.x, count), some(part.y, count))
    losses = array((steps_per_epoch(spec, rows),), spec.model.param_dtype)
    return Programs(
        drawn.compile(),
        compiled(begin, state),
        {shape: steps_of(*shape) for shape in dict.fromkeys(plan.blocks)},
        {
            count: judge_of(part, count)
            for count in {rows.stop - rows.start for rows in plan.judged}
            if part is not None
        },
        compiled(partial(end, spec, rows, mesh), state, carry, losses, judged, given_up=(0,)),
        time.perf_counter() - started,
    )
