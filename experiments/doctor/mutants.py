"""Every planted mistake, and which tensors it truly gets wrong: computed beside its correct twin, never declared."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np

from doctor.edit import Edit
from doctor.network import LIBRARIES, NAMES, Network, load, named

# Two correct programs of the same formula differ by some hundred roundings of float64; this is far above them.
TRULY_WRONG = 1e-6
# of the largest tensor: a gradient below is judged on this scale. One that is 0 but for rounding, such as a bias's in
# front of batch norm, is then wrong from 1e-12 of the largest on: some thousand roundings.
VANISHING = 1e-6
SEED, EARLIER_SEED = 11, 12


@dataclass(frozen=True)
class Mutant:
    """One edit of one network."""

    network: str
    number: int
    edit: Edit

    @property
    def name(self) -> str:
        """Such as "tanh_rows-3-missing"."""
        return f"{self.network}-{self.number}-{self.edit.mistake}"


def runnable(network: str) -> bool:
    """Whether the library that a network is written in is there."""
    return LIBRARIES.get(network) != "torch" or find_spec("torch") is not None


@cache
def mutants() -> tuple[Mutant, ...]:
    """All of them, network by network."""
    return tuple(
        Mutant(name, number, edit)
        for name in NAMES
        for number, edit in enumerate(import_module(f"doctor.planted.{name}").EDITS, start=1)
    )


def precision(network: Network, dtype: str) -> AbstractContextManager[Any]:
    """What must be switched on for JAX to compute in ``dtype``."""
    return jax.enable_x64(dtype == "float64") if network.library == "jax" else nullcontext()


def ready(network: Network, dtype: str) -> tuple[Any, ...]:
    """The arguments of an examination, after one earlier call at other parameters and another batch.

    Gradients are looked at in a training script that has taken a step already: a function that keeps what it should
    not has something kept by then.
    """
    network.function(*network.arguments(EARLIER_SEED, dtype))
    return network.arguments(SEED, dtype)


@dataclass(frozen=True)
class Truth:
    """What a mutant does at ``ready``'s arguments: the tensors it gets wrong, and the loss beside its twin's."""

    wrong: frozenset[str]
    loss: float
    twin_loss: float


def truth(mutant: Mutant) -> Truth:
    """A mutant beside its correct twin, in float64."""
    planted, twin = load(mutant.network, mutant.edit), load(mutant.network)
    with precision(twin, "float64"):
        twin_loss, right = twin.function(*twin.arguments(SEED, "float64"))
        loss, found = planted.function(*ready(planted, "float64"))
    expected, got = named(right), named(found)
    floor = VANISHING * max(float(np.linalg.norm(array)) for array in expected.values())
    wrong = {
        name
        for name, array in expected.items()
        if name not in got or got[name].shape != array.shape or _difference(got[name], array, floor) > TRULY_WRONG
    }
    return Truth(frozenset(wrong), float(loss), float(twin_loss))


def _difference(found: np.ndarray, expected: np.ndarray, floor: float) -> float:
    scale = max(float(np.linalg.norm(found)), float(np.linalg.norm(expected)), floor)
    return float(np.linalg.norm(found - expected)) / scale
