"""Layers one at a time: a forward and its backward, of any library, without the network around them.

With a random upstream gradient u, L(inputs) = Σ u ⊙ forward(inputs) is a loss, and backward(u, cache) are its
gradients: so a layer is checked as a network is.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import update_wrapper
from inspect import Parameter, signature
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.errors import InputError, require
from fcnet.gradcheck.check import check
from fcnet.gradcheck.diagnosis.layer_mistakes import layer_mistakes
from fcnet.gradcheck.examination import trees
from fcnet.gradcheck.examination.calls import Refused, call, quiet, time_limit
from fcnet.gradcheck.record import SEED, Cause, Report

Forward = Callable[..., tuple[Any, Any]]
Backward = Callable[[Any, Any], Any]


def check_layer(
    forward: Forward, backward: Backward, inputs: Sequence[Any], *, name: str = "layer", seconds: float = 60.0
) -> Report:
    """The gradients that ``backward`` gives towards every floating input of ``forward``.

        L = Σ u ⊙ forward(inputs),   ∂L/∂input = backward(u, cache)

    Args:
        forward: inputs ↦ (output, cache), the output one array.
        backward: (upstream u of the output's shape, cache) ↦ the gradients, one for each floating input, in order; a
            tuple or list, or the array itself where there is one alone.
        inputs: arrays of NumPy, JAX or PyTorch; integers, such as labels, are passed on and have no gradient.
        name: for messages and causes.
        seconds: see ``check``.

    Returns:
        The report; its tensors are called as the arguments of ``forward`` are.

    Raises:
        InputError: no floating input, or what ``forward`` or ``backward`` returns is not of that form.
    """
    names = argument_names(forward, len(inputs))
    floating = [place for place, value in enumerate(inputs) if is_floating(value)]
    require(bool(floating), f"{name}: none of its inputs is a floating array, so there is no gradient to check")
    output = output_of(_called(forward, inputs, name, seconds), name)
    u = np.random.default_rng((SEED, 0)).standard_normal(np.shape(output))

    def loss_and_grads(params: dict[str, Any], upstream: Any, *others: Any) -> tuple[Any, dict[str, Any]]:
        rest = iter(others)
        given = [params[names[place]] if place in floating else next(rest) for place in range(len(inputs))]
        value, cache = forward(*given)
        found = gradients_of(backward(upstream, cache), len(floating), name)
        return (upstream * value).sum(), {names[place]: grad for place, grad in zip(floating, found, strict=True)}

    # what is raised is then told with the author's line
    update_wrapper(loss_and_grads, backward, assigned=(), updated=())
    params = {names[place]: inputs[place] for place in floating}
    others = [value for place, value in enumerate(inputs) if place not in floating]
    report = check(loss_and_grads, params, (like(output, u), *others), seconds=seconds)
    if len(inputs) > 1 or not any(tensor.verdict == "wrong" for tensor in report.tensors):
        return report
    try:
        with quiet(), time_limit(seconds):
            causes = _own_causes(forward, backward, inputs, u, name)
    except Exception:  # it need not take float64; what ``check`` has said stands
        return report
    others_named = tuple(cause for cause in report.causes if cause.mistake not in {own.mistake for own in causes})
    return replace(report, causes=(*causes, *others_named))


def _called(forward: Forward, inputs: Sequence[Any], name: str, seconds: float) -> Any:
    try:
        return call(forward, trees.copied(inputs[0]), tuple(map(trees.copied, inputs[1:])), seconds)[0]
    except Refused as refused:
        if isinstance(refused.__context__, NotImplementedError):  # an exercise, not done yet
            raise refused.__context__ from None
        raise InputError(f"{name}: forward {refused.problem.message}") from None


def _own_causes(
    forward: Forward, backward: Backward, inputs: Sequence[Any], u: np.ndarray, name: str
) -> tuple[Cause, ...]:
    """``layer_mistakes`` of a layer with one input, called in float64."""
    z = inputs[0]
    is_jax = isinstance(z, jax.Array)

    def forward_in_float64(value: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True) if is_jax else nullcontext(), quiet():
            return to_numpy(forward(like(z, value.copy(), wide=True))[0])

    with jax.enable_x64(True) if is_jax else nullcontext():
        wide = forward(like(z, to_numpy(z).copy(), wide=True))
        (found,) = gradients_of(backward(like(wide[0], u, wide=True), wide[1]), 1, name)
    tensor = argument_names(forward, 1)[0]
    return layer_mistakes(forward_in_float64, to_numpy(z), u, to_numpy(found), tensor=tensor, where=name)


def argument_names(forward: Forward, count: int) -> list[str]:
    """What ``forward`` calls its inputs; "input_1", … where that cannot be seen."""
    try:
        parameters = list(signature(forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    named = [p.name for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    return [named[place] if place < len(named) else f"input_{place + 1}" for place in range(count)]


def is_floating(value: Any) -> bool:
    """Whether ``value`` is an array of floating numbers, of any library."""
    return hasattr(value, "shape") and "float" in str(getattr(value, "dtype", ""))


def to_numpy(array: Any) -> np.ndarray:
    """An array of any library in float64 NumPy."""
    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array, np.float64)


def like(array: Any, value: np.ndarray, *, wide: bool = False) -> Any:
    """``value`` in the library of ``array`` and in its dtype, or in float64 where ``wide``."""
    if hasattr(array, "detach"):
        import torch

        return torch.as_tensor(value, dtype=torch.float64 if wide else array.dtype, device=array.device)
    if isinstance(array, jax.Array):
        return jnp.asarray(value, jnp.float64 if wide else array.dtype)
    return np.asarray(value, np.float64 if wide else array.dtype)


def output_of(answer: Any, name: str) -> Any:
    """The output in what ``forward`` returned.

    Raises:
        InputError: it is not (output, cache).
    """
    is_pair = isinstance(answer, tuple) and len(answer) == 2
    found = type(answer).__name__
    if isinstance(answer, tuple):
        found = f"({', '.join(type(part).__name__ for part in answer)})"
    require(
        is_pair and is_floating(answer[0]),
        f"{name}: forward must return (output, cache), the output a floating array; it returned {found}",
    )
    return answer[0]


def gradients_of(answer: Any, count: int, name: str) -> Sequence[Any]:
    """The gradients in what ``backward`` returned, ``count`` of them.

    Raises:
        InputError: there are more or fewer.
    """
    found = answer if isinstance(answer, tuple | list) else (answer,)
    if len(found) != count:
        raise InputError(
            f"{name}: backward must return {count} gradient{'s' * (count > 1)}, one for each floating input in order; "
            f"it returned {len(found)}"
        )
    return found
