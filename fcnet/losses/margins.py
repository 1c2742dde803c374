"""Losses that ask for a margin between what should be high and what should be low, and their smooth relatives.

At the margin itself PyTorch's derivative is that of the inside for ``margin_ranking`` and 0 for the others.
"""

import jax
import jax.numpy as jnp

from fcnet.activations.smooth import log1p_exp
from fcnet.arrays import AnyArray, expit, namespace, positive_part
from fcnet.catalogue import Option, table
from fcnet.contracts import CLASSIFICATION
from fcnet.losses.classification import binary_cross_entropy, binary_cross_entropy_by_hand
from fcnet.losses.record import Loss, from_slope, from_slopes, sigmoid_of, softmax_of
from fcnet.losses.targets import weighted


def margin_ranking_of_inputs(x1: jax.Array, x2: jax.Array, y: jax.Array, *, margin: float) -> jax.Array:
    """max(0, −y (x₁ − x₂) + m), elementwise and of one shape: y = 1 wants x₁ above x₂ by m, y = −1 below."""
    shortfall = margin - y * (x1 - x2)
    return jnp.where(shortfall < 0, 0.0, shortfall)


def _margin_ranking_of_inputs(
    x1: AnyArray, x2: AnyArray, y: AnyArray, *, margin: float
) -> tuple[AnyArray, tuple[AnyArray, AnyArray]]:
    xp = namespace(x1)
    shortfall = margin - y * (x1 - x2)
    inside = xp.astype(shortfall >= 0, x1.dtype)
    return positive_part(shortfall), (-y * inside, y * inside)


def margin_ranking(outputs: jax.Array, targets: jax.Array, *, margin: float) -> jax.Array:
    """The mean of max(0, −(z_y − z_c) + m) over the other classes c: outputs and one-hot targets ↦ (batch,).

    0 where there is one class.
    """
    own = jnp.broadcast_to(jnp.sum(targets * outputs, axis=-1, keepdims=True), outputs.shape)
    each = margin_ranking_of_inputs(own, outputs, jnp.ones_like(outputs), margin=margin)
    return jnp.sum((1 - targets) * each, axis=-1) / max(outputs.shape[-1] - 1, 1)


def _margin_ranking(outputs: AnyArray, targets: AnyArray, *, margin: float) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    own = xp.sum(targets * outputs, axis=-1, keepdims=True) * xp.ones_like(outputs)
    each, (towards_own, towards_other) = _margin_ranking_of_inputs(own, outputs, xp.ones_like(outputs), margin=margin)
    share = (1 - targets) / max(outputs.shape[-1] - 1, 1)
    slope = share * towards_other + targets * xp.sum(share * towards_own, axis=-1, keepdims=True)
    return xp.sum(share * each, axis=-1), slope


def multi_margin(
    outputs: jax.Array, targets: jax.Array, *, p: int, margin: float, class_weights: jax.Array | None = None
) -> jax.Array:
    """w_y Σ_{c≠y} max(0, m − z_y + z_c)ᵖ / classes: outputs and one-hot targets, (batch, classes) ↦ (batch,)."""
    own = jnp.sum(targets * outputs, axis=-1, keepdims=True)
    others = (1 - targets) * jax.nn.relu(margin - own + outputs) ** p
    return jnp.sum(weighted(targets, class_weights), axis=-1) * jnp.mean(others, axis=-1)


def _multi_margin(
    outputs: AnyArray, targets: AnyArray, *, p: int, margin: float, class_weights: AnyArray | None = None
) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    own = xp.sum(targets * outputs, axis=-1, keepdims=True)
    shortfall = margin - own + outputs
    inside = (1 - targets) * xp.astype(shortfall > 0, outputs.dtype)
    scale = xp.sum(weighted(targets, class_weights), axis=-1, keepdims=True) / outputs.shape[-1]
    reach = positive_part(shortfall)
    each, pull = (reach, inside) if p == 1 else (reach * reach, 2 * inside * shortfall)
    slope = scale * (pull - targets * xp.sum(pull, axis=-1, keepdims=True))
    return xp.sum(scale * (1 - targets) * each, axis=-1), slope


def multilabel_margin(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Σ_t Σ_c y_t (1 − y_c) max(0, 1 − (z_t − z_c)) / classes: each own class t against each other class c.

    Outputs and multi-hot targets, both (batch, classes) ↦ (batch,).
    """
    pairs = targets[:, :, None] * (1 - targets[:, None, :])
    shortfall = jax.nn.relu(1 - (outputs[:, :, None] - outputs[:, None, :]))
    return jnp.sum(pairs * shortfall, axis=(1, 2)) / outputs.shape[-1]


def _multilabel_margin(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    xp = namespace(outputs)
    shortfall = 1 - (outputs[:, :, None] - outputs[:, None, :])
    pairs = targets[:, :, None] * (1 - targets[:, None, :]) / outputs.shape[-1]
    inside = pairs * xp.astype(shortfall > 0, outputs.dtype)
    return xp.sum(pairs * positive_part(shortfall), axis=(1, 2)), xp.sum(inside, axis=1) - xp.sum(inside, axis=2)


def soft_margin(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """log(1 + exp(−s z)) with signs s = 2y − 1: outputs and memberships, both (batch, classes) ↦ (batch, classes)."""
    return jax.nn.softplus((1 - 2 * targets) * outputs)


def _soft_margin(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray]:
    against = 1 - 2 * targets
    return log1p_exp(against * outputs), against * expit(against * outputs)


def multilabel_soft_margin(
    outputs: jax.Array, targets: jax.Array, *, class_weights: jax.Array | None = None
) -> jax.Array:
    """The mean over classes of w_c (−y log σ(z) − (1 − y) log σ(−z)): logits and memberships ↦ (batch,)."""
    return jnp.mean(binary_cross_entropy(outputs, targets, class_weights=class_weights), axis=-1)


def _multilabel_soft_margin(
    outputs: AnyArray, targets: AnyArray, *, class_weights: AnyArray | None = None
) -> tuple[AnyArray, AnyArray]:
    value, slope = binary_cross_entropy_by_hand(outputs, targets, class_weights=class_weights)
    return namespace(outputs).mean(value, axis=-1), slope / outputs.shape[-1]


MARGINS = table(
    Loss(
        name="margin_ranking",
        task=CLASSIFICATION,
        function=margin_ranking,
        by_hand=from_slope(_margin_ranking),
        formula="max(0, −y (x₁ − x₂) + margin); of a row: its mean over c ≠ y for x₁ = z_y, x₂ = z_c, y = 1",
        derivative_formula="∂/∂x₁ = −y if −y (x₁ − x₂) + margin ≥ 0 else 0, ∂/∂x₂ the opposite",
        targets="one_hot",
        predict=softmax_of,
        kinks="at the margin: −y, as inside",
        of_inputs=margin_ranking_of_inputs,
        of_inputs_by_hand=from_slopes(_margin_ranking_of_inputs),
        options={"margin": Option(0.0, "how far x₁ must be above x₂")},
        torch="torch.nn.MarginRankingLoss",
        source="Herbrich et al. 2000, Large margin rank boundaries for ordinal regression",
    ),
    Loss(
        name="multi_margin",
        task=CLASSIFICATION,
        function=multi_margin,
        by_hand=from_slope(_multi_margin),
        formula="w_y Σ_{c≠y} max(0, margin − z_y + z_c)ᵖ / classes",
        derivative_formula="∂/∂z_c = w_y p max(0, margin − z_y + z_c)ᵖ⁻¹ / classes, ∂/∂z_y = −Σ_{c≠y} of these",
        targets="one_hot",
        predict=softmax_of,
        kinks="at the margin: 0",
        takes_class_weights=True,
        options={
            "p": Option(1, "power of each shortfall", low=1, high=2),
            "margin": Option(1.0, "how far the own class must be above each other"),
        },
        torch="torch.nn.MultiMarginLoss",
        source="Weston & Watkins 1999, Support vector machines for multi-class pattern recognition",
    ),
    Loss(
        name="multilabel_margin",
        task=CLASSIFICATION,
        function=multilabel_margin,
        by_hand=from_slope(_multilabel_margin),
        formula="Σ_t Σ_c y_t (1 − y_c) max(0, 1 − (z_t − z_c)) / classes",
        derivative_formula="Σ over pairs with z_t − z_c < 1 of y_t (1 − y_c) / classes: −1 towards z_t, +1 towards z_c",
        targets="memberships",
        predict=sigmoid_of,
        kinks="at the margin: 0",
        torch="torch.nn.MultiLabelMarginLoss",
        differs="the labels of a row are given as 0 and 1 for each class, not as a list of indices",
        source="Elisseeff & Weston 2001, A kernel method for multi-labelled classification",
    ),
    Loss(
        name="soft_margin",
        task=CLASSIFICATION,
        function=soft_margin,
        by_hand=from_slope(_soft_margin),
        formula="log(1 + exp(−s z)), s = 2y − 1",
        derivative_formula="−s σ(−s z)",
        targets="memberships",
        predict=sigmoid_of,
        torch="torch.nn.SoftMarginLoss",
        differs="takes 0 and 1 for PyTorch's −1 and 1; finite where PyTorch's exp(−s z) overflows",
        source="Friedman, Hastie & Tibshirani 2000, Additive logistic regression",
    ),
    Loss(
        name="multilabel_soft_margin",
        task=CLASSIFICATION,
        function=multilabel_soft_margin,
        by_hand=from_slope(_multilabel_soft_margin),
        formula="mean over classes of w_c (−y log σ(z) − (1 − y) log σ(−z))",
        derivative_formula="w_c (σ(z) − y) / classes",
        targets="memberships",
        predict=sigmoid_of,
        takes_class_weights=True,
        torch="torch.nn.MultiLabelSoftMarginLoss",
        source="Cox 1958, The regression analysis of binary sequences",
    ),
)
