"""Shapes of the learning rate: factors on the peak η, each from the integers step and total_steps.

Distances are taken between integers before anything is rounded, so a boundary falls on the step it should and the
factor keeps all digits of its dtype at both ends.
"""

from math import log, pi

import jax
import jax.numpy as jnp

from fcnet.catalogue import Option, Value, table
from fcnet.optimizers.record import Schedule


def _share(step: jax.Array, total: int, dtype: jnp.dtype) -> jax.Array:
    """Step / total, in [0, 1]."""
    return jnp.clip(step, 0, total).astype(dtype) / total


def _half_cosine(share: jax.Array) -> jax.Array:
    """½ (1 − cos π s), from 0 at s = 0 up to 1 at s = 1, as sin² of half the angle: no cancellation near 0."""
    return jnp.square(jnp.sin(0.5 * pi * share))


def _between(low: float, high: float, height: jax.Array) -> jax.Array:
    return low + (high - low) * height


def _one(step: jax.Array, total: int, dtype: jnp.dtype, **options: Value) -> jax.Array:
    return jnp.ones((), dtype)


def _step(step: jax.Array, total: int, dtype: jnp.dtype, *, every: float, factor: float) -> jax.Array:
    drops = step // max(round(every * total), 1)
    return jnp.power(jnp.asarray(factor, dtype), drops.astype(dtype))


def _exponential(step: jax.Array, total: int, dtype: jnp.dtype, *, final: float) -> jax.Array:
    return jnp.exp(log(final) * _share(step, total, dtype))


def _inverse_time(step: jax.Array, total: int, dtype: jnp.dtype, *, rate: float) -> jax.Array:
    return 1 / (1 + rate * step.astype(dtype))


def _cosine(step: jax.Array, total: int, dtype: jnp.dtype, *, final: float) -> jax.Array:
    return _between(final, 1.0, _half_cosine(_share(total - step, total, dtype)))


def _linear(step: jax.Array, total: int, dtype: jnp.dtype, *, final: float) -> jax.Array:
    return _between(final, 1.0, _share(total - step, total, dtype))


def _one_cycle(
    step: jax.Array, total: int, dtype: jnp.dtype, *, peak_at: float, start: float, final: float
) -> jax.Array:
    # PyTorch's two phases meet at a step that need not be whole
    last, peak = total - 1, peak_at * total - 1
    now = step.astype(dtype)
    falling = _between(final, 1.0, _half_cosine(jnp.clip((last - now) / (last - peak), 0, 1)))
    if peak <= 0:
        return falling
    rising = _between(start, 1.0, _half_cosine(jnp.clip(now / peak, 0, 1)))
    return jnp.where(now <= peak, rising, falling)


_PLATEAU = {
    "factor": Option(0.1, "what η is multiplied by", low=0, high=1, open_low=True, open_high=True),
    "patience": Option(10, "epochs without improvement that are borne; the next one reduces η", low=0),
    "threshold": Option(
        1e-4, "share of the best loss by which a better one must be lower", low=0, high=1, open_high=True
    ),
    "cooldown": Option(0, "epochs after a reduction that are not counted", low=0),
    "smallest": Option(0.0, "the least share of the peak η that is left", low=0, high=1),
}
_FINAL = "factor after the last step"
_TORCH = "torch.optim.lr_scheduler"

SCHEDULES = table(
    Schedule(
        name="constant", source="the lectures' gradient descent", formula="1", factor=_one, torch=f"{_TORCH}.ConstantLR"
    ),
    Schedule(
        name="step",
        formula="γ^⌊k / (every · T)⌋ at step k of T",
        factor=_step,
        options={
            "every": Option(0.4, "share of all steps between two drops", low=0, high=1, open_low=True),
            "factor": Option(0.1, "γ: factor of a drop", low=0, high=1, open_low=True),
        },
        torch=f"{_TORCH}.StepLR",
        source="He et al. 2016, Deep residual learning for image recognition",
    ),
    Schedule(
        name="exponential",
        source="Li & Arora 2020, An exponential learning rate schedule for deep learning",
        formula="final^(k / T) at step k of T",
        factor=_exponential,
        options={"final": Option(0.01, _FINAL, low=0, high=1, open_low=True)},
        torch=f"{_TORCH}.ExponentialLR",
    ),
    Schedule(
        name="inverse_time",
        formula="1 / (1 + rate · k) at step k",
        factor=_inverse_time,
        options={"rate": Option(0.01, "how fast it shrinks, per step", low=0)},
        torch=f"{_TORCH}.LambdaLR",
        source="Robbins & Monro 1951, A stochastic approximation method",
    ),
    Schedule(
        name="cosine",
        formula="final + (1 − final) · ½ (1 + cos(π k / T)) at step k of T",
        factor=_cosine,
        options={"final": Option(0.0, _FINAL, low=0, high=1)},
        torch=f"{_TORCH}.CosineAnnealingLR",
        source="Loshchilov & Hutter 2017, SGDR: stochastic gradient descent with warm restarts",
    ),
    Schedule(
        name="linear",
        source="Devlin et al. 2019, BERT",
        formula="final + (1 − final) · (1 − k / T) at step k of T",
        factor=_linear,
        options={"final": Option(0.0, _FINAL, low=0, high=1)},
        torch=f"{_TORCH}.LinearLR",
    ),
    Schedule(
        name="one_cycle",
        formula="half a cosine from start up to 1 at step peak_at · T − 1, half a cosine down to final at step T − 1",
        factor=_one_cycle,
        options={
            "peak_at": Option(0.3, "share of all steps that rise", low=0, high=1, open_low=True, open_high=True),
            "start": Option(0.04, "factor at the first step", low=0, high=1),
            "final": Option(4e-6, "factor at the last step", low=0, high=1),
        },
        torch=f"{_TORCH}.OneCycleLR",
        differs="the momentum stays as it is; PyTorch's falls while η rises unless cycle_momentum=False",
        source="Smith & Topin 2018, Super-convergence",
    ),
    Schedule(
        name="plateau",
        source="PyTorch's documentation",
        formula="1, times factor after each stretch of more than patience epochs without a better validation loss",
        factor=_one,
        by_validation=True,
        options=_PLATEAU,
        torch=f"{_TORCH}.ReduceLROnPlateau",
        differs="an improvement is asked in shares of |best|, so that losses below 0 count; smallest is a share of "
        "the peak η, PyTorch's min_lr a learning rate; there is no least change (eps)",
    ),
)
