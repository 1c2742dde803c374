"""From a sweep's words to words that a typed command line reads.

``--learning-rate log:1e-3:1:8`` becomes ``--axis learning_rate=log:1e-3:1:8 --learning-rate=0.001``: what is varied
stands apart as text, and the first value of each axis stays behind, so that the rest is read and checked as the words
of ``fcnet train`` are.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, get_type_hints

from fcnet.config import AugmentConfig, DataConfig, LoopConfig, NetworkConfig, ObjectiveConfig, OptimizerConfig
from fcnet.data.resolve import is_path
from fcnet.errors import require
from fcnet.sweeps.axes import Axis, axis, is_axis, items
from fcnet.sweeps.fields import DEFAULT_DEPTH, DEFAULT_WIDTH, FIELDS, flag, hidden, read, sweepable, written

# Names of people's own columns, classes and folders, in which a comma is a letter like any other.
NAMES = {"target", "drop", "sample_weight", "data_dir", "ignore_class"}
FIXED = {
    name
    for part in (DataConfig, AugmentConfig, NetworkConfig, ObjectiveConfig, OptimizerConfig, LoopConfig)
    for name in get_type_hints(part)
    if name not in FIELDS and name not in NAMES
}
INSTEAD = {
    "folds": "--folds 5 trains all 5 folds",
    "fold": "--folds 5 trains all folds, --fold 2 one of them",
    "split_seed": "--splits 3 trains on 3 random splits",
    "elastic_net": "--l1 and --l2 can",
}


class _Given(NamedTuple):
    """A flag with the words behind it. ``flag``: as written. ``name``: of the field. ``words``: all, as they came."""

    flag: str
    name: str
    values: list[str]
    words: list[str]


def lift(words: list[str]) -> list[str]:
    """The words behind ``fcnet sweep`` with every axis behind ``--axis``.

    Raises:
        InputError: an axis that names nothing sweepable or cannot be, or flags that exclude each other.
    """
    if words[:1] and not words[0].startswith("--"):
        return words  # a command of its own, such as show
    found = _given(words)
    names = [one.name for one in found]
    shapes = [name for name in ("width", "depth") if name in names]
    own = next((one.flag for one in found if one.name in ("hidden", "no_hidden")), None)
    clash = own is not None and bool(shapes)
    build = "build" if len(shapes) > 1 else "builds"
    require(not clash, f"{' and '.join(map(flag, shapes))} {build} the hidden layers: leave out {own}")
    result: list[str] = []
    for one in found:
        if one.name in FIELDS:
            result += _lift_one(one, is_repeated=names.count(one.name) > 1)
        else:
            _require_fixed(one)
            result += one.words
    if shapes:
        result += _layers({name: _shape(found, name) for name in shapes})
    return [*result, "--one-fold"] if "fold" in names else result


def _given(words: list[str]) -> list[_Given]:
    found: list[_Given] = []
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found.append(_Given(name, name[2:].replace("-", "_"), [value] if equals else [], [word]))
        else:
            found[-1].values.append(word)
            found[-1].words.append(word)
    return found


def _require_fixed(one: _Given) -> None:
    several = one.name in FIXED and any(len(items(value)) > 1 for value in one.values)
    if one.name == "data" and several:
        several = not any(is_path(value) for value in one.values)
    told = INSTEAD.get(one.name, f"what can be is {sweepable()}")
    require(not several, f"{one.flag} {' '.join(one.values)} cannot be swept: {told}")


def _lift_one(one: _Given, *, is_repeated: bool) -> list[str]:
    varied = next((value for value in one.values if is_axis(one.name, value)), None)
    if varied is None:
        if one.name in ("width", "depth"):
            return []
        if one.name == "hidden" and len(one.values) == 1 and not one.values[0].isdigit():
            return _words(one.name, read(one.name, one.values[0]))
        return one.words
    require(not is_repeated, f"{one.flag} is given twice")
    require(len(one.values) == 1, f"{one.flag} {' '.join(one.values)}: an axis is one word, {_example(one.name)}")
    found = axis(one.name, varied)
    moved = ["--axis", f"{one.name}={varied}"]
    return moved if one.name in ("width", "depth") else [*moved, *_words(one.name, _first(found))]


def _example(name: str) -> str:
    return {"hidden": "512,256-128", "dropout": "0.1,0.2"}.get(name, "relu,tanh")


def _first(found: Axis) -> Any:
    return found.values[0] if found.values else found.low


def _words(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if name == "hidden":
        return [flag(name), *map(str, value)] if value else ["--no-hidden"]
    return [f"{flag(name)}={written(value)}"]


def _shape(found: list[_Given], name: str) -> Axis:
    """What ``--width`` or ``--depth`` says; one value is an axis, too."""
    values = [one.values for one in found if one.name == name]
    require(len(values) == 1, f"{flag(name)} is given twice")
    require(len(values[0]) == 1, f"{flag(name)} takes one word: {flag(name)} 2, or an axis such as 1,2,3")
    return axis(name, values[0][0])


def _layers(given: dict[str, Axis]) -> list[str]:
    """The hidden layers to begin with; an axis from depth 0 on needs one, to know the width of the others."""
    width, depth = (_first(given[name]) if name in given else None for name in ("width", "depth"))
    is_fixed = "depth" in given and len(given["depth"].values) == 1
    layers = DEFAULT_DEPTH if depth is None else depth
    width = DEFAULT_WIDTH if width is None else width
    return _words("hidden", hidden(width, layers if is_fixed else max(layers, 1)))


def split(axes: Iterable[str]) -> dict[str, str]:
    """The words of each axis by name, out of what ``lift`` put behind ``--axis``.

    Raises:
        InputError: one without a name, or one twice.
    """
    found: dict[str, str] = {}
    for one in axes:
        name, equals, text = one.partition("=")
        require(bool(equals), f"--axis {one}: write --axis learning_rate=0.1,0.2")
        require(name not in found, f"--axis {name} is given twice")
        found[name] = text
    return found
