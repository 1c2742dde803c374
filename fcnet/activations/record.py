"""What an activation is: a function, its derivation by hand, and what a person wants to know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from fcnet.arrays import AnyArray
from fcnet.catalogue import Entry

# ∂L/∂a ↦ (∂L/∂z, {learned parameter: what each row adds to ∂L/∂it, (batch, *shape of the parameter)})
Pullback = Callable[[AnyArray], tuple[AnyArray, dict[str, AnyArray]]]
ByHand = Callable[..., tuple[AnyArray, Pullback]]


def no_kinks(**options: Any) -> tuple[float, ...]:
    """Differentiable everywhere."""
    return ()


def one_piece(**options: Any) -> int:
    """One pre-activation for each unit."""
    return 1


@dataclass(frozen=True, kw_only=True)
class Activation(Entry):
    """One activation a = f(z), z: (batch, pieces · units) ↦ a: (batch, units), any floating dtype.

    ``function``: in JAX; autodiff differentiates it. Learned parameters and random slopes come as keywords.
    ``by_hand``: the same arguments ↦ (a, pullback) in the array API; the hand-written backward pass uses nothing else,
        so the two never share a line.
    ``local``: where f is elementwise and nothing is learned, z ↦ (f(z), f′(z)); ``by_hand`` then follows from it.
    ``range``: of values, for people. ``kinks``: options ↦ the z where f is not differentiable; f′ there is what
        ``derivative_formula`` says, the value that PyTorch takes.
    ``ties``: where pre-activations that meet make it not differentiable, in words.
    ``pieces``: options ↦ pre-activations for each unit.
    ``learned``: (units, **options) ↦ {name: initial value}, NumPy arrays, or None.
    ``draw``: (key, shape, dtype, **options) ↦ the random slopes of one training step, or None.
    """

    function: Callable[..., jax.Array]
    by_hand: ByHand
    range: str
    local: Callable[..., tuple[AnyArray, AnyArray]] | None = None
    kinks: Callable[..., tuple[float, ...]] = no_kinks
    ties: str = ""
    pieces: Callable[..., int] = one_piece
    learned: Callable[..., dict[str, Any]] | None = None
    draw: Callable[..., jax.Array] | None = None


def elementwise(
    name: str,
    function: Callable[..., jax.Array],
    local: Callable[..., tuple[AnyArray, AnyArray]],
    **about: Any,
) -> Activation:
    """The record of an elementwise activation: ∂L/∂z = f′(z) ⊙ ∂L/∂a."""

    def by_hand(z: AnyArray, **options: Any) -> tuple[AnyArray, Pullback]:
        value, slope = local(z, **options)
        return value, lambda upstream: (upstream * slope, {})

    return Activation(name=name, function=function, by_hand=by_hand, local=local, **about)
