"""Optimisers that step along the gradient, or along a running sum of gradients."""

import jax
import jax.numpy as jnp
import optax

from fcnet.catalogue import Option, table
from fcnet.contracts import HParams
from fcnet.optimizers.record import COUPLED, Mask, Optimizer
from fcnet.optimizers.weight_decay_sgd import weight_decay_sgd


def momentum(hparams: HParams, *, nesterov: bool = False) -> optax.GradientTransformation:
    """v ← µ v + g from v = 0, and d = v, or g + µ v with Nesterov's look-ahead; d = g without momentum."""
    if hparams.momentum is None:
        return optax.identity()
    return optax.trace(decay=hparams.momentum, nesterov=nesterov)


def _sgd(hparams: HParams, decayed: Mask, *, dampening: float) -> optax.GradientTransformation:
    if hparams.momentum is None or dampening == 0:
        return momentum(hparams)

    def share(count: jax.Array) -> jax.Array:
        # weak numbers: optax casts to each gradient's own dtype
        return jnp.where(count == 0, 1.0, 1 - dampening)

    return optax.chain(optax.scale_by_schedule(share), momentum(hparams))


def _weight_decay_sgd(
    hparams: HParams, decayed: Mask, *, nesterov: bool, dampening: float
) -> optax.GradientTransformation:
    return weight_decay_sgd(hparams.weight_decay, hparams.momentum, decayed, nesterov=nesterov, dampening=dampening)


_DAMPENING = Option(0.0, "τ: share of the gradient that is left out from the second step on", low=0, high=1)
_POLYAK = "Polyak 1964, Some methods of speeding up the convergence of iteration methods"
_DECAY = "weight decay comes after the momentum; PyTorch's enters before it: decay coupled, or weight_decay_sgd"

DESCENT = table(
    Optimizer(
        name="gd",
        formula="W ← W − η ∂L/∂W, L over all rows",
        direction=lambda hparams, decayed: optax.identity(),
        momentum="",
        full_batch=True,
        torch="torch.optim.SGD",
        source="Cauchy 1847, Méthode générale pour la résolution des systèmes d'équations simultanées",
    ),
    Optimizer(
        name="sgd",
        formula="v ← µ v + (1 − τ) g (v = g at first), W ← W − η v, L over the rows of a batch",
        direction=_sgd,
        options={"dampening": _DAMPENING},
        torch="torch.optim.SGD",
        differs=f"{_DECAY}. A momentum of 0 damps, where PyTorch then leaves the velocity out",
        source=_POLYAK,
    ),
    Optimizer(
        name="nesterov",
        formula="v ← µ v + g, W ← W − η (g + µ v)",
        direction=lambda hparams, decayed: momentum(hparams, nesterov=True),
        torch="torch.optim.SGD(nesterov=True)",
        differs=_DECAY,
        source="Sutskever et al. 2013, On the importance of initialization and momentum in deep learning",
    ),
    Optimizer(
        name="weight_decay_sgd",
        formula="g ← g + λ W, v ← µ v + (1 − τ) g (v = g at first), W ← W − η v, or η (g + µ v) with Nesterov",
        direction=_weight_decay_sgd,
        decays=(COUPLED,),
        decays_itself=True,
        options={"nesterov": Option(False, "step along g + µ v"), "dampening": _DAMPENING},
        torch="torch.optim.SGD(weight_decay=λ)",
        differs="a momentum of 0 damps, where PyTorch then leaves the velocity out",
        source="Krogh & Hertz 1992, A simple weight decay can improve generalization",
    ),
)
