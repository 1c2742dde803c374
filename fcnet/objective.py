"""The objective: mean loss plus penalties. The only place that reduces, and the home of the autodiff ``GradFn``."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from fcnet import losses, models, regularizers
from fcnet.contracts import CLASSIFICATION, Batch, GradFn, Gradients, HParams, ModelState, Params
from fcnet.errors import require


@dataclass(frozen=True)
class ObjectiveSpec:
    """What is minimised: a network and the loss on its outputs.

    Raises:
        InputError: a loss that is not in the catalogue.
    """

    model: models.MLPSpec
    loss: str

    def __post_init__(self) -> None:
        losses.get(self.loss)


def targets(spec: ObjectiveSpec, hparams: HParams, y: jax.Array) -> jax.Array:
    """Stored targets as the loss wants them: (batch, outputs), in the dtype of the outputs.

    Raises:
        InputError: y's shape or dtype does not fit the loss; nothing is broadcast.
    """
    dtype, outputs = spec.model.param_dtype, spec.model.outputs
    if losses.get(spec.loss).task == CLASSIFICATION:
        fits = y.ndim == 1 and jnp.issubdtype(y.dtype, jnp.integer)
        require(fits, f"{spec.loss} needs class indices of shape (batch,), got {y.dtype} of shape {y.shape}")
        return losses.probability_targets(y, outputs, dtype, hparams.label_smoothing)
    fits = y.ndim == 2 and y.shape[1] == outputs and jnp.issubdtype(y.dtype, jnp.floating)
    require(fits, f"{spec.loss} needs numbers of shape (batch, {outputs}), got {y.dtype} of shape {y.shape}")
    return y.astype(dtype)


def reduce(per_example: jax.Array, weight: jax.Array | None) -> jax.Array:
    """L = Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ, the plain mean where there are no weights; both (batch,) ↦ a scalar."""
    if weight is None:
        return jnp.mean(per_example)
    return jnp.sum(weight * per_example) / jnp.sum(weight)


def autodiff(spec: ObjectiveSpec, hparams: HParams) -> GradFn:
    """The ``GradFn`` that lets JAX differentiate the objective."""

    def objective(params: Params, batch: Batch, key: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        outputs = models.apply(spec.model, params, batch.x, dropout=hparams.dropout, key=key)
        per_example = losses.get(spec.loss).function(outputs, targets(spec, hparams, batch.y))
        data_loss = reduce(per_example, batch.weight)
        return data_loss + regularizers.penalty(hparams, params), (data_loss, outputs)

    def gradients(params: Params, batch: Batch, *, state: ModelState, key: jax.Array) -> Gradients:
        (loss, (data_loss, outputs)), grads = jax.value_and_grad(objective, has_aux=True)(params, batch, key)
        return Gradients(loss, grads, data_loss, outputs, state)

    return gradients
