"""Penalties on a parameter tree, their gradients by hand, and the mask of what they touch."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from fcnet.arrays import absolute
from fcnet.contracts import HParams, Params


def kernel_mask(params: Params) -> Params:
    """True at every kernel, False at every bias: what penalties and weight decay touch."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "kernel", params)


def _over_kernels(term: Callable[[jax.Array], jax.Array], params: Params) -> jax.Array:
    masked = zip(jax.tree.leaves(params), jax.tree.leaves(kernel_mask(params)), strict=True)
    return jnp.sum(jnp.stack([term(leaf) for leaf, is_kernel in masked if is_kernel]))


def penalty(hparams: HParams, params: Params) -> jax.Array | float:
    """R = λ₁ Σ ‖W‖₁ + ½ λ₂ Σ ‖W‖²_F over the kernels; 0 where neither is in the program.

    The ½ makes the gradient λ₂ W, the lectures' convention for weight decay.
    """
    total: jax.Array | float = 0.0
    if hparams.l1 is not None:
        total += hparams.l1 * _over_kernels(lambda w: jnp.sum(absolute(w)), params)
    if hparams.l2 is not None:
        total += 0.5 * hparams.l2 * _over_kernels(lambda w: jnp.sum(jnp.square(w)), params)
    return total


def add_penalty_gradient(hparams: HParams, params: Params, grads: Params) -> Params:
    """grads + ∂R/∂W by hand: λ₁ sign(W) + λ₂ W at the kernels (sign(0) = 0), nothing at the biases."""

    def touched(is_kernel: bool, w: jax.Array, grad: jax.Array) -> jax.Array:
        if is_kernel and hparams.l1 is not None:
            grad = grad + hparams.l1 * jnp.sign(w)
        if is_kernel and hparams.l2 is not None:
            grad = grad + hparams.l2 * w
        return grad

    return jax.tree.map(touched, kernel_mask(params), params, grads)
