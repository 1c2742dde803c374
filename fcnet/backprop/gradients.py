"""Forward, loss, backward and penalties, put together as the ``GradFn`` by hand."""

import jax
import jax.numpy as jnp

from fcnet import losses, regularizers
from fcnet.backprop.backward import backward
from fcnet.backprop.forward import forward
from fcnet.contracts import Batch, GradFn, Gradients, HParams, ModelState, Params
from fcnet.layers import dropout_mask
from fcnet.objective import ObjectiveSpec, reduce, targets


def reduction_gradient(rows: int, weight: jax.Array | None, dtype: jnp.dtype) -> jax.Array:
    """∂L/∂ℓᵢ of L = Σ wᵢ ℓᵢ / Σ wᵢ: wᵢ / Σ w, or 1/batch without weights; (batch, 1), to multiply ∂ℓ/∂outputs."""
    if weight is None:
        return jnp.full((rows, 1), 1.0 / rows, dtype)
    return jnp.reshape(weight / jnp.sum(weight), (rows, 1)).astype(dtype)


def manual(spec: ObjectiveSpec, hparams: HParams) -> GradFn:
    """The ``GradFn`` written by hand: equal to ``objective.autodiff(spec, hparams)`` up to rounding."""
    model, loss = spec.model, losses.get(spec.loss)

    def gradients(params: Params, batch: Batch, *, state: ModelState, key: jax.Array) -> Gradients:
        rows = batch.x.shape[0]
        masks = [
            None
            if hparams.dropout is None
            else dropout_mask(key, layer, (rows, units), hparams.dropout, model.compute_dtype)
            for layer, units in enumerate(model.hidden, start=1)
        ]
        answers, caches = forward(model, params, batch.x, masks, model.compute_dtype)
        outputs = answers.astype(model.param_dtype)
        per_example, slope = loss.by_hand(outputs, targets(spec, hparams, batch.y))
        output_gradient = slope * reduction_gradient(rows, batch.weight, slope.dtype)
        grads = backward(model, params, caches, output_gradient.astype(model.compute_dtype))
        data_loss = reduce(per_example, batch.weight)
        return Gradients(
            loss=data_loss + regularizers.penalty(hparams, params),
            grads=regularizers.add_penalty_gradient(hparams, params, grads),
            data_loss=data_loss,
            outputs=outputs,
            state=state,
        )

    return gradients
