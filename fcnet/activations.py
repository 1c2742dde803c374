"""Activation functions: each a record of the function, its derivative by hand, its formula and its kinks.

``function`` is what the network computes and what autodiff differentiates: jax.nn's own where it has one.
``by_hand`` is the derivation written out, value and derivative side by side, in the array API: the hand-written
backward pass uses nothing else, so the two never share a line.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, sqrt

import jax

from fcnet.arrays import AnyArray, erfc, namespace
from fcnet.errors import unknown


@dataclass(frozen=True)
class Activation:
    """One elementwise activation a = f(z).

    ``function``: z ↦ f(z) in JAX, any floating dtype, shape kept.
    ``by_hand``: z ↦ (f(z), f′(z)) in any array-API library.
    ``formula``, ``derivative_formula``: as a person writes them.
    ``kinks``: the z where f is not differentiable; there f′ takes the value that ``derivative_formula`` gives.
    """

    name: str
    function: Callable[[jax.Array], jax.Array]
    by_hand: Callable[[AnyArray], tuple[AnyArray, AnyArray]]
    formula: str
    derivative_formula: str
    kinks: tuple[float, ...] = ()


LEAKY_SLOPE = 0.01
# Klambauer et al. 2017, "Self-normalizing neural networks", equation 14.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _identity(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    return z, namespace(z).ones_like(z)


def _relu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    return xp.maximum(z, xp.zeros_like(z)), xp.where(z > 0, xp.ones_like(z), xp.zeros_like(z))


def _leaky_relu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    slope = xp.where(z >= 0, xp.ones_like(z), LEAKY_SLOPE * xp.ones_like(z))
    return slope * z, slope


def _elu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    below = xp.expm1(xp.minimum(z, xp.zeros_like(z)))
    return xp.where(z > 0, z, below), xp.where(z > 0, xp.ones_like(z), below + 1)


def _selu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    below = SELU_ALPHA * xp.expm1(xp.minimum(z, xp.zeros_like(z)))
    value = SELU_SCALE * xp.where(z > 0, z, below)
    return value, SELU_SCALE * xp.where(z > 0, xp.ones_like(z), below + SELU_ALPHA)


def _logistic(z: AnyArray) -> AnyArray:
    # exp of a negative number only, so neither end overflows and the small end keeps its digits
    xp = namespace(z)
    decay = xp.exp(-xp.abs(z))
    return xp.where(z >= 0, xp.ones_like(z), decay) / (1 + decay)


def _sigmoid(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    a = _logistic(z)
    # 1 − σ(z) is σ(−z): the product keeps its digits where 1 − a would round to zero
    return a, a * _logistic(-z)


def _tanh(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    a = namespace(z).tanh(z)
    return a, (1 - a) * (1 + a)


def _softplus(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    return xp.maximum(z, xp.zeros_like(z)) + xp.log1p(xp.exp(-xp.abs(z))), _logistic(z)


def _silu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    s = _logistic(z)
    return z * s, s * (1 + z * _logistic(-z))


def _gelu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    cumulative = 0.5 * erfc(-z * sqrt(0.5))
    density = xp.exp(-0.5 * z * z) / sqrt(2 * pi)
    return z * cumulative, cumulative + z * density


def _gelu_tanh(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    t = namespace(z).tanh(sqrt(2 / pi) * (z + 0.044715 * z * z * z))
    inner_slope = sqrt(2 / pi) * (1 + 3 * 0.044715 * z * z)
    return 0.5 * z * (1 + t), 0.5 * (1 + t) + 0.5 * z * (1 - t) * (1 + t) * inner_slope


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("identity", jax.nn.identity, _identity, "z", "1"),
        Activation("relu", jax.nn.relu, _relu, "max(z, 0)", "1 if z > 0 else 0", kinks=(0.0,)),
        Activation(
            "leaky_relu",
            lambda z: jax.nn.leaky_relu(z, LEAKY_SLOPE),
            _leaky_relu,
            "z if z ≥ 0 else 0.01 z",
            "1 if z ≥ 0 else 0.01",
            kinks=(0.0,),
        ),
        Activation("elu", jax.nn.elu, _elu, "z if z > 0 else exp(z) − 1", "1 if z > 0 else exp(z)"),
        Activation(
            "selu",
            jax.nn.selu,
            _selu,
            "λ z if z > 0 else λ α (exp(z) − 1), λ = 1.0507, α = 1.6733",
            "λ if z > 0 else λ α exp(z)",
            kinks=(0.0,),
        ),
        Activation("sigmoid", jax.nn.sigmoid, _sigmoid, "σ(z) = 1 / (1 + exp(−z))", "σ(z) (1 − σ(z))"),
        Activation("tanh", jax.nn.tanh, _tanh, "tanh(z)", "1 − tanh²(z)"),
        Activation("softplus", jax.nn.softplus, _softplus, "log(1 + exp(z))", "σ(z)"),
        Activation("silu", jax.nn.silu, _silu, "z σ(z)", "σ(z) (1 + z (1 − σ(z)))"),
        Activation(
            "gelu",
            lambda z: jax.nn.gelu(z, approximate=False),
            _gelu,
            "z Φ(z), Φ the standard normal distribution function",
            "Φ(z) + z φ(z), φ its density",
        ),
        Activation(
            "gelu_tanh",
            lambda z: jax.nn.gelu(z, approximate=True),
            _gelu_tanh,
            "½ z (1 + tanh(√(2/π) (z + 0.044715 z³)))",
            "½ (1 + t) + ½ z (1 − t²) √(2/π) (1 + 0.134145 z²), t the tanh above",
        ),
    )
}


def get(name: str) -> Activation:
    """The activation called ``name``.

    Raises:
        InputError: no activation has that name; the nearest ones are listed.
    """
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]
