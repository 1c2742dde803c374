"""Activations in which the units of a row meet: softmax and log-softmax, gates, and the maximum of pieces."""

from typing import Any

import jax
import jax.numpy as jnp

from fcnet.activations.record import Activation, Pullback
from fcnet.arrays import AnyArray, expit, log_softmax, namespace
from fcnet.catalogue import Option, table


def _softmax(z: AnyArray) -> tuple[AnyArray, Pullback]:
    xp = namespace(z)
    grown = xp.exp(z - xp.max(z, axis=-1, keepdims=True))
    a = grown / xp.sum(grown, axis=-1, keepdims=True)
    return a, lambda upstream: (a * (upstream - xp.sum(upstream * a, axis=-1, keepdims=True)), {})


def _log_softmax(z: AnyArray) -> tuple[AnyArray, Pullback]:
    xp = namespace(z)
    a = log_softmax(z)
    return a, lambda upstream: (upstream - xp.exp(a) * xp.sum(upstream, axis=-1, keepdims=True), {})


def _two_pieces(**options: Any) -> int:
    return 2


def _glu(z: AnyArray) -> tuple[AnyArray, Pullback]:
    xp = namespace(z)
    units = z.shape[-1] // 2
    value, gate = z[..., :units], z[..., units:]
    opening = expit(gate)

    def pullback(upstream: AnyArray) -> tuple[AnyArray, dict[str, AnyArray]]:
        towards_gate = upstream * value * opening * (1 - opening)
        return xp.concat([upstream * opening, towards_gate], axis=-1), {}

    return value * opening, pullback


def _in_pieces(z: AnyArray, pieces: int) -> AnyArray:
    return namespace(z).reshape(z, (*z.shape[:-1], pieces, z.shape[-1] // pieces))


def _winners(stacked: AnyArray) -> AnyArray:
    """Where the largest piece of each unit is; of equal ones the first.

    By its place, not by comparing with the maximum: a compiler may compute a piece twice with different roundings, and
    then nothing equals the maximum.
    """
    xp = namespace(stacked)
    places = xp.reshape(xp.arange(stacked.shape[-2]), (*(1,) * (stacked.ndim - 2), -1, 1))
    return xp.argmax(stacked, axis=-2, keepdims=True) == places


def _maxout_in_jax(z: jax.Array, *, pieces: int) -> jax.Array:
    stacked = _in_pieces(z, pieces)
    return jnp.sum(jnp.where(_winners(stacked), stacked, jnp.zeros_like(stacked)), axis=-2)


def _maxout(z: AnyArray, *, pieces: int) -> tuple[AnyArray, Pullback]:
    xp = namespace(z)
    stacked = _in_pieces(z, pieces)
    wins = xp.astype(_winners(stacked), z.dtype)

    def pullback(upstream: AnyArray) -> tuple[AnyArray, dict[str, AnyArray]]:
        return xp.reshape(xp.expand_dims(upstream, axis=-2) * wins, z.shape), {}

    return xp.max(stacked, axis=-2), pullback


ROWWISE = table(
    Activation(
        name="softmax",
        function=jax.nn.softmax,
        by_hand=_softmax,
        formula="softmax(z)ⱼ = exp(zⱼ) / Σₖ exp(zₖ), over the units of a row",
        derivative_formula="∂aⱼ/∂zₖ = aⱼ (δⱼₖ − aₖ)",
        range="(0, 1), each row sums to 1",
        torch="torch.nn.Softmax",
        source="Bridle 1990, Probabilistic interpretation of feedforward classification network outputs",
    ),
    Activation(
        name="log_softmax",
        function=jax.nn.log_softmax,
        by_hand=_log_softmax,
        formula="zⱼ − log Σₖ exp(zₖ), over the units of a row",
        derivative_formula="∂aⱼ/∂zₖ = δⱼₖ − softmax(z)ₖ",
        range="(−∞, 0]",
        torch="torch.nn.LogSoftmax",
        source="Bridle 1990, Probabilistic interpretation of feedforward classification network outputs",
    ),
    Activation(
        name="glu",
        function=jax.nn.glu,
        by_hand=_glu,
        formula="u σ(g): two pre-activations for each unit, values u (first half of z) and gates g (second half)",
        derivative_formula="∂a/∂u = σ(g), ∂a/∂g = u σ(g) (1 − σ(g))",
        range="(−∞, ∞)",
        pieces=_two_pieces,
        torch="torch.nn.GLU",
        source="Dauphin et al. 2017, Language modeling with gated convolutional networks",
    ),
    Activation(
        name="maxout",
        function=_maxout_in_jax,
        by_hand=_maxout,
        formula="max(z₁, …, zₖ): k pre-activations for each unit, the i-th of all units beside each other in z",
        derivative_formula="1 at the largest, 0 elsewhere; of equal ones the first has it",
        range="(−∞, ∞)",
        ties="where the largest pieces are equal",
        pieces=lambda *, pieces: pieces,
        options={"pieces": Option(2, "k: linear pieces of each unit", low=2, high=64)},
        source="Goodfellow et al. 2013, Maxout networks",
    ),
)
