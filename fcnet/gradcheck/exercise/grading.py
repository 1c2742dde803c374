"""Points for each function of the backpropagation exercise, with feedback that does not give the answers away."""

import ast
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.errors import InputError
from fcnet.gradcheck.diagnosis.layer_mistakes import LAYER_MISTAKES
from fcnet.gradcheck.exercise.cases import PARTS, SEED, cases_of
from fcnet.gradcheck.exercise.mistakes import act_out, of_pattern
from fcnet.gradcheck.exercise.parts import Case, Part, answers_of, close
from fcnet.gradcheck.sandbox import session as sandbox
from fcnet.gradcheck.sandbox.outcome import Limits, Outcome, decode

# The exercise takes milliseconds.
LIMITS = Limits(seconds=10.0, memory_gib=2.0)


@dataclass(frozen=True)
class FunctionGrade:
    """One function's points.

    ``status``: "right", "partly_right", "wrong", "not_done", "missing" (there is no such function), or the
        ``Outcome.kind`` that it ended in: "raised", "timed_out", "out_of_memory", …
    ``feedback``: one line; "" where it is right.
    """

    name: str
    earned: int
    possible: int
    status: str
    feedback: str


@dataclass(frozen=True)
class Grade:
    """A file's points out of ``total``, and what it printed."""

    functions: tuple[FunctionGrade, ...]
    printed: str

    @property
    def points(self) -> int:
        """What was earned."""
        return sum(function.earned for function in self.functions)

    @property
    def total(self) -> int:
        """What there was to earn."""
        return sum(function.possible for function in self.functions)

    def as_json(self) -> dict[str, Any]:
        """Plain values: total, points, functions [{name, earned, possible, status, feedback}]."""
        functions = [asdict(function) for function in self.functions]
        return {"total": self.total, "points": self.points, "functions": functions}


def grade(file: Path, *, seed: int = SEED, limits: Limits = LIMITS) -> Grade:
    """Grade a filled-in exercise.

    Every function is called with inputs of ``exercise.cases_of``; one that loops or raises costs itself alone.
    A function's points are shared equally among its answers, and each must be right in every case.

    Args:
        limits: for loading the file, and for each function.

    Raises:
        InputError: the file is not there, cannot be loaded, or imports fcnet, which has the answers.
    """
    _refuse_fcnet(file)
    session = sandbox.run(file, "fcnet.gradcheck.exercise.calls", options={"seed": seed}, limits=limits)
    if session.load.kind != "finished":
        raise InputError(f"{file}: {session.load.sentence}")
    functions = tuple(grade_function(part, session.tasks.get(part.name), seed) for part in PARTS.values())
    return Grade(functions, session.printed)


def _refuse_fcnet(file: Path) -> None:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # the worker says it better
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if any(name.split(".")[0] == "fcnet" for name in names):
            raise InputError(f"{file} imports fcnet in line {node.lineno}: the exercise is to be solved without it")


def grade_function(part: Part, outcome: Outcome | None, seed: int) -> FunctionGrade:
    """The points of one function from what its calls came to; None where the file has no such function."""

    def nothing(status: str, feedback: str) -> FunctionGrade:
        return FunctionGrade(part.name, 0, part.points, status, feedback)

    if outcome is None:
        return nothing("missing", f"{part.layer}: the file has no function {part.name}")
    if outcome.error == "NotImplementedError":
        return nothing("not_done", f"{part.layer}: not done yet")
    if outcome.kind != "finished":
        return nothing(outcome.kind, f"{part.layer}: {outcome.sentence}")
    cases = cases_of(part, seed)
    try:
        found = _decoded(outcome.value, cases)
    except InputError as form:
        return nothing("wrong", f"{part.layer}: {form}")
    expected = [answers_of(part.name, part.solution(*case.inputs), case.answers) for case in cases]
    names = list(dict.fromkeys(name for case in cases for name in case.answers))
    wrong = [name for name in names if not all(_agrees(name, f, e) for f, e in zip(found, expected, strict=True))]
    earned = part.points * (len(names) - len(wrong)) // len(names)
    if not wrong:
        return FunctionGrade(part.name, earned, part.points, "right", "")
    said = f"{part.layer}: {'; '.join(_feedback(part, wrong, found, expected, cases))}"
    status = "partly_right" if earned else "wrong"
    return FunctionGrade(part.name, earned, part.points, status, said)


def _agrees(name: str, found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    return name not in expected or close(found[name], expected[name])


def _decoded(value: Any, cases: list[Case]) -> list[dict[str, np.ndarray]]:
    """The answers of every case.

    Raises:
        InputError: they are not of the form that is asked for.
    """
    found = []
    if not isinstance(value, list) or len(value) != len(cases):
        raise InputError("the answers were lost: leave the worker's results alone")
    for answers, case in zip(value, cases, strict=True):
        if not isinstance(answers, dict) or set(answers) != set(case.answers):
            form = answers.get("") if isinstance(answers, dict) else None
            raise InputError(str(form or "the answers were lost: leave the worker's results alone"))
        found.append({name: decode(array) for name, array in answers.items()})
    return found


def _feedback(
    part: Part,
    wrong: list[str],
    found: list[dict[str, np.ndarray]],
    expected: list[dict[str, np.ndarray]],
    cases: list[Case],
) -> list[str]:
    """A sentence for each mistake, with the wrong answers that it explains."""
    told: dict[str, list[str]] = {}
    for mistake, answers in act_out(part, cases):
        named = {name for names in told.values() for name in names}
        explained = [
            name
            for name in wrong
            if name not in named and all(close(f[name], a[name]) for f, a in zip(found, answers, strict=True))
        ]
        if explained:
            told[_hint(mistake)] = explained
    for name in wrong:
        if all(name not in names for names in told.values()):
            told.setdefault(_of_one(name, found, expected, cases), []).append(name)
    return [f"{', '.join(names)}: {sentence}" for sentence, names in told.items()]


def _of_one(
    name: str, found: list[dict[str, np.ndarray]], expected: list[dict[str, np.ndarray]], cases: list[Case]
) -> str:
    """What is wrong with one answer, as far as that does not give it away."""
    its = [place for place, case in enumerate(cases) if name in case.answers]
    fs, es = [found[place][name] for place in its], [expected[place][name] for place in its]
    mistake = of_pattern(name, fs, es, [cases[place] for place in its])
    if mistake:
        return _hint(mistake)
    off = [place for place, f, e in zip(its, fs, es, strict=True) if not close(f, e)]
    got, wanted = np.shape(found[off[0]][name]), np.shape(expected[off[0]][name])
    shapes = f"for inputs of shapes {cases[off[0]].shapes}"
    if got != wanted:
        return f"has shape {got} where {wanted} is asked for, {shapes}"
    if not np.isfinite(found[off[0]][name]).all():
        return f"is NaN or infinite {shapes}"
    many = f"in {len(off)} of {len(its)} cases, first " if len(off) < len(its) else "in every case, first "
    return f"is off {many}{shapes}; no known mistake fits"


def _hint(mistake: str) -> str:
    return f"{LAYER_MISTAKES[mistake].title}: {LAYER_MISTAKES[mistake].hint}"
