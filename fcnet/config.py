"""What a person may set for a run: the flags of ``fcnet train``, and the same dataclasses from Python.

Everything is checked when it is built. ``TrainConfig`` turns into what the rooms take: a ``DataSpec``, a static
``RunSpec`` and traced ``HParams``.
"""

import dataclasses
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from cyclopts import Group, Parameter

from fcnet import losses, models, optimizers
from fcnet.contracts import CLASSIFICATION, REGRESSION, HParams
from fcnet.data import DataSpec, Description
from fcnet.data.generated import Draw
from fcnet.data.resolve import is_named, is_path
from fcnet.data.splits import SplitSpec
from fcnet.errors import InputError, require
from fcnet.train import RunSpec

Sizes = Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="--no-hidden")]
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)]
Ends = Annotated[tuple[float, float], Parameter(negative="")]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]

# What suits the task where nothing is said. For classes: chosen on validation parts of digits, over 8 splits. For
# numbers smaller steps, because the mse of a far-off start is steep and its first steps would leave ReLU units dead.
DEFAULT_DROPOUT = {CLASSIFICATION: 0.2, REGRESSION: 0.0}
DEFAULT_LEARNING_RATE = {CLASSIFICATION: 0.05, REGRESSION: 0.01}
DEFAULT_LOSS = {CLASSIFICATION: "cross_entropy", REGRESSION: "mse"}


def _in_unit_interval(flag: str, value: float) -> None:
    require(0 <= value < 1, f"--{flag} must be in [0, 1), got {value}")


def _not_negative(flag: str, value: float) -> None:
    require(math.isfinite(value) and value >= 0, f"--{flag} must be a number ≥ 0, got {value}")


@Parameter(name="*", group=Group.create_ordered("Data"))
@dataclass(frozen=True)
class DataConfig:
    """Which data, and how it is split."""

    data: str = "digits"
    """A set's name (digits, iris, wine, breast_cancer, diabetes; xor, line, moons, spirals, function; mnist,
    fashion_mnist or any TensorFlow Datasets name), a folder of IDX files, or a CSV or Parquet file."""
    target: str | None = None
    """Tables: the column to predict."""
    task: Literal["classification", "regression"] | None = None
    """Tables: what the target is, where the column itself leaves it open."""
    drop: Names = ()
    """Tables: columns to leave out."""
    data_dir: str | None = None
    """Where prepared sets and IDX files are kept. [default: $FCNET_DATA_DIR or ~/.cache/fcnet/data]"""
    download: Switch = False
    """Fetch a TensorFlow Datasets set that is not there yet."""
    validation: float = 0.15
    """Fraction of the rows that chooses the epoch to keep; 0 for none."""
    test: float = 0.2
    """Fraction of the rows that is kept for judging, where the set has no test part of its own; 0 for none."""
    split_seed: int = 0
    """Seed of the split and of generated sets, apart from --seed."""
    folds: int = 0
    """k-fold cross-validation: judge on one of this many folds instead of --test."""
    fold: int = 0
    """Which fold, from 0; from k on the folds of another shuffle (repeated k-fold)."""
    samples: int = 500
    """Generated sets: rows."""
    noise: float | None = None
    """Generated sets: how noisy; each set has its own default."""
    function: str = "sin"
    """The generated set "function": which one (sin, cos, abs, square, cube, exp, sinc, step)."""
    interval: Ends = (-3.0, 3.0)
    """The generated set "function": where."""

    def __post_init__(self) -> None:
        self.spec()

    def with_absolute_paths(self) -> "DataConfig":
        """The same whatever folder a later command is called from."""
        data = str(Path(self.data).absolute()) if is_path(self.data) and not is_named(self.data) else self.data
        return replace(self, data=data, data_dir=None if self.data_dir is None else str(Path(self.data_dir).absolute()))

    def spec(self) -> DataSpec:
        """The same for the data room, which checks it."""
        split = SplitSpec(self.validation, self.test, self.split_seed, self.folds, self.fold)
        draw = Draw(self.samples, self.noise, self.split_seed, self.function, self.interval)
        return DataSpec(self.data, self.target, self.task, self.drop, self.data_dir, self.download, split, draw)


@Parameter(name="*", group=Group.create_ordered("Network"))
@dataclass(frozen=True)
class NetworkConfig:
    """The network."""

    hidden: Sizes = (256, 128)
    """Units of each hidden layer, first to last: --hidden 512 256; --no-hidden for a linear model."""
    activation: str = "relu"
    """Activation of the hidden layers: identity, relu, leaky_relu, elu, selu, sigmoid, tanh, softplus, silu, gelu,
    gelu_tanh."""
    initializer: str = "he_normal"
    """How kernels start: he_normal, he_uniform, glorot_normal, glorot_uniform, lecun_normal, lecun_uniform,
    lecture_uniform, zeros."""
    bias: float = 0.0
    """What hidden biases start from."""
    dropout: float | None = None
    """Probability of dropping a hidden unit in training, in [0, 1). [default: 0.2 for classes, 0 for numbers]"""
    dtype: str = "float32"
    """Type of the products: float32, float64 or bfloat16; data are kept in float32 or as stored."""

    def __post_init__(self) -> None:
        _in_unit_interval("dropout", self.dropout or 0.0)
        require(math.isfinite(self.bias), f"--bias must be a number, got {self.bias}")
        self.spec(1, 1, 1.0)

    def spec(self, inputs: int, outputs: int, input_scale: float) -> models.MLPSpec:
        """The network for data of this shape; checks sizes and names."""
        return models.MLPSpec(
            inputs, outputs, self.hidden, self.activation, self.initializer, self.bias, input_scale, self.dtype
        )


@Parameter(name="*", group=Group.create_ordered("Objective"))
@dataclass(frozen=True)
class ObjectiveConfig:
    """What is minimised."""

    loss: str | None = None
    """Classes: cross_entropy, binary_cross_entropy. Numbers: mse, half_mse, mae, smooth_l1. [default: cross_entropy or
    mse]"""
    label_smoothing: float = 0.0
    """Share of each target spread over all classes, in [0, 1)."""
    l1: float = 0.0
    """λ of the penalty λ Σ|W| on the kernels."""
    l2: float = 0.0
    """λ of the penalty ½ λ Σ W² on the kernels; its gradient goes through the momentum."""

    def __post_init__(self) -> None:
        if self.loss is not None:
            losses.get(self.loss)
        _in_unit_interval("label-smoothing", self.label_smoothing)
        _not_negative("l1", self.l1)
        _not_negative("l2", self.l2)


@Parameter(name="*", group=Group.create_ordered("Optimiser"))
@dataclass(frozen=True)
class OptimizerConfig:
    """How it is minimised."""

    optimizer: str = "sgd"
    """Optimiser: sgd, nesterov, adam."""
    learning_rate: float | None = None
    """Step size η > 0. [default: 0.05 for classes, 0.01 for numbers]"""
    momentum: float = 0.9
    """µ in [0, 1), β₁ for adam; 0 leaves it out."""
    weight_decay: float = 1e-4
    """λ of decoupled decay of the kernels: W ← W − η λ W beside the step itself."""
    schedule: str = "cosine"
    """Learning rate over training: constant, cosine, linear, step, exponential."""
    warmup: float = 0.0
    """Fraction of the steps in which the learning rate first rises from 0."""

    def __post_init__(self) -> None:
        rate = self.learning_rate
        ok = rate is None or (math.isfinite(rate) and rate > 0)
        require(ok, f"--learning-rate must be a number > 0, got {rate}")
        _in_unit_interval("momentum", self.momentum)
        _not_negative("weight-decay", self.weight_decay)
        self.spec()

    def spec(self) -> optimizers.OptimizerSpec:
        """The chain; checks the names."""
        return optimizers.OptimizerSpec(self.optimizer, self.schedule, self.warmup)


@Parameter(name="*", group=Group.create_ordered("Training"))
@dataclass(frozen=True)
class LoopConfig:
    """How long, in what portions, from which seed."""

    batch_size: int = 32
    """Rows a step."""
    epochs: int = 60
    """The most passes over the training rows."""
    patience: int = 20
    """Stop after this many epochs without a better validation score; 0 never stops early."""
    seed: int = 0
    """Of initial parameters, batch order and dropout."""
    gradients: Literal["autodiff", "manual"] = "autodiff"
    """Who computes them: JAX, or the backpropagation written by hand."""

    def __post_init__(self) -> None:
        for flag, size in (("batch-size", self.batch_size), ("epochs", self.epochs)):
            require(size > 0, f"--{flag} must be at least 1, got {size}")
        require(self.patience >= 0, f"--patience must be 0 (off) or more, got {self.patience}")
        require(0 <= self.seed < 2**32, f"--seed must be in [0, 2³²), got {self.seed}")


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

    def run_spec(self, data: Description) -> RunSpec:
        """The static part, for this data."""
        loop = self.loop
        smoothing = self.objective.label_smoothing
        require(
            not smoothing or data.task == CLASSIFICATION,
            f"--label-smoothing {smoothing} is for classes, {data.name} has numbers to predict",
        )
        return RunSpec(
            model=self.network.spec(data.inputs, data.outputs, data.input_scale),
            loss=self.objective.loss or DEFAULT_LOSS[data.task],
            optimizer=self.optimizer.spec(),
            batch_size=loop.batch_size,
            epochs=loop.epochs,
            patience=loop.patience if "validation" in data.rows else 0,
            gradients=loop.gradients,
        )

    def hparams(self, data: Description) -> HParams:
        """The traced part, for this data; what is 0 is left out of the program."""
        dropout, rate = self.network.dropout, self.optimizer.learning_rate

        def present(value: float) -> float | None:
            return value if value > 0 else None

        return HParams(
            learning_rate=DEFAULT_LEARNING_RATE[data.task] if rate is None else rate,
            momentum=present(self.optimizer.momentum),
            weight_decay=present(self.optimizer.weight_decay),
            l1=present(self.objective.l1),
            l2=present(self.objective.l2),
            dropout=present(DEFAULT_DROPOUT[data.task] if dropout is None else dropout),
            label_smoothing=present(self.objective.label_smoothing),
        )

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
