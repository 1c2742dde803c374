"""Losses for networks that end in probabilities or their logarithms: outputs z and targets y, both (batch, classes)."""

import jax
import jax.numpy as jnp

from fcnet.arrays import AnyArray, namespace
from fcnet.catalogue import Option, table
from fcnet.contracts import CLASSIFICATION
from fcnet.losses.record import Loss, exp_of, from_slope, from_slopes, outputs_themselves
from fcnet.losses.targets import log_where_not_zero, weighted

# PyTorch's bounds for probabilities of 0 and 1: the least logarithm, and the least p (1 − p) that is divided by. The
# second is 1e-12 rounded to float32, as PyTorch rounds it for every dtype.
LEAST_LOG = -100.0
LEAST_SPREAD = 9.999999960041972e-13


def nll(outputs: jax.Array, targets: jax.Array, *, class_weights: jax.Array | None = None) -> jax.Array:
    """−Σ_c w_c y_c z_c: log-probabilities and probabilities, both (batch, classes) ↦ (batch,). 0 · −∞ counts as 0."""
    wanted = weighted(targets, class_weights)
    return -jnp.sum(jnp.where(wanted == 0, 0.0, wanted * outputs), axis=-1)


def _nll(outputs: AnyArray, targets: AnyArray, *, class_weights: AnyArray | None = None) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    wanted = weighted(targets, class_weights)
    return -xp.sum(wanted * xp.where(wanted == 0, xp.zeros_like(outputs), outputs), axis=-1), -wanted


def _bounded_logarithms(outputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.maximum(jnp.log(outputs), LEAST_LOG), jnp.maximum(jnp.log1p(-outputs), LEAST_LOG)


@jax.custom_jvp
def binary_cross_entropy_probability(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """−y log z − (1 − y) log(1 − z): probabilities and memberships, both (batch, classes) ↦ (batch, classes).

    Logarithms are at least −100, the derivative's denominator z (1 − z) at least 1e-12, so that z = 0 and z = 1 have a
    finite loss and slope. NaN where z is outside [0, 1].
    """
    log_yes, log_no = _bounded_logarithms(outputs)
    return -targets * log_yes - (1 - targets) * log_no


@binary_cross_entropy_probability.defjvp
def _binary_cross_entropy_probability_jvp(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (outputs, targets), (along_outputs, along_targets) = primals, tangents
    slope = (outputs - targets) / jnp.maximum(outputs * (1 - outputs), LEAST_SPREAD)
    log_yes, log_no = _bounded_logarithms(outputs)
    value = binary_cross_entropy_probability(outputs, targets)
    return value, along_outputs * slope + along_targets * (log_no - log_yes)


def _binary_cross_entropy_probability(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    least = LEAST_LOG * xp.ones_like(outputs)
    inside_yes = xp.where(outputs == 0, xp.ones_like(outputs), outputs)
    inside_no = xp.where(outputs == 1, xp.zeros_like(outputs), outputs)
    log_yes = xp.where(outputs == 0, least, xp.maximum(xp.log(inside_yes), least))
    log_no = xp.where(outputs == 1, least, xp.maximum(xp.log1p(-inside_no), least))
    spread = xp.maximum(outputs * (1 - outputs), LEAST_SPREAD * xp.ones_like(outputs))
    return -targets * log_yes - (1 - targets) * log_no, (outputs - targets) / spread


def kl_divergence_of_inputs(outputs: jax.Array, targets: jax.Array, *, log_target: bool) -> jax.Array:
    """The terms of KL(y ‖ exp z), y (log y − z) with 0 log 0 = 0, in PyTorch's form.

    Log-probabilities z and probabilities y – or, with ``log_target``, log y – both (batch, classes) ↦ the same shape.
    """
    if log_target:
        return jnp.where(targets == -jnp.inf, 0.0, jnp.exp(targets) * (targets - outputs))
    log_targets = jnp.log(jnp.where(targets == 0, 1.0, targets))
    return jnp.where(targets == 0, 0.0, targets * (log_targets - outputs))


def _kl_divergence_of_inputs(
    outputs: AnyArray, targets: AnyArray, *, log_target: bool
) -> tuple[AnyArray, tuple[AnyArray]]:
    xp = namespace(outputs)
    probability = xp.exp(targets) if log_target else targets
    log_probability = targets if log_target else log_where_not_zero(targets)
    counts, zero = probability != 0, xp.zeros_like(outputs)
    excess = xp.where(counts, log_probability, zero) - xp.where(counts, outputs, zero)
    return probability * excess, (-probability,)


def kl_divergence(outputs: jax.Array, targets: jax.Array, *, log_target: bool) -> jax.Array:
    """The same for targets that are probabilities, as training has them: ``log_target`` then changes nothing.

    Both (batch, classes) ↦ (batch, classes).
    """
    return kl_divergence_of_inputs(outputs, targets, log_target=False)


def _kl_divergence(outputs: AnyArray, targets: AnyArray, *, log_target: bool) -> tuple[AnyArray, AnyArray]:
    value, (slope,) = _kl_divergence_of_inputs(outputs, targets, log_target=False)
    return value, slope


OF_PROBABILITIES = table(
    Loss(
        name="nll",
        task=CLASSIFICATION,
        function=nll,
        by_hand=from_slope(_nll),
        formula="−Σ_c w_c y_c z_c, outputs z are log-probabilities",
        derivative_formula="−w y",
        targets="probabilities",
        outputs="log_probabilities",
        predict=exp_of,
        takes_class_weights=True,
        divides_by_class_weights=True,
        torch="torch.nn.NLLLoss",
        differs="takes rows of probabilities; PyTorch's class indices are the one-hot case; 0 · −∞ counts as 0",
        source="Fisher 1922, On the mathematical foundations of theoretical statistics",
    ),
    Loss(
        name="binary_cross_entropy_probability",
        task=CLASSIFICATION,
        function=binary_cross_entropy_probability,
        by_hand=from_slope(_binary_cross_entropy_probability),
        formula="−y log z − (1 − y) log(1 − z), logarithms at least −100, outputs z are probabilities",
        derivative_formula="(z − y) / max(z (1 − z), 1e-12)",
        targets="memberships",
        outputs="probabilities",
        predict=outputs_themselves,
        kinks="z = 0, z = 1 and beside them: as the derivative's formula says",
        torch="torch.nn.BCELoss",
        differs="NaN for outputs outside [0, 1], which PyTorch refuses: compiled code cannot raise",
        source="Cox 1958, The regression analysis of binary sequences",
    ),
    Loss(
        name="kl_divergence",
        task=CLASSIFICATION,
        function=kl_divergence,
        by_hand=from_slope(_kl_divergence),
        formula="y (log y − z), 0 log 0 = 0, outputs z are log-probabilities; log_target: of_inputs takes log y",
        derivative_formula="−y",
        targets="probabilities",
        outputs="log_probabilities",
        predict=exp_of,
        of_inputs=kl_divergence_of_inputs,
        of_inputs_by_hand=from_slopes(_kl_divergence_of_inputs),
        options={"log_target": Option(False, "PyTorch's form of the targets is log y")},
        torch="torch.nn.KLDivLoss",
        differs="0 where y = 0 and z or log y is −∞, where PyTorch gives NaN; the function itself always takes y",
        source="Kullback & Leibler 1951, On information and sufficiency",
    ),
)
