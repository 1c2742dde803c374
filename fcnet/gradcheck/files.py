"""What a file for ``fcnet gradcheck FILE.py`` says, and its examination in the worker.

A network:

    def loss_and_grads(params, x, y, *more): ...     # -> (loss, gradients like params)
    def example(): ...                               # -> (params, x, y, *more); or example(random), a NumPy Generator
    CLAIMS = {"activation": "tanh"}                  # optional, see ``Claims``

Instead of ``example`` there may be ``params``, ``x`` and ``y`` in the file. Layers one at a time, beside that or alone:

    LAYERS = {"relu": (forward, backward, inputs)}   # see ``check_layer``
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from inspect import signature
from types import ModuleType
from typing import Any

import numpy as np

from fcnet import activations, losses
from fcnet.errors import InputError, require, unknown
from fcnet.gradcheck.check import check
from fcnet.gradcheck.layers import check_layer
from fcnet.gradcheck.plain import as_json
from fcnet.gradcheck.record import Claims, Report
from fcnet.gradcheck.sandbox.outcome import encode

NETWORK = "loss_and_grads"
# ``example(random)`` gets the same numbers in every call of the command.
SEED = 20261121
_WANTED = (NETWORK, "example", "LAYERS", "CLAIMS")


def plan(module: ModuleType, options: Mapping[str, Any]) -> list[str]:
    """What there is to examine: the network, then the layers.

    Raises:
        InputError: neither is in the file, or what belongs to it is missing.
    """
    layers = layers_of(module)
    tasks = [f"layer {name}" for name in layers]
    if hasattr(module, NETWORK):
        return [NETWORK, *tasks]
    if not tasks:
        raise InputError(
            f"has neither {NETWORK}(params, x, y) nor LAYERS: {_nearest(module, NETWORK)}"
            f"add {NETWORK}, which returns (loss, gradients), and example(), which returns (params, x, y)"
        )
    return tasks


def perform(module: ModuleType, task: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Examine the network or one layer: the report as plain values, and the errors of each entry.

    Args:
        options: ``seconds``: of ``check``. ``errors``: whether the errors of each entry are asked for.
    """
    report = examine(module, task, options["seconds"])
    plain = as_json(report)
    del plain["errors"]  # a number for every weight: for a figure, not for people
    errors = {name: encode(np.asarray(array, np.float32)) for name, array in report.errors.items()}
    return {"report": plain, "errors": errors if options["errors"] else {}}


def examine(module: ModuleType, task: str, seconds: float) -> Report:
    """The report of one task of ``plan``."""
    if task != NETWORK:
        name = task.removeprefix("layer ")
        forward, backward, inputs = layers_of(module)[name]
        return check_layer(forward, backward, inputs, name=name, seconds=seconds)
    function = getattr(module, NETWORK)
    require(callable(function), f"{NETWORK} is a {type(function).__name__}, it must be a function")
    params, *batch = example_of(module)
    return check(function, params, tuple(batch), claims=claims_of(module), seconds=seconds)


def example_of(module: ModuleType) -> tuple[Any, ...]:
    """(params, x, y) and what else the batch has, from ``example`` or from the names in the file.

    Raises:
        InputError: neither is there, or ``example`` returns something else.
    """
    example = getattr(module, "example", None)
    if example is None:
        missing = [name for name in ("params", "x", "y") if not hasattr(module, name)]
        if missing:
            raise InputError(
                f"has no example(): {_nearest(module, 'example')}"
                f"add example(), which returns (params, x, y), or {' and '.join(missing)} as names in the file"
            )
        return module.params, module.x, module.y
    require(callable(example), f"example is a {type(example).__name__}, it must be a function")
    takes = len(signature(example).parameters)
    require(takes <= 1, f"example takes {takes} arguments: none, or one, a NumPy Generator")
    found = example(*(np.random.default_rng(SEED) for _ in range(takes)))
    is_tuple = isinstance(found, tuple | list) and len(found) >= 2
    length = f" of {len(found)}" if isinstance(found, tuple | list) else ""
    require(is_tuple, f"example must return (params, x, y), it returned a {type(found).__name__}{length}")
    return tuple(found)


def claims_of(module: ModuleType) -> Claims:
    """``CLAIMS`` as a record.

    Raises:
        InputError: it is no dictionary, or says something that is not known.
    """
    said = getattr(module, "CLAIMS", {})
    require(isinstance(said, Mapping), f"CLAIMS is a {type(said).__name__}, it must be a dictionary")
    known = [field.name for field in fields(Claims)]
    for name in said:
        if name not in known:
            raise unknown("claim", str(name), known)
    claims: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    found = claims.get("activation")
    for name in found if isinstance(found, tuple) else (found,):
        if name is not None:
            activations.get(name)
    if claims.get("loss") is not None:
        losses.get(claims["loss"])
    return Claims(**claims)


def layers_of(module: ModuleType) -> Mapping[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]]:
    """``LAYERS``, or nothing.

    Raises:
        InputError: it is not of the form {name: (forward, backward, inputs)}.
    """
    said = getattr(module, "LAYERS", {})
    require(isinstance(said, Mapping), f"LAYERS is a {type(said).__name__}, it must be a dictionary")
    layers = {}
    for name, layer in said.items():
        form = f"LAYERS[{name!r}] must be (forward, backward, inputs)"
        require(isinstance(name, str), f"{form}, and its name a string")
        require(isinstance(layer, tuple | list) and len(layer) == 3, form)
        forward, backward, inputs = layer
        require(callable(forward) and callable(backward), f"{form}: the first two must be functions")
        layers[name] = (forward, backward, tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,))
    return layers


def _nearest(module: ModuleType, name: str) -> str:
    own = [other for other in vars(module) if not other.startswith("_") and other not in _WANTED]
    near = get_close_matches(name, own, n=1, cutoff=0.6)
    return f"rename {near[0]} to {name}, or " if near else ""
