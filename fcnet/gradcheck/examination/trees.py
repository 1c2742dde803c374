"""Trees of someone's arrays: leaves by path name, and back, in whichever library and dtype."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.errors import require

# What a tree that is one array alone calls its leaf.
ALONE = "params"


def _children(tree: Any, *, by_place: bool) -> dict[str, Any] | None:
    """The children of a node by their names; None for a leaf."""
    if isinstance(tree, Mapping):
        return {str(key): value for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields") and not by_place:
        return dict(zip(tree._fields, tree, strict=True))
    if isinstance(tree, list | tuple):
        return {str(place): value for place, value in enumerate(tree)}
    if is_dataclass(tree) and not isinstance(tree, type):
        return {field.name: getattr(tree, field.name) for field in fields(tree)}
    return None


def flatten(tree: Any, *, by_place: bool = False) -> dict[str, Any]:
    """{"layer_1/kernel": leaf, …} in the tree's own order; None is no leaf, an array alone is ``ALONE``.

    Args:
        by_place: fields of named tuples are called by their place, as those of any other tuple.
    """
    children = _children(tree, by_place=by_place)
    if children is None:
        return {} if tree is None else {ALONE: tree}
    found = {}
    for key, child in children.items():
        nested = _children(child, by_place=by_place) is not None
        for name, leaf in flatten(child, by_place=by_place).items():
            path = f"{key}/{name}" if nested else key
            require(path not in found, f"two tensors are called {path}: rename one of them")
            found[path] = leaf
    return found


def unflatten(tree: Any, leaves: Mapping[str, Any]) -> Any:
    """A new tree like ``tree`` with its leaves replaced by those of the same name; others stay."""

    def rebuild(node: Any, path: str) -> Any:
        children = _children(node, by_place=False)
        if children is None:
            return leaves.get(path, node)
        new = [rebuild(child, f"{path}/{key}" if path else key) for key, child in children.items()]
        if isinstance(node, Mapping):
            pairs = dict(zip(node, new, strict=True))
            return pairs if type(node) is dict else _as_mapping(node, pairs)
        if isinstance(node, tuple) and hasattr(node, "_fields"):
            return type(node)(*new)
        if isinstance(node, list | tuple):
            return type(node)(new)
        return replace(node, **dict(zip(children, new, strict=True)))

    if _children(tree, by_place=False) is None:
        return leaves.get(ALONE, tree)
    return rebuild(tree, "")


def _as_mapping(node: Mapping[Any, Any], pairs: dict[Any, Any]) -> Any:
    # a default dict keeps its factory; other mappings are made of pairs
    if isinstance(node, dict):
        copy = node.copy()
        copy.update(pairs)
        return copy
    return type(node)(pairs)  # type: ignore[call-arg]


def library(leaf: Any) -> str:
    """The library of an array: "numpy", "jax" or "torch"; "" of anything else. Never imports PyTorch to ask."""
    if isinstance(leaf, jax.Array):
        return "jax"
    if isinstance(leaf, np.ndarray | np.generic):
        return "numpy"
    torch = sys.modules.get("torch")
    return "torch" if torch is not None and isinstance(leaf, torch.Tensor) else ""


def is_floating(leaf: Any) -> bool:
    """Whether a leaf is an array of real floating-point numbers."""
    kind = library(leaf)
    if kind == "torch":
        return bool(leaf.is_floating_point())
    return bool(kind) and bool(jnp.issubdtype(leaf.dtype, jnp.floating))


def parameters(tree: Any) -> dict[str, Any]:
    """The leaves that have a gradient: floating-point arrays and Python floats."""
    return {name: leaf for name, leaf in flatten(tree).items() if is_floating(leaf) or isinstance(leaf, float)}


def to_numpy(leaf: Any) -> np.ndarray:
    """A copy of a leaf as a NumPy array of its dtype; PyTorch's bfloat16, which NumPy lacks, comes as float32."""
    if library(leaf) == "torch":
        value = leaf.detach().cpu()
        return np.array((value.float() if str(value.dtype) == "torch.bfloat16" else value).resolve_conj().numpy())
    return np.array(leaf)


def dtype_name(leaf: Any) -> str:
    """The name of a dtype ("float32", "bfloat16", "int64", …), the same for all libraries."""
    return str(leaf.dtype).removeprefix("torch.") if library(leaf) else str(np.asarray(leaf).dtype)


def own(value: np.ndarray, leaf: Any) -> Any:
    """A fresh array with ``value`` and its dtype in the library, and on the device, of ``leaf``."""
    kind = library(leaf)
    if kind == "jax":
        return jnp.array(value)
    if kind == "torch":
        made = sys.modules["torch"].from_numpy(np.array(value)).to(leaf.device)
        return made.requires_grad_() if leaf.requires_grad and value.dtype.kind == "f" else made
    if isinstance(leaf, np.ndarray):
        return np.array(value)
    return value[()] if kind else value.item()


def copied(leaf: Any) -> Any:
    """A fresh array equal to ``leaf`` in every respect; what cannot be written to is given back as it is."""
    kind = library(leaf)
    if kind == "torch":
        return leaf.detach().clone().requires_grad_(leaf.requires_grad)
    if kind == "jax" and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jnp.array(leaf)
    return np.array(leaf, subok=True) if isinstance(leaf, np.ndarray) else leaf


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with ``function`` of each leaf."""
    return unflatten(tree, {name: function(leaf) for name, leaf in flatten(tree).items()})


def widened(tree: Any) -> Any:
    """The tree with its floating-point arrays, copied, in float64; integers, masks, strings and so on stay."""
    with jax.enable_x64(True):
        return mapped(lambda leaf: own(to_numpy(leaf).astype(np.float64), leaf) if is_floating(leaf) else leaf, tree)
