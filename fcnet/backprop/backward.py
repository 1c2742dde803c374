"""The chain rule, from the last layer to the first.

In the lectures' column convention δ⁽ˡ⁾ = f′(z⁽ˡ⁾) ⊙ (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾), ∂L/∂W⁽ˡ⁾ = δ⁽ˡ⁾ a⁽ˡ⁻¹⁾ᵀ, ∂L/∂b⁽ˡ⁾ = δ⁽ˡ⁾ for one
example. Here a batch is a matrix of rows and our kernel is their Wᵀ, so that transposes change sides and the sum over
the batch is part of the product.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fcnet.arrays import AnyArray, namespace
from fcnet.backprop.forward import LayerCache
from fcnet.models import MLPSpec


class LayerGradients(NamedTuple):
    """∂L/∂W (fan_in, fan_out), ∂L/∂b (fan_out,) of one layer."""

    kernel: AnyArray
    bias: AnyArray


def delta_through_activation(cache: LayerCache, upstream: AnyArray) -> AnyArray:
    """δ⁽ˡ⁾ = f′(z⁽ˡ⁾) ⊙ m⁽ˡ⁾ ⊙ ∂L/∂a⁽ˡ⁾, all (batch, fan_out); a linear layer passes ∂L/∂a on as it is."""
    if cache.mask is not None:
        upstream = upstream * cache.mask
    return upstream if cache.slope is None else upstream * cache.slope


def layer_gradients(cache: LayerCache, delta: AnyArray) -> LayerGradients:
    """∂L/∂W⁽ˡ⁾ = a⁽ˡ⁻¹⁾ᵀ δ⁽ˡ⁾, ∂L/∂b⁽ˡ⁾ = Σᵢ δᵢ⁽ˡ⁾ over the rows i of the batch."""
    xp = namespace(delta)
    return LayerGradients(xp.matmul(xp.matrix_transpose(cache.inputs), delta), xp.sum(delta, axis=0))


def delta_through_kernel(delta: AnyArray, kernel: AnyArray) -> AnyArray:
    """∂L/∂a⁽ˡ⁻¹⁾ = δ⁽ˡ⁾ W⁽ˡ⁾ᵀ: (batch, fan_out) ↦ (batch, fan_in)."""
    xp = namespace(delta)
    return xp.matmul(delta, xp.matrix_transpose(xp.astype(kernel, delta.dtype)))


def backward(
    spec: MLPSpec,
    params: Mapping[str, Mapping[str, AnyArray]],
    caches: Sequence[LayerCache],
    output_gradient: AnyArray,
) -> dict[str, dict[str, AnyArray]]:
    """Gradients of every layer, in the dtype of its parameters.

    Args:
        caches: from ``forward``, first layer to last.
        output_gradient: ∂L/∂outputs, (batch, outputs), the reduction over the batch included.
    """
    xp = namespace(output_gradient)
    grads: dict[str, dict[str, AnyArray]] = {}
    upstream = output_gradient
    for number in range(len(caches) - 1, -1, -1):
        name, cache = spec.layer_names[number], caches[number]
        delta = delta_through_activation(cache, upstream)
        of_layer = layer_gradients(cache, delta)
        stored = params[name]["kernel"].dtype
        grads[name] = {"kernel": xp.astype(of_layer.kernel, stored), "bias": xp.astype(of_layer.bias, stored)}
        if number > 0:  # nobody asks for the gradient towards the data
            upstream = delta_through_kernel(delta, params[name]["kernel"])
    return grads
