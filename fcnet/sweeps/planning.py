"""A sweep as it is known so far: its data, its next stage, and for every group of that stage a plan to train it."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jax.sharding import Mesh

from fcnet import data as data_room
from fcnet import devices, provenance, streaming
from fcnet.contracts import CLASSIFICATION
from fcnet.data import Dataset, DataSpec
from fcnet.devices import Processes
from fcnet.errors import require
from fcnet.sweeps.config import ONE_STREAM, SweepConfig
from fcnet.sweeps.groups import Group, entrants, grouped
from fcnet.sweeps.plan import Plan, adapted, require_room_for_splits
from fcnet.sweeps.program import Shape
from fcnet.sweeps.stages import Stage, Stages
from fcnet.sweeps.tables import MemberResult
from fcnet.sweeps.trials import planned


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


@dataclass
class Sweep:
    """One sweep in one process; ``processes`` says which of how many, ``tell`` hears what is being done.

    ``batch``: settings that a search proposes at a time; its proposals depend on it, so that a stopped sweep keeps it.
    ``datasets``: loaded so far, by what they are. ``results``: of this process's members so far.
    """

    config: SweepConfig
    mesh: Mesh
    processes: Processes
    tell: Callable[[str], None]
    batch: int = 0
    datasets: dict[DataSpec, Dataset] = field(default_factory=dict)
    results: dict[int, MemberResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        each = max(self.config.members_of_setting, 1)
        filling = -(-2 * self.mesh.size * self.processes.count // each)  # every device twice
        self.batch = self.batch or self.config.batch or max(filling, 4)
        if self.config.search:  # hosts may have different numbers of devices, and all propose the same
            self.batch = devices.of_the_first("the batch of the search", self.batch)
        self.stages = Stages(self.config, batch=self.batch)
        self.plans: dict[tuple[Hashable, ...], Plan] = {}

    def dataset(self, spec: DataSpec) -> Dataset:
        """The data set, loaded once.

        Raises:
            InputError: it cannot be loaded, or has nothing to rank members by.
        """
        if spec not in self.datasets:
            found = data_room.load(spec)
            ranks = found.validation is not None or found.test is not None
            name = found.description.name
            require(ranks, f"{name} has no validation and no test rows, which rank members: add --validation or --test")
            self.datasets[spec] = found
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

    def shape(self, group: Group, plan: Plan) -> Shape:
        """What the group's programs are under its plan."""
        return Shape(group.spec, plan.mode, self.config.shared_order, self.mesh, plan.stream_bytes)

    def _grouped(self, stage: Stage, plans: Sequence[Plan] | None) -> PlannedStage:
        own = stage.members[devices.share(self.processes)]
        self._load(dict.fromkeys(member.config.data_spec() for member in own))
        found = grouped(entrants(own, self.datasets), self.datasets, unify=self.config.mode == "fast")
        if plans is None:
            plans = [
                self._planned(group, stage, f"program {number} of {len(found)}")
                for number, group in enumerate(found, start=1)
            ]
        self.plans |= {_program(group): plan for group, plan in zip(found, plans, strict=True)}
        return PlannedStage(stage, found, list(plans))

    def _load(self, specs: Iterable[DataSpec]) -> None:
        known = self.anything
        missing = [spec for spec in specs if spec not in self.datasets]
        require_room_for_splits(known, len(missing), devices.available_bytes())
        for spec in missing:
            self.dataset(spec)

    def _planned(self, group: Group, stage: Stage, name: str) -> Plan:
        config, available = self.config, devices.device_bytes(self.mesh.devices.flat[0])
        known = self.plans.get(_program(group))
        if known is not None:  # from an earlier stage: its mode need not be found again
            return adapted(known, self.shape(group, known), group, available, config.at_once)
        return planned(
            group,
            self.datasets,
            self.mesh,
            available,
            mode=config.mode,
            shared_order=config.shared_order,
            at_once=config.at_once,
            epochs=stage.last(group.spec.epochs),
            order_seed=config.train.loop.seed,
            stream_bytes=self._stream_bytes(group),
            tell=lambda text: self.tell(f"{name}: {text}"),
        )

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


def _program(group: Group) -> tuple[Hashable, ...]:
    """What its programs depend on, but for the number of slots."""
    return group.spec, group.hparams, group.data
