"""The exercise's functions called in the worker: answers go back as they are, and are judged elsewhere."""

from collections.abc import Mapping
from copy import deepcopy
from types import ModuleType
from typing import Any

import numpy as np

from fcnet.gradcheck.exercise.cases import PARTS, cases_of
from fcnet.gradcheck.exercise.parts import answers_of
from fcnet.gradcheck.sandbox.outcome import encode


def plan(module: ModuleType, options: Mapping[str, Any]) -> list[str]:
    """Every function of the exercise that is in the file."""
    return [name for name in PARTS if callable(getattr(module, name, None))]


def perform(module: ModuleType, task: str, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One function's answers in every case: {answer: encoded array}, or {"": what is wrong with their form}.

    Args:
        options: ``seed``: of the inputs.
    """
    function = getattr(module, task)
    found: list[dict[str, Any]] = []
    for case in cases_of(PARTS[task], options["seed"]):
        try:
            # a copy, so that a file that changes its inputs does not change its cache for the next case
            answer = function(*deepcopy(case.inputs))
        except Exception as error:
            error.add_note(f"(called with shapes {case.shapes})")
            raise
        try:
            named = answers_of(task, answer, case.answers)
            found.append({name: encode(_as_array(name, value)) for name, value in named.items()})
        except ValueError as form:
            found.append({"": str(form)})
    return found


def _as_array(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of numbers, not a {type(value).__name__}")
    return array
