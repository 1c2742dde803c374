"""The chain rule, from the last layer to the first.

In the lectures' column convention δ⁽ˡ⁾ = f′(z⁽ˡ⁾) ⊙ (W⁽ˡ⁺¹⁾ᵀ δ⁽ˡ⁺¹⁾), ∂L/∂W⁽ˡ⁾ = δ⁽ˡ⁾ a⁽ˡ⁻¹⁾ᵀ, ∂L/∂b⁽ˡ⁾ = δ⁽ˡ⁾ for one
example. Here a batch is a matrix of rows and our kernel is their Wᵀ, so that transposes change sides and the sum over
the batch is part of the product.
"""

from collections.abc import Callable, Mapping, Sequence

from fcnet.arrays import AnyArray, namespace
from fcnet.backprop.forward import LayerCache
from fcnet.spec import MLPSpec


def delta(cache: LayerCache, upstream: AnyArray) -> tuple[AnyArray, dict[str, AnyArray]]:
    """δ⁽ˡ⁾ = ∂L/∂z⁽ˡ⁾, (batch, columns), from ∂L/∂a⁽ˡ⁾, and what each row adds to what norm and activation learn.

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


def _all_rows(cache: LayerCache, delta: AnyArray, learned: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    xp = namespace(delta)
    return affine_gradients(cache, delta) | {name: xp.sum(share, axis=0) for name, share in learned.items()}


def backward(
    spec: MLPSpec,
    params: Mapping[str, Mapping[str, AnyArray]],
    caches: Sequence[LayerCache],
    output_gradient: AnyArray,
    gradients_of: Callable[[LayerCache, AnyArray, Mapping[str, AnyArray]], dict[str, AnyArray]] = _all_rows,
) -> dict[str, dict[str, AnyArray]]:
    """Gradients of every layer, in the dtype of its parameters.

    Args:
        caches: from ``forward``, first layer to last.
        output_gradient: ∂L/∂outputs, (batch, outputs), the reduction over the batch included.
        gradients_of: from a layer's cache, δ⁽ˡ⁾ and the rows' shares to its gradients; sums over the rows unless told
            otherwise.
    """
    xp = namespace(output_gradient)
    grads: dict[str, dict[str, AnyArray]] = {}
    upstream = output_gradient
    for number in range(len(caches) - 1, -1, -1):
        name, cache = spec.layer_names[number], caches[number]
        towards_z, learned = delta(cache, upstream)
        found = gradients_of(cache, towards_z, learned)
        grads[name] = {key: xp.astype(value, params[name][key].dtype) for key, value in found.items()}
        if number > 0:  # nobody asks here for the gradient towards the data: see ``towards_inputs``
            upstream = delta_through_kernel(towards_z, cache.kernel)
    return grads


def towards_inputs(spec: MLPSpec, caches: Sequence[LayerCache], output_gradient: AnyArray) -> AnyArray:
    """∂L/∂x = s δ⁽¹⁾ W⁽¹⁾ᵀ, (batch, inputs), s being what stored inputs are multiplied by."""
    upstream = output_gradient
    for cache in reversed(caches):
        towards_z, _ = delta(cache, upstream)
        upstream = delta_through_kernel(towards_z, cache.kernel)
    return upstream * spec.input_scale
