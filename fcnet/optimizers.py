"""Optimisers as visible optax chains, built inside the run from traced hyper-parameters.

Order is meaning. A penalty in the objective reaches the parameters through the momentum; the decay here comes after
it and is therefore decoupled: W ← W − η (m + λ W). Source: Loshchilov & Hutter 2019, Decoupled weight decay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from fcnet.contracts import HParams
from fcnet.errors import require, unknown
from fcnet.regularizers import kernel_mask


def _momentum(hparams: HParams, *, nesterov: bool) -> optax.GradientTransformation:
    """m ← µ m + g, the update being m, or g + µ m with Nesterov's look-ahead; g alone without momentum."""
    if hparams.momentum is None:
        return optax.identity()
    return optax.trace(decay=hparams.momentum, nesterov=nesterov)


def _adam(hparams: HParams) -> optax.GradientTransformation:
    """Means m and v of g and g², both corrected for their start at 0; the update is m / (√v + 10⁻⁸).

    Source: Kingma & Ba 2015, Adam; β₂ = 0.999.
    """
    adam = optax.scale_by_adam(b1=0.0 if hparams.momentum is None else hparams.momentum)

    def update(updates: Any, state: optax.OptState, params: Any = None) -> tuple[Any, optax.OptState]:
        # optax raises β to an integer step count, which strict promotion would refuse
        with jax.numpy_dtype_promotion("standard"):
            return adam.update(updates, state, params)

    return optax.GradientTransformation(adam.init, update)


OPTIMIZERS: dict[str, Callable[[HParams], optax.GradientTransformation]] = {
    "sgd": lambda hparams: _momentum(hparams, nesterov=False),
    "nesterov": lambda hparams: _momentum(hparams, nesterov=True),
    "adam": _adam,
}

# Shape of the learning rate over training: progress t in [0, 1] ↦ the factor on η.
SCHEDULES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "constant": jnp.ones_like,
    "cosine": lambda t: 0.5 * (1 + jnp.cos(jnp.pi * t)),
    "linear": lambda t: 1 - t,
    "step": lambda t: jnp.where(t < 0.5, 1.0, jnp.where(t < 0.75, 0.1, 0.01)).astype(t.dtype),
    "exponential": lambda t: jnp.exp(jnp.log(0.01) * t).astype(t.dtype),
}


@dataclass(frozen=True)
class OptimizerSpec:
    """Which chain, and the shape of its learning rate.

    ``warmup``: the fraction of all steps in which the learning rate rises linearly from 0, in [0, 1).

    Raises:
        InputError: names that are not in the catalogue, or a fraction outside [0, 1).
    """

    name: str = "sgd"
    schedule: str = "constant"
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in OPTIMIZERS:
            raise unknown("optimiser", self.name, OPTIMIZERS)
        if self.schedule not in SCHEDULES:
            raise unknown("schedule", self.schedule, SCHEDULES)
        require(0 <= self.warmup < 1, f"warmup must be a fraction of the steps in [0, 1), got {self.warmup}")


def learning_rate(
    spec: OptimizerSpec, peak: jax.Array | float, total_steps: int, dtype: jnp.dtype
) -> Callable[[jax.Array], jax.Array]:
    """step ↦ η(step): a linear rise over the first ``warmup`` of the steps, then the schedule over the rest."""
    warmup_steps = spec.warmup * total_steps

    def at(step: jax.Array) -> jax.Array:
        done = step.astype(dtype)
        t = jnp.clip((done - warmup_steps) / max(total_steps - warmup_steps, 1), 0, 1)
        rise = jnp.minimum((done + 1) / max(warmup_steps, 1), 1)
        return peak * rise * SCHEDULES[spec.schedule](t)

    return at


def build(spec: OptimizerSpec, hparams: HParams, total_steps: int, dtype: jnp.dtype) -> optax.GradientTransformation:
    """The whole chain: direction, decoupled decay of the kernels, learning rate."""
    decay = (
        optax.identity()
        if hparams.weight_decay is None
        else optax.add_decayed_weights(hparams.weight_decay, kernel_mask)
    )
    schedule = learning_rate(spec, hparams.learning_rate, total_steps, dtype)
    return optax.chain(OPTIMIZERS[spec.name](hparams), decay, optax.scale_by_learning_rate(schedule))
