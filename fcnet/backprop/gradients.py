"""Forward, loss, backward and penalties, put together as the ``GradFn`` by hand."""

from typing import Any, NamedTuple

import jax

from fcnet import losses, noise, objective, regularizers
from fcnet.arrays import AnyArray, namespace
from fcnet.backprop.backward import backward, towards_inputs
from fcnet.backprop.forward import LayerCache, forward
from fcnet.contracts import Batch, GradFn, Gradients, HParams, ModelState, Params
from fcnet.noise import Noise
from fcnet.objective import ObjectiveSpec
from fcnet.spec import MLPSpec


class Point(NamedTuple):
    """Where gradients are taken, in arrays of any one library: NumPy, JAX, PyTorch.

    ``params``, ``batch``, ``state``: as a ``GradFn`` takes them. ``noise``: the draws of this step, in that library.
    """

    params: Params
    batch: Batch
    state: ModelState
    noise: Noise


def quiet(spec: MLPSpec) -> Noise:
    """No noise and no dropout at all."""
    return Noise(None, (noise.LayerNoise(),) * len(spec.hidden))


class OutputGradient(NamedTuple):
    """The reduced loss, the mean loss whatever the reduction, and ∂L/∂outputs (batch, outputs) of the reduced one."""

    loss: AnyArray
    mean: AnyArray
    towards_outputs: AnyArray


def output_gradient(spec: ObjectiveSpec, hparams: HParams, outputs: AnyArray, batch: Batch) -> OutputGradient:
    """The loss of ``outputs`` and its gradient: the loss's pullback of the reduction's ∂L/∂ℓ."""
    wanted = objective.targets(spec, hparams, batch.y, outputs)
    unreduced, pullback = losses.get(spec.loss).by_hand(outputs, wanted, **objective.class_weights(spec, outputs))
    weights = objective.row_weights(spec, batch, outputs)
    reduced, mean = (objective.reduce(how, unreduced, weights) for how in (spec.reduction, "mean"))
    return OutputGradient(reduced, mean, pullback(objective.reduction_gradient(spec.reduction, unreduced, weights)))


class Passed(NamedTuple):
    """What a forward pass leaves: outputs and state after it, every layer's cache, the loss and its gradient.

    ``towards_outputs``: ∂L/∂outputs in the type of the products, for the backward pass.
    """

    outputs: AnyArray
    state: dict[str, dict[str, AnyArray]]
    caches: list[LayerCache]
    found: OutputGradient
    towards_outputs: AnyArray


def passed(spec: ObjectiveSpec, hparams: HParams, point: Point, dtype: Any = None) -> Passed:
    """The network and its loss at a point.

    Args:
        dtype: of the products, in the arrays' own library; None for that of the parameters.
    """
    stored = point.params[spec.model.layer_names[0]]["kernel"].dtype
    computed = stored if dtype is None else dtype
    answers, caches, after = forward(
        spec.model, point.params, point.batch.x, state=point.state, noise=point.noise, dtype=computed
    )
    xp = namespace(answers)
    outputs = xp.astype(answers, stored)
    found = output_gradient(spec, hparams, outputs, point.batch)
    return Passed(outputs, after, caches, found, xp.astype(found.towards_outputs, computed))


def by_hand(spec: ObjectiveSpec, hparams: HParams, point: Point, dtype: Any = None) -> Gradients:
    """Loss and gradients at a point, written by hand: NumPy in, NumPy out, and likewise for JAX and PyTorch.

    Args:
        dtype: of the products, in the arrays' own library; None for that of the parameters.
    """
    done = passed(spec, hparams, point, dtype)
    grads = backward(spec.model, point.params, done.caches, done.towards_outputs)
    return Gradients(
        loss=done.found.loss + regularizers.penalty(hparams, point.params),
        grads=regularizers.add_penalty_gradient(hparams, point.params, grads),
        data_loss=done.found.mean,
        outputs=done.outputs,
        state=done.state,
    )


def manual(spec: ObjectiveSpec, hparams: HParams) -> GradFn:
    """The ``GradFn`` written by hand: equal to ``objective.autodiff(spec, hparams)`` up to rounding."""

    def gradients(params: Params, batch: Batch, *, state: ModelState, key: jax.Array) -> Gradients:
        drawn = noise.draw(spec.model, hparams, batch.x.shape[0], key)
        return by_hand(spec, hparams, Point(params, batch, state, drawn), spec.model.compute_dtype)

    return gradients


def input_gradient(spec: ObjectiveSpec, hparams: HParams, point: Point) -> AnyArray:
    """∂L/∂x, (batch, inputs): how the objective changes with the data as they are stored."""
    done = passed(spec, hparams, point)
    return towards_inputs(spec.model, done.caches, done.towards_outputs)
