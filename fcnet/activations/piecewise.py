"""Activations in pieces, with kinks or jumps between them; at these the derivative is the value PyTorch takes."""

import jax
import jax.numpy as jnp

from fcnet.activations.record import Activation, Pullback, elementwise
from fcnet.arrays import AnyArray, namespace
from fcnet.catalogue import Option, table

# Klambauer et al. 2017, "Self-normalizing neural networks", equation 14.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _at_zero(**options: float) -> tuple[float, ...]:
    return (0.0,)


def _one_where(condition: AnyArray, z: AnyArray) -> AnyArray:
    xp = namespace(z)
    return xp.where(condition, xp.ones_like(z), xp.zeros_like(z))


def _step(z: AnyArray, *, at_zero: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    value = xp.where(z == 0, at_zero * xp.ones_like(z), _one_where(z > 0, z))
    return value, xp.zeros_like(z)


def _step_in_jax(z: jax.Array, *, at_zero: float) -> jax.Array:
    return jnp.heaviside(jax.lax.stop_gradient(z), jnp.asarray(at_zero, z.dtype))


def _relu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    return xp.maximum(z, xp.zeros_like(z)), _one_where(z > 0, z)


def _leaky_relu(z: AnyArray, *, slope: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    factor = xp.where(z > 0, xp.ones_like(z), slope * xp.ones_like(z))
    return factor * z, factor


def _elu(z: AnyArray, *, alpha: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    below = alpha * xp.expm1(xp.minimum(z, xp.zeros_like(z)))
    return xp.where(z > 0, z, below), xp.where(z > 0, xp.ones_like(z), below + alpha)


def _selu(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    value, slope = _elu(z, alpha=SELU_ALPHA)
    return SELU_SCALE * value, SELU_SCALE * slope


def _between(z: AnyArray, low: float, high: float) -> AnyArray:
    return _one_where((z > low) & (z < high), z)


def _hardtanh(z: AnyArray, *, low: float, high: float) -> tuple[AnyArray, AnyArray]:
    return namespace(z).clip(z, low, high), _between(z, low, high)


def _hardtanh_in_jax(z: jax.Array, *, low: float, high: float) -> jax.Array:
    # clip's derivative at its ends is 1 in JAX, 0 in PyTorch
    inside = jnp.where(z > low, z, jnp.asarray(low, z.dtype))
    return jnp.where(inside < high, inside, jnp.asarray(high, z.dtype))


def _relu6(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    return _hardtanh(z, low=0.0, high=6.0)


def _hardsigmoid(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    return namespace(z).clip(z + 3, 0.0, 6.0) / 6, _between(z, -3.0, 3.0) / 6


def _hardswish(z: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    inner = xp.where(z < 3, z / 3 + 0.5, xp.ones_like(z))
    return z * (xp.clip(z + 3, 0.0, 6.0) / 6), xp.where(z > -3, inner, xp.zeros_like(z))


def _hardswish_in_jax(z: jax.Array) -> jax.Array:
    return z * (_hardtanh_in_jax(z + 3, low=0.0, high=6.0) / 6)


def _hardshrink(z: AnyArray, *, threshold: float) -> tuple[AnyArray, AnyArray]:
    kept = _one_where(namespace(z).abs(z) > threshold, z)
    return z * kept, kept


def _hardshrink_in_jax(z: jax.Array, *, threshold: float) -> jax.Array:
    return jnp.where((z > threshold) | (z < -threshold), z, jnp.zeros_like(z))


def _softshrink(z: AnyArray, *, threshold: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    kept = _one_where(xp.abs(z) > threshold, z)
    return (z - xp.sign(z) * threshold) * kept, kept


def _softshrink_in_jax(z: jax.Array, *, threshold: float) -> jax.Array:
    above = jnp.where(z > threshold, z - threshold, jnp.zeros_like(z))
    return jnp.where(z < -threshold, z + threshold, above)


def _threshold(z: AnyArray, *, threshold: float, value: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(z)
    return xp.where(z > threshold, z, value * xp.ones_like(z)), _one_where(z > threshold, z)


def _mean_slope(low: float, high: float) -> float:
    return 0.5 * (low + high)


def _rrelu_in_jax(z: jax.Array, slope: jax.Array | None = None, *, low: float, high: float) -> jax.Array:
    below = z * _mean_slope(low, high) if slope is None else z * slope
    return jnp.where(z > 0, z, below)


def _rrelu(z: AnyArray, slope: AnyArray | None = None, *, low: float, high: float) -> tuple[AnyArray, Pullback]:
    xp = namespace(z)
    below = _mean_slope(low, high) * xp.ones_like(z) if slope is None else slope
    factor = xp.where(z > 0, xp.ones_like(z), below)
    return factor * z, lambda upstream: (upstream * factor, {})


def _rrelu_in_evaluation(z: AnyArray, *, low: float, high: float) -> tuple[AnyArray, AnyArray]:
    return _leaky_relu(z, slope=_mean_slope(low, high))


def _draw_slopes(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype, *, low: float, high: float) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, minval=low, maxval=high)


_SLOPE = Option(0.01, "below 0")
_BOTH_SIDES = {"threshold": Option(0.5, "λ: what is shrunk to 0", low=0)}
PIECEWISE = table(
    elementwise(
        "step",
        _step_in_jax,
        _step,
        formula="1 if z > 0, 0 if z < 0, at_zero if z = 0",
        derivative_formula="0",
        range="[0, 1]",
        kinks=_at_zero,
        options={"at_zero": Option(1.0, "value at 0", low=0, high=1)},
        torch="torch.heaviside",
        source="Rosenblatt 1958, The perceptron",
    ),
    elementwise(
        "relu",
        jax.nn.relu,
        _relu,
        formula="max(z, 0)",
        derivative_formula="1 if z > 0 else 0",
        range="[0, ∞)",
        kinks=_at_zero,
        torch="torch.nn.ReLU",
        source="Nair & Hinton 2010, Rectified linear units improve restricted Boltzmann machines",
    ),
    elementwise(
        "leaky_relu",
        # jax.nn's takes 1 as the derivative at 0, PyTorch's the slope
        lambda z, *, slope: jnp.where(z > 0, z, slope * z),
        _leaky_relu,
        formula="z if z > 0 else s z",
        derivative_formula="1 if z > 0 else s",
        range="(−∞, ∞)",
        kinks=_at_zero,
        options={"slope": _SLOPE},
        torch="torch.nn.LeakyReLU",
        source="Maas et al. 2013, Rectifier nonlinearities improve neural network acoustic models",
    ),
    elementwise(
        "elu",
        lambda z, *, alpha: jax.nn.elu(z, alpha),
        _elu,
        formula="z if z > 0 else α (exp(z) − 1)",
        derivative_formula="1 if z > 0 else α exp(z)",
        range="(−α, ∞)",
        kinks=lambda *, alpha: () if alpha == 1 else (0.0,),
        options={"alpha": Option(1.0, "α: how far below 0 it saturates", low=0, open_low=True)},
        torch="torch.nn.ELU",
        source="Clevert et al. 2016, Exponential linear units",
    ),
    elementwise(
        "selu",
        jax.nn.selu,
        _selu,
        formula="λ z if z > 0 else λ α (exp(z) − 1), λ = 1.0507, α = 1.6733",
        derivative_formula="λ if z > 0 else λ α exp(z)",
        range="(−1.7581, ∞)",
        kinks=_at_zero,
        torch="torch.nn.SELU",
        source="Klambauer et al. 2017, Self-normalizing neural networks",
    ),
    elementwise(
        "relu6",
        lambda z: _hardtanh_in_jax(z, low=0.0, high=6.0),
        _relu6,
        formula="min(max(z, 0), 6)",
        derivative_formula="1 if 0 < z < 6 else 0",
        range="[0, 6]",
        kinks=lambda: (0.0, 6.0),
        torch="torch.nn.ReLU6",
        source="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10",
    ),
    elementwise(
        "hardtanh",
        _hardtanh_in_jax,
        _hardtanh,
        formula="min(max(z, low), high)",
        derivative_formula="1 if low < z < high else 0",
        range="[low, high]",
        kinks=lambda *, low, high: (low, high),
        options={"low": Option(-1.0, "least value"), "high": Option(1.0, "greatest value")},
        ascending=("low", "high"),
        torch="torch.nn.Hardtanh",
        source="Collobert 2004, Large scale machine learning",
    ),
    elementwise(
        "hardsigmoid",
        lambda z: _hardtanh_in_jax(z + 3, low=0.0, high=6.0) / 6,
        _hardsigmoid,
        formula="min(max(z + 3, 0), 6) / 6",
        derivative_formula="1/6 if −3 < z < 3 else 0",
        range="[0, 1]",
        kinks=lambda: (-3.0, 3.0),
        torch="torch.nn.Hardsigmoid",
        source="Howard et al. 2019, Searching for MobileNetV3",
    ),
    elementwise(
        "hardswish",
        _hardswish_in_jax,
        _hardswish,
        formula="z min(max(z + 3, 0), 6) / 6",
        derivative_formula="0 if z ≤ −3, 1 if z ≥ 3, else z/3 + ½",
        range="[−0.375, ∞)",
        kinks=lambda: (-3.0, 3.0),
        torch="torch.nn.Hardswish",
        source="Howard et al. 2019, Searching for MobileNetV3",
    ),
    elementwise(
        "hardshrink",
        _hardshrink_in_jax,
        _hardshrink,
        formula="z if |z| > λ else 0",
        derivative_formula="1 if |z| > λ else 0",
        range="(−∞, −λ) ∪ {0} ∪ (λ, ∞)",
        kinks=lambda *, threshold: (-threshold, threshold),
        options=_BOTH_SIDES,
        torch="torch.nn.Hardshrink",
        source="Donoho & Johnstone 1994, Ideal spatial adaptation by wavelet shrinkage",
    ),
    elementwise(
        "softshrink",
        _softshrink_in_jax,
        _softshrink,
        formula="z − λ sign(z) if |z| > λ else 0",
        derivative_formula="1 if |z| > λ else 0",
        range="(−∞, ∞)",
        kinks=lambda *, threshold: (-threshold, threshold),
        options=_BOTH_SIDES,
        torch="torch.nn.Softshrink",
        source="Donoho & Johnstone 1994, Ideal spatial adaptation by wavelet shrinkage",
    ),
    elementwise(
        "threshold",
        lambda z, *, threshold, value: jnp.where(z > threshold, z, jnp.asarray(value, z.dtype)),
        _threshold,
        formula="z if z > threshold else value",
        derivative_formula="1 if z > threshold else 0",
        range="{value} ∪ (threshold, ∞)",
        kinks=lambda *, threshold, value: (threshold,),
        options={"threshold": Option(0.0, "above it z passes"), "value": Option(0.0, "what is answered below")},
        torch="torch.nn.Threshold",
        source="PyTorch's documentation",
    ),
    Activation(
        name="rrelu",
        function=_rrelu_in_jax,
        by_hand=_rrelu,
        local=_rrelu_in_evaluation,
        formula="z if z > 0 else r z, r uniform on [low, high] in training, its mean in evaluation",
        derivative_formula="1 if z > 0 else r",
        range="(−∞, ∞)",
        kinks=_at_zero,
        options={"low": Option(1 / 8, "least slope below 0"), "high": Option(1 / 3, "greatest slope below 0")},
        ascending=("low", "high"),
        draw=_draw_slopes,
        torch="torch.nn.RReLU",
        source="Xu et al. 2015, Empirical evaluation of rectified activations",
    ),
)
