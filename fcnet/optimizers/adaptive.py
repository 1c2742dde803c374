"""Optimisers that scale each entry of the gradient by its own history, written out one recursion each."""

from math import log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from fcnet.catalogue import Option, table
from fcnet.contracts import HParams, Params
from fcnet.optimizers.descent import momentum
from fcnet.optimizers.record import DECOUPLED, Mask, Optimizer


def _zeros(params: Params) -> Any:
    return jax.tree.map(jnp.zeros_like, params)


def _running_mean(mean: Params, values: Params, decay: jax.Array | float) -> Any:
    """m ← β m + (1 − β) x, leaf by leaf."""
    return jax.tree.map(lambda m, x: decay * m + (1 - decay) * x, mean, values)


def _squared(grads: Params) -> Any:
    return jax.tree.map(jnp.square, grads)


def _divided(grads: Params, squares: Params, eps: float) -> Any:
    """g / (√s + ε): ε outside the root, as in PyTorch."""
    return jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), grads, squares)


def _adagrad(hparams: HParams, decayed: Mask, *, eps: float, lr_decay: float) -> optax.GradientTransformation:
    def update(grads: Params, sums: Params, params: Params | None = None) -> tuple[Any, Any]:
        sums = jax.tree.map(jnp.add, sums, _squared(grads))
        return _divided(grads, sums, eps), sums

    scaled = optax.GradientTransformation(_zeros, update)
    if lr_decay == 0:
        return scaled
    # the count as a number of the default type; optax casts the quotient to each gradient's own
    return optax.chain(scaled, optax.scale_by_schedule(lambda count: 1 / (1 + lr_decay * count.astype(float))))


class RMSPropState(NamedTuple):
    """Running means of g² and, where centred, of g."""

    square: Params
    mean: Params | None


def _rmsprop(
    hparams: HParams, decayed: Mask, *, alpha: float, eps: float, centered: bool
) -> optax.GradientTransformation:
    def init(params: Params) -> RMSPropState:
        return RMSPropState(_zeros(params), _zeros(params) if centered else None)

    def update(grads: Params, state: RMSPropState, params: Params | None = None) -> tuple[Any, RMSPropState]:
        square, mean = _running_mean(state.square, _squared(grads), alpha), state.mean
        spread = square
        if mean is not None:
            mean = _running_mean(mean, grads, alpha)
            # a gradient that stays the same has no variance, and rounding can make it negative
            spread = jax.tree.map(lambda s, m: jnp.maximum(s - jnp.square(m), 0), square, mean)
        return _divided(grads, spread, eps), RMSPropState(square, mean)

    return optax.chain(optax.GradientTransformation(init, update), momentum(hparams))


class AdamState(NamedTuple):
    """Steps done, running means of g and g², and with AMSGrad the largest mean of g² so far."""

    steps: jax.Array
    mean: Params
    square: Params
    largest: Params | None


def _adam(hparams: HParams, decayed: Mask, *, b2: float, eps: float, amsgrad: bool) -> optax.GradientTransformation:
    def init(params: Params) -> AdamState:
        return AdamState(jnp.int32(0), _zeros(params), _zeros(params), _zeros(params) if amsgrad else None)

    def update(grads: Params, state: AdamState, params: Params | None = None) -> tuple[Any, AdamState]:
        dtype = jax.tree.leaves(grads)[0].dtype
        b1 = jnp.asarray(0 if hparams.momentum is None else hparams.momentum, dtype)
        steps = optax.safe_increment(state.steps)
        # 1 − βⁿ without cancellation, which would cost float32 half its digits at β₂'s first steps
        started_mean = -jnp.expm1(steps.astype(dtype) * jnp.log(b1))
        started_square = -jnp.expm1(steps.astype(dtype) * log(b2))
        mean, square = _running_mean(state.mean, grads, b1), _running_mean(state.square, _squared(grads), b2)
        largest = None if state.largest is None else jax.tree.map(jnp.maximum, state.largest, square)
        corrected_mean = jax.tree.map(lambda m: m / started_mean, mean)
        corrected_square = jax.tree.map(lambda v: v / started_square, square if largest is None else largest)
        return _divided(corrected_mean, corrected_square, eps), AdamState(steps, mean, square, largest)

    return optax.GradientTransformation(init, update)


def _lion(hparams: HParams, decayed: Mask, *, b2: float) -> optax.GradientTransformation:
    return optax.scale_by_lion(b1=0.0 if hparams.momentum is None else hparams.momentum, b2=b2)


def _eps(default: float) -> Option:
    return Option(default, "ε: added to the root", low=0, open_low=True)


_ADAM_OPTIONS = {
    "b2": Option(0.999, "β₂: decay of the mean of g²", low=0, high=1, open_low=True, open_high=True),
    "eps": _eps(1e-8),
    "amsgrad": Option(False, "divide by the largest mean of g² so far"),
}
_ADAM = "m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², d = m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)"

ADAPTIVE = table(
    Optimizer(
        name="adagrad",
        formula="s ← s + g², d = g / (√s + ε) / (1 + (t − 1) κ), W ← W − η d",
        direction=_adagrad,
        momentum="",
        options={"eps": _eps(1e-10), "lr_decay": Option(0.0, "κ: how fast d shrinks besides", low=0)},
        torch="torch.optim.Adagrad",
        differs="weight decay is decoupled unless asked; PyTorch's is coupled",
        source="Duchi et al. 2011, Adaptive subgradient methods",
    ),
    Optimizer(
        name="rmsprop",
        formula="s ← α s + (1 − α) g², v ← µ v + g / (√s + ε), W ← W − η v; centred: s − m² under the root, m of g",
        direction=_rmsprop,
        options={
            "alpha": Option(0.99, "α: decay of the means", low=0, high=1, open_high=True),
            "eps": _eps(1e-8),
            "centered": Option(False, "divide by the standard deviation of g instead of its root mean square"),
        },
        torch="torch.optim.RMSprop",
        differs="weight decay is decoupled unless asked, PyTorch's is coupled; a variance below 0 by rounding counts "
        "as 0, where PyTorch's root becomes NaN",
        source="Tieleman & Hinton 2012, Lecture 6.5: RMSprop",
    ),
    Optimizer(
        name="adam",
        formula=f"{_ADAM}, W ← W − η (d + λ W); with coupled decay g ← g + λ W first, which is L2",
        direction=_adam,
        momentum="β₁",
        options=_ADAM_OPTIONS,
        torch="torch.optim.Adam",
        differs="weight decay is decoupled unless asked (then the same as adamw); PyTorch's Adam has it coupled",
        source="Kingma & Ba 2015, Adam",
    ),
    Optimizer(
        name="adamw",
        formula=f"{_ADAM}, W ← W − η (d + λ W), never coupled",
        direction=_adam,
        momentum="β₁",
        decays=(DECOUPLED,),
        options=_ADAM_OPTIONS,
        torch="torch.optim.AdamW",
        source="Loshchilov & Hutter 2019, Decoupled weight decay regularization",
    ),
    Optimizer(
        name="lion",
        formula="d = sign(β₁ m + (1 − β₁) g), m ← β₂ m + (1 − β₂) g, W ← W − η (d + λ W)",
        direction=_lion,
        momentum="β₁",
        options={"b2": Option(0.99, "β₂: decay of the mean of g", low=0, high=1, open_high=True)},
        source="Chen et al. 2023, Symbolic discovery of optimization algorithms",
    ),
)
