"""Activations that learn their shape: each with its derivative towards z and towards what is learned."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.activations.record import Activation, Pullback
from fcnet.arrays import AnyArray, namespace
from fcnet.catalogue import Option, table

# Where SPLASH bends, on either side of 0: three of them near, where most z are, and one at 2.5.
SPLASH_KNOTS = (0.0, 1.0, 2.0, 2.5)


def _of_each_row(array: AnyArray, parameter: AnyArray) -> AnyArray:
    """(batch, units) itself, or summed over the units where all share one parameter: (batch, 1)."""
    own = parameter.shape[-1] == array.shape[-1]
    return array if own else namespace(array).sum(array, axis=1, keepdims=True)


def _row(parameter: AnyArray) -> AnyArray:
    return namespace(parameter).reshape(parameter, (1, -1))


def _positive_part(z: AnyArray) -> AnyArray:
    xp = namespace(z)
    return xp.where(z > 0, z, xp.zeros_like(z))


def _prelu_in_jax(z: jax.Array, slope: jax.Array) -> jax.Array:
    return jnp.where(z > 0, z, _row(slope) * z)


def _prelu(z: AnyArray, slope: AnyArray) -> tuple[AnyArray, Pullback]:
    xp = namespace(z)
    factor = xp.where(z > 0, xp.ones_like(z), _row(slope) * xp.ones_like(z))
    towards = z - _positive_part(z)
    return factor * z, lambda upstream: (upstream * factor, {"slope": _of_each_row(upstream * towards, slope)})


def _two_slope_in_jax(z: jax.Array, above: jax.Array, below: jax.Array) -> jax.Array:
    return jnp.where(z > 0, _row(above) * z, _row(below) * z)


def _two_slope(z: AnyArray, above: AnyArray, below: AnyArray) -> tuple[AnyArray, Pullback]:
    xp = namespace(z)
    ones, positive = xp.ones_like(z), _positive_part(z)
    factor = xp.where(z > 0, _row(above) * ones, _row(below) * ones)

    def pullback(upstream: AnyArray) -> tuple[AnyArray, dict[str, AnyArray]]:
        return upstream * factor, {
            "above": _of_each_row(upstream * positive, above),
            "below": _of_each_row(upstream * (z - positive), below),
        }

    return factor * z, pullback


def _splash_in_jax(z: jax.Array, right: jax.Array, left: jax.Array) -> jax.Array:
    terms = [
        _row(right[index]) * jax.nn.relu(z - knot) + _row(left[index]) * jax.nn.relu(-z - knot)
        for index, knot in enumerate(SPLASH_KNOTS)
    ]
    return sum(terms[1:], terms[0])


def _splash(z: AnyArray, right: AnyArray, left: AnyArray) -> tuple[AnyArray, Pullback]:
    xp = namespace(z)
    zeros, ones = xp.zeros_like(z), xp.ones_like(z)
    value, slope = zeros, zeros
    for index, knot in enumerate(SPLASH_KNOTS):
        value = value + _row(right[index, ...]) * _positive_part(z - knot)
        value = value + _row(left[index, ...]) * _positive_part(-z - knot)
        slope = slope + _row(right[index, ...]) * xp.where(z > knot, ones, zeros)
        slope = slope - _row(left[index, ...]) * xp.where(z < -knot, ones, zeros)

    def pullback(upstream: AnyArray) -> tuple[AnyArray, dict[str, AnyArray]]:
        towards_right = [_of_each_row(upstream * _positive_part(z - knot), right) for knot in SPLASH_KNOTS]
        towards_left = [_of_each_row(upstream * _positive_part(-z - knot), left) for knot in SPLASH_KNOTS]
        return upstream * slope, {"right": xp.stack(towards_right, axis=1), "left": xp.stack(towards_left, axis=1)}

    return value, pullback


def _width(units: int, per_unit: bool) -> int:
    return units if per_unit else 1


def _start_prelu(units: int, *, start: float, per_unit: bool) -> dict[str, Any]:
    return {"slope": np.full(_width(units, per_unit), start)}


def _start_two_slope(units: int, *, start_above: float, start_below: float, per_unit: bool) -> dict[str, Any]:
    width = _width(units, per_unit)
    return {"above": np.full(width, start_above), "below": np.full(width, start_below)}


def _start_splash(units: int, *, per_unit: bool) -> dict[str, Any]:
    # the rectifier: slope 1 right of 0 and no other bend
    left = np.zeros((len(SPLASH_KNOTS), _width(units, per_unit)))
    right = left.copy()
    right[0] = 1.0
    return {"right": right, "left": left}


_PER_UNIT = Option(False, "whether each unit learns its own, or all units of a layer share one")
LEARNED = table(
    Activation(
        name="prelu",
        function=lambda z, slope, *, start, per_unit: _prelu_in_jax(z, slope),
        by_hand=lambda z, slope, *, start, per_unit: _prelu(z, slope),
        formula="z if z > 0 else s z, s learned",
        derivative_formula="1 if z > 0 else s; ∂a/∂s = min(z, 0)",
        range="(−∞, ∞)",
        kinks=lambda **options: (0.0,),
        options={"start": Option(0.25, "s at the start"), "per_unit": _PER_UNIT},
        learned=_start_prelu,
        torch="torch.nn.PReLU",
        source="He et al. 2015, Delving deep into rectifiers",
    ),
    Activation(
        name="two_slope",
        function=lambda z, above, below, **start: _two_slope_in_jax(z, above, below),
        by_hand=lambda z, above, below, **start: _two_slope(z, above, below),
        formula="k₁ z if z > 0 else k₂ z, both learned",
        derivative_formula="k₁ if z > 0 else k₂; ∂a/∂k₁ = max(z, 0), ∂a/∂k₂ = min(z, 0)",
        range="(−∞, ∞)",
        kinks=lambda **options: (0.0,),
        learned=_start_two_slope,
        options={
            "start_above": Option(1.0, "k₁ at the start"),
            "start_below": Option(0.1, "k₂ at the start"),
            "per_unit": _PER_UNIT,
        },
        source="the lecture on learnable activations",
    ),
    Activation(
        name="splash",
        function=lambda z, right, left, *, per_unit: _splash_in_jax(z, right, left),
        by_hand=lambda z, right, left, *, per_unit: _splash(z, right, left),
        formula="Σₛ rₛ max(0, z − bₛ) + Σₛ lₛ max(0, −z − bₛ), r and l learned, b = 0, 1, 2, 2.5",
        derivative_formula="Σₛ rₛ [z > bₛ] − Σₛ lₛ [z < −bₛ]; ∂a/∂rₛ = max(0, z − bₛ), ∂a/∂lₛ = max(0, −z − bₛ)",
        range="(−∞, ∞)",
        kinks=lambda **options: tuple(sorted({side * knot for side in (-1.0, 1.0) for knot in SPLASH_KNOTS})),
        options={"per_unit": _PER_UNIT},
        learned=_start_splash,
        source="Tavakoli et al. 2021, SPLASH: learnable activation functions",
    ),
)
