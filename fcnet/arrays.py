"""The array API as hand-written mathematics needs it.

Formulas written by hand run on NumPy, JAX and any other library that follows the array API standard: they ask
their input which library it belongs to. Source: https://data-apis.org/array-api/.
"""

from importlib import import_module
from typing import Any

# An array of whichever library the caller uses. The standard has no common base class to name instead.
AnyArray = Any


def namespace(x: AnyArray) -> Any:
    """The array library that ``x`` belongs to (``numpy``, ``jax.numpy``, …).

    Raises:
        TypeError: ``x`` does not follow the array API.
    """
    try:
        return x.__array_namespace__()
    except AttributeError:
        raise TypeError(f"expected an array that follows the array API, got {type(x).__name__}") from None


def erfc(x: AnyArray) -> AnyArray:
    """The complementary error function, 2/√π ∫ₓ^∞ exp(−t²) dt, elementwise: not in the standard, but in each library.

    Unlike 1 − erf(x) it keeps its digits where it is small.
    """
    library = "jax.scipy.special" if namespace(x).__name__.startswith("jax") else "scipy.special"
    return import_module(library).erfc(x)


def log_softmax(logits: AnyArray) -> AnyArray:
    """log softmax(z)ⱼ = zⱼ − max z − log Σₖ exp(zₖ − max z), over the last axis; finite for any finite z."""
    xp = namespace(logits)
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def absolute(x: AnyArray) -> AnyArray:
    """|x|, elementwise, with derivative 0 at 0 under autodiff, where JAX's own ``abs`` gives 1 and PyTorch's 0."""
    xp = namespace(x)
    return xp.abs(xp.where(x == 0, xp.zeros_like(x), x))


def widened(x: AnyArray) -> AnyArray:
    """x in float32 where its type is narrower (bfloat16, float16), else as it is."""
    xp = namespace(x)
    return xp.astype(x, xp.float32) if x.dtype.itemsize < 4 else x
