"""One thing that a sweep varies, and the words for it: ``0,1e-4,1e-3``, ``log:1e-3:1:8``, ``uniform:0:0.5``."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fcnet.config import TrainConfig
from fcnet.errors import InputError, require, unknown
from fcnet.sweeps.fields import FIELDS, flag, read, typed, with_values, written

GRIDS, RANDOM = ("linear", "log"), ("uniform", "loguniform")
# The most values an axis may have: they are kept in memory and in the results.
MOST_VALUES = 100_000


@dataclass(frozen=True)
class Axis:
    """One thing that a sweep varies.

    ``name``: of the field, "learning_rate"; or "width" or "depth". ``text``: as given. ``values``: of the field's type,
    where one stands for all layers without its tuple; () where they are drawn at random between ``low`` and ``high``.
    ``kind``: "list", "linear", "log", or, drawn at random, "uniform", "loguniform".

    Raises:
        InputError: a name or a kind that there is not, values without a list or a grid, or none with one.
    """

    name: str
    text: str
    values: tuple[Any, ...] = ()
    kind: str = "list"
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in FIELDS:
            raise unknown("axis", self.name, FIELDS)
        kinds = ("list", *GRIDS, *RANDOM)
        require(self.kind in kinds, f"axis {self.name}: kind must be {' or '.join(kinds)}, got {self.kind!r}")
        fits = bool(self.values) != self.is_random
        require(fits, f"axis {self.name} of kind {self.kind} has {len(self.values)} values")

    @property
    def is_random(self) -> bool:
        """Whether its values are drawn."""
        return self.kind in RANDOM


def items(text: str) -> list[str]:
    """The values of a list: a comma before ``name=`` belongs to the options of a value."""
    return [item.strip() for item in re.split(r",(?!\s*\w+=)", text)]


def is_axis(name: str, text: str) -> bool:
    """Whether a word behind a flag is more than one fixed value of the field."""
    return len(items(text)) > 1 or (FIELDS[name].kind is not str and ":" in text)


def axis(name: str, given: str | Sequence[Any]) -> Axis:
    """The axis of a field out of its words, or out of values of the field's type.

    Raises:
        InputError: no such field, words that cannot be, or a value that is given twice.
    """
    if name not in FIELDS:
        raise unknown("axis", name, FIELDS)
    if isinstance(given, str) and FIELDS[name].kind is not str and ":" in given:
        return _range(name, given)
    if isinstance(given, str):
        words = items(given)
        require(all(words), f"{flag(name)} has an empty value in {given!r}")
        return _list(name, given, tuple(read(name, word) for word in words))
    require(len(given) > 0, f"{name} has no values")
    values = tuple(typed(name, value) for value in given)
    return _list(name, ",".join(map(written, values)), values)


def _list(name: str, text: str, values: tuple[Any, ...]) -> Axis:
    if len(set(values)) < len(values):
        twice = next(value for place, value in enumerate(values) if value in values[:place])
        raise InputError(f"{flag(name)} {text} has {written(twice)} twice")
    return Axis(name, text, values)


def _range(name: str, text: str) -> Axis:
    kind, *numbers = text.split(":")
    here = f"{flag(name)} {text}"
    if kind not in (*GRIDS, *RANDOM):
        raise unknown(f"range in {here}:", kind, (*GRIDS, *RANDOM))
    form = f"{kind}:LOW:HIGH" if kind in RANDOM else f"{kind}:LOW:HIGH:N"
    require(len(numbers) == form.count(":"), f"{here}: write {form}")
    require(name != "hidden", f"{here}: hidden layers are listed, 64,128-64; --width and --depth take ranges")
    low, high = (_end(name, here, number) for number in numbers[:2])
    require(low < high, f"{here}: {numbers[0]} must be below {numbers[1]}")
    require("log" not in kind or low > 0, f"{here}: a logarithmic range must begin above 0")
    for end in (low, high):
        _require_allowed(name, here, end)
    if kind in RANDOM:
        return Axis(name, text, (), kind, low, high)
    count = _count(here, numbers[2])
    # rounded, so that log:1e-3:1:4 has 0.01 and not 0.010000000000000002
    spaced = [float(f"{value:.12g}") for value in (np.linspace if kind == "linear" else np.geomspace)(low, high, count)]
    values: tuple[Any, ...] = (low, *spaced[1:-1], high)
    if FIELDS[name].kind is int:
        values = tuple(dict.fromkeys(round(value) for value in values))
    return Axis(name, text, values, kind, low, high)


def _end(name: str, here: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise InputError(f"{here}: {word!r} is not a number") from None
    require(math.isfinite(value), f"{here}: {word} is not a finite number")
    if FIELDS[name].kind is not int:
        return value
    require(value.is_integer(), f"{here}: {flag(name)} takes whole numbers, got {word}")
    return int(value)


def _require_allowed(name: str, here: str, end: float) -> None:
    """Whether a run takes the value, told with the whole range: nobody wrote the value of an end alone."""
    shape = {"width": 1, "depth": 1}
    try:
        with_values(TrainConfig(), shape | {name: end} if name in shape else {name: end})
    except InputError as wrong:
        raise InputError(f"{here}: {wrong}") from None


def _count(here: str, word: str) -> int:
    require(re.fullmatch(r"[+-]?\d{1,18}", word) is not None, f"{here}: N must be a whole number, got {word!r}")
    count = int(word)
    require(count >= 2, f"{here}: N must be at least 2, because both ends are among the values; got {count}")
    require(count <= MOST_VALUES, f"{here}: N must be at most {MOST_VALUES:,}, got {count:,}")
    return count


def draw(axes: Sequence[Axis], count: int, seed: int) -> list[dict[str, Any]]:
    """``count`` joint draws of random axes, each a value by name.

    uniform: low + u (high − low); loguniform: low (high / low)^u, with u uniform on [0, 1). Whole numbers are uniform
    on low … high, or rounded from the loguniform draw between low − ½ and high + ½. More draws begin with the same.

    Args:
        seed: of the draws, for all axes together.
    """
    table = np.random.default_rng(seed).random((count, len(axes)))
    return [{one.name: _at(one, float(u)) for one, u in zip(axes, row, strict=True)} for row in table]


def _at(one: Axis, u: float) -> float:
    is_whole = FIELDS[one.name].kind is int
    low, high = (one.low - 0.5, one.high + 0.5) if is_whole else (one.low, one.high)
    value = low + u * (high - low) if one.kind == "uniform" else low * (high / low) ** u
    value = min(max(value, one.low), one.high)
    return math.floor(value + 0.5) if is_whole else value
