"""The flags of the network."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from fcnet.config.groups import NETWORK
from fcnet.config.limits import in_unit_interval, not_negative
from fcnet.config.words import SEVERAL, UNLISTED, ActivationName, DropoutName, InitializerName, NormName, Numbers, Sizes
from fcnet.errors import require
from fcnet.spec import MLPSpec


def _one_or_each(words: tuple[str, ...]) -> str | tuple[str, ...]:
    return words[0] if len(words) == 1 else words


@NETWORK
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
            in_unit_interval("dropout", rate)
        require(
            len(self.dropout) in (0, 1, len(self.hidden)),
            f"--dropout names {len(self.dropout)} rates for {len(self.hidden)} hidden layers: give one or one for each",
        )
        not_negative("input-noise", self.input_noise or 0.0)
        not_negative("hidden-noise", self.hidden_noise)
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
