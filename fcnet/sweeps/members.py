"""Who is trained: the points of the axes, and at each of them a member per seed and per split of the data."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from fcnet.config import DataConfig, LoopConfig, TrainConfig
from fcnet.sweeps.axes import draw
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.fields import with_values


class Setting(NamedTuple):
    """One point of the axes: its number, the value of each axis by name, and the run with these values."""

    number: int
    values: dict[str, Any]
    config: TrainConfig


class Member(NamedTuple):
    """One network to train.

    ``setting``: number of its setting, with ``values``. ``seed``: its own. ``fold``: which fold or random split, from
    0; None where there is one split only. ``config``: what ``fcnet train`` would be asked for to train it alone.
    """

    number: int
    setting: int
    values: dict[str, Any]
    seed: int
    fold: int | None
    config: TrainConfig


def setting(config: SweepConfig, number: int, values: Mapping[str, Any]) -> Setting:
    """The setting with this number and these values.

    Raises:
        InputError: values that ``fcnet train`` would refuse.
    """
    return Setting(number, dict(values), with_values(config.train, values))


def settings(config: SweepConfig) -> list[Setting]:
    """The product of the axes in the order given, the last one fastest; random axes are drawn together.

    The joint draws stand where the first random axis does.

    Raises:
        InputError: a combination that ``fcnet train`` would refuse.
    """
    random = [axis for axis in config.axes if axis.is_random]
    factors: list[list[dict[str, Any]]] = []
    for axis in config.axes:
        if not axis.is_random:
            factors.append([{axis.name: value} for value in axis.values])
        elif axis is random[0]:
            factors.append(draw(random, config.draws, config.draw_seed))
    found = []
    for number, point in enumerate(product(*factors)):
        values = {name: value for part in point for name, value in part.items()}
        found.append(setting(config, number, {axis.name: values[axis.name] for axis in config.axes}))
    return found


def members_of(config: SweepConfig, settings: Iterable[Setting]) -> list[Member]:
    """Each setting × folds or splits × seeds, the seeds fastest, numbered from 0."""

    @cache  # what is alike is shared, and checked once
    def seeded(loop: LoopConfig, seed: int) -> LoopConfig:
        return replace(loop, seed=seed)

    found: list[Member] = []
    datas, seeds = _splits(config), config.member_seeds()
    for one in settings:
        run = one.config
        for (fold, data), seed in product(datas, seeds):
            loop = seeded(run.loop, seed)
            own = TrainConfig(data, run.network, run.objective, run.optimizer, loop, run.augmentation)
            found.append(Member(len(found), one.number, one.values, seed, fold, own))
    return found


def _splits(config: SweepConfig) -> list[tuple[int | None, DataConfig]]:
    data = config.train.data
    if data.folds and not config.one_fold:
        return [(fold, replace(data, fold=fold)) for fold in range(config.repeats * data.folds)]
    if config.splits > 1:
        return [(one, replace(data, split_seed=data.split_seed + one)) for one in range(config.splits)]
    return [(data.fold if data.folds else None, data)]
