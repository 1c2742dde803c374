"""Forward, loss, backward and penalties, put together as the ``GradFn`` by hand."""

from typing import NamedTuple

import jax

from fcnet import losses, noise, objective, regularizers
from fcnet.backprop.backward import backward
from fcnet.backprop.forward import forward
from fcnet.contracts import Batch, GradFn, Gradients, HParams, ModelState, Params
from fcnet.objective import ObjectiveSpec


class OutputGradient(NamedTuple):
    """The reduced loss, the mean loss whatever the reduction, and ∂L/∂outputs (batch, outputs) of the reduced one."""

    loss: jax.Array
    mean: jax.Array
    towards_outputs: jax.Array


def output_gradient(spec: ObjectiveSpec, hparams: HParams, outputs: jax.Array, batch: Batch) -> OutputGradient:
    """The loss of ``outputs`` and its gradient: the loss's pullback of the reduction's ∂L/∂ℓ."""
    wanted = objective.targets(spec, hparams, batch.y)
    unreduced, pullback = losses.get(spec.loss).by_hand(outputs, wanted, **objective.class_weights(spec, outputs.dtype))
    weights = objective.row_weights(spec, batch)
    reduced, mean = (objective.reduce(how, unreduced, weights) for how in (spec.reduction, "mean"))
    return OutputGradient(reduced, mean, pullback(objective.reduction_gradient(spec.reduction, unreduced, weights)))


def manual(spec: ObjectiveSpec, hparams: HParams) -> GradFn:
    """The ``GradFn`` written by hand: equal to ``objective.autodiff(spec, hparams)`` up to rounding."""
    model = spec.model

    def gradients(params: Params, batch: Batch, *, state: ModelState, key: jax.Array) -> Gradients:
        drawn = noise.draw(model, hparams, batch.x.shape[0], key)
        answers, caches, after = forward(model, params, batch.x, state=state, noise=drawn, dtype=model.compute_dtype)
        outputs = answers.astype(model.param_dtype)
        found = output_gradient(spec, hparams, outputs, batch)
        grads = backward(model, params, caches, found.towards_outputs.astype(model.compute_dtype))
        return Gradients(
            loss=found.loss + regularizers.penalty(hparams, params),
            grads=regularizers.add_penalty_gradient(hparams, params, grads),
            data_loss=found.mean,
            outputs=outputs,
            state=after,
        )

    return gradients
