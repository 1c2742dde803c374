"""Negative log-likelihoods of counts and of numbers, entry by entry: targets (batch, k) ↦ (batch, k)."""

from math import log, pi

import jax
import jax.numpy as jnp

from fcnet.arrays import AnyArray, namespace
from fcnet.catalogue import Option, table
from fcnet.contracts import REGRESSION
from fcnet.losses.record import Loss, Pullback, from_slope, from_slopes

# What ``full`` adds to Gaussian likelihoods.
HALF_LOG_2_PI = 0.5 * log(2 * pi)


def stirling(targets: AnyArray) -> AnyArray:
    """Stirling's log y! ≈ y log y − y + ½ log(2π y) where y > 1, else 0, elementwise, in the array API."""
    xp = namespace(targets)
    large = xp.where(targets > 1, targets, 2 * xp.ones_like(targets))
    value = large * xp.log(large) - large + 0.5 * xp.log(2 * pi * large)
    return xp.where(targets > 1, value, xp.zeros_like(value))


def poisson_nll(outputs: jax.Array, targets: jax.Array, *, log_input: bool, full: bool, eps: float) -> jax.Array:
    """−log Poisson(y; rate) without terms in y alone: exp(z) − y z, or z − y log(z + ε) where z is the rate itself.

    Args:
        outputs: (batch, k): logarithms of rates, or rates (> −ε) with ``log_input`` false.
        targets: (batch, k) counts ≥ 0.
        full: add Stirling's approximation of log y!.

    Returns:
        (batch, k).
    """
    value = jnp.exp(outputs) - targets * outputs if log_input else outputs - targets * jnp.log(outputs + eps)
    return value + stirling(targets) if full else value


def _poisson_nll(
    outputs: AnyArray, targets: AnyArray, *, log_input: bool, full: bool, eps: float
) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    if log_input:
        rate = xp.exp(outputs)
        value, slope = rate - targets * outputs, rate - targets
    else:
        value, slope = outputs - targets * xp.log(outputs + eps), 1 - targets / (outputs + eps)
    return value + stirling(targets) if full else value, slope


def _rates(outputs: jax.Array, *, log_input: bool, **options: bool | float) -> jax.Array:
    return jnp.exp(outputs) if log_input else outputs


def gaussian_nll_of_inputs(
    mean: jax.Array, targets: jax.Array, variance: jax.Array, *, full: bool, eps: float
) -> jax.Array:
    """−log N(y; µ, v) = ½ (log v + (y − µ)² / v), plus ½ log 2π if ``full``; all (batch, k) ↦ (batch, k).

    v is at least ε. The derivative passes that floor as if it were not there, so that a small v can grow again.
    """
    floor = jax.lax.stop_gradient(jnp.maximum(variance, eps))
    floored = floor + (variance - jax.lax.stop_gradient(variance))
    value = 0.5 * (jnp.log(floored) + jnp.square(targets - mean) / floored)
    return value + HALF_LOG_2_PI if full else value


def _gaussian_nll_of_inputs(
    mean: AnyArray, targets: AnyArray, variance: AnyArray, *, full: bool, eps: float
) -> tuple[AnyArray, tuple[AnyArray, AnyArray]]:
    xp = namespace(mean)
    floored = xp.maximum(variance, eps * xp.ones_like(variance))
    pull = (mean - targets) / floored
    value = 0.5 * (xp.log(floored) + (mean - targets) * pull)
    return value + HALF_LOG_2_PI if full else value, (pull, 0.5 * (1 / floored - pull * pull))


def gaussian_nll(outputs: jax.Array, targets: jax.Array, *, full: bool, eps: float) -> jax.Array:
    """The same for outputs [µ | s] that say the variance v = exp(s): no output makes it negative or overflow.

    Args:
        outputs: (batch, 2k): k means, then k raw log-variances.
        targets: (batch, k).

    Returns:
        (batch, k).
    """
    mean, raw = _halves(outputs, targets)
    floor = jax.lax.stop_gradient(jnp.maximum(raw, log(eps)))
    share = jnp.exp(raw - floor)
    below = floor + (share - jax.lax.stop_gradient(share))
    log_variance = jnp.where(raw > log(eps), raw, below)
    value = 0.5 * (log_variance + jnp.square(targets - mean) * jnp.exp(-log_variance))
    return value + HALF_LOG_2_PI if full else value


def _gaussian_nll(outputs: AnyArray, targets: AnyArray, *, full: bool, eps: float) -> tuple[AnyArray, Pullback]:
    xp = namespace(outputs)
    mean, raw = _halves(outputs, targets)
    log_variance = xp.maximum(raw, log(eps) * xp.ones_like(raw))
    pull = (mean - targets) * xp.exp(-log_variance)
    surprise = (mean - targets) * pull
    value = 0.5 * (log_variance + surprise)
    # ∂v/∂s = exp(s), over the floored v
    towards_raw = 0.5 * (1 - surprise) * xp.exp(raw - log_variance)

    def pullback(upstream: AnyArray) -> AnyArray:
        return xp.concat([upstream * pull, upstream * towards_raw], axis=-1)

    return value + HALF_LOG_2_PI if full else value, pullback


def _halves(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    means = targets.shape[-1]
    return outputs[:, :means], outputs[:, means:]


def _means(outputs: jax.Array, **options: bool | float) -> jax.Array:
    return outputs[:, : outputs.shape[-1] // 2]


_FULL = Option(False, "add the terms that do not depend on the outputs")
LIKELIHOODS = table(
    Loss(
        name="poisson_nll",
        task=REGRESSION,
        function=poisson_nll,
        by_hand=from_slope(_poisson_nll),
        formula="exp(z) − y z if log_input else z − y log(z + ε); full adds y log y − y + ½ log(2π y) where y > 1",
        derivative_formula="exp(z) − y if log_input else 1 − y / (z + ε)",
        targets="counts",
        outputs=lambda *, log_input, **options: "numbers" if log_input else "rates",
        predict=_rates,
        options={
            "log_input": Option(True, "outputs are logarithms of rates"),
            "full": _FULL,
            "eps": Option(1e-8, "ε: keeps the logarithm of a rate of 0 finite", low=0, open_low=True),
        },
        torch="torch.nn.PoissonNLLLoss",
        source="Nelder & Wedderburn 1972, Generalized linear models",
    ),
    Loss(
        name="gaussian_nll",
        task=REGRESSION,
        function=gaussian_nll,
        by_hand=_gaussian_nll,
        formula="½ (log v + (y − µ)² / v), outputs [µ | s], v = max(exp(s), ε); full adds ½ log 2π",
        derivative_formula="∂/∂µ = (µ − y) / v, ∂/∂s = ½ (1 − (y − µ)² / v) exp(s) / v",
        targets="numbers",
        predict=_means,
        kinks="exp(s) < ε: as if there were no floor",
        outputs_per_target=2,
        of_inputs=gaussian_nll_of_inputs,
        of_inputs_by_hand=from_slopes(_gaussian_nll_of_inputs),
        options={"full": _FULL, "eps": Option(1e-6, "ε: the least variance", low=0, open_low=True)},
        torch="torch.nn.GaussianNLLLoss",
        source="Nix & Weigend 1994, Estimating the mean and variance of the target probability distribution",
    ),
)
