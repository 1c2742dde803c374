"""Amounts drawn for each image."""

import math

import jax
import jax.numpy as jnp

DEGREE = math.pi / 180


def symmetric(key: jax.Array, rows: int, limit: float) -> jax.Array:
    """Uniform in [−limit, limit], (rows,) float32."""
    return jax.random.uniform(key, (rows,), jnp.float32, -limit, limit)


def ratio(key: jax.Array, rows: int, largest: float) -> jax.Array:
    """exp of a uniform number in ±log largest: between 1/largest and largest, either as likely; (rows,) float32."""
    return jnp.exp(symmetric(key, rows, math.log(largest)))
