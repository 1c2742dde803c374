"""The objective: loss plus penalties. The only place that reduces, and the home of the autodiff ``GradFn``.

Sample weights, class weights and ignored rows meet the reduction here and nowhere else. All but ``autodiff`` is
written against the array API, because backpropagation by hand reduces here, too.
"""

from dataclasses import dataclass
from math import prod
from typing import Any, Literal, NamedTuple, get_args

import jax

from fcnet import losses, models, noise, regularizers
from fcnet.arrays import AnyArray, namespace
from fcnet.contracts import CLASSIFICATION, Batch, GradFn, Gradients, HParams, ModelState, Params
from fcnet.errors import require, unknown
from fcnet.spec import MLPSpec

# Output activations that give what a loss asks of outputs; the first is what a person would choose.
_GIVING = {
    "probabilities": ("sigmoid", "softmax", "hardsigmoid"),
    "log_probabilities": ("log_softmax",),
    "rates": ("softplus",),
}
_OF_LOGITS = ("cross_entropy", "binary_cross_entropy", "multilabel_soft_margin", "soft_margin")
Reduction = Literal["none", "mean", "sum", "batchmean"]


@dataclass(frozen=True)
class ObjectiveSpec:
    """What is minimised: a network and the loss on its outputs.

    ``reduction``: "mean" over all terms, their "sum", or "batchmean": the sum divided by the rows.
    ``class_weights``: how much each class counts, one number a class, or None.
    ``ignored``: the class index whose rows do not count, or None.

    Raises:
        InputError: a loss that is not in the catalogue, a reduction that does not give one number, class weights
            or an ignored class with a loss that has no use for them, or an output activation that does not give what
            the loss asks for.
    """

    model: MLPSpec
    loss: str
    reduction: Reduction = "mean"
    class_weights: tuple[float, ...] | None = None
    ignored: int | None = None

    def __post_init__(self) -> None:
        loss = losses.get(self.loss)
        if self.reduction not in get_args(Reduction):
            raise unknown("reduction", self.reduction, get_args(Reduction))
        require(self.reduction != "none", "an objective needs one number: reduction must be mean, sum or batchmean")
        if self.class_weights is not None:
            weighted = ", ".join(sorted(name for name, other in losses.LOSSES.items() if other.takes_class_weights))
            require(loss.takes_class_weights, f"class weights go with {weighted}, not with {loss.name}")
            losses.check_class_weights(self.class_weights, self.model.outputs)
        require(
            self.ignored is None or loss.task == CLASSIFICATION,
            f"an ignored class goes with losses for classes, not with {loss.name}",
        )
        giving = _GIVING.get(str(loss.outputs), ())
        output = self.model.layers[-1].activation.name
        what = str(loss.outputs).replace("_", "-")
        require(
            not giving or output in giving,
            f"{loss.name} needs {what} as outputs: output activation {' or '.join(giving)}, got {output}",
        )
        doubled = loss.name in _OF_LOGITS and output in ("softmax", "sigmoid", "log_sigmoid")
        require(
            not doubled, f"{loss.name} takes logits and squashes them itself: output activation {output} does it twice"
        )
        require(
            self.model.outputs % loss.outputs_per_target == 0,
            f"{loss.name} needs {loss.outputs_per_target} outputs a target, the network has {self.model.outputs}",
        )


def output_activation_for(loss: str) -> str:
    """The output activation that a loss asks for: for probabilities, their logarithms, rates, else identity."""
    return _GIVING.get(str(losses.get(loss).outputs), ("identity",))[0]


def targets(spec: ObjectiveSpec, hparams: HParams, y: AnyArray, outputs: AnyArray) -> AnyArray:
    """Stored targets as the loss wants them: (batch, targets), in the dtype of the outputs.

    Raises:
        InputError: y's shape or dtype does not fit the loss; nothing is broadcast.
    """
    xp, loss, dtype = namespace(y), losses.get(spec.loss), outputs.dtype
    wanted = spec.model.outputs // loss.outputs_per_target
    if loss.task == CLASSIFICATION and y.ndim == 1 and xp.isdtype(y.dtype, "integral"):
        return losses.probability_targets(y, wanted, dtype, hparams.label_smoothing)
    fits = y.ndim == 2 and y.shape[1] == wanted and xp.isdtype(y.dtype, "real floating")
    if loss.task == CLASSIFICATION:
        require(
            fits,
            f"{spec.loss} needs class indices of shape (batch,) or memberships of shape (batch, {wanted}), got "
            f"{y.dtype} of shape {tuple(y.shape)}",
        )
        return losses.smoothed(xp.astype(y, dtype), hparams.label_smoothing)
    require(fits, f"{spec.loss} needs numbers of shape (batch, {wanted}), got {y.dtype} of shape {tuple(y.shape)}")
    return xp.astype(y, dtype)


def class_weights(spec: ObjectiveSpec, outputs: AnyArray) -> dict[str, Any]:
    """What a loss takes beside outputs and targets: {"class_weights": (classes,)} in their dtype, or nothing."""
    if spec.class_weights is None:
        return {}
    return {"class_weights": namespace(outputs).asarray(spec.class_weights, dtype=outputs.dtype)}


class Weights(NamedTuple):
    """How much the rows of a batch count, each (batch,), or None where all count 1.

    ``rows``: factors on the losses. ``mean``: what each row adds to the denominator of a mean.
    """

    rows: AnyArray | None = None
    mean: AnyArray | None = None


def row_weights(spec: ObjectiveSpec, batch: Batch, outputs: AnyArray) -> Weights:
    """Sample weights, 0 for ignored rows; the mean of a weighted cross-entropy also divides by the classes' weights.

    That is PyTorch's weighted mean, Σᵢ w(yᵢ) ℓᵢ / Σᵢ w(yᵢ), which it takes for class indices only. In the dtype of the
    outputs.
    """
    xp, dtype, by_index = namespace(batch.y), outputs.dtype, batch.y.ndim == 1
    rows = None if batch.weight is None else xp.astype(batch.weight, dtype)
    if spec.ignored is not None and by_index:
        counted = xp.astype(batch.y != spec.ignored, dtype)
        rows = counted if rows is None else rows * counted
    if spec.class_weights is None or not by_index or not losses.get(spec.loss).divides_by_class_weights:
        return Weights(rows, rows)
    known = xp.clip(batch.y, 0, len(spec.class_weights) - 1)
    of_class = xp.take(xp.asarray(spec.class_weights, dtype=dtype), known, axis=0)
    return Weights(rows, of_class if rows is None else rows * of_class)


def reduce(reduction: Reduction, unreduced: AnyArray, weights: Weights = Weights()) -> AnyArray:
    """Losses to one number, or with "none" to weighted losses; unreduced: (batch,) or (batch, terms).

        sum = Σᵢⱼ wᵢ ℓᵢⱼ,   mean = sum / Σᵢⱼ vᵢ,   batchmean = sum / Σᵢ wᵢ,

    w being ``weights.rows`` and v ``weights.mean``. A mean over rows that all weigh 0 is 0.
    """
    if reduction == "none":
        return unreduced if weights.rows is None else unreduced * _column(weights.rows, unreduced)
    xp = namespace(unreduced)
    if reduction == "mean" and weights.rows is None and weights.mean is None:
        return xp.mean(unreduced)
    return xp.sum(unreduced * reduction_gradient(reduction, unreduced, weights))


def reduction_gradient(reduction: Reduction, unreduced: AnyArray, weights: Weights = Weights()) -> AnyArray:
    """∂L/∂ℓ of ``reduce``, in ℓ's shape: wᵢ over what the reduction divides by."""
    xp, shape = namespace(unreduced), tuple(unreduced.shape)
    ones = xp.ones(shape[:1], dtype=unreduced.dtype)
    rows, mean = (ones if given is None else given for given in weights)
    if reduction in ("none", "sum"):
        return xp.broadcast_to(_column(rows, unreduced), shape)
    total = xp.sum(rows) if reduction == "batchmean" else xp.sum(mean) * prod(shape[1:])
    return xp.broadcast_to(_column(rows / xp.where(total > 0, total, xp.ones_like(total)), unreduced), shape)


def _column(rows: AnyArray, unreduced: AnyArray) -> AnyArray:
    return namespace(rows).reshape(rows, (*rows.shape, *(1,) * (unreduced.ndim - 1)))


def unreduced(spec: ObjectiveSpec, hparams: HParams, outputs: jax.Array, batch: Batch) -> jax.Array:
    """The losses of ``outputs`` (batch, outputs) before they are reduced, class weights included."""
    wanted = targets(spec, hparams, batch.y, outputs)
    return losses.get(spec.loss).function(outputs, wanted, **class_weights(spec, outputs))


def value(spec: ObjectiveSpec, hparams: HParams, outputs: jax.Array, batch: Batch) -> jax.Array:
    """The reduced loss of ``outputs`` (batch, outputs), without penalties."""
    return reduce(spec.reduction, unreduced(spec, hparams, outputs, batch), row_weights(spec, batch, outputs))


def autodiff(spec: ObjectiveSpec, hparams: HParams) -> GradFn:
    """The ``GradFn`` that lets JAX differentiate the objective."""

    def objective(
        params: Params, batch: Batch, state: ModelState, drawn: noise.Noise
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, ModelState]]:
        outputs, after = models.train_apply(spec.model, params, batch.x, state, drawn)
        found, weights = unreduced(spec, hparams, outputs, batch), row_weights(spec, batch, outputs)
        loss = reduce(spec.reduction, found, weights) + regularizers.penalty(hparams, params)
        return loss, (reduce("mean", found, weights), outputs, after)

    def gradients(params: Params, batch: Batch, *, state: ModelState, key: jax.Array) -> Gradients:
        drawn = noise.draw(spec.model, hparams, batch.x.shape[0], key)
        differentiated = jax.value_and_grad(objective, has_aux=True)
        (loss, (data_loss, outputs, after)), grads = differentiated(params, batch, state, drawn)
        return Gradients(loss, grads, data_loss, outputs, after)

    return gradients
