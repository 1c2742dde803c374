"""Whatever is random in one training step, drawn at once from one key.

The model and the hand-written backward pass are handed the same draws, so they drop the same units.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fcnet.contracts import HParams
from fcnet.errors import require
from fcnet.spec import MLPSpec


class LayerNoise(NamedTuple):
    """The draws of one hidden layer; None where there is nothing of the kind.

    ``multiplier``, ``addend``: (batch, units), a ↦ multiplier ⊙ a + addend: dropout and Gaussian noise.
    ``kernel``: (fan_in, columns), what DropConnect multiplies the kernel by.
    ``slopes``: (batch, units), the random slopes of the activation.
    ``keep``: q = 1 − p, what evaluation multiplies by where training did not divide by it.
    """

    multiplier: jax.Array | None = None
    addend: jax.Array | None = None
    kernel: jax.Array | None = None
    slopes: jax.Array | None = None
    keep: jax.Array | None = None


class Noise(NamedTuple):
    """The draws of one step: what is added to the inputs (batch, inputs), or None, and each hidden layer's own."""

    inputs: jax.Array | None
    layers: tuple[LayerNoise, ...]


def rates(spec: MLPSpec, hparams: HParams) -> tuple[jax.Array | float | None, ...]:
    """The dropout probability p of each hidden layer, None without dropout.

    Raises:
        InputError: a tuple of another length than the hidden layers.
    """
    given = hparams.dropout
    if not isinstance(given, tuple):
        return (given,) * len(spec.hidden)
    require(
        len(given) == len(spec.hidden),
        f"dropout has {len(given)} rates, but there are {len(spec.hidden)} hidden layers: give one or one for each",
    )
    return given


def draw(spec: MLPSpec, hparams: HParams, rows: int, key: jax.Array) -> Noise:
    """The draws of one step on ``rows`` rows; ``key`` is split once, into one stream for each purpose and layer."""
    random_slopes = [layer.activation.draw for layer in spec.layers[:-1]]
    purposes = 2 * len(spec.hidden) + sum(slopes is not None for slopes in random_slopes) + 1
    streams = iter(jax.random.split(key, purposes))
    inputs = None
    dtype = spec.compute_dtype
    if hparams.input_noise is not None:
        inputs = _gaussian(next(streams), (rows, spec.inputs), hparams.input_noise, dtype)
    layers = []
    for layer, rate, slopes in zip(spec.layers, rates(spec, hparams), random_slopes, strict=False):
        drawn, shape = LayerNoise(), (rows, layer.units)
        if hparams.hidden_noise is not None:
            drawn = drawn._replace(addend=_gaussian(next(streams), shape, hparams.hidden_noise, dtype))
        if rate is not None and spec.dropout_kind.of_kernel:
            kept = _kept(next(streams), rate, (layer.fan_in, layer.columns))
            drawn = drawn._replace(kernel=spec.dropout_kind.affine(kept, rate, dtype)[0])
        elif rate is not None:
            multiplier, addend = spec.dropout_kind.affine(_kept(next(streams), rate, shape), rate, dtype)
            # noise comes first, dropout second: m ⊙ (a + n) + c
            noise = None if drawn.addend is None else multiplier * drawn.addend
            drawn = LayerNoise(multiplier, _sum(noise, addend))
        if slopes is not None:
            drawn = drawn._replace(slopes=slopes(next(streams), shape, dtype))
        if rate is not None and spec.dropout_kind.scales_evaluation:
            drawn = drawn._replace(keep=jnp.asarray(1.0 - rate, spec.param_dtype))
        layers.append(drawn)
    return Noise(inputs, tuple(layers))


def _gaussian(key: jax.Array, shape: tuple[int, ...], deviation: jax.Array | float, dtype: jnp.dtype) -> jax.Array:
    return jnp.asarray(deviation, dtype) * jax.random.normal(key, shape, dtype)


def _kept(key: jax.Array, rate: jax.Array | float, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.bernoulli(key, 1.0 - rate, shape)


def _sum(first: jax.Array | None, second: jax.Array | None) -> jax.Array | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second
