"""What a function answered, held against its parameters: a pair, a scalar, the same tree, the same shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fcnet.errors import InputError, unknown
from fcnet.gradcheck.diagnosis.mistakes import MISTAKES
from fcnet.gradcheck.examination import trees
from fcnet.gradcheck.record import Cause, Problem, Tensors


@dataclass(frozen=True)
class Reading:
    """One answer: the loss, and the gradients as NumPy arrays of the parameters' shapes.

    A gradient of another shape is brought into its parameter's where that can be done without guessing (turned,
    reshaped, summed over the batch); ``bent`` names all of another shape. ``raw``: the leaves as they were given.
    """

    loss: float
    gradients: dict[str, np.ndarray]
    raw: Mapping[str, Any]
    bent: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    causes: tuple[Cause, ...] = ()

    @property
    def fatal(self) -> bool:
        """Whether there is nothing to examine."""
        return any(problem.fatal for problem in self.problems)


def _refused(kind: str, message: str) -> Reading:
    return Reading(float("nan"), {}, {}, problems=(Problem(kind, message),))


def _is_tree(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


# How courses call the gradient of W1 beside calling it W1.
_CALLED = ("d{}", "d_{}", "D{}", "grad_{}", "{}_grad", "grad{}")


def _matched(found: Any, names: list[str], tree: Any) -> dict[str, Any]:
    """Leaves under the parameters' names: by name, also as dW1 or grad_W1, or by place where one tree has no names."""
    leaves = trees.flatten(found)
    if set(names) <= set(leaves):
        return leaves
    for pattern in _CALLED:
        called = {}
        for name in names:
            head, slash, last = name.rpartition("/")
            called[f"{head}{slash}{pattern.format(last)}"] = name
        if set(called) <= set(leaves):
            return {called.get(leaf, leaf): value for leaf, value in leaves.items()}
    by_place = trees.flatten(found, by_place=True)
    places = dict(zip(trees.flatten(tree, by_place=True), trees.flatten(tree), strict=True))
    if set(places) == set(by_place):
        return {places[place]: leaf for place, leaf in by_place.items()}
    return leaves


def _in_shape(name: str, found: np.ndarray, wanted: tuple[int, ...], rows: tuple[int, ...]) -> tuple[Any, str, str]:
    """The gradient in its parameter's shape (None where that would be a guess), a sentence, and the mistake's name."""
    size = int(np.prod(wanted))
    if len(wanted) == 2 and found.shape == wanted[::-1]:
        return found.T, f"the gradient of {name} is transposed: {found.shape} instead of {wanted}", "transposed"
    if found.size == size and found.ndim > len(wanted) and len(wanted) == 1 and size in found.shape:
        kind = "row" if found.shape[-1] == size else "column"
        hint = "reshape it, or sum without keepdims"
        message = f"the gradient of {name} is a {kind} of shape {found.shape} where the parameter has {wanted}: {hint}"
        return found.reshape(wanted), message, ""
    if found.ndim == 2 and size > 0:
        for axis in (0, 1):
            summed = found.sum(axis)
            if found.shape[axis] in rows and found.shape[axis] > 1 and summed.size == size == max((1, *wanted)):
                message = f"the gradient of {name} is not summed over the batch: {found.shape} instead of {wanted}"
                return summed.reshape(wanted), message, "bias_not_summed"
    same = found.size == size and size > 0
    message = f"the gradient of {name} has shape {found.shape}, the parameter has {wanted}"
    return found.reshape(wanted) if same else None, message, ""


def _loss(loss: Any) -> tuple[float | None, tuple[Problem, ...]]:
    try:
        value = trees.to_numpy(loss)
        number = float(value.reshape(())) if value.size == 1 and value.dtype.kind not in "OUSc" else None
    except (TypeError, ValueError):
        return None, (Problem("not_gradients", f"the loss is a {type(loss).__name__}, not a number"),)
    if number is None:
        text = f"the loss has shape {value.shape}, dtype {value.dtype}: it must be one real number: reduce it"
        return None, (Problem("not_gradients", text),)
    if not np.isfinite(number):
        return number, (Problem("not_finite", f"the loss is {number}: try smaller parameters, or look for log(0)"),)
    if value.ndim:
        text = f"the loss has shape {value.shape}: it must be a number without axes: reduce it without keepdims"
        return number, (Problem("not_gradients", text, fatal=False),)
    return number, ()


def read(answer: Any, tree: Any, params: Tensors, rows: tuple[int, ...]) -> Reading:
    """The answer's loss and gradients, and every way in which they are not what (loss, gradients) must be.

    Args:
        tree: the parameters as the author has them. params: its floating-point leaves.
        rows: lengths of the data's axes, one of which is the batch.
    """
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        count = f" of {len(answer)} values" if isinstance(answer, tuple | list) else ""
        return _refused("not_gradients", f"returned a {type(answer).__name__}{count}: return (loss, gradients)")
    if _is_tree(answer[0]) and not _is_tree(answer[1]):
        return _refused("not_gradients", "the pair is turned round: return (loss, gradients)")
    loss, problems = _loss(answer[0])
    if loss is None or not np.isfinite(loss):
        return Reading(float("nan"), {}, {}, problems=problems)
    found = _matched(answer[1], list(params), tree)
    raw = {name: found[name] for name in params if found.get(name) is not None}
    others = sorted(set(found) - set(trees.flatten(tree)))
    told, causes, gradients, bent = [*problems], [], {}, []
    for name in params:
        if name not in raw:
            near = str(unknown("tensor", name, others)).split("?")[0].split(": ")[-1] if others else ""
            hint = f"; {near}? call it as its parameter" if near.startswith("did you mean") else ""
            told.append(Problem("missing", f"the gradient of {name} is missing{hint}", fatal=not raw))
    if others:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        told.append(Problem("extra", f"gradients of what is no parameter: {shown}", fatal=False))
    for name, leaf in raw.items():
        try:
            value = trees.to_numpy(leaf)
        except (TypeError, ValueError):
            value = np.array(None)
        if value.dtype.kind in "OUSc":
            text = f"the gradient of {name} is a {type(leaf).__name__} of {value.dtype}, not an array of real numbers"
            told.append(Problem("dtype", text, fatal=False))
            bent.append(name)
            continue
        value, wanted = value.astype(np.float64), params[name].shape
        if value.shape != wanted:
            mended, message, mistake = _in_shape(name, value, wanted, rows)
            told.append(Problem("shape", message, fatal=False))
            bent.append(name)
            if mistake:
                causes.append(Cause(mistake, (name,), name, f"{message}.", MISTAKES[mistake].derivation))
            if mended is None:
                continue
            value = mended
        gradients[name] = value
        bad = int(np.count_nonzero(~np.isfinite(value)))
        if bad:
            kind = "NaN" if np.isnan(value).any() else "infinite"
            text = f"{bad} of {value.size} entries of the gradient of {name} are {kind}: look for 0/0, log(0) and exp"
            told.append(Problem("not_finite", text, fatal=False))
    return Reading(loss, gradients, raw, tuple(bent), tuple(told), tuple(causes))


def checked_params(tree: Any) -> dict[str, np.ndarray]:
    """The floating-point leaves as NumPy arrays.

    Raises:
        InputError: there are none.
    """
    found = {name: trees.to_numpy(leaf) for name, leaf in trees.parameters(tree).items()}
    if not found:
        raise InputError(
            "the parameters hold no floating-point array: give a dict, list, tuple or named tuple of NumPy, JAX or "
            "PyTorch arrays"
        )
    empty = [name for name, value in found.items() if not np.isfinite(value.astype(np.float64)).all()]
    if empty:
        raise InputError(f"the parameters {', '.join(empty)} are not finite: gradients are checked at finite ones")
    return found
