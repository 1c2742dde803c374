"""Members that share one stream: rows that do not fit a device are read once for all members of all devices.

All lanes hold members of one data set that are at the same epoch and share its order. Every device gets each block
whole, and its members take the block's steps at once; each draws its own noise. Order, keys and steps are those of
members that train together in memory. Reading order: ``stream_layout``, ``stream_programs``, and the loop here.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from fcnet import devices, metrics
from fcnet.contracts import HParams
from fcnet.data import Dataset, Rows
from fcnet.streaming.blocks import Block, ahead, put_ahead, read_epochs
from fcnet.streaming.validation import Judged as Part
from fcnet.streaming.validation import evaluate_in_blocks
from fcnet.sweeps.compiling import MOST_PROGRAMS, Programs, compile_programs, lower_slots, room
from fcnet.sweeps.lowering import bytes_of, compiled, spread
from fcnet.sweeps.program import Judged, LaneData, Shape
from fcnet.sweeps.stream_layout import Layout
from fcnet.sweeps.stream_programs import StreamPrograms, compile_stream, some
from fcnet.train import Carry, History, RunState, steps_per_epoch


class StreamData(NamedTuple):
    """A data set on the host, its parts that stay on every device, and the key of its orders, as data."""

    dataset: Dataset
    validation: Part | None
    test: Part | None
    order_key: np.ndarray


def stream_data(shape: Shape, dataset: Dataset, data: LaneData, order_key: np.ndarray) -> StreamData:
    """What streamed programs train on; ``data``: its shapes and dtypes, as these were compiled for."""
    validation, test = Layout.of(data, shape.spec.batch_size, shape.stream_bytes).staying(data)

    def put(part: Rows | None) -> Part | None:
        return None if part is None else devices.replicate(Part(np.asarray(part.x), part.y), shape.mesh)

    return StreamData(
        dataset,
        None if validation is None else put(dataset.validation),
        None if test is None else put(dataset.test),
        order_key,
    )


class Stream(NamedTuple):
    """The loop over the blocks of an epoch, and the passes that judge what does not fit."""

    shape: Shape
    layout: Layout
    programs: StreamPrograms

    def train(self, hparams: HParams, states: RunState, data: StreamData, until: jax.Array) -> tuple[RunState, History]:
        """``Programs.train``: every block is read once, and given up when all members have taken its steps.

        Raises:
            InputError: the file of the rows has vanished or was cut.
        """
        programs, rows = self.programs, data.dataset.train
        active, reached = np.asarray(programs.running(states, until)), np.asarray(states.epoch)
        empty = np.empty((len(reached), 0), self.shape.spec.model.param_dtype)
        told: list[History] = [History(empty, empty, empty)]
        if active.any():
            epochs = range(int(reached[active].max()), int(np.asarray(until)[active].max()))
            coming = read_epochs(rows, self.layout.blocks, partial(self._draw, data.order_key), epochs)
            with closing(ahead(coming)) as read:
                blocks = put_ahead(read, self._put)
                while active.any():
                    states, row = self._epoch(hparams, states, data, until, blocks)
                    told.append(History(*(np.asarray(column)[:, None] for column in row)))
                    active = np.asarray(programs.running(states, until))
        return states, History(*(np.concatenate(columns, axis=1) for columns in zip(*told, strict=True)))

    def _epoch(
        self, hparams: HParams, states: RunState, data: StreamData, until: jax.Array, blocks: Iterator[Block]
    ) -> tuple[RunState, History]:
        spec, programs, step = self.shape.spec, self.programs, 0
        carry, keys = programs.begin(states), programs.keys(states)
        count = steps_per_epoch(spec, len(data.dataset.train.y))
        losses = np.full((len(until), count), np.nan, spec.model.param_dtype)
        for steps, size in self.layout.blocks:
            carry, found = programs.steps[steps, size](hparams, states, carry, keys, next(blocks))
            losses[:, step : step + steps] = np.asarray(found)  # waits, so that the next block finds room
            step += steps
        judged: Any = data.validation
        if self.layout.validation and data.dataset.validation is not None:
            found_in_blocks = self._in_blocks("validation", carry._replace(opt_state=()), data.dataset.validation)
            judged = jax.device_put(found_in_blocks, spread(self.shape.mesh))
        return programs.end(states, carry, jax.device_put(losses, spread(self.shape.mesh)), until, judged)

    def _in_blocks(self, name: str, carry: Carry, part: Rows) -> metrics.Evaluation:
        """Of every member, (slots,) each, on a part of that name which does not fit the device."""
        judged, spec = getattr(self.layout, name), self.shape.spec
        return evaluate_in_blocks(spec, self.programs.totals[name], carry, part, judged, self._put)

    def judge(self, states: RunState, data: StreamData, done: jax.Array) -> Judged:
        """``Programs.judge``; parts that are not on the device are gone through once for all that are ``done``."""
        found = self.programs.test(states, done, data.test)
        chosen, best = np.asarray(done), Carry(states.best.params, (), states.best.model_state)
        if chosen.any() and self.layout.test and data.dataset.test is not None:
            test = self._in_blocks("test", best, data.dataset.test)
            found = found._replace(test=jax.tree.map(lambda value: np.where(chosen, value, np.nan), test))
        if chosen.any() and self.layout.train:
            train = self._in_blocks("train", best, data.dataset.train)
            found = found._replace(finite=np.isfinite(train.loss) | ~chosen)
        return found

    def _put(self, tree: Any) -> Any:
        return devices.replicate(tree, self.shape.mesh)

    def _draw(self, order_key: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The common order, and the numbers of the steps: each member has keys of its own."""
        order = np.asarray(self.programs.order(order_key, np.int32(epoch)))
        return order, np.arange(steps_per_epoch(self.shape.spec, len(order)), dtype=np.int32)


@devices.keep(MOST_PROGRAMS)
def compile_streamed(shape: Shape, hparams: HParams, data: LaneData, slots: int) -> Programs:
    """Like ``compile_programs`` for rows that are streamed: ``train`` and ``judge`` take ``StreamData``."""
    started = time.perf_counter()
    layout = Layout.of(data, shape.spec.batch_size, shape.stream_bytes)
    made = lower_slots(shape.spec, shape.mesh, hparams, data.train.x.shape[0], slots)
    nobody, begin = compiled(made.nobody, made.begin)
    programs = compile_stream(shape, made, data, layout)
    stream = Stream(shape, layout, programs)
    rows = max(steps * size for steps, size in layout.blocks)
    stored = (data.train.x, data.train.y, data.train.weight)
    block = bytes_of([some(part, rows, shape.mesh) for part in stored if part is not None])
    staying = bytes_of(layout.staying(data))
    return Programs(
        nobody,
        made.one,
        begin,
        stream.train,
        stream.judge,
        room(shape.spec),
        programs.bytes + block + staying,
        2 * block + staying,
        time.perf_counter() - started,
    )


def programs_for(shape: Shape, hparams: HParams, data: LaneData, slots: int) -> Programs:
    """The programs of a group, whether its rows are in memory or streamed; see ``compile_programs``."""
    return (compile_streamed if shape.stream_bytes else compile_programs)(shape, hparams, data, slots)
