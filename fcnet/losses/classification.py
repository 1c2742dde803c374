"""Cross entropies of logits: outputs z and targets y, both (batch, classes).

Weights of classes w (classes,) make errors in rare or important classes count more; None counts all alike.
"""

import jax
import optax

from fcnet.activations.smooth import log1p_exp
from fcnet.arrays import AnyArray, expit, log_softmax, namespace
from fcnet.catalogue import table
from fcnet.contracts import CLASSIFICATION
from fcnet.losses.record import Loss, from_slope, sigmoid_of, softmax_of
from fcnet.losses.targets import weighted


def cross_entropy(outputs: jax.Array, targets: jax.Array, *, class_weights: jax.Array | None = None) -> jax.Array:
    """−Σ_c w_c y_c log softmax(z)_c: logits and probabilities, both (batch, classes) ↦ (batch,)."""
    return optax.softmax_cross_entropy(outputs, weighted(targets, class_weights))


def _cross_entropy(
    outputs: AnyArray, targets: AnyArray, *, class_weights: AnyArray | None = None
) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    log_probability, wanted = log_softmax(outputs), weighted(targets, class_weights)
    slope = xp.exp(log_probability) * xp.sum(wanted, axis=-1, keepdims=True) - wanted
    return -xp.sum(wanted * log_probability, axis=-1), slope


def binary_cross_entropy(
    outputs: jax.Array, targets: jax.Array, *, class_weights: jax.Array | None = None
) -> jax.Array:
    """w_c (−y log σ(z) − (1 − y) log(1 − σ(z))), each class against the rest.

    Logits and memberships, both (batch, classes) ↦ (batch, classes).
    """
    return weighted(optax.sigmoid_binary_cross_entropy(outputs, targets), class_weights)


def binary_cross_entropy_by_hand(
    outputs: AnyArray, targets: AnyArray, *, class_weights: AnyArray | None = None
) -> tuple[AnyArray, AnyArray]:
    """The same in the array API, with its derivative, both (batch, classes)."""
    value = targets * log1p_exp(-outputs) + (1 - targets) * log1p_exp(outputs)
    # equal to σ(z) − y, and keeps its digits where that cancels
    slope = (1 - targets) * expit(outputs) - targets * expit(-outputs)
    return weighted(value, class_weights), weighted(slope, class_weights)


CROSS_ENTROPIES = table(
    Loss(
        name="cross_entropy",
        task=CLASSIFICATION,
        function=cross_entropy,
        by_hand=from_slope(_cross_entropy),
        formula="−Σ_c w_c y_c log softmax(z)_c",
        derivative_formula="softmax(z) Σ_c w_c y_c − w y",
        targets="probabilities",
        predict=softmax_of,
        takes_class_weights=True,
        divides_by_class_weights=True,
        torch="torch.nn.CrossEntropyLoss",
        source="Bridle 1990, Probabilistic interpretation of feedforward classification network outputs",
    ),
    Loss(
        name="binary_cross_entropy",
        task=CLASSIFICATION,
        function=binary_cross_entropy,
        by_hand=from_slope(binary_cross_entropy_by_hand),
        formula="w_c (−y log σ(z) − (1 − y) log(1 − σ(z))): each class against the rest",
        derivative_formula="w_c (σ(z) − y)",
        targets="memberships",
        predict=sigmoid_of,
        takes_class_weights=True,
        torch="torch.nn.BCEWithLogitsLoss",
        source="Cox 1958, The regression analysis of binary sequences",
    ),
)
