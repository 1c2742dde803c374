"""From a file of ``networks/``, as it is or with an edit, to a function and its arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from doctor.edit import Edit
from fcnet.errors import require

FOLDER = Path(__file__).parent / "networks"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("[!_]*.py")))
# in which library each is written, where that is not NumPy
LIBRARIES = {"jax_softplus": "jax", "torch_leaky": "torch"}


@dataclass(frozen=True)
class Network:
    """One network: ``function``: (params, *batch) ↦ (loss, grads). ``example``: random ↦ (params, *batch), float64."""

    name: str
    function: Callable[..., tuple[Any, Any]]
    example: Callable[[np.random.Generator], tuple[Any, ...]]

    @property
    def library(self) -> str:
        """numpy, jax or torch."""
        return LIBRARIES.get(self.name, "numpy")

    def converted(self, tree: Any, dtype: str) -> Any:
        """A tree of NumPy arrays in the network's library; numbers in ``dtype``, labels as integers."""
        return jax.tree.map(lambda leaf: _array(leaf, self.library, dtype), tree)

    def arguments(self, seed: int, dtype: str) -> tuple[Any, ...]:
        """(params, *batch) of the example that ``seed`` gives."""
        return tuple(self.converted(self.example(np.random.default_rng(seed)), dtype))


def source(name: str) -> str:
    """The text of a network's file."""
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def load(name: str, edit: Edit | None = None) -> Network:
    """A network with a memory of its own, after an edit if one is given.

    Raises:
        InputError: the text to be replaced does not occur exactly once.
    """
    text = source(name)
    if edit is not None:
        count = text.count(edit.old)
        require(count == 1, f"{name}: {edit.old!r} occurs {count} times: a planted mistake replaces exactly one text")
        text = text.replace(edit.old, edit.new)
    module = ModuleType(name)
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return Network(name, module.loss_and_grads, module.example)


def named(tree: Any) -> dict[str, np.ndarray]:
    """{"fc0/weight": array, …}: the leaves by their path, in JAX's order, in float64."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf, np.float64)
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


def _array(leaf: np.ndarray, library: str, dtype: str) -> Any:
    values = leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf
    if library == "jax":
        return jnp.asarray(values)
    if library == "torch":
        import torch

        return torch.from_numpy(values)
    return values
