"""What can be swept: fields of a run's parts by name, the type of one value, and putting values into a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from cyclopts import CycloptsError, convert

from fcnet.config import LoopConfig, NetworkConfig, ObjectiveConfig, OptimizerConfig, TrainConfig
from fcnet.errors import InputError, require

PARTS = {
    "network": NetworkConfig,
    "objective": ObjectiveConfig,
    "optimizer": OptimizerConfig,
    "loop": LoopConfig,
}
# Several numbers or names that belong together, and who computes, in which type.
UNSWEPT = {"elastic_net", "class_weights", "ignore_class", "dtype", "gradients", "engine"}
# What one of ``width`` and ``depth`` is where only the other is given.
DEFAULT_WIDTH, DEFAULT_DEPTH = 128, 2
# What a slip such as --depth 1e9 must not reach.
MOST_LAYERS = 10_000


class Field(NamedTuple):
    """``part``: of the run. ``hint``: type of one value. ``has_layers``: a tuple, of one value or of one a layer."""

    part: str
    hint: Any
    has_layers: bool = False

    @property
    def kind(self) -> type:
        """``int``, ``float`` or ``str``."""
        scalars = _scalars(self.hint)
        return float if float in scalars else int if int in scalars else str


def _scalars(hint: Any) -> set[Any]:
    if get_origin(hint) is Literal:
        return {str}
    return set().union(*map(_scalars, get_args(hint))) if get_origin(hint) in (Union, UnionType) else {hint}


def _fields() -> dict[str, Field]:
    found = {}
    for part, config in PARTS.items():
        for name, hint in get_type_hints(config).items():
            has_layers = get_origin(hint) is tuple
            one = get_args(hint)[0] if has_layers else hint
            if name not in UNSWEPT and bool not in _scalars(one):
                found[name] = Field(part, one, has_layers)
            if name == "hidden":
                found |= {"width": Field(part, int), "depth": Field(part, int)}
    return found


FIELDS = _fields()


def flag(name: str) -> str:
    """As one writes it: "--learning-rate"."""
    return "--" + name.replace("_", "-")


def sweepable() -> str:
    """All flags that can be swept, for people."""
    return ", ".join(map(flag, FIELDS))


def read(name: str, word: str) -> Any:
    """The value of a field that a word means to ``fcnet train``; layers of ``hidden`` have dashes between them.

    Raises:
        InputError: it means none, in the words of ``fcnet train``.
    """
    if name == "hidden":
        sizes = () if word == "none" else word.split("-")
        return tuple(_convert(name, size) for size in sizes)
    return _convert(name, word)


def _convert(name: str, word: str) -> Any:
    field = FIELDS[name]
    try:
        if field.kind is int and word.lower() not in ("none", "null"):
            int(word)  # cyclopts would cut 3.5 down to 3
        return convert(field.hint, [word])
    except ValueError:
        raise InputError(f"{flag(name)} takes whole numbers, got {word!r}") from None
    except CycloptsError as wrong:
        message = str(wrong).strip().splitlines()[-1]
        raise InputError(f"{flag(name)}: {message[:1].lower()}{message[1:]}") from None


def typed(name: str, value: Any) -> Any:
    """``value``, from Python, as the field has it; of a tuple with one entry for all layers that entry.

    Raises:
        InputError: a value of another type.
    """
    field = FIELDS[name]
    if isinstance(value, str):
        return read(name, value)
    if isinstance(value, Sequence):
        require(field.has_layers, f"{name}: a value must be one {_called(field)}, got {value!r}")
        each = tuple(_scalar(name, one) for one in value)
        return each[0] if len(each) == 1 and name != "hidden" else each
    one = _scalar(name, value)
    return (one,) if name == "hidden" else one


def _scalar(name: str, value: Any) -> Any:
    field = FIELDS[name]
    if value is None and type(None) in _scalars(field.hint):
        return None
    if field.kind is str and isinstance(value, str):
        return read(name, value)
    wanted = {int: Integral, float: Real}.get(field.kind)
    fits = wanted is not None and isinstance(value, wanted) and not isinstance(value, bool)
    require(fits, f"{name}: a value must be a {_called(field)}, got {value!r}")
    return field.kind(value)


def _called(field: Field) -> str:
    return {int: "whole number", float: "number", str: "name"}[field.kind]


def written(value: Any) -> str:
    """A value as a word: hidden layers of 64 and 32 units are "64-32", none "none"."""
    if isinstance(value, tuple):
        return "-".join(map(written, value)) or "none"
    return "none" if value is None else str(value)


def with_values(train: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    """The run with these values, by name; ``width`` and ``depth`` make hidden = (width,) · depth.

    Raises:
        InputError: what ``fcnet train`` would refuse.
    """
    parts: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name in ("width", "depth"):
            name, value = "hidden", _hidden(train.network.hidden, values)
        field = FIELDS[name]
        parts.setdefault(field.part, {})[name] = (
            (value,) if field.has_layers and not isinstance(value, tuple) else value
        )
    return replace(train, **{part: replace(getattr(train, part), **own) for part, own in parts.items()})


def _hidden(base: tuple[int, ...], values: Mapping[str, Any]) -> tuple[int, ...]:
    require("depth" in values or len(base) > 0, "--width is of hidden layers, and this network has none: add --depth 1")
    return hidden(values.get("width", base[0] if base else DEFAULT_WIDTH), values.get("depth", len(base)))


def hidden(width: int, depth: int) -> tuple[int, ...]:
    """So many hidden layers of one width.

    Raises:
        InputError: a depth below 0, or beyond ``MOST_LAYERS``.
    """
    require(0 <= depth <= MOST_LAYERS, f"--depth must be from 0 (a linear model) to {MOST_LAYERS:,}, got {depth}")
    return (width,) * depth
