"""The flags of the objective."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fcnet import losses, regularizers
from fcnet.config.groups import OBJECTIVE
from fcnet.config.limits import in_unit_interval, not_negative
from fcnet.config.words import UNLISTED, LossName, Names, Pair
from fcnet.data import Description
from fcnet.errors import InputError, require, unknown


@OBJECTIVE
@dataclass(frozen=True)
class ObjectiveConfig:
    """What is minimised."""

    loss: Annotated[LossName | None, UNLISTED] = None
    """The loss; see fcnet list losses. [default: cross_entropy for classes, mse for numbers]"""
    reduction: Literal["mean", "sum", "batchmean"] = "mean"
    """How the losses of a step become one number; batchmean is the sum divided by the rows."""
    class_weights: Names = ()
    """How much each class counts in the loss: one number a class, or the word balanced."""
    ignore_class: str | None = None
    """A class whose rows do not count in training."""
    label_smoothing: float = 0.0
    """Share of each target spread over all classes, in [0, 1)."""
    l1: float = 0.0
    """λ of the penalty λ Σ|W| on the kernels."""
    l2: float = 0.0
    """λ of the penalty ½ λ Σ W² on the kernels; its gradient goes through the momentum."""
    elastic_net: Pair = None
    """λ and ρ of the penalty λ (ρ Σ|W| + ½ (1 − ρ) Σ W²), instead of --l1 and --l2."""
    max_norm: float = 0.0
    """The most that the incoming weights of a unit may have as Euclidean norm; 0 for no limit."""

    def __post_init__(self) -> None:
        if self.loss is not None:
            losses.get(self.loss)
        in_unit_interval("label-smoothing", self.label_smoothing)
        for flag, value in (("l1", self.l1), ("l2", self.l2), ("max-norm", self.max_norm)):
            not_negative(flag, value)
        if self.elastic_net is not None:
            require(not (self.l1 or self.l2), "--elastic-net sets both penalties: leave out --l1 and --l2")
            regularizers.elastic_net(*self.elastic_net)
        if self.class_weights and self.class_weights != ("balanced",):
            self._weights()

    def _weights(self) -> tuple[float, ...]:
        try:
            return tuple(float(word) for word in self.class_weights)
        except ValueError:
            given = " ".join(self.class_weights)
            raise InputError(f"--class-weights must be one number a class or the word balanced, got {given}") from None

    @property
    def penalties(self) -> tuple[float, float]:
        """λ₁ and λ₂."""
        return (self.l1, self.l2) if self.elastic_net is None else regularizers.elastic_net(*self.elastic_net)

    def weights(self, data: Description) -> tuple[float, ...] | None:
        """One weight a class, or None; balanced ones are rows / (classes · rows of the class).

        Raises:
            InputError: another number of them than classes, or numbers to predict.
        """
        if not self.class_weights:
            return None
        require(bool(data.classes), f"--class-weights are for classes, {data.name} has numbers to predict")
        if self.class_weights == ("balanced",):
            return tuple(data.rows["train"] / (len(data.classes) * count) for count in data.class_counts)
        return self._weights()

    def ignored(self, data: Description) -> int | None:
        """The index of the class to ignore, or None.

        Raises:
            InputError: no class of that name, or nothing left without it.
        """
        if self.ignore_class is None:
            return None
        require(bool(data.classes), f"--ignore-class is for classes, {data.name} has numbers to predict")
        if self.ignore_class not in data.classes:
            raise unknown(f"class of {data.name}", self.ignore_class, data.classes)
        index = data.classes.index(self.ignore_class)
        require(data.class_counts[index] < data.rows["train"], f"--ignore-class {self.ignore_class} ignores all rows")
        return index
