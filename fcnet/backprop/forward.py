"""The forward pass by hand, keeping what the backward pass will ask for."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fcnet import activations
from fcnet.arrays import AnyArray, namespace
from fcnet.models import MLPSpec


class LayerCache(NamedTuple):
    """What layer l remembers of one batch.

    ``inputs``: a⁽ˡ⁻¹⁾, (batch, fan_in).
    ``slope``: f′(z⁽ˡ⁾), (batch, fan_out), None at the linear output layer.
    ``mask``: the dropout mask m⁽ˡ⁾, (batch, fan_out), or None.
    """

    inputs: AnyArray
    slope: AnyArray | None
    mask: AnyArray | None


def forward(
    spec: MLPSpec,
    params: Mapping[str, Mapping[str, AnyArray]],
    x: AnyArray,
    masks: Sequence[AnyArray | None],
    dtype: Any,
) -> tuple[AnyArray, list[LayerCache]]:
    """Outputs (batch, outputs) and one cache per layer, first to last.

        z⁽ˡ⁾ = a⁽ˡ⁻¹⁾ W⁽ˡ⁾ + b⁽ˡ⁾,   a⁽ˡ⁾ = m⁽ˡ⁾ ⊙ f(z⁽ˡ⁾),   outputs = z⁽ᴸ⁾

    Args:
        params: the layers of ``spec.layer_names``, kernel (fan_in, fan_out) and bias (fan_out,) each.
        x: (batch, inputs), as stored.
        masks: one dropout mask, or None, for each hidden layer.
        dtype: of the products, in x's own library.
    """
    xp = namespace(x)
    activation = activations.get(spec.activation)
    a = xp.astype(x, dtype) * spec.input_scale
    caches = []
    # the output layer is linear and keeps every unit
    for name, mask, is_hidden in zip(
        spec.layer_names, [*masks, None], [True] * len(spec.hidden) + [False], strict=True
    ):
        kernel, bias = xp.astype(params[name]["kernel"], dtype), xp.astype(params[name]["bias"], dtype)
        z = xp.matmul(a, kernel) + xp.reshape(bias, (1, -1))
        value, slope = activation.by_hand(z) if is_hidden else (z, None)
        caches.append(LayerCache(a, slope, mask))
        a = value if mask is None else value * mask
    return a, caches
