"""What the backpropagation exercise is made of: functions with points, the calls they are graded on, and answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# A file may compute in float32, as JAX does: its ε = 1.2e-7 in each of the network's 8 steps, on sums of up to 6 terms
# whose errors grow like √6, leaves 8 (1 + √6) ε = 3e-6; what the steps enlarge of each other's is allowed for with 6.
TOLERANCE = 2e-5
# Inputs are of order 1, and so are answers that are not 0 but for rounding.
SMALLEST = 0.01

Inputs = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """One call: its inputs, what each of its answers is called, and the rows of its batch."""

    inputs: Inputs
    answers: tuple[str, ...]
    rows: int

    @property
    def shapes(self) -> str:
        """The shapes of the inputs, for a person: (6, 5), (5, 3)."""
        return ", ".join(_shapes(self.inputs))


@dataclass(frozen=True)
class Part:
    """One function: its points, shared equally among its answers, and its cases from a generator.

    An answer earns its share where it is right in every case.

    ``layer``: for a person. ``solution``: the function as it should be.
    """

    name: str
    layer: str
    points: int
    solution: Callable[..., Any]
    cases: Callable[[np.random.Generator], list[Case]]


def answers_of(part: str, answer: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The answers in what a function returned, by name.

    Raises:
        ValueError: it is not of the form that its docstring asks for, said in words.
    """
    if part.startswith("network"):
        if not (isinstance(answer, tuple | list) and len(answer) == 2 and isinstance(answer[1], dict)):
            raise ValueError("return (loss, gradients), the gradients a dictionary")
        found = {"loss": answer[0], **answer[1]}
        lacking = [name for name in names if name not in found]
        if lacking:
            raise ValueError(f"the gradients lack {', '.join(lacking)}")
        return {name: found[name] for name in names}
    if part.endswith("_forward"):
        if not (isinstance(answer, tuple | list) and len(answer) == 2):
            raise ValueError("return a pair: the output and the cache")
        return {names[0]: answer[0]}
    found_gradients = answer if isinstance(answer, tuple | list) else (answer,)
    if len(found_gradients) != len(names):
        raise ValueError(f"return {len(names)} gradient{'s' * (len(names) > 1)}, not {len(found_gradients)}")
    return dict(zip(names, found_gradients, strict=True))


def close(found: Any, expected: Any) -> bool:
    """Whether two answers have one shape and agree to what rounding in float32 explains."""
    if np.shape(found) != np.shape(expected):
        return False
    difference = float(np.linalg.norm(np.asarray(found, np.float64) - np.asarray(expected, np.float64)))
    return difference <= TOLERANCE * max(float(np.linalg.norm(np.asarray(expected, np.float64))), SMALLEST)


def _shapes(inputs: Any) -> list[str]:
    if isinstance(inputs, dict):
        return [f"{name} {np.shape(value)}" for name, value in inputs.items()]
    if isinstance(inputs, tuple):
        return [shape for value in inputs for shape in _shapes(value)]
    return [str(np.shape(inputs)) if np.ndim(inputs) else "a number"]
