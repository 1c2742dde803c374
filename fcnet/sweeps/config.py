"""What a person may set for a sweep: a base run, its axes, and how they are trained."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_type_hints

from fcnet.config import NetworkConfig, TrainConfig
from fcnet.errors import InputError, require, unknown
from fcnet.sweeps.axes import Axis, axis
from fcnet.sweeps.checks import check_axes, check_splits
from fcnet.sweeps.fields import DEFAULT_DEPTH, DEFAULT_WIDTH
from fcnet.sweeps.options import SweepOptions

# More members than this want a word of agreement.
MOST_MEMBERS = 10_000
# What members need for sharing a stream of rows: with an order of its own each would read every row for itself.
ONE_STREAM = "members share one stream with --mode fast --shared-order"


@dataclass(frozen=True, kw_only=True)
class SweepConfig(SweepOptions):
    """A whole sweep: ``axes`` vary the run ``train``; the rest is told at ``SweepOptions``.

    ``seed_values``: the members' seeds, as many as ``seeds``; () counts up from the run's seed.
    ``one_fold``: train only the fold that the run names, not all.

    Raises:
        InputError: options that cannot be or exclude each other, or an axis with a value that ``fcnet train`` refuses.
    """

    train: TrainConfig = TrainConfig()
    axes: tuple[Axis, ...] = ()
    seed_values: tuple[int, ...] = ()
    one_fold: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_axes(self.axes, self, self.train)
        data, loop = self.train.data, self.train.loop
        check_splits(data, self, one_fold=self.one_fold)
        replace(data, split_seed=data.split_seed + self.splits - 1)  # checks itself
        listed = len(self.seed_values) in (0, self.seeds)
        require(listed, "--seeds counts seeds, --seed lists them: leave out one")
        for seed in self.seed_values or (loop.seed + self.seeds - 1,):
            replace(loop, seed=seed)  # likewise
        together = "--data-parallel shares one network's rows, a sweep shares out its members: leave it out"
        require(not loop.data_parallel, together)
        can_stream = self.mode == "fast" and self.shared_order
        require(not loop.stream or can_stream, f"--stream reads each row once for all: {ONE_STREAM}")

    @classmethod
    def of(
        cls,
        train: TrainConfig = TrainConfig(),
        axes: Mapping[str, str | Sequence[Any]] | None = None,
        **options: Any,
    ) -> "SweepConfig":
        """The sweep of a run over axes by name, each as the words for it or as a sequence of values.

            SweepConfig.of(axes={"learning_rate": "log:1e-3:1:8", "hidden": [(64,), (64, 64)]}, seeds=16)

        "seed" lists the members' seeds. A run with a fold other than 0 is swept on that fold alone.

        Args:
            options: see ``SweepOptions``.

        Raises:
            InputError: see ``SweepConfig``.
        """
        given, known = dict(axes or {}), get_type_hints(cls).keys() - {"train", "axes"}
        for name in options.keys() - known:
            raise unknown("option of a sweep", name, known)
        if (seeds := given.pop("seed", None)) is not None:
            require(options.get("seeds", 1) == 1, "--seeds counts seeds, --seed lists them: leave out one")
            listed = axis("seed", seeds)
            counted = f"--seed {listed.text}: seeds are listed, --seed 1,5,7, or counted, --seeds 3"
            require(not listed.is_random, counted)
            options["seed_values"] = listed.values
            options["seeds"] = len(options["seed_values"])
        options.setdefault("one_fold", train.data.fold > 0)
        if "width" in given or "depth" in given:
            train = _of_one_width(train, has_width="width" in given)
        return cls(train=train, axes=tuple(axis(name, words) for name, words in given.items()), **options)

    def member_seeds(self) -> Sequence[int]:
        """The seed of each member of a setting and split."""
        first = self.train.loop.seed
        return self.seed_values or range(first, first + self.seeds)

    @property
    def number_of_splits(self) -> int:
        """How many folds or random splits each setting is trained on."""
        folds = self.train.data.folds
        return self.repeats * folds if folds and not self.one_fold else self.splits

    @property
    def members_of_setting(self) -> int:
        """How many members each setting has."""
        return self.seeds * self.number_of_splits

    @property
    def number_of_settings(self) -> int:
        """How many settings there are; of a search the most there may be."""
        grid = math.prod(len(one.values) for one in self.axes if not one.is_random)
        if any(one.is_random for one in self.axes):
            return self.trials if self.search else self.draws * grid
        return min(self.trials, grid) if self.search else grid

    @property
    def number_of_members(self) -> int:
        """How many networks are trained; of a search the most there may be."""
        return self.number_of_settings * self.members_of_setting

    def describe(self) -> str:
        """How many members there are, and why: "480 networks: 24 settings (8 learning_rate × 3 l2) × 20 seeds"."""
        random = ", ".join(one.name for one in self.axes if one.is_random)
        factors = [f"{len(one.values):,} {one.name}" for one in self.axes if one.values]
        if random and not self.search:
            factors.insert(0, f"{self.draws:,} draws of {random}")
        if self.search:
            names = " × ".join(one.name for one in self.axes)
            product_of = [f"{self.number_of_settings:,} trials by {self.search} ({names})"]
        else:
            varied = f" ({' × '.join(factors)})" if factors else ""
            product_of = [_counted(self.number_of_settings, "setting") + varied]
        if self.seeds > 1:
            product_of.append(f"{self.seeds:,} seeds")
        if self.number_of_splits > 1:
            product_of.append(f"{self.number_of_splits:,} {'folds' if self.train.data.folds else 'splits'}")
        most = "at most " if self.search else ""
        return f"{most}{_counted(self.number_of_members, 'network')}: {' × '.join(product_of)}"

    def require_meant(self) -> None:
        """Refuse what was perhaps not meant.

        Raises:
            InputError: one member alone, or more than ``MOST_MEMBERS``.
        """
        alone = "nothing to sweep: give a flag several values, --learning-rate log:1e-3:1:8, or several --seeds"
        require(self.number_of_members > 1, alone)
        many = f"{self.describe()}: more than {MOST_MEMBERS:,}; add --yes to train them all, or vary less"
        require(self.number_of_members <= MOST_MEMBERS, many)

    def to_json(self) -> dict[str, Any]:
        """Nested plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any], where: str) -> "SweepConfig":
        """The config that ``to_json`` gave, perhaps through a file; ``where`` names that in the error.

        Raises:
            InputError: fields missing, unknown, or with values that cannot be.
        """
        try:
            absent = sorted(get_type_hints(cls).keys() - stored)
            require(not absent, f"{where} is not a sweep of this version of fcnet: it has no {' and no '.join(absent)}")
            axes = tuple(Axis(**one | {"values": _tuples(one["values"])}) for one in stored["axes"])
            train = TrainConfig.from_json(stored["train"], where)
            seeds = tuple(stored["seed_values"])
            return cls(**stored | {"train": train, "axes": axes, "seed_values": seeds})
        except (KeyError, TypeError, AttributeError) as broken:
            raise InputError(f"{where} is not a sweep of this version of fcnet: {broken}") from None


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _of_one_width(train: TrainConfig, *, has_width: bool) -> TrainConfig:
    """The run with hidden layers for ``width`` and ``depth`` to vary: its own, or the defaults where none are said."""
    hidden = train.network.hidden
    if hidden == NetworkConfig().hidden:
        hidden = (DEFAULT_WIDTH,) * DEFAULT_DEPTH
    alike = has_width or len(set(hidden)) <= 1
    require(
        alike, f"--depth repeats one width, the hidden layers have several: {'-'.join(map(str, hidden))}; add --width"
    )
    return replace(train, network=replace(train.network, hidden=hidden))
