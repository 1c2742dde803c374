"""Keeping weights small: penalties with their gradients by hand, the mask of what they touch, and max-norm.

Conventions of the ½ differ, and with them what a λ means. Here ½ λ ‖W‖², whose gradient is λ W: the same λ as that of
weight decay. Where λ ‖W‖² is written without the ½, that λ is half of this one. A loss with a ½ (half_mse) is half of
the loss without (mse), so that beside it the same λ weighs twice as much.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import jax
import jax.numpy as jnp

from fcnet.arrays import AnyArray, absolute, namespace, sign
from fcnet.catalogue import Entry, table
from fcnet.contracts import HParams, Params
from fcnet.errors import require


@dataclass(frozen=True, kw_only=True)
class Regularizer(Entry):
    """One way to keep kernels small.

    ``hparams``: the fields of ``HParams`` that switch it on. ``acts``: what it changes and where. ``remark``: how its λ
    compares with others'.
    """

    hparams: tuple[str, ...]
    acts: str
    remark: str


REGULARIZERS = table(
    Regularizer(
        name="l1",
        hparams=("l1",),
        formula="λ Σ|w|",
        acts="adds λ sign(w) to the gradient, 0 at w = 0",
        remark="no ½ in either convention",
        source="Tibshirani 1996, Regression shrinkage and selection via the lasso",
    ),
    Regularizer(
        name="l2",
        hparams=("l2",),
        formula="½ λ Σ w²",
        acts="adds λ w to the gradient, in front of the optimiser",
        remark="the lectures' λ/2 Σ w²; where a text has λ Σ w², give 2 λ here",
        torch="torch.optim.SGD(weight_decay=λ)",
        differs="kernels only; PyTorch's optimisers decay every parameter they are given, and the loss they report is "
        "without the penalty",
        source="Hoerl & Kennard 1970, Ridge regression",
    ),
    Regularizer(
        name="elastic_net",
        hparams=("l1", "l2"),
        formula="λ (ρ Σ|w| + ½ (1 − ρ) Σ w²)",
        acts="adds λ (ρ sign(w) + (1 − ρ) w) to the gradient: l1 = λ ρ and l2 = λ (1 − ρ)",
        remark="scikit-learn's alpha and l1_ratio, beside its loss ½ · mean squared error",
        source="Zou & Hastie 2005, Regularization and variable selection via the elastic net",
    ),
    Regularizer(
        name="weight_decay",
        hparams=("weight_decay",),
        formula="W ← W − η λ W, beside the optimiser's own step",
        acts="on the weights themselves, behind momentum and scaling; not part of the loss",
        remark="for plain gradient descent the same as l2 with the same λ; not with momentum or an adaptive step",
        torch="torch.optim.AdamW",
        differs="kernels only unless asked",
        source="Loshchilov & Hutter 2019, Decoupled weight decay regularization",
    ),
    Regularizer(
        name="max_norm",
        hparams=("max_norm",),
        formula="w ← w · min(1, c / ‖w‖₂) for the incoming weights w of each unit",
        acts="on the weights after each update",
        remark="c is a length and no λ; 3 to 4 is usual beside dropout",
        torch="torch.renorm",
        differs="lands on c; PyTorch adds 10⁻⁷ to ‖w‖₂ and lands just inside",
        source="Srivastava et al. 2014, Dropout",
    ),
)


def elastic_net(strength: float, ratio: float) -> tuple[float, float]:
    """(λ₁, λ₂) of λ (ρ ‖W‖₁ + ½ (1 − ρ) ‖W‖²): the fields ``l1`` and ``l2`` of ``HParams``.

    Args:
        strength: λ ≥ 0. ratio: ρ in [0, 1]; 1 is the lasso, 0 the ridge.

    Raises:
        InputError: a number out of its range.
    """
    ok = isfinite(strength) and strength >= 0
    require(ok, f"the strength of an elastic net must be a number ≥ 0, got {strength}")
    require(0 <= ratio <= 1, f"the ratio of an elastic net must be in [0, 1], got {ratio}")
    return strength * ratio, strength * (1 - ratio)


def kernel_mask(params: Params) -> Params:
    """True at every kernel, False at every bias: what penalties and weight decay touch."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "kernel", params)


def _over_kernels(term: Callable[[AnyArray], AnyArray], params: Params) -> AnyArray:
    masked = zip(jax.tree.leaves(params), jax.tree.leaves(kernel_mask(params)), strict=True)
    terms = [term(leaf) for leaf, is_kernel in masked if is_kernel]
    return namespace(terms[0]).sum(namespace(terms[0]).stack(terms))


def penalty(hparams: HParams, params: Params) -> AnyArray | float:
    """R = λ₁ Σ ‖W‖₁ + ½ λ₂ Σ ‖W‖²_F over the kernels; 0 where neither is in the program.

    The ½ makes the gradient λ₂ W, the lectures' convention for weight decay.
    """
    total: AnyArray | float = 0.0
    if hparams.l1 is not None:
        total = total + hparams.l1 * _over_kernels(lambda w: namespace(w).sum(absolute(w)), params)
    if hparams.l2 is not None:
        total = total + 0.5 * hparams.l2 * _over_kernels(lambda w: namespace(w).sum(w * w), params)
    return total


def add_penalty_gradient(hparams: HParams, params: Params, grads: Params) -> Params:
    """grads + ∂R/∂W by hand: λ₁ sign(W) + λ₂ W at the kernels (sign(0) = 0), nothing at the biases."""

    def touched(is_kernel: bool, w: AnyArray, grad: AnyArray) -> AnyArray:
        # λ in the weights' own type, which a NumPy number of another would change
        if is_kernel and hparams.l1 is not None:
            grad = grad + namespace(w).asarray(hparams.l1, dtype=w.dtype) * sign(w)
        if is_kernel and hparams.l2 is not None:
            grad = grad + namespace(w).asarray(hparams.l2, dtype=w.dtype) * w
        return grad

    return jax.tree.map(touched, kernel_mask(params), params, grads)


def constrain(hparams: HParams, params: Params) -> Params:
    """Max-norm: w ← w · min(1, c / ‖w‖₂) for each unit's incoming weights w, the columns of every kernel.

    For after an update. Kernels (fan_in, units) keep shape and dtype; columns inside the ball keep every bit. Biases
    and all else are left alone, and without ``hparams.max_norm`` so is everything.

    Source: Srivastava et al. 2014, Dropout.
    """
    if hparams.max_norm is None:
        return params

    def projected(is_kernel: bool, w: jax.Array) -> jax.Array:
        if not is_kernel:
            return w
        most = jnp.asarray(hparams.max_norm, w.dtype)
        norm = jnp.sqrt(jnp.sum(jnp.square(w), axis=0, keepdims=True))
        outside = norm > most
        return w * jnp.where(outside, most / jnp.where(outside, norm, 1), 1)

    return jax.tree.map(projected, kernel_mask(params), params)
