"""What a person may set for a run: the flags of ``fcnet train``, and the same dataclasses from Python.

Everything is checked when it is built. ``TrainConfig`` turns into what the rooms take: a ``DataSpec``, a static
``RunSpec`` and traced ``HParams``.
"""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from cyclopts import Group, Parameter

from fcnet import devices, losses, optimizers, regularizers
from fcnet.activations import ACTIVATIONS
from fcnet.augmentation import TRANSFORMS, AugmentSpec
from fcnet.backprop import Engine
from fcnet.catalogue import choose
from fcnet.components import KINDS
from fcnet.contracts import CLASSIFICATION, REGRESSION, HParams
from fcnet.data import DataSpec, Description
from fcnet.data.catalogue import SETS
from fcnet.data.generated import Draw
from fcnet.data.resolve import is_named, is_path
from fcnet.data.splits import SplitSpec
from fcnet.errors import InputError, require, unknown
from fcnet.initializers import INITIALIZERS
from fcnet.layers import DROPOUTS, NORMS
from fcnet.objective import output_activation_for
from fcnet.spec import MLPSpec
from fcnet.train import RunSpec

if TYPE_CHECKING:
    ActivationName = str
    NormName = str
    InitializerName = str
    DropoutName = str
    LossName = str
    OptimizerName = str
    ScheduleName = str
    TransformName = str
    DataName = str
    ComponentName = str
    Kind = str
else:
    # The shell completes these names; with options behind a colon any text may follow, and the rooms check it.
    def _names(entries: Iterable[str]) -> Any:
        return Literal[tuple(entries)] | str

    Kind, ComponentName = _names(KINDS), _names(sorted({name for entries in KINDS.values() for name in entries}))
    ActivationName, NormName = _names(ACTIVATIONS), _names(("none", *NORMS))
    InitializerName, DropoutName = _names(INITIALIZERS), _names(DROPOUTS)
    LossName, OptimizerName = _names(losses.LOSSES), _names(optimizers.OPTIMIZERS)
    ScheduleName, TransformName, DataName = _names(optimizers.SCHEDULES), _names(TRANSFORMS), _names(SETS)

UNLISTED = Parameter(show_choices=False, negative="")
SEVERAL = Parameter(consume_multiple=True, negative="", show_choices=False, show_default=" ".join)
Numbers = Annotated[tuple[float, ...], Parameter(consume_multiple=True, negative="", show_default=False)]
Pair = Annotated[tuple[float, float] | None, Parameter(negative="", show_default=False)]
Sizes = Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="--no-hidden")]
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)]
Ends = Annotated[tuple[float, float], Parameter(negative="")]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]

# What suits the task where nothing is said. For classes: chosen on validation parts of digits, over 8 splits. For
# numbers smaller steps, because the mse of a far-off start is steep and its first steps would leave ReLU units dead.
DEFAULT_DROPOUT = {CLASSIFICATION: 0.2, REGRESSION: 0.0}
DEFAULT_LEARNING_RATE = {CLASSIFICATION: 0.05, REGRESSION: 0.01}
DEFAULT_BATCH_SIZE, DEFAULT_MOMENTUM = 32, 0.9
# Of the range of a pixel; chosen on validation parts of digits, too.
DEFAULT_IMAGE_NOISE = 0.1
DEFAULT_LOSS = {CLASSIFICATION: "cross_entropy", REGRESSION: "mse"}


def _in_unit_interval(flag: str, value: float) -> None:
    require(0 <= value < 1, f"--{flag} must be in [0, 1), got {value}")


def _one_or_each(words: tuple[str, ...]) -> str | tuple[str, ...]:
    return words[0] if len(words) == 1 else words


def _not_negative(flag: str, value: float) -> None:
    require(math.isfinite(value) and value >= 0, f"--{flag} must be a number ≥ 0, got {value}")


@Parameter(name="*", group=Group.create_ordered("Data"))
@dataclass(frozen=True)
class DataConfig:
    """Which data, and how it is split."""

    data: Annotated[DataName, UNLISTED] = "digits"
    """A set's name (digits, iris, wine, breast_cancer, diabetes; xor, line, moons, spirals, function; mnist,
    fashion_mnist or any TensorFlow Datasets name), a folder of IDX files, or a CSV or Parquet file."""
    target: str | None = None
    """Tables: the column to predict."""
    task: Literal["classification", "regression"] | None = None
    """Tables: what the target is, where the column itself leaves it open."""
    drop: Names = ()
    """Tables: columns to leave out."""
    sample_weight: str | None = None
    """Tables: the column that says how much a row counts in training; it is no feature."""
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
        return DataSpec(
            self.data,
            self.target,
            self.task,
            self.drop,
            self.data_dir,
            self.download,
            split,
            draw,
            sample_weight=self.sample_weight,
        )


@Parameter(name="*", group=Group.create_ordered("Augmentation"))
@dataclass(frozen=True)
class AugmentConfig:
    """What is done to images at random in every step."""

    augment: Annotated[tuple[TransformName, ...], SEVERAL] = ()
    """Transforms with options, in any number: shift:pixels=2 rotation:degrees=10. See fcnet list augmentations."""
    force_augmentation: Switch = False
    """Allow transforms that can change a label, such as mirroring digits."""

    def __post_init__(self) -> None:
        for text in self.augment:
            choose("augmentation", text, TRANSFORMS)

    def spec(self, data: Description) -> AugmentSpec | None:
        """The transforms for the images of this data set, None where there are none.

        Raises:
            InputError: no images, or transforms that can change a label.
        """
        if not self.augment:
            return None
        require(data.image_shape is not None, f"--augment is for images, {data.name} has none")
        return AugmentSpec(self.augment, data.image_shape, data.input_scale, self.force_augmentation, data.name)


@Parameter(name="*", group=Group.create_ordered("Network"))
@dataclass(frozen=True)
class NetworkConfig:
    """The network."""

    hidden: Sizes = (256, 128)
    """Units of each hidden layer, first to last: --hidden 512 256; --no-hidden for a linear model."""
    activation: Annotated[tuple[ActivationName, ...], SEVERAL] = ("relu",)
    """Activation of the hidden layers, one for all or one for each; options behind a colon: leaky_relu:slope=0.2. See
    fcnet list activations."""
    output_activation: Annotated[ActivationName | None, UNLISTED] = None
    """Activation of the output layer. [default: what the loss asks for: log_softmax for nll, identity for most]"""
    norm: Annotated[tuple[NormName, ...], SEVERAL] = ("none",)
    """Norm of the hidden layers, one for all or one for each: none, batch, layer, group:groups=4, instance."""
    norm_position: Literal["before", "after"] = "before"
    """Whether the norm comes before or after the activation."""
    initializer: Annotated[InitializerName, UNLISTED] = "he_normal"
    """How kernels start; see fcnet list initialisers."""
    init_scale: float = 1.0
    """What initial kernels are multiplied by."""
    bias: float = 0.0
    """What hidden biases start from; 0.1 keeps ReLU units alive."""
    dropout: Numbers = ()
    """Probability of dropping a hidden unit in training, in [0, 1), one for all layers or one for each. [default: 0.2
    for classes, 0 for numbers]"""
    dropout_kind: Annotated[DropoutName, UNLISTED] = "inverted"
    """What dropping means: inverted, classic (scales in evaluation), alpha (for selu), connect (drops kernel
    entries)."""
    input_noise: float | None = None
    """σ of Gaussian noise added to the scaled inputs in training. [default: 0.1 for images, else 0]"""
    hidden_noise: float = 0.0
    """σ of Gaussian noise added to hidden activations in training."""
    dtype: str = "float32"
    """Type of the products: float32, float64 or bfloat16; data are kept in float32 or as stored."""

    def __post_init__(self) -> None:
        for rate in self.dropout:
            _in_unit_interval("dropout", rate)
        require(
            len(self.dropout) in (0, 1, len(self.hidden)),
            f"--dropout names {len(self.dropout)} rates for {len(self.hidden)} hidden layers: give one or one for each",
        )
        _not_negative("input-noise", self.input_noise or 0.0)
        _not_negative("hidden-noise", self.hidden_noise)
        require(math.isfinite(self.bias), f"--bias must be a number, got {self.bias}")
        ok = math.isfinite(self.init_scale) and self.init_scale > 0
        require(ok, f"--init-scale must be a number > 0, got {self.init_scale}")
        self.spec(1, 1, 1.0)

    def spec(
        self,
        inputs: int,
        outputs: int,
        input_scale: float,
        output_activation: str = "identity",
        output_bias: float = 0.0,
    ) -> MLPSpec:
        """The network for data of this shape, with this output activation unless another was named; checks names."""
        return MLPSpec(
            inputs,
            outputs,
            self.hidden,
            _one_or_each(self.activation),
            self.initializer,
            self.bias,
            input_scale,
            self.dtype,
            _one_or_each(self.norm),
            self.norm_position,
            self.dropout_kind,
            self.output_activation or output_activation,
            output_bias,
        )


@Parameter(name="*", group=Group.create_ordered("Objective"))
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
        _in_unit_interval("label-smoothing", self.label_smoothing)
        for flag, value in (("l1", self.l1), ("l2", self.l2), ("max-norm", self.max_norm)):
            _not_negative(flag, value)
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


@Parameter(name="*", group=Group.create_ordered("Optimiser"))
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
        _in_unit_interval("momentum", self.momentum or 0.0)
        for flag, value in (
            ("weight-decay", self.weight_decay),
            ("clip-norm", self.clip_norm),
            ("clip-value", self.clip_value),
        ):
            _not_negative(flag, value)
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


@Parameter(name="*", group=Group.create_ordered("Training"))
@dataclass(frozen=True)
class LoopConfig:
    """How long, in what portions, from which seed."""

    batch_size: int | None = None
    """Rows a step. [default: 32; all rows with --optimizer gd]"""
    epochs: int = 60
    """The most passes over the training rows."""
    patience: int = 20
    """Stop after this many epochs without a better validation score; 0 never stops early."""
    seed: int = 0
    """Of initial parameters, batch order and dropout."""
    gradients: Literal["autodiff", "manual"] = "autodiff"
    """Who computes them: JAX, or the backpropagation written by hand."""
    engine: Engine = "jax"
    """The library that runs the backpropagation written by hand: the same lines on jax, numpy or torch."""
    data_parallel: Switch = False
    """Share the rows of each step over all devices; on a CPU every core is one."""
    stream: Switch = False
    """Read the rows in blocks while the device trains, with the same result; done anyway where they do not fit it."""

    def __post_init__(self) -> None:
        for flag, size in (("batch-size", self.batch_size), ("epochs", self.epochs)):
            require(size is None or size > 0, f"--{flag} must be at least 1, got {size}")
        require(self.patience >= 0, f"--patience must be 0 (off) or more, got {self.patience}")
        require(0 <= self.seed < 2**32, f"--seed must be in [0, 2³²), got {self.seed}")
        require(
            not self.data_parallel or self.engine == "jax",
            f"--data-parallel is for --engine jax: {self.engine} computes on one device",
        )


@Parameter(name="*", group=Group.create_ordered("Processes"))
@dataclass(frozen=True)
class ProcessesConfig:
    """Which other processes to work with: a matter of the machines, not of the run."""

    coordinator: str | None = None
    """HOST:PORT of process 0, or auto. [default: what Slurm, Open MPI, Kubernetes or a TPU pod says]"""
    processes: int | None = None
    """How many processes there are."""
    process: int | None = None
    """The number of this one, from 0."""

    def join(self) -> devices.Processes:
        """Every core a device, and the others met; see ``devices.join``, which checks the values."""
        devices.use_every_core()
        return devices.join(self.coordinator, self.processes, self.process)


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
