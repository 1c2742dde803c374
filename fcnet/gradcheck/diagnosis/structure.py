"""How the tensors of a parameter tree form layers, read from their names, shapes and order alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from fcnet.gradcheck.diagnosis.network import Layer
from fcnet.gradcheck.record import Tensors

# Ways to chain the kernels that are tried, and ways to give the vectors to layers.
MOST_CHAINS = 8
_SCALES = ("gamma", "γ", "scale", "gain", "weight", "g", "w")
_SHIFTS = ("beta", "β", "shift", "offset")


@dataclass(frozen=True)
class _Chain:
    kernels: tuple[str, ...]
    widths: tuple[int, ...]  # of the input and of every layer
    transposed: bool


def stem(name: str) -> str:
    """The letters of a name's last part, lower case: "layers/0/W1" ↦ "w"; "" where it has only digits."""
    return re.sub(r"[\d_.\s]+", "", name.split("/")[-1]).lower()


def numbers(name: str) -> tuple[int, ...]:
    """The numbers in a name: "block_2/0/W1" ↦ (2, 0, 1)."""
    return tuple(int(digits) for digits in re.findall(r"\d+", name))


def is_vector(name: str, shape: tuple[int, ...]) -> bool | None:
    """Whether a tensor is a bias or the like rather than a kernel; None where (1, n) or (n, 1) leaves it open."""
    if len(shape) < 2:
        return True
    if len(shape) > 2 or 1 not in shape:
        return False
    letters = stem(name)
    if letters.startswith("b") or letters in (*_SCALES[:-1], *_SHIFTS, "c"):
        return letters != "weight" or None
    return False if letters.startswith(("w", "k", "theta", "u", "v")) else None


def _chains(
    params: Tensors, features: int, kernels: Sequence[tuple[str, bool]], outputs: Sequence[int], transposed: bool
) -> Iterator[_Chain]:
    """Depth-first, in the author's order; (name, optional) of those that might be kernels."""

    def extend(names: tuple[str, ...], widths: tuple[int, ...]) -> Iterator[_Chain]:
        left = [(name, optional) for name, optional in kernels if name not in names]
        if names and widths[-1] in outputs and all(optional for _, optional in left):
            yield _Chain(names, widths, transposed)
        for name, _ in left:
            fan_in, units = params[name].shape[::-1] if transposed else params[name].shape
            if fan_in == widths[-1]:
                yield from extend((*names, name), (*widths, units))

    yield from extend((), (features,))


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _homes(vectors: Sequence[str], params: Tensors, chain: _Chain) -> Iterator[dict[str, int]]:
    """Ways to give each vector a layer of its width: by its path, its number, its place, and in order."""
    order = list(params)
    kernels, widths = chain.kernels, chain.widths[1:]
    numbers_of = [numbers(kernel) for kernel in kernels]

    def by_path(vector: str) -> int | None:
        same = [place for place, kernel in enumerate(kernels) if _parent(kernel) == _parent(vector)]
        return same[0] if _parent(vector) and len(same) == 1 else None

    def by_number(vector: str) -> int | None:
        own = numbers(vector)
        same = [place for place, other in enumerate(numbers_of) if other and own and other == own]
        same = same or [place for place, other in enumerate(numbers_of) if other and own and other[0] == own[0]]
        return same[0] if len(same) == 1 else None

    def by_place(vector: str) -> int | None:
        before = [place for place, kernel in enumerate(kernels) if order.index(kernel) < order.index(vector)]
        return max(before, key=lambda place: order.index(kernels[place])) if before else None

    def mixed(vector: str) -> int | None:
        found = by_path(vector)
        return by_number(vector) if found is None else found

    for rule in (mixed, by_place, by_number):
        homes = {vector: rule(vector) for vector in vectors}
        if all(home is not None and widths[home] == params[vector].size for vector, home in homes.items()):
            yield {vector: int(home) for vector, home in homes.items() if home is not None}
    in_order: dict[str, int] = {}
    taken: set[tuple[str, int]] = set()
    for vector in vectors:
        role = _role(vector)
        fitting = [p for p, width in enumerate(widths) if width == params[vector].size and (role, p) not in taken]
        if not fitting:
            return
        in_order[vector] = fitting[0]
        taken.add((role, fitting[0]))
    yield in_order


def _role(name: str) -> str:
    letters = stem(name)
    if letters.startswith(("gamma", "scale", "γ")) or letters in _SCALES:
        return "scale"
    if letters.startswith(("beta", "shift", "β")) or letters in _SHIFTS:
        return "shift"
    return "bias" if letters else ""


def _with_vectors(layer: Layer, vectors: Sequence[str]) -> Layer | None:
    """The layer with its vectors in their roles; None where there are too many of one role."""
    if len(vectors) == 1:
        only = vectors[0]
        return replace(layer, scale=only) if _role(only) == "scale" else replace(layer, bias=only)
    unnamed = [vector for vector in vectors if not _role(vector)]
    roles: dict[str, str] = {}
    if len(unnamed) == len(vectors):
        roles = dict(zip(("bias", "scale", "shift")[3 - len(vectors) :], vectors, strict=False))
    else:
        for vector in vectors:
            role = _role(vector)
            # "1/bias" beside "0/weight" and "0/bias" belongs to a norm
            if role == "bias" and _parent(vector) != _parent(layer.kernel) and "scale" in map(_role, vectors):
                role = "shift" if "shift" not in map(_role, vectors) and "bias" in roles else role
            if role in roles:
                return None
            roles[role] = vector
    if "scale" not in roles and "shift" in roles:
        if "bias" in roles:
            return None
        roles["bias"] = roles.pop("shift")
    elif "scale" in roles and "shift" not in roles and "bias" in roles and _parent(roles["bias"]):
        beside_scale = _parent(roles["bias"]) == _parent(roles["scale"]) != _parent(layer.kernel)
        if beside_scale:
            roles["shift"] = roles.pop("bias")
    return replace(layer, bias=roles.get("bias"), scale=roles.get("scale"), shift=roles.get("shift"))


def layers(params: Tensors, features: int, outputs: Sequence[int]) -> Iterator[tuple[Layer, ...]]:
    """Readings of the tree as a chain of layers, likeliest first; activations and norms are still open.

    Args:
        features: of x.
        outputs: the widths that the last layer may have.
    """
    kinds: Mapping[str, bool | None] = {name: is_vector(name, np.shape(array)) for name, array in params.items()}
    if any(np.ndim(array) > 2 for array in params.values()):
        return
    maybe = [(name, kind is None) for name, kind in kinds.items() if kind is not True and np.ndim(params[name]) == 2]
    for transposed in (False, True):
        for chain in islice(_chains(params, features, maybe, outputs, transposed), MOST_CHAINS):
            vectors = [name for name in params if name not in chain.kernels]
            plain = [
                Layer(kernel, transposed, units) for kernel, units in zip(chain.kernels, chain.widths[1:], strict=True)
            ]
            seen = []
            for homes in _homes(vectors, params, chain):
                if homes in seen:
                    continue
                seen.append(homes)
                filled = [
                    _with_vectors(layer, own) if (own := [v for v in vectors if homes[v] == place]) else layer
                    for place, layer in enumerate(plain)
                ]
                if None not in filled:
                    yield tuple(layer for layer in filled if layer is not None)
