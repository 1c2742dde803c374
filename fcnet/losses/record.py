"""What a loss is: a function of outputs and targets, its derivation by hand, and what a person wants to know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from fcnet.arrays import AnyArray, namespace
from fcnet.catalogue import Entry

# ∂L/∂ℓ ↦ ∂L/∂outputs
Pullback = Callable[[AnyArray], AnyArray]
ByHand = Callable[..., tuple[AnyArray, Pullback]]
# ∂L/∂ℓ ↦ (∂L/∂input, …), one for each input that is not a target, a sign, a label or a length
InputsPullback = Callable[[AnyArray], tuple[AnyArray, ...]]
OfInputsByHand = Callable[..., tuple[AnyArray, InputsPullback]]


@dataclass(frozen=True, kw_only=True)
class Loss(Entry):
    """One loss ℓ(z, y), unreduced: outputs z (batch, k′) and targets y (batch, k) ↦ (batch, k) or (batch,).

    The shape of ℓ is that of PyTorch's ``reduction="none"``. Outputs, targets and ℓ share one floating dtype.

    ``task``: CLASSIFICATION or REGRESSION.
    ``function``: (outputs, targets, **options) ↦ ℓ, in JAX; autodiff differentiates it.
    ``by_hand``: the same arguments ↦ (ℓ, pullback) in the array API; the hand-written backward pass uses nothing else.
    ``targets``: what a row of targets is: "probabilities" (sums to 1), "one_hot" (one 1, else 0), "memberships"
        (each in [0, 1]), "numbers" or "counts" (≥ 0).
    ``outputs``: what a row of outputs must be: "numbers", "probabilities" (each in [0, 1]), "log_probabilities" or
        "rates" (> 0); where options decide, a function of them, which ``get`` has called.
    ``kinks``: where ℓ is not differentiable and the value taken there, in PyTorch's sense; empty where it is smooth.
    ``takes_class_weights``: whether both functions know ``class_weights=`` (classes,).
    ``divides_by_class_weights``: whether PyTorch's mean divides by the weights of the rows' classes.
    ``outputs_per_target``: k′ / k.
    ``predict``: outputs ↦ answers, in JAX: probabilities (batch, classes), or predicted numbers (batch, k).
    ``of_inputs``, ``of_inputs_by_hand``: the loss in PyTorch's own form where that takes other inputs than these;
        the pullback answers a tuple, see ``InputsPullback``.
    """

    task: str
    function: Callable[..., jax.Array]
    by_hand: ByHand
    targets: str
    predict: Callable[..., jax.Array]
    outputs: str | Callable[..., str] = "numbers"
    kinks: str = ""
    takes_class_weights: bool = False
    divides_by_class_weights: bool = False
    outputs_per_target: int = 1
    of_inputs: Callable[..., jax.Array] | None = None
    of_inputs_by_hand: OfInputsByHand | None = None


def _scaled(upstream: AnyArray, slope: AnyArray) -> AnyArray:
    ones = (1,) * (slope.ndim - upstream.ndim)
    return namespace(upstream).reshape(upstream, (*upstream.shape, *ones)) * slope


def from_slope(local: Callable[..., tuple[AnyArray, AnyArray]]) -> ByHand:
    """``by_hand`` from z, y ↦ (ℓ, ∂ℓ/∂z): each ℓ depends on its own entry, or on its own row, alone.

    The slope (batch, k′) is scaled by ∂L/∂ℓ, (batch, k) entry by entry or (batch,) row by row.
    """

    def by_hand(outputs: AnyArray, targets: AnyArray, **options: Any) -> tuple[AnyArray, Pullback]:
        value, slope = local(outputs, targets, **options)
        return value, lambda upstream: _scaled(upstream, slope)

    return by_hand


def from_slopes(local: Callable[..., tuple[AnyArray, tuple[AnyArray, ...]]]) -> OfInputsByHand:
    """``of_inputs_by_hand`` from inputs ↦ (ℓ, (∂ℓ/∂input, …)), likewise."""

    def by_hand(*inputs: AnyArray, **options: Any) -> tuple[AnyArray, InputsPullback]:
        value, slopes = local(*inputs, **options)
        return value, lambda upstream: tuple(_scaled(upstream, slope) for slope in slopes)

    return by_hand


def softmax_of(outputs: jax.Array, **options: Any) -> jax.Array:
    """Probabilities of outputs that rank the classes of a row, whatever the options: (batch, classes)."""
    return jax.nn.softmax(outputs)


def sigmoid_of(outputs: jax.Array, **options: Any) -> jax.Array:
    """Probabilities of logits that judge each class for itself, whatever the options: (batch, classes)."""
    return jax.nn.sigmoid(outputs)


def exp_of(outputs: jax.Array, **options: Any) -> jax.Array:
    """Probabilities of log-probabilities, whatever the options: (batch, classes)."""
    return jnp.exp(outputs)


def outputs_themselves(outputs: jax.Array, **options: Any) -> jax.Array:
    """Outputs that are the answer already, whatever the options: (batch, k)."""
    return outputs
