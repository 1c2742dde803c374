"""Names with options, as people write them: ``relu``, ``leaky_relu:slope=0.2``, ``hardtanh:low=-2,high=2``.

Every component of the catalogue – activation, loss, norm, initialiser, optimiser, schedule, augmentation – is a record
that extends ``Entry``. A spec keeps the text; ``choose`` turns it into the record and the values of its options.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from math import inf, isfinite
from typing import Any, TypeVar

from fcnet.errors import InputError, require, unknown

Value = float | int | bool | str
# Their values, each a ``Value``; any, because a component knows which of its options are numbers.
Options = dict[str, Any]


@dataclass(frozen=True)
class Option:
    """One option of a component: its default, whose type it keeps, and what is allowed.

    ``low``, ``high``: the ends of a number's range; ``open_low``, ``open_high`` leave the end itself out.
    ``choices``: for a text, the words that are allowed.
    """

    default: Value
    meaning: str
    low: float = -inf
    high: float = inf
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What may be given, for people: "a number in (0, 1]"."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return " or ".join(self.choices)
        kind = "an integer" if isinstance(self.default, int) else "a number"
        if self.low == -inf and self.high == inf:
            return kind
        if self.high == inf:
            return f"{kind} {'>' if self.open_low else '≥'} {self.low:g}"
        if self.low == -inf:
            return f"{kind} {'<' if self.open_high else '≤'} {self.high:g}"
        return f"{kind} in {'(' if self.open_low else '['}{self.low:g}, {self.high:g}{')' if self.open_high else ']'}"

    @property
    def shown(self) -> str:
        """The default as one writes it."""
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    def read(self, given: Value) -> Value | None:
        """``given``, perhaps as text, in the type of the default; None where it is not allowed."""
        text = str(given).strip().lower()
        if isinstance(self.default, bool):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text)
        if isinstance(self.default, str):
            return text if text in self.choices else None
        try:
            value = int(text) if isinstance(self.default, int) else float(text)
        except ValueError:
            return None
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return value if isfinite(value) and above and below else None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is said of every component.

    ``formula``, ``derivative_formula``: as a person writes them. ``source``: paper or lecture.
    ``options``: by name, see ``Option``. ``ascending``: options of which each must be larger than the one before.
    ``torch``: PyTorch's name for the same thing, empty where it has none.
    ``differs``: how and why it means to differ from PyTorch's, empty where it does not.
    """

    name: str
    formula: str
    derivative_formula: str = ""
    source: str = ""
    torch: str = ""
    differs: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
    ascending: tuple[str, ...] = ()

    def values(self, kind: str, given: Mapping[str, Value]) -> Options:
        """The value of every option: what is given, or the default.

        Raises:
            InputError: an option it does not have, or a value that is not allowed.
        """
        for name in given:
            if name not in self.options:
                require(bool(self.options), f"{kind} {self.name} has no options, got {name}={given[name]}")
                raise unknown(f"option of {kind} {self.name}", name, self.options)
        values: Options = {}
        for name, option in self.options.items():
            value = option.read(given.get(name, option.default))
            if value is None:
                raise InputError(f"{kind} {self.name}: {name} must be {option.allowed}, got {given[name]}")
            values[name] = value
        for lower, higher in pairwise(self.ascending):
            require(
                values[lower] < values[higher],
                f"{kind} {self.name}: {lower} must be below {higher}, got {values[lower]} and {values[higher]}",
            )
        return values

    @property
    def written(self) -> str:
        """The entry with its options at their defaults, as one writes it in a spec."""
        pairs = ",".join(f"{name}={option.shown}" for name, option in self.options.items())
        return f"{self.name}:{pairs}".rstrip(":")


E = TypeVar("E", bound=Entry)
T = TypeVar("T")


def table(*entries: E) -> dict[str, E]:
    """Entries by name."""
    return {entry.name: entry for entry in entries}


def choose(kind: str, text: str, entries: Mapping[str, E]) -> tuple[E, Options]:
    """The record that ``text`` names and the value of each of its options.

    Args:
        kind: what it should be, in the user's words ("activation").
        text: ``name`` or ``name:option=value,option=value``.

    Raises:
        InputError: a name, an option or a value that is not in the catalogue; the nearest ones are listed.
    """
    name, colon, rest = str(text).strip().partition(":")
    if name not in entries:
        raise unknown(kind, name, entries)
    given: dict[str, Value] = {}
    for pair in rest.split(",") if colon else ():
        option, equals, value = pair.partition("=")
        require(bool(equals), f"{kind} {text}: expected {name}:option=value, got {pair!r}")
        require(option.strip() not in given, f"{kind} {text}: {option.strip()} is given twice")
        given[option.strip()] = value
    return entries[name], entries[name].values(kind, given)


def bound(function: Callable[..., T], options: Options) -> Callable[..., T]:
    """``function`` with its options filled in; itself where it has none, so that it stays recognisable."""
    return partial(function, **options) if options else function


def filled(record: E, options: Options, *parts: str) -> E:
    """The record with its options filled into the functions that ``parts`` name; those that are None stay so."""
    functions = {part: getattr(record, part) for part in parts}
    given: dict[str, Any] = {
        part: bound(function, options) for part, function in functions.items() if function is not None
    }
    return replace(record, **given)
