"""Rows of class probabilities as targets: from labels, weighted by class, and their entropy."""

from typing import Any

from fcnet.arrays import AnyArray, namespace


def entropy(probabilities: AnyArray) -> AnyArray:
    """H(p) = −Σ_c p_c log p_c in nats, with 0 log 0 = 0: (batch, classes) ↦ (batch,), in the array API.

    Source: Shannon 1948, A mathematical theory of communication.
    """
    xp = namespace(probabilities)
    return -xp.sum(probabilities * log_where_not_zero(probabilities), axis=-1)


def probability_targets(
    labels: AnyArray, classes: int, dtype: Any, label_smoothing: AnyArray | float | None = None
) -> AnyArray:
    """Class indices as probabilities: y = (1 − ε) one_hot(label) + ε / classes, in the array API.

    Args:
        labels: (batch,) int, in [0, classes).
        dtype: of the answer, in the labels' own library.
        label_smoothing: ε in [0, 1), traced; None leaves the targets one-hot.

    Returns:
        (batch, classes).

    Source: Szegedy et al. 2016, Rethinking the Inception architecture.
    """
    xp = namespace(labels)
    indices = xp.reshape(xp.arange(classes, dtype=labels.dtype), (1, -1))
    return smoothed(xp.astype(xp.reshape(labels, (-1, 1)) == indices, dtype), label_smoothing)


def smoothed(targets: AnyArray, label_smoothing: AnyArray | float | None) -> AnyArray:
    """(1 − ε) y + ε / classes for targets y (batch, classes), in the array API; y itself where ε is None."""
    if label_smoothing is None:
        return targets
    return targets * (1.0 - label_smoothing) + label_smoothing / targets.shape[-1]


def weighted(by_class: AnyArray, class_weights: AnyArray | None) -> AnyArray:
    """w_c times column c of (batch, classes), in the array API; itself where there are no weights."""
    if class_weights is None:
        return by_class
    xp = namespace(by_class)
    return by_class * xp.reshape(xp.asarray(class_weights, dtype=by_class.dtype), (1, -1))


def log_where_not_zero(x: AnyArray) -> AnyArray:
    """log x, elementwise, with 0 at x = 0, so that x log x is 0 there, in the array API."""
    xp = namespace(x)
    return xp.log(xp.where(x == 0, xp.ones_like(x), x))
