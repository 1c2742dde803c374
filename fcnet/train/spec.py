"""What a run's compiled program depends on, and what follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import optax

from fcnet import backprop, objective
from fcnet.augmentation import AugmentSpec
from fcnet.contracts import GradFn, HParams
from fcnet.errors import require
from fcnet.optimizers import OptimizerSpec, build
from fcnet.spec import MLPSpec


@dataclass(frozen=True)
class RunSpec:
    """Everything about a run that its compiled program depends on.

    ``batch_size``: rows a step; the last batch of an epoch is the smaller rest. ``epochs``: the most there may be.
    ``patience``: epochs without a better validation score before the run stops; 0 never stops early.
    ``gradients``: who computes them; ``engine``: the library that runs those by hand.
    ``reduction``, ``class_weights``, ``ignored``: see ``ObjectiveSpec``.
    ``augmentation``: what is done to the images of each step, or None.

    Raises:
        InputError: a size below 1, a negative patience, or an engine without gradients by hand, or not at hand.
    """

    model: MLPSpec
    loss: str
    optimizer: OptimizerSpec = OptimizerSpec()
    batch_size: int = 32
    epochs: int = 100
    patience: int = 0
    gradients: Literal["autodiff", "manual"] = "autodiff"
    engine: backprop.Engine = "jax"
    reduction: objective.Reduction = "mean"
    class_weights: tuple[float, ...] | None = None
    ignored: int | None = None
    augmentation: AugmentSpec | None = None

    def __post_init__(self) -> None:
        self.objective  # noqa: B018 - checks itself
        require(self.batch_size > 0, f"batch_size must be at least 1, got {self.batch_size}")
        require(self.epochs > 0, f"epochs must be at least 1, got {self.epochs}")
        require(self.patience >= 0, f"patience must be 0 (off) or more, got {self.patience}")
        require(
            self.engine == "jax" or self.gradients == "manual",
            f"engine {self.engine} runs gradients by hand: --gradients manual --engine {self.engine}",
        )
        grad_fn(self)  # checks the engine

    @property
    def objective(self) -> objective.ObjectiveSpec:
        """Network and loss, and how the loss is reduced."""
        return objective.ObjectiveSpec(self.model, self.loss, self.reduction, self.class_weights, self.ignored)


def grad_fn(spec: RunSpec) -> Callable[[objective.ObjectiveSpec, HParams], GradFn]:
    """Who computes the gradients."""
    return objective.autodiff if spec.gradients == "autodiff" else backprop.manual_on(spec.engine, spec.model.dtype)


def steps_per_epoch(spec: RunSpec, rows: int) -> int:
    """⌈rows / batch_size⌉: every row is seen once an epoch."""
    return -(-rows // spec.batch_size)


def optimizer_of(spec: RunSpec, hparams: HParams, rows: int) -> optax.GradientTransformation:
    """The chain of a run over ``rows`` training rows, for the whole of its schedule."""
    total = spec.epochs * steps_per_epoch(spec, rows)
    return build(spec.optimizer, hparams, total, spec.model.param_dtype)
