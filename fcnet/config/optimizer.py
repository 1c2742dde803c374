"""The flags of the optimiser."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from fcnet import optimizers
from fcnet.config.groups import OPTIMISER
from fcnet.config.limits import in_unit_interval, not_negative
from fcnet.config.words import UNLISTED, OptimizerName, ScheduleName, Switch
from fcnet.errors import require

DEFAULT_MOMENTUM = 0.9


@OPTIMISER
@dataclass(frozen=True)
class OptimizerConfig:
    """How it is minimised."""

    optimizer: Annotated[OptimizerName, UNLISTED] = "sgd"
    """Optimiser; see fcnet list optimisers."""
    learning_rate: float | None = None
    """Step size η > 0. [default: 0.05 for classes, 0.01 for numbers, 0.01 / mean for counts]"""
    momentum: float | None = None
    """µ in [0, 1), β₁ for adam and its like; 0 leaves it out. [default: 0.9 where the optimiser has one]"""
    weight_decay: float = 1e-4
    """λ of the decay of the kernels."""
    decay: Literal["decoupled", "coupled"] | None = None
    """Where the decay enters: beside the step, W ← W − η λ W, or in the gradient, as PyTorch's SGD has it. [default:
    decoupled where the optimiser leaves the choice]"""
    decay_all: Switch = False
    """Let biases, norms and learned slopes decay, too."""
    clip_norm: float = 0.0
    """The most that the norm of the whole gradient may be; 0 for no limit."""
    clip_value: float = 0.0
    """The most that an entry of the gradient may be; 0 for no limit."""
    schedule: Annotated[ScheduleName, UNLISTED] = "cosine"
    """Learning rate over training; see fcnet list schedules."""
    warmup: float = 0.0
    """Fraction of the steps in which the learning rate first rises from 0."""

    def __post_init__(self) -> None:
        rate = self.learning_rate
        ok = rate is None or (math.isfinite(rate) and rate > 0)
        require(ok, f"--learning-rate must be a number > 0, got {rate}")
        in_unit_interval("momentum", self.momentum or 0.0)
        for flag, value in (
            ("weight-decay", self.weight_decay),
            ("clip-norm", self.clip_norm),
            ("clip-value", self.clip_value),
        ):
            not_negative(flag, value)
        self.spec()
        self.momentum_or_default()

    def momentum_or_default(self) -> float | None:
        """µ or β₁, None where there is none.

        Raises:
            InputError: a momentum for an optimiser that has none.
        """
        has_one = bool(optimizers.get(self.optimizer).momentum)
        require(has_one or not self.momentum, f"--momentum {self.momentum}: {self.optimizer} has none, leave it out")
        given = DEFAULT_MOMENTUM if self.momentum is None else self.momentum
        return given if has_one and given else None

    def spec(self) -> optimizers.OptimizerSpec:
        """The chain; checks the names."""
        return optimizers.OptimizerSpec(self.optimizer, self.schedule, self.warmup, self.decay, self.decay_all)
