"""What any gradient function must do before its numbers are looked at: end, repeat itself, leave its inputs alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fcnet.gradcheck.diagnosis.mistakes import MISTAKES
from fcnet.gradcheck.examination import trees
from fcnet.gradcheck.examination.answers import Reading, read
from fcnet.gradcheck.examination.calls import Refused, call
from fcnet.gradcheck.record import SEED, Cause, Problem, Tensors

# Two calls may add up in another order: 1e-6 of a tensor's norm, or eight roundings of a narrower dtype. A tensor
# that cancels to nearly 0 is held against this share of the largest one.
REPEATS, CANCELS = 1e-6, 1e-3
# Where something kept between calls would show: 1 % away from the parameters.
ELSEWHERE = 0.01


@dataclass(frozen=True)
class Contract:
    """The first answer in the dtype that was given, all problems, and what else was seen."""

    reading: Reading
    problems: tuple[Problem, ...]
    remarks: tuple[str, ...] = ()


def batch_axes(batch: tuple[Any, ...]) -> tuple[int, ...]:
    """The lengths of the axes of x, one of which is the batch."""
    return tuple(getattr(batch[0], "shape", ())) if batch else ()


def _mutated(before: Any, after: Any, what: str) -> list[str]:
    """Sentences on leaves that were there before and are not, or are another, after the call."""
    old, new = trees.flatten(before), trees.flatten(after)
    said = [f"{what}{name} is added" for name in new if name not in old]
    said += [f"{what}{name} is taken away" for name in old if name not in new]
    for name in old:
        if name in new and trees.library(old[name]) in {"numpy", "torch"}:
            one, two = trees.to_numpy(old[name]), trees.to_numpy(new[name])
            same = one.shape == two.shape and one.dtype == two.dtype and one.tobytes() == two.tobytes()
            said += [] if same else [f"{what}{name} is changed"]
    return said


def _aliased(raw: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    arrays = [(name, value) for name, value in raw.items() if isinstance(value, np.ndarray) and value.size]
    said = []
    for place, (name, value) in enumerate(arrays):
        for other, second in arrays[:place]:
            if np.shares_memory(value, second):
                said.append(f"the gradients of {other} and {name} share memory: changing one changes the other")
        for other, parameter in params.items():
            if isinstance(parameter, np.ndarray) and np.shares_memory(value, parameter):
                said.append(f"the gradient of {name} shares memory with the parameter {other}: return a copy")
    return said


def _differences(one: Reading, two: Reading, epsilon: float) -> list[str]:
    """Which of loss and gradients differ between two answers."""
    tolerance = max(REPEATS, 8 * epsilon)
    said = ["the loss"] if abs(one.loss - two.loss) > tolerance * max(abs(one.loss), abs(two.loss)) else []
    norms = {name: float(np.linalg.norm(value)) for name, value in one.gradients.items()}
    largest = max((norm for norm in norms.values() if np.isfinite(norm)), default=0.0)
    for name, value in one.gradients.items():
        second = two.gradients.get(name)
        scale = max(norms[name], CANCELS * largest)
        if second is None or (np.isnan(value) != np.isnan(second)).any():
            said.append(name)
            continue
        apart = float(np.linalg.norm(np.nan_to_num(value - second)))
        said += [name] if apart > tolerance * scale else []
    return said


def _without(first: Reading, second: Reading) -> Reading:
    """The second answer with the first taken off where it is twice that."""
    left = {
        name: value - first.gradients[name] if np.allclose(value, 2 * first.gradients[name], 1e-3, 0) else value
        for name, value in second.gradients.items()
    }
    return replace(second, gradients=left)


def _dtypes(raw: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[list[Problem], list[str]]:
    problems, remarks = [], []
    for name, leaf in raw.items():
        found, wanted = trees.dtype_name(leaf), trees.dtype_name(params[name])
        if found == wanted or found[0] in "OcUS" or found.startswith(("object", "complex")):
            continue
        text = f"the gradient of {name} is {found} where the parameter is {wanted}"
        if not found.startswith(("float", "bfloat")) or (found.endswith("16") and not wanted.endswith("16")):
            problems.append(Problem("dtype", f"{text}: keep the parameter's dtype", fatal=False))
        else:
            remarks.append(text)
    return problems, remarks


def examine(
    function: Callable[..., Any], tree: Any, params: Tensors, batch: tuple[Any, ...], seconds: float
) -> Contract:
    """Call ``function`` four times with fresh copies, in the dtype that was given, and tell every problem.

    Twice at the parameters, once elsewhere, and again at the parameters: what differs between the first two is random,
    and what differs after the third is kept between calls. The caller's own arrays are never passed on.

    Args:
        params: the floating-point leaves of ``tree``.
        seconds: the time limit of each call.
    """
    rows = batch_axes(batch)
    epsilon = max(float(np.finfo(v.dtype).eps) if v.dtype.kind == "f" else 2.0**-7 for v in params.values())

    def once(at: Any) -> tuple[Reading, Any, Any, Any]:
        passed, data = trees.mapped(trees.copied, at), trees.mapped(trees.copied, batch)
        answer, talk = call(function, passed, data, seconds)
        return read(answer, tree, params, rows), talk, passed, data

    try:
        first, talk, passed, data = once(tree)
    except Refused as refused:
        return Contract(Reading(float("nan"), {}, {}), (refused.problem,))
    problems = [*first.problems]
    changed = _mutated(tree, passed, "") + _mutated(batch, data, "batch/")
    if changed:
        problems.append(Problem("mutates", f"changes its inputs: {'; '.join(changed)}: work on copies", fatal=False))
    if talk.printed:
        text = f"prints {talk.printed} characters in one call: remove the prints before training"
        problems.append(Problem("prints", text, fatal=False))
    remarks = [f"warns: {line}" for line in talk.warned]
    if first.fatal:
        return Contract(first, tuple(problems), tuple(remarks))
    if not changed:
        shared = _aliased(first.raw, trees.flatten(passed))
        problems += [Problem("aliased", text, fatal=False) for text in shared]
    mistyped, told = _dtypes(first.raw, trees.flatten(tree))
    problems, remarks = problems + mistyped, remarks + told
    try:
        again = once(tree)[0]
        differing = _differences(first, again, epsilon)
        if differing and not _differences(first, _without(first, again), epsilon):
            cause = "they are added up over calls: let every call begin with zeros"
            text = f"twice as large in the second of two equal calls: {cause}"
            named = tuple(name for name in differing if name in first.gradients)
            kept = Cause("stale", named, ", ".join(named), text, MISTAKES["stale"].derivation)
            first = replace(first, causes=(*first.causes, kept))
        elif differing:
            cause = "draw what is random outside and pass it in the batch"
        else:
            try:
                once(_elsewhere(tree, params))
            except Refused:
                remarks.append("cannot be called 1 % away from the parameters")
            differing = _differences(first, once(tree)[0], epsilon)
            cause = "something of an earlier call is kept"
        if differing:
            text = f"two calls at the same parameters differ in {', '.join(differing)}: {cause}"
            problems.append(Problem("nondeterministic", text, fatal="the loss" in differing))
    except Refused as refused:
        problem = refused.problem
        problems.append(replace(problem, message=f"when it is called again: {problem.message}"))
    return Contract(first, tuple(problems), tuple(remarks))


def _elsewhere(tree: Any, params: Tensors) -> Any:
    """The parameters, each entry moved by about ``ELSEWHERE`` of its tensor's size, in their own dtypes."""
    random = np.random.default_rng((SEED, 0))
    leaves, moved = trees.flatten(tree), {}
    for name, value in params.items():
        wide = value.astype(np.float64)
        size = np.sqrt(np.mean(wide**2)) if wide.any() else 1.0
        step = ELSEWHERE * size * random.standard_normal(wide.shape)
        moved[name] = trees.own(np.asarray(wide + step).astype(value.dtype), leaves[name])
    return trees.unflatten(tree, moved)
