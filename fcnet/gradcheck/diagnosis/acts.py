"""The ways in which one step of a backward pass can be done: functions of a layer's cache and of what comes in."""

from collections.abc import Callable

import numpy as np

from fcnet.gradcheck.diagnosis.network import LayerCache

# (what the layer remembers, what comes in) ↦ what goes out
Act = Callable[[LayerCache, np.ndarray], np.ndarray]


def itself(cache: LayerCache, upstream: np.ndarray) -> np.ndarray:
    """The step left out."""
    return upstream


def times(factor: np.ndarray | float) -> Act:
    """factor ⊙ what comes in."""
    return lambda cache, upstream: factor * upstream


def constant(value: np.ndarray) -> Act:
    """``value``, whatever comes in."""
    return lambda cache, upstream: value


def product_with(inputs: np.ndarray) -> Act:
    """inputsᵀ δ: a kernel's gradient."""
    return lambda cache, delta: inputs.T @ delta


def product_of(delta: np.ndarray) -> Act:
    """aᵀ δ of another δ, whatever comes in: a kernel's gradient."""
    return lambda cache, _: cache.inputs.T @ delta


def weighted_product(weights: np.ndarray) -> Act:
    """Σᵢ wᵢ aᵢ δᵢᵀ over the rows i: a kernel's gradient."""
    return lambda cache, delta: (cache.inputs * weights[:, None]).T @ delta


def sum_times(factor: np.ndarray) -> Act:
    """Σᵢ factorᵢ ⊙ δᵢ over the rows i: a bias's, a shift's or a scale's gradient."""
    return lambda cache, delta: np.sum(delta * factor, axis=0)


def back_through(kernel: np.ndarray) -> Act:
    """δ Wᵀ."""
    return lambda cache, delta: delta @ kernel.T


def less(one: Act, other: Act) -> Act:
    """The difference of two."""
    return lambda cache, upstream: one(cache, upstream) - other(cache, upstream)
