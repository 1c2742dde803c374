"""Kinds of dropout: what a random choice of kept units does to the activations, a ↦ m ⊙ a + c.

The hand-written backward pass multiplies by the same m. p is the probability of dropping, q = 1 − p.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from fcnet.activations.piecewise import SELU_ALPHA, SELU_SCALE
from fcnet.catalogue import Entry, table

# (kept: Boolean, p, dtype) ↦ m and c of a ↦ m ⊙ a + c, where c may be None
Affine = Callable[[jax.Array, jax.Array | float, jnp.dtype], tuple[jax.Array, jax.Array | None]]


@dataclass(frozen=True, kw_only=True)
class Dropout(Entry):
    """One kind of dropout.

    ``affine``: the training form. ``of_kernel``: whether kernel entries are dropped instead of activations.
    ``scales_evaluation``: whether evaluation multiplies by q, because training did not divide by it.
    """

    affine: Affine
    of_kernel: bool = False
    scales_evaluation: bool = False


def _inverted(kept: jax.Array, rate: jax.Array | float, dtype: jnp.dtype) -> tuple[jax.Array, None]:
    return jnp.where(kept, jnp.asarray(1.0 / (1.0 - rate), dtype), jnp.zeros((), dtype)), None


def _classic(kept: jax.Array, rate: jax.Array | float, dtype: jnp.dtype) -> tuple[jax.Array, None]:
    return kept.astype(dtype), None


def _alpha(kept: jax.Array, rate: jax.Array | float, dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
    # what a SELU saturates at takes the place of what is dropped; the affine map restores mean 0 and variance 1
    saturation = -SELU_ALPHA * SELU_SCALE
    keep = 1.0 - rate
    stretch = 1.0 / jnp.sqrt(keep * (1.0 + rate * saturation**2))
    offset = -stretch * saturation * rate
    kept_value = jnp.asarray(stretch, dtype)
    return (
        jnp.where(kept, kept_value, jnp.zeros((), dtype)),
        jnp.where(kept, jnp.asarray(offset, dtype), jnp.asarray(stretch * saturation + offset, dtype)),
    )


DROPOUTS = table(
    Dropout(
        name="inverted",
        affine=_inverted,
        derivative_formula="m / q",
        formula="a ⊙ m / q in training, m Bernoulli(q); a itself in evaluation",
        torch="torch.nn.Dropout",
        source="Srivastava et al. 2014, Dropout, §10, in the form that divides in training",
    ),
    Dropout(
        name="classic",
        affine=_classic,
        scales_evaluation=True,
        derivative_formula="m",
        formula="a ⊙ m in training, m Bernoulli(q); q a in evaluation",
        source="Srivastava et al. 2014, Dropout",
    ),
    Dropout(
        name="alpha",
        affine=_alpha,
        derivative_formula="A m",
        formula="A (m ⊙ a + (1 − m) α′) + B, α′ = −λα of SELU, A = (q (1 + p α′²))^−½, B = −A p α′; a in evaluation",
        torch="torch.nn.AlphaDropout",
        source="Klambauer et al. 2017, Self-normalizing neural networks",
    ),
    Dropout(
        name="connect",
        affine=_inverted,
        of_kernel=True,
        derivative_formula="∂L/∂W = (aᵀ δ) ⊙ M / q, ∂L/∂a = δ (W ⊙ M / q)ᵀ",
        formula="DropConnect: a (W ⊙ M / q) + b in training, M Bernoulli(q), one M a step; W itself in evaluation",
        source="Wan et al. 2013, Regularization of neural networks using DropConnect (there one M for each row)",
    ),
)
