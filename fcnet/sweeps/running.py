"""A sweep from its first call to its last: stage by stage, group by group, saved after every call."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fcnet import devices
from fcnet.sweeps import parts
from fcnet.sweeps.calls import Calls
from fcnet.sweeps.distance import Distance, distance_to_solo
from fcnet.sweeps.engine import Engine
from fcnet.sweeps.folder import SweepFolder
from fcnet.sweeps.groups import Entrant, Group
from fcnet.sweeps.lanes import Lanes
from fcnet.sweeps.plan import Plan
from fcnet.sweeps.planning import PlannedStage, Sweep
from fcnet.sweeps.progress import Progress, progress
from fcnet.sweeps.tables import member_table
from fcnet.sweeps.told import Resting, Told

# A call aims at this long: often enough for a progress line, a save and Ctrl-C.
SECONDS_A_CALL = 1.0
# Calls grow with the sweep, so that it is not cut into more pieces than are worth keeping apart.
SHARE_OF_ELAPSED = 0.01
# And with what saving takes, which then is at most this share of the time.
SHARE_OF_SAVING = 0.05
# But who is asked to stop answers within this time, unless a single epoch takes longer.
MOST_SECONDS_A_CALL = 30.0
# How much of a group's time may go into training one of its members again, alone.
SHARE_OF_CHECKING = 0.05
# How long a process waits for the others at the end of a stage. One that has ended is noticed at once.
SECONDS_FOR_OTHERS = 7 * 24 * 3600.0


@dataclass
class Running:
    """A sweep that is trained in its folder.

    ``call``: the number of the last call. ``distances``: of members from their solo runs, as far as they are known.
    """

    sweep: Sweep
    folder: SweepFolder
    call: int = 0
    distances: list[Distance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.calls, self.saving = Calls(self.folder), 0.0

    def train(
        self,
        first: PlannedStage | None,
        position: dict[str, Any] | None,
        listen: Callable[[Progress], None],
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        """Train all that is left, saving after each call.

        Args:
            first: the stage to begin with. ``position``: where it was left, None at its beginning.
            listen: called after each call and its saving; it may raise to stop.
            wait: called again and again while other processes are waited for; it may raise, too.
        """
        now = first
        while now is not None:
            self._train_stage(now, position, listen)
            position, number = None, now.stage.number
            if self.calls.furthest_stage() <= number:  # else the others have met here before they were stopped
                if self.sweep.processes.count > 1:
                    self.sweep.tell("waiting for the other processes")
                devices.barrier(f"the end of stage {number}", seconds=SECONDS_FOR_OTHERS, look=wait)
            # another process may be in the next stage already: all see this one's end
            self.sweep.results = parts.collected(self.folder.path, now.stage.until)
            now = self.sweep.next_stage()

    def _train_stage(
        self, now: PlannedStage, position: dict[str, Any] | None, listen: Callable[[Progress], None]
    ) -> None:
        started, dropped = time.monotonic(), now.stage.dropped
        self.sweep.results |= dropped
        begin = 0 if position is None else position["group"]
        if position is None and (dropped or not now.groups):
            self._save(now, begin, Told([], dropped if self.sweep.processes.index == 0 else {}, {}, 0, 0.0))
        inside = None if position is None else position["engine"]
        for number in range(begin, len(now.groups)):
            engine = self._engine(now, number, inside)
            if inside is not None:
                engine.restore(self.calls.states(self.call, engine.abstract_states()), inside)
            inside = None
            before = time.monotonic()
            self._train_group(now, number, engine, listen, started)
            self._measure(now.groups[number], now.plans[number], time.monotonic() - before)

    def _engine(self, now: PlannedStage, number: int, position: dict[str, Any] | None) -> Engine:
        group, plan, sweep = now.groups[number], now.plans[number], self.sweep
        together = {"lockstep": sweep.config.shared_order, "one_stream": plan.stream_bytes > 0}
        if position is None:
            lanes = Lanes.empty(sweep.mesh.size, plan.slots, group.entrants, **together)
        else:
            lanes = Lanes.at(position, {entrant.member: entrant for entrant in group.entrants}, **together)
        return Engine(
            sweep.shape(group, plan),
            group,
            sweep.datasets,
            lanes,
            number=number,
            until=now.stage.last(group.spec.epochs),
            order_seed=sweep.config.train.loop.seed,
        )

    def _train_group(
        self, now: PlannedStage, number: int, engine: Engine, listen: Callable[[Progress], None], started: float
    ) -> None:
        like, epochs, before = engine.programs.one, 1, now.stage.number - 1

        def earlier(entrant: Entrant) -> Resting | None:
            return self.calls.resting(entrant.member, before, like) if now.stage.goes_on else None

        while not engine.finished:
            told = engine.call(epochs, earlier)
            self.sweep.results |= told.results
            self._save(now, number, told, engine)
            listen(progress(self.sweep, now, number, engine, told))
            aim = max(SECONDS_A_CALL, SHARE_OF_ELAPSED * (time.monotonic() - started), self.saving / SHARE_OF_SAVING)
            aim = min(aim, MOST_SECONDS_A_CALL)
            depth = max((len(curve.history.train_loss) for curve in told.curves), default=1)
            epochs = int(np.clip(aim * depth / told.seconds, 1, engine.room))

    def _save(self, now: PlannedStage, number: int, told: Told, engine: Engine | None = None) -> None:
        before, sweep = time.perf_counter(), self.sweep
        self.call += 1
        inside = None if engine is None or engine.finished else engine
        position = {
            **sweep.stages.position(now.stage),
            "group": number + (engine is not None and inside is None),  # the next one, after the last call of this
            "plans": [plan._asdict() for plan in now.plans],
            "engine": None if inside is None else inside.position(),
        }
        own = [sweep.stages.members[member] for member in told.results]
        rows = member_table(sweep.config, own, told.results, score=sweep.score, task=sweep.task)
        self.calls.save(self.call, told, rows, states=None if inside is None else inside.states, position=position)
        self.saving = time.perf_counter() - before

    def _measure(self, group: Group, plan: Plan, seconds: float) -> None:
        """How far the group's first member is from its solo run, once for each mode that was used."""
        if self.sweep.processes.index > 0 or any(found.mode == plan.mode for found in self.distances):
            return
        known = [entrant for entrant in group.entrants if self.sweep.results[entrant.member].epochs_run]
        if not known:
            return
        history = parts.history(self.folder.path, known[0].member, group.spec.model.param_dtype)
        alone = plan.seconds_of_epoch * self.sweep.mesh.size  # the least that an epoch takes on one device
        epochs = int(np.clip(SHARE_OF_CHECKING * seconds / alone, 1, len(history.train_loss)))
        self.sweep.tell("checking against a solo run")
        dataset = self.sweep.datasets[known[0].data]
        self.distances.append(
            distance_to_solo(known[0], dataset, history, plan.mode, epochs=epochs, stream=plan.stream_bytes > 0)
        )
        self.folder.update(distances=[found._asdict() for found in self.distances])
