"""The forward pass by hand, keeping what the backward pass will ask for."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fcnet.arrays import AnyArray, namespace
from fcnet.layers import norms
from fcnet.noise import LayerNoise, Noise
from fcnet.spec import LayerSpec, MLPSpec

# ∂L/∂value ↦ (∂L/∂argument, {parameter: ∂L/∂it})
Pullback = Callable[[AnyArray], tuple[AnyArray, dict[str, AnyArray]]]


class LayerCache(NamedTuple):
    """What layer l remembers of one batch.

    ``inputs``: a⁽ˡ⁻¹⁾, (batch, fan_in). ``kernel``: W⁽ˡ⁾ as it was used, (fan_in, columns).
    ``kernel_mask``: what DropConnect multiplied the kernel by, or None. ``has_bias``: whether a bias was added.
    ``pullbacks``: of the steps after the product – norm, activation, in whichever order – first to last.
    ``multiplier``: the m⁽ˡ⁾ of dropout, (batch, units), or None.
    """

    inputs: AnyArray
    kernel: AnyArray
    kernel_mask: AnyArray | None
    has_bias: bool
    pullbacks: tuple[Pullback, ...]
    multiplier: AnyArray | None


def forward_layer(
    layer: LayerSpec,
    params: Mapping[str, AnyArray],
    state: Mapping[str, AnyArray],
    a: AnyArray,
    drawn: LayerNoise,
) -> tuple[AnyArray, LayerCache, dict[str, AnyArray]]:
    """One layer in training: its activations, its cache, and its state after this batch.

        z⁽ˡ⁾ = a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾,   a⁽ˡ⁾ = m⁽ˡ⁾ ⊙ f(norm(z⁽ˡ⁾)) + c⁽ˡ⁾

    Args:
        params: kernel (fan_in, columns), bias (columns,), and what norm and activation learn.
        a: a⁽ˡ⁻¹⁾, (batch, fan_in); products are in its type.
    """
    xp = namespace(a)
    kernel = xp.astype(params["kernel"], a.dtype)
    if drawn.kernel is not None:
        kernel = kernel * drawn.kernel
    value = xp.matmul(a, kernel)
    if layer.bias is not None:
        value = value + xp.reshape(xp.astype(params["bias"], a.dtype), (1, -1))
    after: dict[str, AnyArray] = dict(state)
    pullbacks: list[Pullback] = []

    def normalise(z: AnyArray) -> AnyArray:
        assert layer.norm is not None
        learned = {name: params[name] for name in layer.norm.parameters()}
        found, pullback = norms.by_hand(layer.norm, z, learned)
        after.update(norms.running(layer.norm, state, found.mean, found.variance, z.shape[0]))
        pullbacks.append(pullback)
        return found.value

    if layer.norm is not None and layer.norm_before:
        value = normalise(value)
    extras = {name: xp.astype(params[name], a.dtype) for name in layer.learned_names}
    if drawn.slopes is not None:
        extras["slope"] = drawn.slopes
    value, pullback = layer.activation.by_hand(value, **extras)
    pullbacks.append(pullback)
    if layer.norm is not None and not layer.norm_before:
        value = normalise(value)
    if drawn.multiplier is not None:
        value = value * drawn.multiplier
    if drawn.addend is not None:
        value = value + drawn.addend
    if drawn.keep is not None:
        after["keep"] = drawn.keep
    cache = LayerCache(a, kernel, drawn.kernel, layer.bias is not None, tuple(pullbacks), drawn.multiplier)
    return value, cache, after


def forward(
    spec: MLPSpec,
    params: Mapping[str, Mapping[str, AnyArray]],
    x: AnyArray,
    *,
    state: Mapping[str, Mapping[str, AnyArray]],
    noise: Noise,
    dtype: Any,
) -> tuple[AnyArray, list[LayerCache], dict[str, dict[str, AnyArray]]]:
    """Outputs (batch, outputs), one cache per layer, first to last, and the state after this batch.

    Args:
        x: (batch, inputs), as stored.
        noise: the draws of this step.
        dtype: of the products, in x's own library.
    """
    a = namespace(x).astype(x, dtype) * spec.input_scale
    if noise.inputs is not None:
        a = a + noise.inputs
    caches, after = [], {}
    # the output layer keeps every unit
    for layer, drawn in zip(spec.layers, (*noise.layers, LayerNoise()), strict=True):
        a, cache, changed = forward_layer(layer, params[layer.name], state.get(layer.name, {}), a, drawn)
        caches.append(cache)
        if changed:
            after[layer.name] = changed
    return a, caches, after
