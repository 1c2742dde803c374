"""A whole run: what its flags say, turned into what the rooms take."""

import dataclasses
import math
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

from fcnet import losses, optimizers
from fcnet.config.augmentation import AugmentConfig
from fcnet.config.data import DataConfig
from fcnet.config.loop import LoopConfig
from fcnet.config.network import NetworkConfig
from fcnet.config.objective import ObjectiveConfig
from fcnet.config.optimizer import OptimizerConfig
from fcnet.contracts import CLASSIFICATION, REGRESSION, HParams
from fcnet.data import DataSpec, Description
from fcnet.errors import InputError, require
from fcnet.objective import output_activation_for
from fcnet.train import RunSpec

# What suits the task where nothing is said. For classes: chosen on validation parts of digits, over 8 splits. For
# numbers smaller steps, because the mse of a far-off start is steep and its first steps would leave ReLU units dead.
DEFAULT_DROPOUT = {CLASSIFICATION: 0.2, REGRESSION: 0.0}
DEFAULT_LEARNING_RATE = {CLASSIFICATION: 0.05, REGRESSION: 0.01}
DEFAULT_BATCH_SIZE = 32
# Of the range of a pixel; chosen on validation parts of digits, too.
DEFAULT_IMAGE_NOISE = 0.1
DEFAULT_LOSS = {CLASSIFICATION: "cross_entropy", REGRESSION: "mse"}


def _counts(loss: str | None) -> bool:
    return loss is not None and losses.get(loss).targets == "counts"


def _first_answer(loss: str, data: Description) -> float:
    """What output biases start from: 0, but counts start at their mean, which is far from 0 for large ones."""
    if not _counts(loss):
        return 0.0
    mean = max(data.target_mean, 1e-3)
    # outputs are logarithms of rates, or go through a softplus
    return (
        math.log(mean) if losses.get(loss).outputs == "numbers" else math.log(math.expm1(mean)) if mean < 30 else mean
    )


def _default_rate(loss: str | None, data: Description) -> float:
    """Counts of mean m pull with a curvature of m: the step is so much smaller."""
    rate = DEFAULT_LEARNING_RATE[data.task]
    return rate / max(1.0, data.target_mean) if _counts(loss) else rate


@dataclass(frozen=True)
class TrainConfig:
    """A whole run as a person describes it; build it with keywords from any of its parts.

    Raises:
        InputError: a value that cannot be, naming the flag.
    """

    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    loop: LoopConfig = LoopConfig()
    augmentation: AugmentConfig = AugmentConfig()

    def data_spec(self) -> DataSpec:
        """Which data; targets that a loss counts with stay as they are."""
        return replace(self.data.spec(), standardise_target=not _counts(self.objective.loss))

    def run_spec(self, data: Description) -> RunSpec:
        """The static part, for this data."""
        loop, loss = self.loop, self.objective.loss or DEFAULT_LOSS[data.task]
        smoothing = self.objective.label_smoothing
        require(
            not smoothing or data.task == CLASSIFICATION,
            f"--label-smoothing {smoothing} is for classes, {data.name} has numbers to predict",
        )
        require(
            not smoothing or losses.get(loss).targets != "one_hot",
            f"--label-smoothing {smoothing} needs a loss of soft targets such as cross_entropy, not {loss}",
        )
        full = optimizers.get(self.optimizer.optimizer).full_batch
        batch_size = loop.batch_size or (data.rows["train"] if full else DEFAULT_BATCH_SIZE)
        require(
            not full or batch_size == data.rows["train"],
            f"--optimizer {self.optimizer.optimizer} takes all {data.rows['train']} rows: leave out --batch-size",
        )
        outputs = data.outputs * losses.get(loss).outputs_per_target
        return RunSpec(
            model=self.network.spec(
                data.inputs, outputs, data.input_scale, output_activation_for(loss), _first_answer(loss, data)
            ),
            loss=loss,
            optimizer=self.optimizer.spec(),
            batch_size=batch_size,
            epochs=loop.epochs,
            patience=loop.patience if "validation" in data.rows else 0,
            gradients=loop.gradients,
            engine=loop.engine,
            reduction=self.objective.reduction,
            class_weights=self.objective.weights(data),
            ignored=self.objective.ignored(data),
            augmentation=self.augmentation.spec(data),
        )

    def hparams(self, data: Description) -> HParams:
        """The traced part, for this data; what is 0 is left out of the program."""
        rate = self.optimizer.learning_rate
        l1, l2 = self.objective.penalties

        def present(value: float) -> float | None:
            return value if value > 0 else None

        return HParams(
            learning_rate=_default_rate(self.objective.loss, data) if rate is None else rate,
            momentum=self.optimizer.momentum_or_default(),
            weight_decay=present(self.optimizer.weight_decay),
            l1=present(l1),
            l2=present(l2),
            dropout=self._dropout(data),
            label_smoothing=present(self.objective.label_smoothing),
            input_noise=present(self._input_noise(data)),
            hidden_noise=present(self.network.hidden_noise),
            max_norm=present(self.objective.max_norm),
            clip_norm=present(self.optimizer.clip_norm),
            clip_value=present(self.optimizer.clip_value),
            init_scale=None if self.network.init_scale == 1 else self.network.init_scale,
        )

    def _input_noise(self, data: Description) -> float:
        given = self.network.input_noise
        return (DEFAULT_IMAGE_NOISE if data.image_shape else 0.0) if given is None else given

    def _dropout(self, data: Description) -> float | tuple[float, ...] | None:
        given = self.network.dropout or (DEFAULT_DROPOUT[data.task],)
        if not any(given):
            return None
        return given[0] if len(given) == 1 else given

    def to_json(self) -> dict[str, Any]:
        """Nested plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any], where: str) -> "TrainConfig":
        """The config that ``to_json`` gave; ``where`` names the file in the error.

        Raises:
            InputError: fields missing, unknown, or with values that cannot be.
        """
        try:
            parts = {}
            for name, part in get_type_hints(cls).items():
                values = {
                    key: tuple(value) if isinstance(value, list) else value for key, value in stored[name].items()
                }
                parts[name] = part(**values)
            return cls(**parts)
        except (KeyError, TypeError, AttributeError) as broken:
            raise InputError(f"{where} is not a run of this version of fcnet: {broken}") from None
