"""A network as the doctor has recognised it: its description, and its forward pass in plain NumPy.

Arrays are canonical here: batches are rows, kernels (fan_in, units), everything else (units,), whatever the author's
own orientation. ``canonical`` translates.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fcnet import activations, losses
from fcnet.gradcheck.record import Tensors


@dataclass(frozen=True)
class Layer:
    """One layer: the names of its tensors in the author's tree, and what it computes.

    ``transposed``: whether the author keeps the kernel as (units, fan_in). ``norm``: "batch" or "layer", or None;
    ``norm_before``: of the activation. ``eps``: the norm's ε.
    """

    kernel: str
    transposed: bool
    units: int
    bias: str | None = None
    scale: str | None = None
    shift: str | None = None
    activation: str = "identity"
    norm: str | None = None
    norm_before: bool = True
    eps: float = 1e-5

    @property
    def names(self) -> tuple[str, ...]:
        """Its tensors."""
        return tuple(name for name in (self.kernel, self.bias, self.scale, self.shift) if name is not None)


@dataclass(frozen=True)
class LossForm:
    """L = factor Σᵢ wᵢ ℓ(zᵢ, own · yᵢ + spread) + l1 Σ|θ| + ½ l2 Σ θ², the penalties over kernels, or over all."""

    loss: str
    factor: float = 1.0
    own: float = 1.0
    spread: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    penalises_all: bool = False


@dataclass(frozen=True)
class Network:
    """Layers first to last, what they are fed, and the loss.

    ``x``: (rows, features). ``targets``: (rows, outputs), before smoothing. ``multipliers``: what dropout multiplies
    the input and the output of each layer by, (rows, units) or None: one more than there are layers.
    ``row_weights``: (rows,) or None. ``exact``: whether the loss agrees to float64's rounding, not float32's.
    """

    layers: tuple[Layer, ...]
    x: np.ndarray
    targets: np.ndarray
    multipliers: tuple[np.ndarray | None, ...]
    form: LossForm
    row_weights: np.ndarray | None = None
    exact: bool = True

    @property
    def rows(self) -> int:
        """Of the batch."""
        return self.x.shape[0]


class LayerCache(NamedTuple):
    """What one layer computed, all (rows, units) but for ``inputs`` (rows, fan_in) and ``kernel``.

    ``z``: the affine part. ``entered``: what the activation saw; ``left``: what it gave. ``normed``: what the norm saw.
    ``standard``: ẑ. ``spread``: s = √(σ² + ε), and ``centred``: what ẑ is divided from. ``undropped``, ``output``:
    before and after dropout.
    """

    inputs: np.ndarray
    kernel: np.ndarray
    z: np.ndarray
    entered: np.ndarray
    left: np.ndarray
    standard: np.ndarray | None
    centred: np.ndarray | None
    spread: np.ndarray | None
    scale: np.ndarray | None
    undropped: np.ndarray
    multiplier: np.ndarray | None
    output: np.ndarray


def canonical(layers: tuple[Layer, ...], tensors: Tensors) -> dict[str, np.ndarray]:
    """The author's tensors in this file's orientation, layer by layer."""
    found = {}
    for layer in layers:
        for name in layer.names:
            array = np.asarray(tensors[name], np.float64)
            is_kernel = name == layer.kernel
            found[name] = (array.T if layer.transposed else array) if is_kernel else array.reshape(-1)
    return found


def _normalised(
    layer: Layer, params: Tensors, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    axis = 0 if layer.norm == "batch" else 1
    centred = value - value.mean(axis=axis, keepdims=True)
    spread = np.sqrt(np.mean(centred**2, axis=axis, keepdims=True) + layer.eps)
    standard = centred / spread
    scaled = standard if layer.scale is None else standard * params[layer.scale]
    return scaled if layer.shift is None else scaled + params[layer.shift], standard, centred, spread


def forward_layer(
    layer: Layer,
    params: Tensors,
    inputs: np.ndarray,
    multiplier: np.ndarray | None = None,
    product: np.ndarray | None = None,
) -> LayerCache:
    """One layer; ``product``: inputs @ kernel, where it is known already."""
    z = inputs @ params[layer.kernel] if product is None else product
    if layer.bias is not None:
        z = z + params[layer.bias]
    standard = centred = spread = None
    entered = z
    if layer.norm is not None and layer.norm_before:
        entered, standard, centred, spread = _normalised(layer, params, z)
    left, _ = activations.get(layer.activation).by_hand(entered)
    undropped = left
    if layer.norm is not None and not layer.norm_before:
        undropped, standard, centred, spread = _normalised(layer, params, left)
    output = undropped if multiplier is None else undropped * multiplier
    scale = None if layer.scale is None else params[layer.scale]
    kernel = params[layer.kernel]
    return LayerCache(inputs, kernel, z, entered, left, standard, centred, spread, scale, undropped, multiplier, output)


def forward(network: Network, params: Tensors) -> tuple[LayerCache, ...]:
    """All layers at canonical ``params``, first to last."""
    first = network.multipliers[0]
    a = network.x if first is None else network.x * first
    caches = []
    for layer, multiplier in zip(network.layers, network.multipliers[1:], strict=True):
        caches.append(forward_layer(layer, params, a, multiplier))
        a = caches[-1].output
    return tuple(caches)


def used_targets(network: Network) -> np.ndarray:
    """The targets after smoothing, (rows, outputs)."""
    return network.form.own * network.targets + network.form.spread


def output_gradient(
    network: Network, outputs: np.ndarray, *, loss: str | None = None, targets: np.ndarray | None = None
) -> np.ndarray:
    """∂L/∂outputs, (rows, outputs): of this network's loss and targets, or of others."""
    wanted = used_targets(network) if targets is None else targets
    unreduced, pullback = losses.get(loss or network.form.loss).by_hand(outputs, wanted)
    weights = np.ones(network.rows) if network.row_weights is None else network.row_weights
    column = weights.reshape(-1, *(1,) * (unreduced.ndim - 1))
    return pullback(network.form.factor * column * np.ones_like(unreduced))


def penalty_gradient(network: Network, name: str, value: np.ndarray) -> np.ndarray:
    """∂R/∂θ of one tensor: l1 sign(θ) + l2 θ where the penalty touches it, else 0."""
    is_kernel = any(name == layer.kernel for layer in network.layers)
    if not (is_kernel or network.form.penalises_all):
        return np.zeros_like(value)
    return network.form.l1 * np.sign(value) + network.form.l2 * value
