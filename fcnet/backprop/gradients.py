"""Forward, loss, backward and penalties, put together as the ``GradFn`` by hand."""

import jax

from fcnet import losses, noise, objective, regularizers
from fcnet.backprop.backward import backward
from fcnet.backprop.forward import forward
from fcnet.contracts import Batch, GradFn, Gradients, HParams, ModelState, Params
from fcnet.objective import ObjectiveSpec


def output_gradient(
    spec: ObjectiveSpec, hparams: HParams, outputs: jax.Array, batch: Batch
) -> tuple[jax.Array, jax.Array]:
    """The reduced loss L and ∂L/∂outputs (batch, outputs): the loss's pullback of the reduction's ∂L/∂ℓ."""
    wanted = objective.targets(spec, hparams, batch.y)
    unreduced, pullback = losses.get(spec.loss).by_hand(outputs, wanted, **objective.class_weights(spec, outputs.dtype))
    weights = objective.row_weights(spec, batch)
    towards_losses = objective.reduction_gradient(spec.reduction, unreduced, weights)
    return objective.reduce(spec.reduction, unreduced, weights), pullback(towards_losses)


def manual(spec: ObjectiveSpec, hparams: HParams) -> GradFn:
    """The ``GradFn`` written by hand: equal to ``objective.autodiff(spec, hparams)`` up to rounding."""
    model = spec.model

    def gradients(params: Params, batch: Batch, *, state: ModelState, key: jax.Array) -> Gradients:
        drawn = noise.draw(model, hparams, batch.x.shape[0], key)
        answers, caches, after = forward(model, params, batch.x, state=state, noise=drawn, dtype=model.compute_dtype)
        outputs = answers.astype(model.param_dtype)
        data_loss, towards_outputs = output_gradient(spec, hparams, outputs, batch)
        grads = backward(model, params, caches, towards_outputs.astype(model.compute_dtype))
        return Gradients(
            loss=data_loss + regularizers.penalty(hparams, params),
            grads=regularizers.add_penalty_gradient(hparams, params, grads),
            data_loss=data_loss,
            outputs=outputs,
            state=after,
        )

    return gradients
