"""Losses per example, unreduced, each with its derivative towards the output written beside it.

Conventions: a loss of several outputs is the mean over the outputs of one example, as PyTorch's ``mean`` reduction
gives for equally long rows; MSE has no ½, ``half_mse`` has it (the lectures use both).
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from fcnet.arrays import AnyArray, absolute, log_softmax, namespace
from fcnet.contracts import CLASSIFICATION, REGRESSION
from fcnet.errors import unknown


@dataclass(frozen=True)
class Loss:
    """One loss ℓ(outputs, targets) per example.

    ``function``: outputs (batch, k), targets (see below) ↦ (batch,), in JAX; autodiff differentiates it.
    ``by_hand``: the same pair ↦ (ℓ: (batch,), ∂ℓ/∂outputs: (batch, k)), in any array-API library.
    ``task``: classification targets are probabilities (batch, classes), one-hot unless smoothed;
        regression targets are numbers (batch, k). Both have the outputs' dtype.
    ``kinks``: where it is not differentiable, and the value taken there.
    """

    name: str
    task: str
    function: Callable[[jax.Array, jax.Array], jax.Array]
    by_hand: Callable[[AnyArray, AnyArray], tuple[AnyArray, AnyArray]]
    formula: str
    derivative_formula: str
    kinks: str = ""


def _cross_entropy_by_hand(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    log_probability = log_softmax(outputs)
    loss = -xp.sum(targets * log_probability, axis=-1)
    return loss, xp.exp(log_probability) * xp.sum(targets, axis=-1, keepdims=True) - targets


def _binary_cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean(optax.sigmoid_binary_cross_entropy(outputs, targets), axis=-1)


def _binary_cross_entropy_by_hand(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    decay = xp.exp(-xp.abs(outputs))
    softplus = xp.maximum(outputs, xp.zeros_like(outputs)) + xp.log1p(decay)
    sigmoid = xp.where(outputs >= 0, xp.ones_like(decay), decay) / (1 + decay)
    return xp.mean(softplus - targets * outputs, axis=-1), (sigmoid - targets) / outputs.shape[-1]


def _mse(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean(optax.squared_error(outputs, targets), axis=-1)


def _mse_by_hand(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    error = outputs - targets
    return namespace(outputs).mean(error * error, axis=-1), 2 * error / outputs.shape[-1]


def _half_mse(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean(optax.l2_loss(outputs, targets), axis=-1)


def _half_mse_by_hand(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    error = outputs - targets
    return 0.5 * namespace(outputs).mean(error * error, axis=-1), error / outputs.shape[-1]


def _mae(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean(absolute(outputs - targets), axis=-1)


def _mae_by_hand(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    error = outputs - targets
    return xp.mean(xp.abs(error), axis=-1), xp.sign(error) / outputs.shape[-1]


def _smooth_l1(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean(optax.huber_loss(outputs, targets, delta=1.0), axis=-1)


def _smooth_l1_by_hand(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    error = outputs - targets
    size = xp.abs(error)
    loss = xp.where(size < 1, 0.5 * error * error, size - 0.5)
    return xp.mean(loss, axis=-1), xp.clip(error, -1.0, 1.0) / outputs.shape[-1]


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "cross_entropy",
            CLASSIFICATION,
            optax.softmax_cross_entropy,
            _cross_entropy_by_hand,
            "−Σⱼ yⱼ log softmax(z)ⱼ",
            "softmax(z) − y",
        ),
        Loss(
            "binary_cross_entropy",
            CLASSIFICATION,
            _binary_cross_entropy,
            _binary_cross_entropy_by_hand,
            "mean over classes of −yⱼ log σ(zⱼ) − (1 − yⱼ) log(1 − σ(zⱼ)): each class against the rest",
            "(σ(z) − y) / classes",
        ),
        Loss("mse", REGRESSION, _mse, _mse_by_hand, "mean over outputs of (z − y)²", "2 (z − y) / outputs"),
        Loss("half_mse", REGRESSION, _half_mse, _half_mse_by_hand, "half of mse", "(z − y) / outputs"),
        Loss(
            "mae",
            REGRESSION,
            _mae,
            _mae_by_hand,
            "mean over outputs of |z − y|",
            "sign(z − y) / outputs",
            kinks="z = y: the derivative is taken as 0",
        ),
        Loss(
            "smooth_l1",
            REGRESSION,
            _smooth_l1,
            _smooth_l1_by_hand,
            "mean over outputs of ½ e² if |e| < 1 else |e| − ½, e = z − y",
            "clip(z − y, −1, 1) / outputs",
        ),
    )
}


def get(name: str) -> Loss:
    """The loss called ``name``.

    Raises:
        InputError: no loss has that name; the nearest ones are listed.
    """
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    return LOSSES[name]


def probability_targets(
    labels: jax.Array, classes: int, dtype: jnp.dtype, label_smoothing: jax.Array | float | None = None
) -> jax.Array:
    """Class indices as probabilities: y = (1 − ε) one_hot(label) + ε / classes.

    Args:
        labels: (batch,) int, in [0, classes).
        label_smoothing: ε in [0, 1), traced; None leaves the targets one-hot.

    Returns:
        (batch, classes) of ``dtype``.

    Source: Szegedy et al. 2016, Rethinking the Inception architecture.
    """
    one_hot = jax.nn.one_hot(labels, classes, dtype=dtype)
    if label_smoothing is None:
        return one_hot
    return one_hot * (1.0 - label_smoothing) + label_smoothing / classes
