"""What excludes each other in a sweep, told before anything is trained."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from fcnet.config import DataConfig, TrainConfig
from fcnet.errors import require
from fcnet.sweeps.axes import Axis
from fcnet.sweeps.fields import flag, with_values
from fcnet.sweeps.options import SweepOptions

# The most combinations of a search that are tried out at once, at about 20 µs each.
MOST_COMBINATIONS = 10_000


def check_axes(axes: Sequence[Axis], options: SweepOptions, train: TrainConfig) -> None:
    """Whether the axes go with each other, with the options, and each of their values with the run.

    Raises:
        InputError: they do not.
    """
    names = [one.name for one in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    require(twice is None, f"{twice} is an axis twice")
    require("seed" not in names, "seed is no axis of a setting: list the members' seeds as seed_values")
    shapes = [flag(name) for name in names if name in ("width", "depth")]
    clash = "hidden" in names and bool(shapes)
    require(not clash, f"--hidden lists whole networks: leave it out, or {' and '.join(shapes)}")
    random = next((one for one in axes if one.is_random), None)
    if random is None:
        require(not options.draws, "--draws is for random axes: add one, such as --dropout uniform:0:0.5")
    elif options.search is None:
        here = f"{flag(random.name)} {random.text}"
        require(options.draws > 0, f"{here} is drawn at random: add --draws 20, or --search tpe --trials 20")
    if options.halving:
        require("epochs" not in names, "--halving cuts a fixed number of epochs: give --epochs one value")
    chooses = "--search" if options.search else "--halving" if options.halving else ""
    can_choose = not chooses or train.data.validation > 0
    require(can_choose, f"{chooses} goes by the validation score: --validation must be above 0")
    for point in _points(axes, is_search=options.search is not None):
        with_values(train, point)


def _points(axes: Sequence[Axis], *, is_search: bool) -> Iterator[dict[str, Any]]:
    """Each value beside the first ones of all other axes; ``members.settings`` sees how a grid combines them.

    A search comes to its combinations while it runs, so those are seen now.
    """
    choices = {one.name: one.values or (one.low, one.high) for one in axes}
    first = {name: values[0] for name, values in choices.items()}
    for name, values in choices.items():
        yield from (first | {name: value} for value in values)
    if is_search and math.prod(map(len, choices.values())) <= MOST_COMBINATIONS:
        yield from (dict(zip(choices, point, strict=True)) for point in product(*choices.values()))


def check_splits(data: DataConfig, options: SweepOptions, *, one_fold: bool) -> None:
    """Whether folds, splits and repeats go with each other.

    Raises:
        InputError: they do not.
    """
    require(not (data.folds and options.splits > 1), "--folds and --splits both split the data: leave out one")
    require(data.folds > 0 or options.repeats == 1, "--repeats repeats folds: add --folds 5")
    is_meant = one_fold or data.fold == 0
    require(is_meant, f"fold {data.fold} picks one fold, but all are to be trained: one_fold=True")
    require(not one_fold or options.repeats == 1, "--fold picks one fold: leave out --repeats")
