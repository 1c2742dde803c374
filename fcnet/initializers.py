"""Kernel initialisers: one record per scheme, with the variance it gives.

The mathematics of the random schemes is jax.nn.initializers'; what is added here is the uniform scheme of the
lectures, the names, and the variance each promises, which the tests measure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
from jax.nn import initializers as jax_initializers

from fcnet.errors import unknown

# (key, shape, dtype) ↦ array
InitFn = Callable[..., jax.Array]


@dataclass(frozen=True)
class Initializer:
    """One way to draw a kernel of shape (fan_in, fan_out).

    ``variance``: (fan_in, fan_out) ↦ the variance of one entry; ``formula`` is the same for people.
    """

    name: str
    function: InitFn
    variance: Callable[[int, int], float]
    formula: str
    source: str


def _lecture_uniform(key: jax.Array, shape: tuple[int, ...], dtype: jax.typing.DTypeLike = float) -> jax.Array:
    limit = (5.0 / shape[0]) ** 0.5
    return jax.random.uniform(key, shape, dtype, minval=-limit, maxval=limit)


_GLOROT = "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward networks"
_HE = "He et al. 2015, Delving deep into rectifiers"
_LECUN = "LeCun et al. 1998, Efficient backprop"

INITIALIZERS: dict[str, Initializer] = {
    scheme.name: scheme
    for scheme in (
        Initializer("he_normal", jax_initializers.he_normal(), lambda i, o: 2 / i, "2 / fan_in, normal", _HE),
        Initializer("he_uniform", jax_initializers.he_uniform(), lambda i, o: 2 / i, "2 / fan_in, uniform", _HE),
        Initializer(
            "glorot_normal",
            jax_initializers.glorot_normal(),
            lambda i, o: 2 / (i + o),
            "2 / (fan_in + fan_out), normal",
            _GLOROT,
        ),
        Initializer(
            "glorot_uniform",
            jax_initializers.glorot_uniform(),
            lambda i, o: 2 / (i + o),
            "2 / (fan_in + fan_out), uniform",
            _GLOROT,
        ),
        Initializer("lecun_normal", jax_initializers.lecun_normal(), lambda i, o: 1 / i, "1 / fan_in, normal", _LECUN),
        Initializer(
            "lecun_uniform", jax_initializers.lecun_uniform(), lambda i, o: 1 / i, "1 / fan_in, uniform", _LECUN
        ),
        Initializer(
            "lecture_uniform",
            _lecture_uniform,
            lambda i, o: 5 / (3 * i),
            "5 / (3 fan_in), uniform on ±√(5 / fan_in)",
            "the lecture's digit network",
        ),
        Initializer("zeros", jax_initializers.zeros, lambda i, o: 0.0, "0", "what symmetry breaking is needed for"),
    )
}


def get(name: str) -> Initializer:
    """The initialiser called ``name``.

    Raises:
        InputError: no initialiser has that name; the nearest ones are listed.
    """
    if name not in INITIALIZERS:
        raise unknown("initialiser", name, INITIALIZERS)
    return INITIALIZERS[name]
