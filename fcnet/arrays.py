"""The array API as hand-written mathematics needs it.

Formulas written by hand run on NumPy, JAX, PyTorch and any other library that follows the array API standard: they
ask their input which library it belongs to. Source: https://data-apis.org/array-api/.
"""

from importlib import import_module
from typing import Any

import array_api_compat
import jax
import jax.numpy as jnp

# An array of whichever library the caller uses. The standard has no common base class to name instead.
AnyArray = Any

# Where each library keeps special functions, which are not in the standard; another namespace brings its own.
_SPECIAL = {
    "jax.numpy": "jax.scipy.special",
    "numpy": "scipy.special",
    "array_api_compat.torch": "torch.special",
}


def namespace(x: AnyArray) -> Any:
    """The array library that ``x`` belongs to (``numpy``, ``jax.numpy``, array-api-compat's view of PyTorch, …).

    Raises:
        TypeError: ``x`` does not follow the array API.
    """
    own = getattr(x, "__array_namespace__", None)
    if own is not None:
        return own()
    try:
        return array_api_compat.array_namespace(x)
    except TypeError:
        raise TypeError(f"expected an array that follows the array API, got {type(x).__name__}") from None


def erfc(x: AnyArray) -> AnyArray:
    """The complementary error function, 2/√π ∫ₓ^∞ exp(−t²) dt, elementwise: not in the standard, but in each library.

    Unlike 1 − erf(x) it keeps its digits where it is small.
    """
    return _special(x).erfc(x)


def expit(x: AnyArray) -> AnyArray:
    """The logistic function σ(x) = 1 / (1 + exp(−x)), elementwise, which neither end makes overflow; likewise.

    Complex numbers are taken, too, for the complex step.
    """
    xp = namespace(x)
    if xp.isdtype(x.dtype, "complex floating"):  # which the libraries' own refuse
        smaller = xp.exp(xp.where(xp.real(x) > 0, -x, x))
        return xp.where(xp.real(x) > 0, 1 / (1 + smaller), smaller / (1 + smaller))
    return _special(x).expit(x)


def _special(x: AnyArray) -> Any:
    xp = namespace(x)
    return import_module(_SPECIAL[xp.__name__]) if xp.__name__ in _SPECIAL else xp


def log_softmax(logits: AnyArray) -> AnyArray:
    """log softmax(z)ⱼ = zⱼ − max z − log Σₖ exp(zₖ − max z), over the last axis; finite for any finite z."""
    xp = namespace(logits)
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def _is_jax(x: AnyArray) -> bool:
    return namespace(x).__name__.startswith("jax")


def sign(x: AnyArray) -> AnyArray:
    """The sign x / |x|, 0 at 0, elementwise.

    Under XLA it is x · (1 / smallest normal number), cut off at ±1, which costs one product where comparisons would
    cost a fifth of a loss's time; numbers below the smallest normal one count as nearly 0. For float32 and float64,
    and for bfloat16, which has float32's exponents.
    """
    xp = namespace(x)
    if not _is_jax(x):
        return xp.sign(x)
    # its derivative is 0, not that of the product
    return xp.clip(jax.lax.stop_gradient(x) * (1 / xp.finfo(x.dtype).tiny), -1, 1)


def absolute(x: AnyArray) -> AnyArray:
    """|x|, elementwise, with derivative sign(x): 0 at 0, where JAX's own ``abs`` gives 1 and PyTorch's 0."""
    return _absolute_in_jax(x) if _is_jax(x) else namespace(x).abs(x)


@jax.custom_jvp
def _absolute_in_jax(x: jax.Array) -> jax.Array:
    return jnp.abs(x)


@_absolute_in_jax.defjvp
def _absolute_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    return jnp.abs(primals[0]), sign(primals[0]) * tangents[0]


def positive_part(x: AnyArray) -> AnyArray:
    """max(0, x), elementwise. NaN stays NaN, which a product with a mask does not promise: XLA makes a choice of it."""
    xp = namespace(x)
    return xp.where(x < 0, xp.zeros_like(x), x)


def widened(x: AnyArray) -> AnyArray:
    """x in float32 where its type is narrower (bfloat16, float16), else as it is."""
    xp = namespace(x)
    return xp.astype(x, xp.float32) if x.dtype.itemsize < 4 else x
