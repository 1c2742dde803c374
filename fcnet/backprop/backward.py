"""The chain rule, from the last layer to the first.

In the lectures' column convention δ⁽ˡ⁾ = f′(z⁽ˡ⁾) ⊙ (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾), ∂L/∂W⁽ˡ⁾ = δ⁽ˡ⁾ a⁽ˡ⁻¹⁾ᵀ, ∂L/∂b⁽ˡ⁾ = δ⁽ˡ⁾ for one
example. Here a batch is a matrix of rows and our kernel is their Wᵀ, so that transposes change sides and the sum over
the batch is part of the product.
"""

from collections.abc import Mapping, Sequence

from fcnet.arrays import AnyArray, namespace
from fcnet.backprop.forward import LayerCache
from fcnet.spec import MLPSpec


def delta(cache: LayerCache, upstream: AnyArray) -> tuple[AnyArray, dict[str, AnyArray]]:
    """δ⁽ˡ⁾ = ∂L/∂z⁽ˡ⁾, (batch, columns), from ∂L/∂a⁽ˡ⁾, and the gradients of what norm and activation learn.

    Dropout multiplies by m⁽ˡ⁾ again; activation and norm are then pulled back, the last of them first.
    """
    learned: dict[str, AnyArray] = {}
    if cache.multiplier is not None:
        upstream = upstream * cache.multiplier
    for pullback in reversed(cache.pullbacks):
        upstream, towards = pullback(upstream)
        learned |= towards
    return upstream, learned


def affine_gradients(cache: LayerCache, delta: AnyArray) -> dict[str, AnyArray]:
    """∂L/∂W⁽ˡ⁾ = a⁽ˡ⁻¹⁾ᵀ δ⁽ˡ⁾, under DropConnect times its mask, and ∂L/∂b⁽ˡ⁾ = Σᵢ δᵢ⁽ˡ⁾ over the rows i."""
    xp = namespace(delta)
    kernel = xp.matmul(xp.matrix_transpose(cache.inputs), delta)
    grads = {"kernel": kernel if cache.kernel_mask is None else kernel * cache.kernel_mask}
    if cache.has_bias:
        grads["bias"] = xp.sum(delta, axis=0)
    return grads


def delta_through_kernel(delta: AnyArray, kernel: AnyArray) -> AnyArray:
    """∂L/∂a⁽ˡ⁻¹⁾ = δ⁽ˡ⁾ W⁽ˡ⁾ᵀ: (batch, columns) ↦ (batch, fan_in)."""
    xp = namespace(delta)
    return xp.matmul(delta, xp.matrix_transpose(kernel))


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
        towards_z, learned = delta(cache, upstream)
        found = affine_gradients(cache, towards_z) | learned
        grads[name] = {key: xp.astype(value, params[name][key].dtype) for key, value in found.items()}
        if number > 0:  # nobody asks for the gradient towards the data
            upstream = delta_through_kernel(towards_z, cache.kernel)
    return grads
