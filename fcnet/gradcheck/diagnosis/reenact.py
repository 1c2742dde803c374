"""A recognised network's backward pass, step by step, in which a mistake can be planted.

Each layer pulls ∂L/∂output back through "dropout", "activation" and "norm" to δ, and uses δ thrice: for its "kernel",
its "bias" and "through" the kernel for the layer before. A mistake replaces one such step by a function of the layer's
cache and of what comes in, for every use of δ or for one of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from fcnet import activations
from fcnet.gradcheck.diagnosis.acts import Act, sum_times
from fcnet.gradcheck.diagnosis.network import (
    Layer,
    LayerCache,
    Network,
    canonical,
    forward,
    output_gradient,
    penalty_gradient,
)
from fcnet.gradcheck.record import Evidence

Step = Literal["output", "dropout", "activation", "norm", "kernel", "bias", "scale", "shift", "through"]
Use = Literal["all", "kernel", "bias", "through"]
# How much of a path there is: in all, or for each unit.
Share = float | np.ndarray


@dataclass(frozen=True)
class Planted:
    """One step of one layer, done otherwise; ``use``: for which use of δ. At "output" it follows the loss's own."""

    step: Step
    layer: int
    act: Act
    use: Use = "all"


@dataclass(frozen=True)
class Enactment:
    """A mistake acted out. ``where``: in the author's names. ``detail``: what was done, with its numbers."""

    mistake: str
    planted: tuple[Planted, ...]
    where: str
    detail: str


def activation_derivative(layer: Layer, cache: LayerCache, upstream: np.ndarray) -> np.ndarray:
    """∂L/∂z from ∂L/∂a, through the layer's own activation."""
    return activations.get(layer.activation).by_hand(cache.entered)[1](upstream)[0]


def norm_derivative(
    layer: Layer, cache: LayerCache, upstream: np.ndarray, mean: Share = 1.0, variance: Share = 1.0
) -> np.ndarray:
    """(g − mean(g) − ẑ mean(g ẑ))/s, g = γ δ, with weights on the paths through the mean and the variance."""
    assert cache.standard is not None
    assert cache.spread is not None
    axis = 0 if layer.norm == "batch" else 1
    g = upstream if cache.scale is None else upstream * cache.scale
    along = (g * cache.standard).mean(axis=axis, keepdims=True)
    return (g - mean * g.mean(axis=axis, keepdims=True) - variance * cache.standard * along) / cache.spread


def _steps(layer: Layer, cache: LayerCache) -> tuple[Step, ...]:
    pulled: tuple[Step, ...] = ("activation",)
    if layer.norm is not None:
        pulled = ("activation", "norm") if layer.norm_before else ("norm", "activation")
    return ("dropout", *pulled) if cache.multiplier is not None else pulled


def _learned(
    layer: Layer, cache: LayerCache, upstream: np.ndarray, scale: Act | None, shift: Act | None
) -> dict[str, np.ndarray]:
    """∂L/∂γ and ∂L/∂β from the gradient towards the norm's output, where the layer has them."""
    gradients = {}
    if layer.scale is not None:
        assert cache.standard is not None
        gradients[layer.scale] = (scale or sum_times(cache.standard))(cache, upstream)
    if layer.shift is not None:
        gradients[layer.shift] = (shift or sum_times(np.ones(1)))(cache, upstream)
    return gradients


@dataclass(frozen=True)
class LayerPass:
    """One layer's backward: what came in, δ towards z, the gradients of its tensors, and what goes on."""

    upstream: np.ndarray
    delta: np.ndarray
    gradients: Mapping[str, np.ndarray]
    onward: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A recognised network at the author's parameters, with the mistakes planted so far.

    ``found``: the author's gradients. ``passes``: the backward pass as planted, first layer to last.
    All arrays canonical.
    """

    network: Network
    params: Mapping[str, np.ndarray]
    caches: tuple[LayerCache, ...]
    found: Mapping[str, np.ndarray]
    planted: tuple[Planted, ...] = ()
    passes: tuple[LayerPass, ...] = field(default=())

    @property
    def last(self) -> int:
        """The number of the last layer."""
        return len(self.network.layers) - 1

    @property
    def gradients(self) -> dict[str, np.ndarray]:
        """Of every tensor, as planted."""
        return {name: value for one in self.passes for name, value in one.gradients.items()}

    def planting(self, planted: Sequence[Planted]) -> "Scene":
        """The scene with these mistakes as well."""
        together = (*self.planted, *planted)
        passes = tuple(one for _, one in backward(self, together))
        return replace(self, planted=together, passes=passes[::-1])


def layer_pass(scene: Scene, number: int, upstream: np.ndarray, planted: Sequence[Planted]) -> LayerPass:
    """The backward pass of one layer."""
    layer, cache = scene.network.layers[number], scene.caches[number]
    acts = {(one.step, one.use): one.act for one in planted if one.layer == number}
    gradients: dict[str, np.ndarray] = {}

    def act(step: Step, use: Use, value: np.ndarray) -> np.ndarray:
        chosen = acts.get((step, use), acts.get((step, "all")))
        if chosen is not None:
            return chosen(cache, value)
        if step == "dropout":
            assert cache.multiplier is not None
            return value * cache.multiplier
        return (activation_derivative if step == "activation" else norm_derivative)(layer, cache, value)

    def delta(use: Use) -> np.ndarray:
        value = upstream
        for step in _steps(layer, cache):
            if step == "norm" and use == "all":
                gradients.update(_learned(layer, cache, value, acts.get(("scale", "all")), acts.get(("shift", "all"))))
            value = act(step, use, value)
        return value

    common = delta("all")
    single = {use for _, use in acts if use != "all"}
    of_kernel, of_bias, onward = (delta(use) if use in single else common for use in ("kernel", "bias", "through"))
    by_kernel, by_bias, by_through = (acts.get((step, "all")) for step in ("kernel", "bias", "through"))
    gradients[layer.kernel] = cache.inputs.T @ of_kernel if by_kernel is None else by_kernel(cache, of_kernel)
    if layer.bias is not None:
        gradients[layer.bias] = np.sum(of_bias, axis=0) if by_bias is None else by_bias(cache, of_bias)
    for name in gradients:
        gradients[name] = gradients[name] + penalty_gradient(scene.network, name, scene.params[name])
    if number > 0:  # nobody asks for the gradient towards the data
        onward = onward @ cache.kernel.T if by_through is None else by_through(cache, onward)
    return LayerPass(upstream, common, gradients, onward)


def backward(
    scene: Scene, planted: Sequence[Planted], start: int | None = None, upstream: np.ndarray | None = None
) -> Iterator[tuple[int, LayerPass]]:
    """Layer by layer from the last, or from ``start`` with its ``upstream``, to the first."""
    number = scene.last if start is None else start
    if upstream is None:
        upstream = output_gradient(scene.network, scene.caches[-1].output)
        for one in planted:
            if one.step == "output":
                upstream = one.act(scene.caches[-1], upstream)
    while number >= 0:
        done = layer_pass(scene, number, upstream, planted)
        yield number, done
        number, upstream = number - 1, done.onward


def stage(network: Network, evidence: Evidence) -> Scene:
    """The network at the author's parameters, nothing planted: its passes are the right gradients."""
    params = canonical(network.layers, evidence.params)
    found = canonical(network.layers, evidence.gradients)
    return Scene(network, params, forward(network, params), found).planting(())
