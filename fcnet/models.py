"""Fully-connected networks as pure functions, built from one frozen spec."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fcnet import initializers
from fcnet.contracts import ModelState, Params
from fcnet.layers import norms
from fcnet.noise import LayerNoise, Noise
from fcnet.spec import LayerSpec, MLPSpec

__all__ = ["MLP", "MLPSpec", "apply", "init", "scale_inputs", "train_apply"]

# The Flax collection of what is carried along without being trained.
STATE = "state"


def scale_inputs(spec: MLPSpec, x: jax.Array) -> jax.Array:
    """a⁽⁰⁾ = input_scale · x, in the compute dtype; x: (batch, inputs) of any stored type."""
    return x.astype(spec.compute_dtype) * jnp.asarray(spec.input_scale, spec.compute_dtype)


class Layer(nn.Module):
    """One layer: z = a W + b, normalised and activated in the order its spec says, then whatever noise there is."""

    spec: MLPSpec
    number: int

    @property
    def layer(self) -> LayerSpec:
        """What the spec says of this layer."""
        return self.spec.layers[self.number]

    @nn.compact
    def __call__(self, a: jax.Array, drawn: LayerNoise | None) -> jax.Array:
        """(batch, fan_in) ↦ (batch, units); ``drawn`` is None in evaluation."""
        spec, layer = self.spec, self.layer
        dtype, stored = spec.compute_dtype, spec.param_dtype
        kernel_init = initializers.get(spec.initializer).function
        kernel = self.param("kernel", kernel_init, (layer.fan_in, layer.columns), stored).astype(dtype)
        if drawn is not None and drawn.kernel is not None:
            kernel = kernel * drawn.kernel
        z = a @ kernel
        if layer.bias is not None:
            bias = self.param("bias", nn.initializers.constant(layer.bias), (layer.columns,), stored)
            z = z + bias.astype(dtype).reshape(1, -1)
        if layer.norm is not None and layer.norm_before:
            z = self._normalised(z, training=drawn is not None)
        a = layer.activation.function(z, **self._extras(drawn))
        if layer.norm is not None and not layer.norm_before:
            a = self._normalised(a, training=drawn is not None)
        if drawn is not None and drawn.multiplier is not None:
            a = a * drawn.multiplier
        if drawn is not None and drawn.addend is not None:
            a = a + drawn.addend
        if self.number < len(spec.hidden) and spec.dropout_kind.scales_evaluation:
            # training leaves q = 1 − p behind, so that evaluation needs nothing but parameters and state
            keep = self.variable(STATE, "keep", lambda: jnp.ones((), stored))
            if drawn is None:
                a = a * keep.value.astype(dtype)
            elif drawn.keep is not None:
                keep.value = drawn.keep
        return a

    def _extras(self, drawn: LayerNoise | None) -> dict[str, jax.Array]:
        """What the activation takes beside z: learned parameters and random slopes."""
        spec, learned = self.spec, self.layer.activation.learned
        extras: dict[str, jax.Array] = {}
        if learned is not None:
            for name, start in learned(self.layer.units).items():
                stored = self.param(name, lambda key, start=start: jnp.asarray(start, spec.param_dtype))
                extras[name] = stored.astype(spec.compute_dtype)
        if drawn is not None and drawn.slopes is not None:
            extras["slope"] = drawn.slopes
        return extras

    def _normalised(self, z: jax.Array, *, training: bool) -> jax.Array:
        norm, stored = self.layer.norm, self.spec.param_dtype
        assert norm is not None
        units = z.shape[-1]
        parameters = {
            name: self.param(name, nn.initializers.constant(start), (norm.width(units),), stored)
            for name, start in norm.parameters().items()
        }
        start = norms.initial_statistics(norm, units, stored)
        kept = {name: self.variable(STATE, name, lambda value=value: value) for name, value in start.items()}
        before = {name: variable.value for name, variable in kept.items()}
        found = norms.function(norm, z, parameters, before, training=training)
        if training and kept and not self.is_initializing():
            after = norms.running(norm, before, found.mean, found.variance, z.shape[0])
            for name, variable in kept.items():
                variable.value = after[name]
        return found.value


class MLP(nn.Module):
    """Layers one after the other: a⁽ˡ⁾ = f(a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾), with norms and noise where the spec has them."""

    spec: MLPSpec

    @nn.compact
    def __call__(self, x: jax.Array, noise: Noise | None = None) -> jax.Array:
        """Answers (batch, outputs) for stored inputs x: (batch, inputs); without ``noise`` it is evaluation."""
        spec = self.spec
        a = scale_inputs(spec, x)
        if noise is not None and noise.inputs is not None:
            a = a + noise.inputs
        drawn: Any = (None,) * len(spec.layers) if noise is None else (*noise.layers, LayerNoise())
        for number, layer in enumerate(spec.layers):
            a = Layer(spec, number, name=layer.name)(a, drawn[number])
        return a.astype(spec.param_dtype)


def init(spec: MLPSpec, key: jax.Array) -> tuple[Params, ModelState]:
    """Fresh parameters and non-trained state; ``key`` is a typed key (``jax.random.key``)."""
    variables = MLP(spec).init(key, jnp.zeros((1, spec.inputs), spec.compute_dtype))
    return variables["params"], variables.get(STATE, {})


def apply(spec: MLPSpec, params: Params, x: jax.Array | np.ndarray, state: ModelState | None = None) -> jax.Array:
    """The network's answers in evaluation, (batch, outputs), for stored inputs x: (batch, inputs).

    Nothing is random; batch norm takes the running averages in ``state``, which networks without any leave out.
    """
    variables = {"params": params} | ({STATE: state} if state else {})
    outputs: jax.Array = MLP(spec).apply(variables, jnp.asarray(x))  # type: ignore[assignment]  # nothing mutable
    return outputs


def train_apply(
    spec: MLPSpec, params: Params, x: jax.Array, state: ModelState, noise: Noise
) -> tuple[jax.Array, ModelState]:
    """The network's answers in training with the draws of one step (``noise.draw``), and the state after it."""
    variables = {"params": params} | ({STATE: state} if state else {})
    outputs, changed = MLP(spec).apply(variables, x, noise, mutable=[STATE])
    return outputs, changed.get(STATE, state)
