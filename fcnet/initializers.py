"""Kernel initialisers: one record per scheme, with the variance it gives.

Kernels are (fan_in, fan_out). The normal schemes are plain normals, as PyTorch's are; jax.nn.initializers' of the same
names are cut off at two standard deviations and widened to the same variance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil, sqrt
from typing import Any

import jax
import jax.numpy as jnp

from fcnet.catalogue import Entry, Option, choose, filled, table

# (key, shape, dtype) ↦ array
InitFn = Callable[..., jax.Array]
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Initializer(Entry):
    """One way to draw a kernel of shape (fan_in, fan_out).

    ``function``: (key, shape, dtype, **options) ↦ the kernel.
    ``variance``: (fan_in, fan_out, **options) ↦ the variance of one entry; ``formula`` is the same for people.
    """

    function: InitFn
    variance: Callable[..., float]


def _normal(variance: Callable[..., float], **about: Any) -> Initializer:
    """The record of independent normal entries with this variance."""

    def function(key: jax.Array, shape: Shape, dtype: jax.typing.DTypeLike = float, **options: Any) -> jax.Array:
        return jax.random.normal(key, shape, dtype) * jnp.asarray(sqrt(variance(*shape, **options)), dtype)

    return Initializer(function=function, variance=variance, **about)


def _uniform(variance: Callable[..., float], **about: Any) -> Initializer:
    """The record of independent entries, uniform on ±√(3 · variance)."""

    def function(key: jax.Array, shape: Shape, dtype: jax.typing.DTypeLike = float, **options: Any) -> jax.Array:
        limit = jnp.asarray(sqrt(3 * variance(*shape, **options)), dtype)
        return jax.random.uniform(key, shape, dtype, -1, 1) * limit

    return Initializer(function=function, variance=variance, **about)


def _glorot_variance(fan_in: int, fan_out: int, *, gain: float) -> float:
    return gain**2 * 2 / (fan_in + fan_out)


def _he_variance(fan_in: int, fan_out: int, *, slope: float, mode: str) -> float:
    return 2 / (1 + slope**2) / (fan_in if mode == "fan_in" else fan_out)


def _constant(key: jax.Array, shape: Shape, dtype: jax.typing.DTypeLike = float, *, value: float) -> jax.Array:
    return jnp.full(shape, value, dtype)


def _orthogonal(key: jax.Array, shape: Shape, dtype: jax.typing.DTypeLike = float, *, gain: float) -> jax.Array:
    return jax.nn.initializers.orthogonal(gain)(key, shape, dtype)


def _zeros_among(shape: Shape, sparsity: float, of: str) -> tuple[int, int]:
    """How many of how many are 0; the double-precision product is rounded up as PyTorch does."""
    fan = shape[0 if of == "incoming" else 1]
    return ceil(sparsity * fan), fan


def _sparse(
    key: jax.Array, shape: Shape, dtype: jax.typing.DTypeLike = float, *, sparsity: float, sigma: float, of: str
) -> jax.Array:
    values_key, places_key = jax.random.split(key)
    zeros, fan = _zeros_among(shape, sparsity, of)
    axis = 0 if of == "incoming" else 1
    kept = jnp.expand_dims(jnp.arange(fan) >= zeros, 1 - axis)
    kept = jax.random.permutation(places_key, jnp.broadcast_to(kept, shape), axis, independent=True)
    values = jnp.asarray(sigma, dtype) * jax.random.normal(values_key, shape, dtype)
    return jnp.where(kept, values, jnp.zeros_like(values))


def _sparse_variance(fan_in: int, fan_out: int, *, sparsity: float, sigma: float, of: str) -> float:
    zeros, fan = _zeros_among((fan_in, fan_out), sparsity, of)
    return sigma**2 * (1 - zeros / fan)


_GLOROT = "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward networks"
_HE = "He et al. 2015, Delving deep into rectifiers"
_LECUN = "LeCun et al. 1998, Efficient backprop"
_GAIN = {"gain": Option(1.0, "what every entry is multiplied by", low=0, open_low=True)}
_RECTIFIER = {
    "slope": Option(0.0, "a: slope below 0 of the leaky ReLU that follows"),
    "mode": Option("fan_in", "keep the variance forward (fan_in) or backward (fan_out)", choices=("fan_in", "fan_out")),
}
_SIGMA = Option(0.01, "σ: standard deviation", low=0)

INITIALIZERS = table(
    _normal(
        name="he_normal",
        variance=_he_variance,
        options=_RECTIFIER,
        formula="normal, variance 2 / ((1 + a²) fan)",
        torch="torch.nn.init.kaiming_normal_",
        source=_HE,
    ),
    _uniform(
        name="he_uniform",
        variance=_he_variance,
        options=_RECTIFIER,
        formula="uniform, variance 2 / ((1 + a²) fan); a = √5 gives ±1 / √fan_in, where torch.nn.Linear starts",
        torch="torch.nn.init.kaiming_uniform_",
        source=_HE,
    ),
    _normal(
        name="glorot_normal",
        variance=_glorot_variance,
        options=_GAIN,
        formula="normal, variance 2 gain² / (fan_in + fan_out)",
        torch="torch.nn.init.xavier_normal_",
        source=_GLOROT,
    ),
    _uniform(
        name="glorot_uniform",
        variance=_glorot_variance,
        options=_GAIN,
        formula="uniform, variance 2 gain² / (fan_in + fan_out)",
        torch="torch.nn.init.xavier_uniform_",
        source=_GLOROT,
    ),
    _normal(
        name="lecun_normal",
        variance=lambda fan_in, fan_out: 1 / fan_in,
        formula="normal, variance 1 / fan_in",
        source=_LECUN,
    ),
    _uniform(
        name="lecun_uniform",
        variance=lambda fan_in, fan_out: 1 / fan_in,
        formula="uniform on ±√(3 / fan_in), variance 1 / fan_in",
        source=_LECUN,
    ),
    _uniform(
        name="lecture_uniform",
        variance=lambda fan_in, fan_out: 5 / (3 * fan_in),
        formula="uniform on ±√(5 / fan_in), variance 5 / (3 fan_in)",
        differs="torch.nn.Linear starts on ±1 / √fan_in, he_uniform with slope=2.23607: its √5 is a slope, not a width",
        source="the lecture's digit network",
    ),
    _normal(
        name="gaussian",
        source="Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural networks",
        variance=lambda fan_in, fan_out, *, sigma: sigma**2,
        options={"sigma": _SIGMA},
        formula="normal, variance σ²",
        torch="torch.nn.init.normal_",
    ),
    _uniform(
        name="uniform",
        source="PyTorch's documentation",
        variance=lambda fan_in, fan_out, *, limit: limit**2 / 3,
        options={"limit": Option(0.05, "the largest absolute value", low=0)},
        formula="uniform on ±limit, variance limit² / 3",
        torch="torch.nn.init.uniform_",
    ),
    Initializer(
        name="orthogonal",
        function=_orthogonal,
        variance=lambda fan_in, fan_out, *, gain: gain**2 / max(fan_in, fan_out),
        options=_GAIN,
        formula="WᵀW = gain² I, or WWᵀ where fan_in < fan_out; variance gain² / max(fan_in, fan_out)",
        torch="torch.nn.init.orthogonal_",
        source="Saxe et al. 2014, Exact solutions to the nonlinear dynamics of learning in deep linear networks",
    ),
    Initializer(
        name="sparse",
        function=_sparse,
        variance=_sparse_variance,
        options={
            "sparsity": Option(0.1, "share of the weights that is 0", low=0, high=1),
            "sigma": _SIGMA,
            "of": Option(
                "incoming",
                "the share is of each unit's incoming weights, or of each input's outgoing ones",
                choices=("incoming", "outgoing"),
            ),
        },
        formula="normal, but ⌈sparsity · fan⌉ weights of each unit are 0; variance σ² (1 − ⌈sparsity · fan⌉ / fan)",
        torch="torch.nn.init.sparse_",
        differs="thins out each unit's incoming weights, which is what the paper is about; PyTorch's thins out the "
        "columns of its (out, in) weight, each input's outgoing weights: of=outgoing",
        source="Martens 2010, Deep learning via Hessian-free optimization",
    ),
    Initializer(
        name="constant",
        function=_constant,
        variance=lambda fan_in, fan_out, *, value: 0.0,
        options={"value": Option(0.0, "of every entry")},
        formula="value; variance 0",
        torch="torch.nn.init.constant_",
        source="what symmetry breaking is needed for",
    ),
    Initializer(
        name="zeros",
        function=jax.nn.initializers.zeros,
        variance=lambda fan_in, fan_out: 0.0,
        formula="0; variance 0",
        torch="torch.nn.init.zeros_",
        source="what symmetry breaking is needed for",
    ),
)


@cache
def get(text: str) -> Initializer:
    """The initialiser that ``text`` names, its options filled in: "he_normal", "he_uniform:slope=0.1,mode=fan_out".

    Raises:
        InputError: no such initialiser, option or value; the nearest ones are listed.
    """
    scheme, options = choose("initialiser", text, INITIALIZERS)
    return filled(scheme, options, "function", "variance")
