"""Fully-connected networks, built from one frozen spec and applied as pure functions."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn

from fcnet import activations, initializers
from fcnet.contracts import ModelState, Params
from fcnet.errors import require, unknown
from fcnet.layers import dropout_mask

# What --dtype may be: the type products are computed in. Parameters and losses of a bfloat16 network stay float32.
DTYPES = {"float32": jnp.float32, "float64": jnp.float64, "bfloat16": jnp.bfloat16}


@dataclass(frozen=True)
class MLPSpec:
    """The shape of a multilayer perceptron: everything about it that a compiled program depends on.

    ``inputs``, ``hidden``, ``outputs``: units; no hidden layer at all is a linear model.
    ``activation``: of every hidden layer; the output layer is linear, its answers are logits or predictions.
    ``initializer``: of the kernels. ``bias``: the constant every hidden bias starts from (output biases start at 0).
    ``input_scale``: what stored inputs are multiplied by (1/255 for 8-bit pixels).
    ``dtype``: of the products: float32, float64 or bfloat16.

    Raises:
        InputError: a size below 1, or a name that is not in the catalogue.
    """

    inputs: int
    outputs: int
    hidden: tuple[int, ...] = ()
    activation: str = "relu"
    initializer: str = "he_normal"
    bias: float = 0.0
    input_scale: float = 1.0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        require(self.inputs > 0, f"inputs must be at least 1, got {self.inputs}")
        require(self.outputs > 0, f"outputs must be at least 1, got {self.outputs}")
        for number, units in enumerate(self.hidden, start=1):
            require(units > 0, f"hidden layer {number} must have at least 1 unit, got {units}")
        count = self.parameter_count
        require(
            count < 2**31,
            f"{'-'.join(map(str, self.sizes))} has {count:,} parameters: at most 2³¹ fit one network here",
        )
        activations.get(self.activation)
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
        """Σ over layers of (fan_in + 1) · fan_out."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in zip(self.sizes[:-1], self.sizes[1:], strict=True))


def scale_inputs(spec: MLPSpec, x: jax.Array) -> jax.Array:
    """a⁽⁰⁾ = input_scale · x, in the compute dtype; x: (batch, inputs) of any stored type."""
    return x.astype(spec.compute_dtype) * jnp.asarray(spec.input_scale, spec.compute_dtype)


class MLP(nn.Module):
    """a⁽ˡ⁾ = m⁽ˡ⁾ ⊙ f(a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾) for each hidden layer, then a linear output layer.

    The dropout mask m⁽ˡ⁾ is there only when both a rate and a key are given.
    """

    spec: MLPSpec

    @nn.compact
    def __call__(
        self, x: jax.Array, *, dropout: jax.Array | float | None = None, key: jax.Array | None = None
    ) -> jax.Array:
        """Answers (batch, outputs) for stored inputs x: (batch, inputs)."""
        spec = self.spec
        activation = activations.get(spec.activation).function
        kernel_init = initializers.get(spec.initializer).function
        last = len(spec.layer_names)
        a = scale_inputs(spec, x)
        for number, (name, units) in enumerate(zip(spec.layer_names, spec.sizes[1:], strict=True), start=1):
            start = spec.bias if number < last else 0.0
            dense = nn.Dense(
                units,
                dtype=spec.compute_dtype,
                param_dtype=spec.param_dtype,
                kernel_init=kernel_init,
                bias_init=nn.initializers.constant(start),
                name=name,
            )
            a = dense(a)
            if number < last:
                a = activation(a)
                if dropout is not None and key is not None:
                    a = a * dropout_mask(key, number, a.shape, dropout, a.dtype)
        return a.astype(spec.param_dtype)


def init(spec: MLPSpec, key: jax.Array) -> tuple[Params, ModelState]:
    """Fresh parameters and non-trained state; ``key`` is a typed key (``jax.random.key``)."""
    variables = MLP(spec).init(key, jnp.zeros((1, spec.inputs), spec.compute_dtype))
    return variables["params"], {}


def apply(
    spec: MLPSpec,
    params: Params,
    x: jax.Array,
    *,
    dropout: jax.Array | float | None = None,
    key: jax.Array | None = None,
) -> jax.Array:
    """The network's answers, (batch, outputs), for stored inputs x: (batch, inputs).

    Without ``key`` this is evaluation: nothing is random.
    """
    outputs: jax.Array = MLP(spec).apply({"params": params}, x, dropout=dropout, key=key)  # type: ignore[assignment]  # no mutable collections
    return outputs
