"""A sweep from its first plan to its last call: stage by stage, group by group, saved after every call."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from fcnet import data as data_room
from fcnet import devices, provenance, streaming
from fcnet.contracts import CLASSIFICATION
from fcnet.data import Dataset, DataSpec
from fcnet.devices import Processes
from fcnet.errors import require
from fcnet.sweeps import results as tables
from fcnet.sweeps.config import ONE_STREAM, SweepConfig
from fcnet.sweeps.distance import Distance, distance_to_solo
from fcnet.sweeps.engine import Engine, Resting, Told
from fcnet.sweeps.folder import SweepFolder
from fcnet.sweeps.groups import Entrant, Group, entrants, grouped
from fcnet.sweeps.lanes import Lanes
from fcnet.sweeps.plan import Plan, adapted, planned
from fcnet.sweeps.program import Shape
from fcnet.sweeps.results import MemberResult
from fcnet.sweeps.stages import Stage, Stages

# A call aims at this long: often enough for a progress line, a save and Ctrl-C.
SECONDS_A_CALL = 1.0
# Calls grow with the sweep, so that it is not cut into more pieces than are worth keeping apart.
SHARE_OF_ELAPSED = 0.01
# And with what saving takes, which then is at most this share of the time.
SHARE_OF_SAVING = 0.05
# How much of a group's time may go into training one of its members again, alone.
SHARE_OF_CHECKING = 0.05
# How long a process waits for the others at the end of a stage. One that has ended is noticed at once.
SECONDS_FOR_OTHERS = 7 * 24 * 3600.0


class PlannedStage(NamedTuple):
    """A stage with its groups and how each is trained."""

    stage: Stage
    groups: list[Group]
    plans: list[Plan]

    @property
    def seconds(self) -> float:
        """What training all of it takes at most."""
        return sum(
            plan.seconds_of_epoch * self.stage.last(group.spec.epochs) * len(group.entrants)
            for plan, group in zip(self.plans, self.groups, strict=True)
        )


class Progress(NamedTuple):
    """What a listener is told after each call.

    ``done``, ``members``: members that are through, and all that are known so far. ``told``: of the call.
    ``epochs_left``: of all members in this stage, at most. ``group``, ``groups``: which program, of how many.
    """

    done: int
    members: int
    told: Told
    epochs_left: int
    group: int
    groups: int
    stage: int


def _program(group: Group) -> tuple[Hashable, ...]:
    """What its programs depend on, but for the number of slots."""
    return group.spec, group.hparams, group.data


ALONE = Processes(0, 1)


@dataclass
class Sweep:
    """One sweep in one process; ``processes`` says which of how many.

    ``batch``: settings that a search proposes at a time; its proposals depend on it, so that a stopped sweep keeps it.
    ``datasets``: loaded so far, by what they are. ``results``: of this process's members so far.
    """

    config: SweepConfig
    mesh: Mesh
    processes: Processes = ALONE
    batch: int = 0
    tell: Callable[[str], None] = lambda text: None
    datasets: dict[DataSpec, Dataset] = field(default_factory=dict)
    results: dict[int, MemberResult] = field(default_factory=dict)
    distances: list[Distance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.batch = self.batch or self._default_batch()
        self.stages = Stages(self.config, batch=self.batch)
        self.plans: dict[tuple[Hashable, ...], Plan] = {}
        self.call = 0
        self.saving = 0.0

    def _default_batch(self) -> int:
        """As many settings as fill every device twice, unless asked for otherwise."""
        each = max(self.config.members_of_setting, 1)
        return self.config.batch or max(-(-2 * self.mesh.size * self.processes.count // each), 4)

    def dataset(self, spec: DataSpec) -> Dataset:
        """The data set, loaded once."""
        if spec not in self.datasets:
            self.datasets[spec] = data_room.load(spec)
        return self.datasets[spec]

    @property
    def anything(self) -> Dataset:
        """The first member's data set: all have the same rows, task and classes."""
        return self.dataset(self.stages.members[0].config.data_spec())

    @property
    def task(self) -> str:
        """Classification or regression."""
        return self.anything.description.task

    @property
    def score(self) -> str:
        """The name of the score that members are ranked by."""
        return "accuracy" if self.task == CLASSIFICATION else "r2"

    def fingerprint(self) -> str:
        """Of the data: the first member's parts hold every row."""
        return provenance.data_fingerprint(self.anything)

    def next_stage(self) -> PlannedStage | None:
        """What is trained next, planned; None after the last.

        Raises:
            InputError: a member that does not fit its data, or a device that is too small for one.
        """
        stage = self.stages.following(self.results)
        return None if stage is None else self._grouped(stage, None)

    def stage_again(self, position: dict[str, Any]) -> PlannedStage:
        """The stage that ``position`` was taken in, with the plans that were made for it."""
        plans = [Plan(**plan) for plan in position["plans"]]
        return self._grouped(self.stages.again(position, self.results), plans)

    def _grouped(self, stage: Stage, plans: Sequence[Plan] | None) -> PlannedStage:
        own = stage.members[devices.share(len(stage.members), self.processes)]
        for member in own:
            self.dataset(member.config.data_spec())
        found = grouped(entrants(own, self.datasets), self.datasets, unify=self.config.mode == "fast")
        if plans is None:
            plans = [self._planned(group, number, len(found)) for number, group in enumerate(found, start=1)]
        self.plans |= {_program(group): plan for group, plan in zip(found, plans, strict=True)}
        return PlannedStage(stage, found, list(plans))

    def _planned(self, group: Group, number: int, groups: int) -> Plan:
        config, available = self.config, devices.device_bytes(self.mesh.devices.flat[0])
        known = self.plans.get(_program(group))
        if known is not None:  # from an earlier stage: its mode need not be found again
            return adapted(known, self._shape(group, known), group, available, config.at_once)
        return planned(
            group,
            self.datasets,
            self.mesh,
            available,
            mode=config.mode,
            shared_order=config.shared_order,
            at_once=config.at_once,
            order_seed=config.train.loop.seed,
            stream_bytes=self._stream_bytes(group),
            tell=lambda text: self.tell(f"program {number} of {groups}: {text}"),
        )

    def train(
        self,
        folder: SweepFolder,
        first: PlannedStage | None,
        listen: Callable[[Progress], None],
        *,
        position: dict[str, Any] | None = None,
    ) -> None:
        """Train all that is left, saving after each call.

        Args:
            first: the stage to begin with. ``position``: where it was left, None at its beginning.
            listen: called after each call and its saving; it may raise to stop.
        """
        planned_stage = first
        while planned_stage is not None:
            self._train_stage(folder, planned_stage, listen, position)
            position, number = None, planned_stage.stage.number
            if folder.furthest_stage() <= number:  # else the others have met here before they were stopped
                devices.barrier(f"the end of stage {number}", seconds=SECONDS_FOR_OTHERS)
            # another process may be in the next stage already: all see this one's end
            self.results = tables.collected(folder.path, planned_stage.stage.until)
            planned_stage = self.next_stage()

    def _train_stage(
        self,
        folder: SweepFolder,
        now: PlannedStage,
        listen: Callable[[Progress], None],
        position: dict[str, Any] | None,
    ) -> None:
        started, self.results = time.monotonic(), self.results | now.stage.dropped
        begin = 0 if position is None else position["group"]
        if position is None and (now.stage.dropped or not now.groups):
            self._save(folder, now, begin, None, results=now.stage.dropped if self.processes.index == 0 else {})
        for number in range(begin, len(now.groups)):
            engine = self._engine(now, number)
            if position is not None and position["engine"] is not None:
                engine = self._engine(now, number, position["engine"])
                engine.restore(folder.load_states(engine.abstract_states()), position["engine"])
            position = None
            before = time.monotonic()
            self._train_group(folder, now, number, engine, listen, started)
            self._measure(folder, now.groups[number], now.plans[number], time.monotonic() - before)

    def _shape(self, group: Group, plan: Plan) -> Shape:
        return Shape(group.spec, plan.mode, self.config.shared_order, self.mesh, plan.stream_bytes)

    def _stream_bytes(self, group: Group) -> int:
        """What the group's rows may take of a device while they are streamed; 0 where they all fit.

        Raises:
            InputError: they do not fit, and the members would each want a stream of their own.
        """
        config, data = self.config, self.datasets[group.entrants[0].data]
        needed = streaming.is_needed(data)
        require(
            not needed or (config.mode == "fast" and config.shared_order),
            f"the rows of {data.description.name} are too large for a device's memory: {ONE_STREAM}",
        )
        return max(streaming.room(), 1) if needed or config.train.loop.stream else 0

    def _engine(self, now: PlannedStage, number: int, position: dict[str, Any] | None = None) -> Engine:
        group, plan, lockstep = now.groups[number], now.plans[number], self.config.shared_order
        one_stream = plan.stream_bytes > 0
        lanes = (
            Lanes.empty(self.mesh.size, plan.slots, group.entrants, lockstep=lockstep, one_stream=one_stream)
            if position is None
            else Lanes.at(
                position,
                {entrant.member: entrant for entrant in group.entrants},
                lockstep=lockstep,
                one_stream=one_stream,
            )
        )
        until = now.stage.last(group.spec.epochs)
        return Engine(
            self._shape(group, plan),
            group,
            self.datasets,
            lanes,
            number=number,
            until=until,
            order_seed=self.config.train.loop.seed,
        )

    def _train_group(
        self,
        folder: SweepFolder,
        now: PlannedStage,
        number: int,
        engine: Engine,
        listen: Callable[[Progress], None],
        started: float,
    ) -> None:
        like, epochs, before = engine.programs.one, 1, now.stage.number - 1

        def earlier(entrant: Entrant) -> Resting | None:
            return folder.resting(entrant.member, before, like) if now.stage.goes_on else None

        while not engine.finished:
            told = engine.call(epochs, earlier)
            self.results |= told.results
            self._save(folder, now, number, engine, told=told, results=told.results)
            listen(self._progress(now, number, engine, told))
            aim = max(SECONDS_A_CALL, SHARE_OF_ELAPSED * (time.monotonic() - started), self.saving / SHARE_OF_SAVING)
            depth = max((len(curve.history.train_loss) for curve in told.curves), default=1)
            epochs = int(np.clip(aim * depth / told.seconds, 1, engine.room))

    def _measure(self, folder: SweepFolder, group: Group, plan: Plan, seconds: float) -> None:
        """How far the group's first member is from its solo run, once for each mode that was used."""
        if self.processes.index > 0 or any(found.mode == plan.mode for found in self.distances):
            return
        known = [entrant for entrant in group.entrants if self.results[entrant.member].epochs_run]
        if not known:
            return
        history = tables.history(folder.path, known[0].member, group.spec.model.param_dtype)
        alone = plan.seconds_of_epoch * self.mesh.size  # the least that an epoch takes on one device
        epochs = int(np.clip(SHARE_OF_CHECKING * seconds / alone, 1, len(history.train_loss)))
        self.tell("checking against a solo run")
        dataset = self.datasets[known[0].data]
        self.distances.append(
            distance_to_solo(known[0], dataset, history, plan.mode, epochs=epochs, stream=plan.stream_bytes > 0)
        )
        folder.update(distances=[found._asdict() for found in self.distances])

    def _save(
        self,
        folder: SweepFolder,
        now: PlannedStage,
        number: int,
        engine: Engine | None,
        *,
        results: Mapping[int, MemberResult],
        told: Told | None = None,
    ) -> None:
        before = time.perf_counter()
        self.call += 1
        over = engine is None or engine.finished
        folder.save_call(
            self.call,
            curves=() if told is None else told.curves,
            results=results,
            resting={} if told is None else told.resting,
            members={member.number: member for member in self.stages.members},
            config=self.config,
            score=self.score,
            task=self.task,
            states=None if over or engine is None else engine.states,
            position={
                **self.stages.position(now.stage),
                "group": number + (engine is not None and over),
                "plans": [plan._asdict() for plan in now.plans],
                "engine": None if over or engine is None else engine.position(),
            },
        )
        self.saving = time.perf_counter() - before

    def _progress(self, now: PlannedStage, number: int, engine: Engine, told: Told) -> Progress:
        later = sum(len(group.entrants) * now.stage.last(group.spec.epochs) for group in now.groups[number + 1 :])
        waiting = len(engine.lanes.waiting) * engine.until
        inside = np.asarray(engine.states.epoch)
        running = sum(
            engine.until - int(epoch)
            for entrant, epoch in zip(engine.lanes.slots, inside, strict=True)
            if entrant is not None
        )
        done = sum(result.status != "waiting" for result in self.results.values())
        # a search counts what it may still propose
        members = max(self.config.number_of_members, 1) if self.config.search else len(self.stages.members)
        unknown = (members - len(self.stages.members)) * now.groups[number].spec.epochs
        left = later + waiting + running + unknown
        return Progress(done, members, told, left, number + 1, len(now.groups), now.stage.number)
