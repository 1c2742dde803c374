"""Activations with one formula on the whole line, and those whose pieces join smoothly."""

from math import pi, sqrt

import jax
import jax.numpy as jnp

from fcnet.activations.record import elementwise
from fcnet.arrays import AnyArray, erfc, expit, namespace
from fcnet.catalogue import Option, table


def _identity(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    return z, namespace(z).ones_like(z)


def log1p_exp(z: AnyArray) -> AnyArray:
    """log(1 + exp(z)) in the array API, without overflow."""
    xp = namespace(z)
    return xp.maximum(z, xp.zeros_like(z)) + xp.log1p(xp.exp(-xp.abs(z)))


def _sigmoid(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    a = expit(z)
    return a, a * (1 - a)


def _tanh(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    a = namespace(z).tanh(z)
    return a, (1 - a) * (1 + a)


def _scaled_tanh(z: AnyArray, *, height: float, steepness: float) -> tuple[AnyArray, AnyArray]:
    a, slope = _tanh(steepness * z)
    return height * a, height * steepness * slope


def _tanhshrink(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    a = namespace(z).tanh(z)
    return z - a, a * a


def _softplus_in_jax(z: jax.Array, *, beta: float, threshold: float) -> jax.Array:
    scaled = beta * z
    return jnp.where(scaled > threshold, z, jax.nn.softplus(scaled) / beta)


def _softplus(z: AnyArray, *, beta: float, threshold: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    scaled = beta * z
    linear = scaled > threshold
    return xp.where(linear, z, log1p_exp(scaled) / beta), xp.where(linear, xp.ones_like(z), expit(scaled))


def _log_sigmoid(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    return -log1p_exp(-z), expit(-z)


def _silu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    s = expit(z)
    return z * s, s * (1 + z * (1 - s))


def _mish(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    t = namespace(z).tanh(log1p_exp(z))
    return z * t, t + z * (1 - t) * (1 + t) * expit(z)


def _gelu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    cumulative = 0.5 * erfc(-z * sqrt(0.5))
    density = xp.exp(-0.5 * z * z) / sqrt(2 * pi)
    return z * cumulative, cumulative + z * density


def _gelu_tanh(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    t = namespace(z).tanh(sqrt(2 / pi) * (z + 0.044715 * z * z * z))
    inner_slope = sqrt(2 / pi) * (1 + 3 * 0.044715 * z * z)
    return 0.5 * z * (1 + t), 0.5 * (1 + t) + 0.5 * z * (1 - t) * (1 + t) * inner_slope


def _softsign(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    size = 1 + namespace(z).abs(z)
    return z / size, 1 / (size * size)


def _celu(z: AnyArray, *, alpha: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    below = xp.minimum(z, xp.zeros_like(z)) / alpha
    return xp.where(z > 0, z, alpha * xp.expm1(below)), xp.exp(below)


SMOOTH = table(
    elementwise(
        "identity",
        jax.nn.identity,
        _identity,
        formula="z",
        derivative_formula="1",
        range="(−∞, ∞)",
        torch="torch.nn.Identity",
        source="Widrow & Hoff 1960, Adaptive switching circuits",
    ),
    elementwise(
        "sigmoid",
        jax.nn.sigmoid,
        _sigmoid,
        formula="σ(z) = 1 / (1 + exp(−z))",
        derivative_formula="σ(z) (1 − σ(z))",
        range="(0, 1)",
        torch="torch.nn.Sigmoid",
        source="Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
    ),
    elementwise(
        "tanh",
        jnp.tanh,
        _tanh,
        formula="tanh(z)",
        derivative_formula="1 − tanh²(z)",
        range="(−1, 1)",
        torch="torch.nn.Tanh",
        source="LeCun et al. 1998, Efficient backprop",
    ),
    elementwise(
        "scaled_tanh",
        lambda z, *, height, steepness: height * jnp.tanh(steepness * z),
        _scaled_tanh,
        formula="h tanh(s z)",
        derivative_formula="h s (1 − tanh²(s z))",
        range="(−h, h)",
        options={
            "height": Option(1.7159, "h: f(±1) = ±1 with the defaults", low=0, open_low=True),
            "steepness": Option(2 / 3, "s", low=0, open_low=True),
        },
        source="LeCun et al. 1998, Efficient backprop, §4.4",
    ),
    elementwise(
        "tanhshrink",
        lambda z: z - jnp.tanh(z),
        _tanhshrink,
        formula="z − tanh(z)",
        derivative_formula="tanh²(z)",
        range="(−∞, ∞)",
        torch="torch.nn.Tanhshrink",
        source="PyTorch's documentation",
    ),
    elementwise(
        "softplus",
        _softplus_in_jax,
        _softplus,
        formula="log(1 + exp(β z)) / β, z itself where β z > threshold",
        derivative_formula="σ(β z), 1 where β z > threshold",
        range="(0, ∞)",
        options={
            "beta": Option(1.0, "β: the larger, the closer to ReLU", low=0, open_low=True),
            "threshold": Option(20.0, "where the function is taken as linear"),
        },
        torch="torch.nn.Softplus",
        source="Dugas et al. 2001, Incorporating second-order functional knowledge for better option pricing",
    ),
    elementwise(
        "log_sigmoid",
        jax.nn.log_sigmoid,
        _log_sigmoid,
        formula="log σ(z) = −log(1 + exp(−z))",
        derivative_formula="σ(−z)",
        range="(−∞, 0)",
        torch="torch.nn.LogSigmoid",
        source="PyTorch's documentation",
    ),
    elementwise(
        "silu",
        jax.nn.silu,
        _silu,
        formula="z σ(z), also called Swish",
        derivative_formula="σ(z) (1 + z (1 − σ(z)))",
        range="[−0.2785, ∞)",
        torch="torch.nn.SiLU",
        source="Elfwing et al. 2018, Sigmoid-weighted linear units; Ramachandran et al. 2017, Swish",
    ),
    elementwise(
        "mish",
        jax.nn.mish,
        _mish,
        formula="z tanh(log(1 + exp(z)))",
        derivative_formula="t + z (1 − t²) σ(z), t = tanh(log(1 + exp(z)))",
        range="[−0.3088, ∞)",
        torch="torch.nn.Mish",
        source="Misra 2019, Mish: a self regularized non-monotonic activation function",
    ),
    elementwise(
        "gelu",
        lambda z: jax.nn.gelu(z, approximate=False),
        _gelu,
        formula="z Φ(z), Φ the standard normal distribution function",
        derivative_formula="Φ(z) + z φ(z), φ its density",
        range="[−0.1700, ∞)",
        torch="torch.nn.GELU",
        source="Hendrycks & Gimpel 2016, Gaussian error linear units",
    ),
    elementwise(
        "gelu_tanh",
        lambda z: jax.nn.gelu(z, approximate=True),
        _gelu_tanh,
        formula="½ z (1 + tanh(√(2/π) (z + 0.044715 z³)))",
        derivative_formula="½ (1 + t) + ½ z (1 − t²) √(2/π) (1 + 0.134145 z²), t the tanh above",
        range="[−0.1700, ∞)",
        torch="torch.nn.GELU(approximate='tanh')",
        source="Hendrycks & Gimpel 2016, Gaussian error linear units",
    ),
    elementwise(
        "softsign",
        jax.nn.soft_sign,
        _softsign,
        formula="z / (1 + |z|)",
        derivative_formula="1 / (1 + |z|)²",
        range="(−1, 1)",
        torch="torch.nn.Softsign",
        source="Bergstra et al. 2009, Quadratic polynomials learn better image features",
    ),
    elementwise(
        "celu",
        lambda z, *, alpha: jax.nn.celu(z, alpha),
        _celu,
        formula="z if z > 0 else α (exp(z/α) − 1)",
        derivative_formula="1 if z > 0 else exp(z/α)",
        range="(−α, ∞)",
        options={"alpha": Option(1.0, "α: how far below 0 it saturates", low=0, open_low=True)},
        torch="torch.nn.CELU",
        source="Barron 2017, Continuously differentiable exponential linear units",
    ),
)
