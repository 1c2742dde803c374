"""A row of the ledger, and the error by which it is judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
# (inputs, torch) ↦ what PyTorch computes from them, in float64; it may add to the inputs what PyTorch drew at random
Reference = Callable[[Arrays, Any], Arrays]
# (inputs in one dtype, by_hand) ↦ what fcnet computes from them, gradients by hand or by autodiff
Ours = Callable[[Arrays, bool], Mapping[str, Any]]

# What rounding may leave, relative: some thousand roundings of 2⁻⁵³, some thirty of 2⁻²⁴.
TOLERANCES = {"float64": 1e-12, "float32": 2e-6}


@dataclass(frozen=True)
class Case:
    """One component with one choice of options on one set of numbers.

    ``inputs``: made from nothing but the case; each number is one that float32 holds exactly.
    ``differs``: result ↦ why it is not PyTorch's. Where a reason is given the row must differ.
    ``has_gradients``: whether there is anything to differentiate.
    ``mixes``: whether every entry is a sum of terms as large as the largest entry, as in a norm, so that rounding is
        relative to that one.
    """

    kind: str
    name: str
    what: str
    torch: str
    inputs: Callable[[], Arrays]
    reference: Reference
    ours: Ours
    differs: Mapping[str, str] = field(default_factory=dict)
    has_gradients: bool = True
    mixes: bool = False

    @property
    def key(self) -> str:
        """A name of its own."""
        return f"{self.kind} {self.name} {self.what}".strip()


def float32_numbers(array: Any) -> np.ndarray:
    """The nearest numbers that float32 holds, as float64: inputs mean the same in both types."""
    return np.asarray(array, np.float32).astype(np.float64)


def generator(key: str) -> np.random.Generator:
    """Random numbers that belong to ``key`` and to nothing else."""
    return np.random.default_rng(list(key.encode()))


def error(ours: Any, reference: np.ndarray, *, mixes: bool = False) -> float:
    """max |o − r| / max(|r|, u) over the entries, u = min(1, max |r|): relative, absolute below the array's own unit.

    Where entries are mixed, u = max |r|. Infinite where one is not finite and the other is not the same.
    """
    o, r = np.asarray(ours, np.float64), np.asarray(reference, np.float64)
    if o.shape != r.shape:
        raise ValueError(f"shape {o.shape} against {r.shape}")
    finite = np.isfinite(r)
    if (np.isfinite(o) != finite).any() or not np.array_equal(o[~finite], r[~finite], equal_nan=True):
        return float("inf")
    o, r = o[finite], r[finite]
    if r.size == 0:
        return 0.0
    size = np.abs(r)
    largest = float(size.max())
    unit = (largest if mixes else min(1.0, largest)) or 1.0
    return float((np.abs(o - r) / np.maximum(size, unit)).max())
