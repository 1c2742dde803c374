"""What a worker hands back about someone's file: how each step ended, and plain values, read without unpickling.

The sandbox guards against mistakes – loops, memory, crashes – and not against a file that means to cheat: that runs in
the worker and can write what the worker writes.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from fcnet.errors import InputError, require
from fcnet.files import read_json

Kind = Literal[
    "finished",
    "refused",
    "raised",
    "syntax_error",
    "import_error",
    "timed_out",
    "out_of_memory",
    "recursion",
    "exited",
    "killed",
    "rubbish",
    "failed",
]


@dataclass(frozen=True)
class Limits:
    """``seconds``: wall clock for loading the file, and again for each task. ``memory_gib``: of data, on Linux."""

    seconds: float = 60.0
    memory_gib: float = 4.0


@dataclass(frozen=True)
class Outcome:
    """How one step ended.

    ``kind``: "finished", or what went wrong: "refused" (an ``InputError`` of ours), "raised", "syntax_error",
        "import_error", "timed_out", "out_of_memory", "recursion", "exited", "killed" (by a signal), "rubbish" (the
        result is not what the worker writes) or "failed" (fcnet itself).
    ``value``: plain values where it finished. ``message``: one line otherwise.
    ``error``: the exception's type, where there was one. ``line``, ``text``: of the author's file, 0 and "" if unknown.
    """

    kind: Kind
    value: Any = None
    message: str = ""
    error: str = ""
    line: int = 0
    text: str = ""

    @property
    def sentence(self) -> str:
        """What happened and where, in one line."""
        place = f" in line {self.line}: {self.text}" if self.line else ""
        return f"{self.message}{place}"


@dataclass(frozen=True)
class Session:
    """``load``: of the file, with the names of its tasks. ``tasks``: each task's outcome. ``printed``: by the file."""

    load: Outcome
    tasks: Mapping[str, Outcome] = field(default_factory=dict)
    printed: str = ""


def out_of_memory(memory_gib: float) -> str:
    """The sentence for a file that asked for more than it may have."""
    return f"needs more than {memory_gib:g} GiB of memory"


def read(path: Path) -> Outcome:
    """The outcome that a worker wrote to ``path``; "rubbish" where it did not."""
    # the file could have written here too: nothing is believed
    rubbish = Outcome(
        "rubbish", message="wrote over the worker's results: leave the folder above the working one alone"
    )
    try:
        found = read_json(path)
        kind, value = found["kind"], found["value"]
        message, error, line, text = found["message"], found["error"], found["line"], found["text"]
    except (InputError, KeyError, RecursionError):
        return rubbish
    if kind not in get_args(Kind) or not isinstance(line, int):
        return rubbish
    if not all(isinstance(words, str) for words in (message, error, text)):
        return rubbish
    if path.name == "plan.json" and kind == "finished":
        names = value if isinstance(value, list) else [None]
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            return rubbish
    return Outcome(cast(Kind, kind), value, readable(message), readable(error), line, readable(text))


def readable(text: str) -> str:
    """``text`` without what could steer a terminal."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "�" for letter in text)


def encode(array: np.ndarray) -> dict[str, Any]:
    """An array of numbers as plain values for JSON, bit for bit."""
    raw = np.ascontiguousarray(array)
    return {
        "dtype": raw.dtype.str,
        "shape": list(array.shape),
        "bytes": base64.b64encode(raw.tobytes()).decode("ascii"),
    }


def decode(value: Any) -> np.ndarray:
    """The array that ``encode`` was given.

    Raises:
        InputError: it is nothing that ``encode`` gives.
    """
    try:
        kind = np.dtype(value["dtype"])
        require(kind.kind in "biuf", f"an array of {kind}")
        raw = base64.b64decode(value["bytes"], validate=True)
        return np.frombuffer(raw, kind).reshape(value["shape"]).copy()
    except (TypeError, KeyError, ValueError) as wrong:
        raise InputError(f"not an encoded array: {wrong}") from None
