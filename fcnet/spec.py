"""The shape of a network: one frozen spec, and what it says of each layer."""

from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Literal

import jax.numpy as jnp

from fcnet import activations, initializers
from fcnet.activations import Activation
from fcnet.errors import require, unknown
from fcnet.layers import DROPOUTS, Dropout, Norm, norms

# What --dtype may be: the type products are computed in. Parameters and losses of a bfloat16 network stay float32.
DTYPES = {"float32": jnp.float32, "float64": jnp.float64, "bfloat16": jnp.bfloat16}


@dataclass(frozen=True)
class LayerSpec:
    """One layer as its spec describes it: a ↦ activation(norm(a W + b)), or norm after the activation.

    ``name``: "layer_1", …: its key in the parameter tree. ``columns``: of the kernel, pieces · units.
    ``bias``: what b starts from, None where there is no b because batch norm would cancel it.
    """

    name: str
    fan_in: int
    units: int
    activation: Activation
    norm: Norm | None = None
    norm_before: bool = True
    bias: float | None = 0.0

    @property
    def columns(self) -> int:
        """Pre-activations: columns of the kernel."""
        return self.activation.pieces() * self.units

    @property
    def normalised(self) -> int:
        """Entries of a row that the norm sees."""
        return self.columns if self.norm_before else self.units

    @property
    def norm_parameters(self) -> dict[str, float]:
        """γ ("scale") and β ("shift") with what they start from."""
        return {} if self.norm is None else self.norm.parameters()

    @property
    def learned_names(self) -> tuple[str, ...]:
        """What the activation learns, by name."""
        return () if self.activation.learned is None else tuple(self.activation.learned(self.units))

    @property
    def parameter_count(self) -> int:
        """Kernel, bias, norm and what the activation learns."""
        count = self.fan_in * self.columns + (0 if self.bias is None else self.columns)
        if self.norm is not None:
            count += len(self.norm_parameters) * self.norm.width(self.normalised)
        if self.activation.learned is not None:
            count += sum(start.size for start in self.activation.learned(self.units).values())
        return count


@dataclass(frozen=True)
class MLPSpec:
    """The shape of a multilayer perceptron: everything about it that a compiled program depends on.

    ``inputs``, ``hidden``, ``outputs``: units; no hidden layer at all is a linear model.
    ``activation``: of the hidden layers, one for all or one for each: "relu", ("tanh", "leaky_relu:slope=0.2").
    ``norm``: likewise, "none" or "batch", "layer", "group:groups=4", "instance"; ``norm_position``: of the activation.
    ``dropout``: which kind, where there is a rate: "inverted", "classic", "alpha" or "connect".
    ``output_activation``: "identity" leaves logits or predictions.
    ``initializer``: of the kernels. ``bias``: the constant every hidden bias starts from; ``output_bias``: likewise.
    ``input_scale``: what stored inputs are multiplied by (1/255 for 8-bit pixels).
    ``dtype``: of the products: float32, float64 or bfloat16.

    Raises:
        InputError: a size below 1, a name that is not in the catalogue, or lists of another length than ``hidden``.
    """

    inputs: int
    outputs: int
    hidden: tuple[int, ...] = ()
    activation: str | tuple[str, ...] = "relu"
    initializer: str = "he_normal"
    bias: float = 0.0
    input_scale: float = 1.0
    dtype: str = "float32"
    norm: str | tuple[str, ...] = "none"
    norm_position: Literal["before", "after"] = "before"
    dropout: str = "inverted"
    output_activation: str = "identity"
    output_bias: float = 0.0

    def __post_init__(self) -> None:
        require(self.inputs > 0, f"inputs must be at least 1, got {self.inputs}")
        require(self.outputs > 0, f"outputs must be at least 1, got {self.outputs}")
        for number, units in enumerate(self.hidden, start=1):
            require(units > 0, f"hidden layer {number} must have at least 1 unit, got {units}")
        for name, start in (("bias", self.bias), ("output_bias", self.output_bias)):
            require(isfinite(start), f"{name} must be a number, got {start}")
        ok = isfinite(self.input_scale) and self.input_scale > 0
        require(ok, f"input_scale must be a number > 0, got {self.input_scale}")
        random_output = activations.get(self.output_activation).draw is not None
        require(not random_output, f"output activation {self.output_activation} is random in training: not for outputs")
        if self.norm_position not in ("before", "after"):
            raise unknown("norm position", self.norm_position, ("before", "after"))
        if self.dropout not in DROPOUTS:
            raise unknown("kind of dropout", self.dropout, DROPOUTS)
        for layer in self.layers:
            if layer.norm is not None:
                layer.norm.check(layer.normalised)
        count = self.parameter_count
        require(
            count < 2**31,
            f"{'-'.join(map(str, self.sizes))} has {count:,} parameters: at most 2³¹ fit one network here",
        )
        initializers.get(self.initializer)
        if self.dtype not in DTYPES:
            raise unknown("dtype", self.dtype, DTYPES)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, input first: 784-512-256-10 is (784, 512, 256, 10)."""
        return (self.inputs, *self.hidden, self.outputs)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The layers that have parameters, first to last: the keys of the parameter tree."""
        return tuple(f"layer_{number}" for number in range(1, len(self.hidden) + 2))

    @cached_property
    def layers(self) -> tuple[LayerSpec, ...]:
        """Every layer, the output layer last."""
        chosen = [activations.get(text) for text in self._for_each("activation", self.activation)]
        normed = [None if text == "none" else norms.get(text) for text in self._for_each("norm", self.norm)]
        before = self.norm_position == "before"
        hidden = [
            LayerSpec(name, fan_in, units, activation, norm, before, self._bias(norm))
            for name, fan_in, units, activation, norm in zip(
                self.layer_names, self.sizes, self.hidden, chosen, normed, strict=False
            )
        ]
        answer = activations.get(self.output_activation)
        return (*hidden, LayerSpec(self.layer_names[-1], self.sizes[-2], self.outputs, answer, bias=self.output_bias))

    def _for_each(self, field: str, given: str | tuple[str, ...]) -> tuple[str, ...]:
        texts = (given,) if isinstance(given, str) else given
        if len(texts) == 1:
            return texts * max(len(self.hidden), 1)  # named once at least, so that it is checked
        require(
            len(texts) == len(self.hidden),
            f"{field} names {len(texts)} layers, but there are {len(self.hidden)} hidden ones: give one, or one each",
        )
        return texts

    def _bias(self, norm: Norm | None) -> float | None:
        cancelled = norm is not None and norm.over_batch and self.norm_position == "before"
        return None if cancelled else self.bias

    @property
    def dropout_kind(self) -> Dropout:
        """What is done with the mask."""
        return DROPOUTS[self.dropout]

    @property
    def compute_dtype(self) -> jnp.dtype:
        """The type of activations and products."""
        return jnp.dtype(DTYPES[self.dtype])

    @property
    def param_dtype(self) -> jnp.dtype:
        """The type parameters, outputs and losses are kept in: never narrower than float32."""
        return jnp.dtype(jnp.float32) if self.dtype == "bfloat16" else self.compute_dtype

    @property
    def parameter_count(self) -> int:
        """Σ over layers of (fan_in + 1) · columns, and of what norms and activations learn."""
        return sum(layer.parameter_count for layer in self.layers)
