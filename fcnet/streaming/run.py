"""The loop of a streamed run: while the device trains on a block, the next one is put beside it."""

from collections.abc import Generator
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from fcnet import devices, metrics
from fcnet.contracts import HParams
from fcnet.data import Dataset
from fcnet.streaming.blocks import Plan, ahead, plan, put_ahead, read_epochs, room
from fcnet.streaming.programs import Programs, compile_programs
from fcnet.streaming.validation import Judged, evaluate_in_blocks
from fcnet.train import Carry, History, RunSpec, RunState, is_finished, steps_per_epoch


class Reached(NamedTuple):
    """Where a call of compiled programs has led.

    ``state``: of the last whole epoch, on one device. ``history``: NumPy arrays of the epochs that the call ended.
    ``rows``: how many the epoch under way has been through; 0 between two.
    """

    state: RunState
    history: History
    rows: int


class StreamedRun(NamedTuple):
    """A run over rows that are read in blocks, compiled; ``hparams`` lie on the devices of ``mesh``, if any."""

    spec: RunSpec
    hparams: HParams
    dataset: Dataset
    mesh: Mesh | None
    plan: Plan
    programs: Programs

    @property
    def seconds(self) -> float:
        """Of compiling."""
        return self.programs.seconds

    def calls(self, state: RunState) -> Generator[Reached, None, None]:
        """Train until finished, a block a call; ``state``, on the devices of ``mesh``, is given up.

        Raises:
            InputError: the file of the rows has vanished or was cut.
        """
        spec, programs, rows = self.spec, self.programs, len(self.dataset.train.y)
        here, dtype = devices.local(state), spec.model.param_dtype
        epochs = range(int(here.epoch), spec.epochs)
        key = jax.random.clone(here.key)  # the state is given up, and the reader is ahead of it
        coming = read_epochs(self.dataset.train, self.plan.blocks, partial(self._draw, key), epochs)
        validation = self._validation_on_device()
        with closing(ahead(coming)) as read:
            blocks = put_ahead(read, self._put)
            while not bool(is_finished(spec, here)):
                carry, epoch, done = programs.begin(state), int(here.epoch), 0
                losses = np.full(steps_per_epoch(spec, rows), np.nan, dtype)
                for steps, size in self.plan.blocks:
                    first = done // spec.batch_size
                    with devices.together(self.mesh):
                        carry, found = programs.steps[steps, size](self.hparams, state, carry, next(blocks))
                        losses[first : first + steps] = np.asarray(devices.local(found))
                    done += steps * size
                    if not np.isfinite(losses[: first + steps]).all():
                        break  # the epoch is lost, and with it the run
                    if done < rows:
                        yield Reached(here, History(*np.empty((3, 0), dtype)), done)
                with devices.together(self.mesh):
                    judged = self._put(self._judge(carry)) if self.plan.judged else validation
                    state, row = programs.end(state, carry, self._put(losses), judged)
                    here = devices.local(state)
                    ended = int(here.epoch) - epoch
                    history = History(*(np.asarray(value).reshape(1)[:ended] for value in devices.local(row)))
                yield Reached(here, history, 0)

    def _put(self, tree: Any) -> Any:
        return jax.device_put(tree) if self.mesh is None else devices.replicate(tree, self.mesh)

    def _validation_on_device(self) -> Any:
        part = self.dataset.validation
        return None if part is None or self.plan.judged else self._put(Judged(np.asarray(part.x), part.y))

    def _judge(self, carry: Carry) -> metrics.Evaluation:
        part = self.dataset.validation
        assert part is not None
        return evaluate_in_blocks(self.spec, self.programs.judge, carry, part, self.plan.judged, self._put)

    def _draw(self, key: jax.Array, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        order, keys = self.programs.draw(key, np.int32(epoch))
        return np.asarray(order), np.asarray(keys)


def compile_run(
    spec: RunSpec, hparams: HParams, state: RunState, dataset: Dataset, mesh: Mesh | None = None
) -> StreamedRun:
    """The run that goes on from ``state``.

    Args:
        hparams, state: on the devices of ``mesh``.
        mesh: see ``train.run_epoch``; each of its devices has every block whole.
    """
    free = -devices.agree(-room(), mesh)  # the least of all processes
    fitting = plan(dataset, spec.batch_size, free)
    programs = compile_programs(spec, hparams, state, dataset, fitting, mesh)
    return StreamedRun(spec, hparams, dataset, mesh, fitting, programs)
