"""The thin loop around a group's programs: fill the lanes, call, listen, let finished members go.

Everything that a killed sweep needs to go on is the stacked state on the devices and the engine's ``position``.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.data import Dataset, DataSpec
from fcnet.sweeps.groups import Entrant, Group
from fcnet.sweeps.inputs import Inputs
from fcnet.sweeps.lanes import Lanes
from fcnet.sweeps.lowering import spread
from fcnet.sweeps.program import Shape
from fcnet.sweeps.streamed import programs_for
from fcnet.sweeps.tables import DIVERGED, FINISHED, STOPPED_EARLY, WAITING, MemberResult
from fcnet.sweeps.told import Curve, Open, Resting, Told
from fcnet.train import History, RunState, is_finished, steps_per_epoch


class Engine:
    """One group on its way to epoch ``until``."""

    def __init__(
        self,
        shape: Shape,
        group: Group,
        datasets: Mapping[DataSpec, Dataset],
        lanes: Lanes,
        *,
        number: int,
        until: int,
        order_seed: int = 0,
    ) -> None:
        self.shape, self.group, self.lanes = shape, group, lanes
        self.number, self.until, self.rows = number, until, group.data.train.x.shape[0]
        slots = len(lanes.lanes[0].slots)
        self.programs = programs_for(shape, group.hparams, group.data, slots)
        self.room = min(group.spec.epochs, self.programs.room)
        self.spread = spread(shape.mesh)
        self.open: dict[int, Open] = {}
        self.states = self.programs.nobody()
        self.inputs = Inputs(shape, group, datasets, order_seed)
        if lanes.busy:
            self.inputs.place(lanes)

    def abstract_states(self) -> RunState:
        """Shapes and dtypes of the stacked states."""
        count = len(self.lanes.slots)
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype, sharding=self.spread),
            self.programs.one,
        )

    # one call

    def call(self, epochs: int, resting: Callable[[Entrant], Resting | None] = lambda entrant: None) -> Told:
        """Fill the lanes, train every member up to ``epochs`` epochs further, and let go who is done.

        Args:
            resting: what an entrant goes on from, None to begin.
        """
        self._fill(resting)
        reached = np.asarray(self.states.epoch)  # waits until the new members are there
        started = time.perf_counter()
        until = np.minimum(reached + min(epochs, self.room), self.until)
        occupied = np.array([entrant is not None for entrant in self.lanes.slots])
        limits = jax.device_put(np.where(occupied, until, 0).astype(np.int32), self.spread)
        self.states, filled = self.programs.train(self.inputs.hparams, self.states, self.inputs.data, limits)
        history = History(*(np.asarray(column) for column in filled))
        seconds = time.perf_counter() - started
        return self._harvest(reached, history, seconds)

    def _fill(self, resting: Callable[[Entrant], Resting | None]) -> None:
        given = self.lanes.fill()
        if not given:
            return
        self.inputs.place(self.lanes)
        slots = self.lanes.slots
        fresh = np.zeros(len(slots), bool)
        returning: dict[int, RunState] = {}
        for slot in given:
            entrant = slots[slot]
            assert entrant is not None
            earlier = resting(entrant)
            self.open[entrant.member] = Open() if earlier is None else earlier.known
            fresh[slot] = earlier is None
            if earlier is not None:
                returning[slot] = earlier.state
        if fresh.any():
            self.states = self.programs.begin(
                self.states, self.inputs.hparams, self.inputs.keys, jax.device_put(fresh, self.spread)
            )
        if returning:
            self.states = self._with(returning)

    def _with(self, returning: dict[int, RunState]) -> RunState:
        numbers = jnp.asarray(list(returning))

        def put(stack: jax.Array, *rows: Any) -> jax.Array:
            return jax.device_put(stack.at[numbers].set(jnp.stack([jnp.asarray(row) for row in rows])), self.spread)

        return jax.tree.map(put, self.states, *returning.values())

    def _harvest(self, before: np.ndarray, history: History, seconds: float) -> Told:
        states = self.states
        epoch, failed, slots = np.asarray(states.epoch), np.asarray(states.failed_step), self.lanes.slots
        occupied = np.array([entrant is not None for entrant in slots])
        done = occupied & np.asarray(is_finished(self.group.spec, states))
        paused = occupied & ~done & (epoch >= self.until)
        curves = []
        trained = self._trained(before, epoch, failed, occupied)
        for slot, entrant in enumerate(slots):
            if entrant is None:
                continue
            count = int(epoch[slot] - before[slot])
            own = History(*(column[slot, :count] for column in history))
            if count:
                curves.append(Curve(entrant.member, int(before[slot]) + 1, own))
            self._remember(entrant.member, own, float(trained[slot]) * seconds)
        results = self._results(done, paused, failed) if (done | paused).any() else {}
        resting = self._take_out(np.flatnonzero(paused))
        for member in results:
            self.open.pop(member, None)
        for left in np.flatnonzero(done | paused):
            self.lanes.leave(int(left))
        return Told(curves, results, resting, int(np.sum((epoch - before)[occupied])), seconds)

    def _trained(self, before: np.ndarray, epoch: np.ndarray, failed: np.ndarray, occupied: np.ndarray) -> np.ndarray:
        """Each slot's share of its device's time: its epochs, a failed one included, over those of its lane."""
        epochs = np.where(occupied, epoch - before + (failed > 0), 0).reshape(len(self.lanes.lanes), -1)
        return (epochs / np.maximum(epochs.sum(axis=1, keepdims=True), 1)).ravel()

    def _remember(self, member: int, own: History, seconds: float) -> None:
        known = self.open[member]
        last = tuple(float(column[-1]) for column in own) if len(own.train_loss) else known.last
        self.open[member] = Open(known.seconds + seconds, last)  # type: ignore[arg-type]  # three columns

    def _results(self, done: np.ndarray, paused: np.ndarray, failed: np.ndarray) -> dict[int, MemberResult]:
        slots, states = self.lanes.slots, self.states
        judged = self.programs.judge(states, self.inputs.data, jax.device_put(done & (failed == 0), self.spread))
        test_loss, test_score = np.asarray(judged.test.loss), np.asarray(judged.test.score)
        finite = np.asarray(judged.finite)
        best_loss, best_score = np.asarray(states.best.loss), np.asarray(states.best.score)
        epoch, best_epoch = np.asarray(states.epoch), np.asarray(states.best.epoch)
        steps, results = steps_per_epoch(self.group.spec, self.rows), {}
        for slot in np.flatnonzero(done | paused):
            entrant = slots[slot]
            assert entrant is not None
            known = self.open[entrant.member]
            status, cause = STOPPED_EARLY if epoch[slot] < self.group.spec.epochs else FINISHED, ""
            if paused[slot]:
                status = WAITING
            elif failed[slot]:
                status = DIVERGED
                cause = f"loss or parameters not finite in epoch {epoch[slot] + 1}, step {failed[slot]} of {steps}"
            elif not finite[slot]:
                status, cause = DIVERGED, f"training loss not finite after epoch {epoch[slot]}"
            results[entrant.member] = MemberResult(
                status=status,
                cause=cause,
                epochs_run=int(epoch[slot]),
                best_epoch=int(best_epoch[slot]),
                best_validation_loss=float(best_loss[slot]),
                best_validation_score=float(best_score[slot]),
                last_train_loss=known.last[0],
                last_validation_loss=known.last[1],
                last_validation_score=known.last[2],
                test_loss=float(test_loss[slot]),
                test_score=float(test_score[slot]),
                seconds=known.seconds,
                program=self.number,
                mode=self.shape.mode,
            )
        return results

    def _take_out(self, paused: np.ndarray) -> dict[int, Resting]:
        slots = self.lanes.slots
        rows = {}
        for slot in paused:
            entrant = slots[slot]
            assert entrant is not None
            state = jax.tree.map(lambda leaf, slot=slot: leaf[int(slot)], self.states)
            rows[entrant.member] = Resting(state, self.open[entrant.member])
        return rows

    # going on later

    @property
    def finished(self) -> bool:
        """Whether nobody is in a slot and nobody waits."""
        return not (self.lanes.busy or self.lanes.waiting)

    def position(self) -> dict[str, Any]:
        """Who is where and what is remembered of them, as plain values for JSON."""
        kept = {
            # as text where JSON has no number
            str(member): [known.seconds, *(value if np.isfinite(value) else str(value) for value in known.last)]
            for member, known in self.open.items()
        }
        return {**self.lanes.position(), "open": kept}

    def restore(self, states: RunState, position: dict[str, Any]) -> None:
        """Go on from ``states`` and a ``position`` that were saved together; the lanes are those of the position."""
        self.states = jax.device_put(states, self.spread)
        for member, (seconds, *last) in position["open"].items():
            train_loss, loss, score = (float(value) for value in last)
            self.open[int(member)] = Open(seconds, (train_loss, loss, score))
