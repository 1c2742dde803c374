"""Correct networks by the hundred: fcnet's own backward pass, run on NumPy, over random corners of the catalogue."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fcnet import activations, losses
from fcnet.backprop.backward import backward
from fcnet.backprop.forward import forward
from fcnet.contracts import CLASSIFICATION
from fcnet.noise import LayerNoise, Noise
from fcnet.spec import LayerSpec, MLPSpec

WIDTHS = (4, 6, 8, 10, 12)
NORMS = ("none", "none", "none", "batch", "layer", "group", "instance:affine=true")
REDUCTIONS = ("mean", "sum", "batchmean")
# Activations with random slopes would need them in the batch; all others are drawn.
ACTIVATIONS = tuple(sorted(name for name, record in activations.ACTIVATIONS.items() if record.draw is None))
LOSSES = tuple(sorted(losses.LOSSES))
# losses of what is no logit need outputs to match
OUTPUT_ACTIVATION = {
    "nll": "log_softmax",
    "kl_divergence": "log_softmax",
    "binary_cross_entropy_probability": "sigmoid",
}


@dataclass(frozen=True)
class Healthy:
    """A correct network: ``function``: (params, x, y, *masks) ↦ (loss, grads). ``about``: what was drawn."""

    about: str
    function: Callable[..., tuple[Any, Any]]
    params: Any
    batch: tuple[Any, ...]


def healthy(seed: int, dtype: str = "float32") -> Healthy:
    """The correct network number ``seed``: depth, widths, activations, norms, loss, reduction, penalties and masks."""
    random = np.random.default_rng(seed)
    loss = str(random.choice(LOSSES))
    hidden = tuple(int(width) for width in random.choice(WIDTHS, size=random.integers(0, 5)))
    spec = MLPSpec(
        inputs=int(random.integers(3, 12)),
        outputs=4,
        hidden=hidden,
        activation=_each(random, ACTIVATIONS, hidden),
        norm=_each(random, NORMS, hidden),
        norm_position="before" if random.uniform() < 0.7 else "after",
        dtype=dtype,
        output_activation=OUTPUT_ACTIVATION.get(loss, "identity"),
    )
    reduction = str(random.choice(REDUCTIONS))
    smoothing = 0.1 if random.uniform() < 0.3 else None
    l1, l2 = (0.01 if random.uniform() < 0.3 else 0.0 for _ in range(2))
    dropout = random.uniform() < 0.3
    rows = int(random.integers(8, 25))
    masks = [_mask(random, (rows, units), dtype) for units in hidden] if dropout else []

    params = {layer.name: _parameters(random, layer, dtype) for layer in spec.layers}
    x = random.normal(size=(rows, spec.inputs)).astype(dtype)
    y = _targets(random, loss, rows, spec.outputs, dtype)
    about = f"{spec} {loss} {reduction} smoothing={smoothing} l1={l1} l2={l2} dropout={dropout} rows={rows}"
    return Healthy(about, _function(spec, loss, reduction, smoothing, l1, l2), params, (x, y, *masks))


def _each(random: np.random.Generator, names: tuple[str, ...], hidden: tuple[int, ...]) -> str | tuple[str, ...]:
    return tuple(str(name) for name in random.choice(names, size=len(hidden))) if hidden else names[0]


def _mask(random: np.random.Generator, shape: tuple[int, int], dtype: str) -> np.ndarray:
    return (random.uniform(size=shape) < 0.75).astype(dtype) / np.asarray(0.75, dtype)


def _parameters(random: np.random.Generator, layer: LayerSpec, dtype: str) -> dict[str, np.ndarray]:
    found = {"kernel": random.normal(size=(layer.fan_in, layer.columns)) / np.sqrt(layer.fan_in)}
    if layer.bias is not None:
        found["bias"] = 0.2 * random.normal(size=layer.columns)
    if layer.norm is not None:
        width = layer.norm.width(layer.normalised)
        for name, start in layer.norm_parameters.items():
            found[name] = start + 0.2 * random.normal(size=width)
    if layer.activation.learned is not None:
        for name, values in layer.activation.learned(layer.units).items():
            found[name] = values + 0.05 * random.normal(size=np.shape(values))
    return {name: np.asarray(values, dtype) for name, values in found.items()}


def _targets(random: np.random.Generator, loss: str, rows: int, outputs: int, dtype: str) -> np.ndarray:
    record = losses.get(loss)
    if record.task == CLASSIFICATION:
        return random.integers(0, outputs, rows)
    shape = (rows, outputs // record.outputs_per_target)
    return (random.poisson(2, shape) if record.targets == "counts" else random.normal(size=shape)).astype(dtype)


def _function(
    spec: MLPSpec, loss: str, reduction: str, smoothing: float | None, l1: float, l2: float
) -> Callable[..., tuple[Any, Any]]:
    by_hand, classes = losses.get(loss).by_hand, losses.get(loss).task == CLASSIFICATION

    def loss_and_grads(params: Any, x: np.ndarray, y: np.ndarray, *masks: Any) -> tuple[Any, Any]:
        noise = Noise(None, tuple(LayerNoise(multiplier=mask) for mask in masks) or (LayerNoise(),) * len(spec.hidden))
        state = {
            layer.name: {"mean": np.zeros(layer.normalised, x.dtype), "variance": np.ones(layer.normalised, x.dtype)}
            for layer in spec.layers
        }
        outputs, caches, _ = forward(spec, params, x, state=state, noise=noise, dtype=x.dtype)
        targets = losses.probability_targets(y, spec.outputs, x.dtype, smoothing) if classes else y
        value, pullback = by_hand(outputs, targets)
        divisor = {"mean": value.size, "sum": 1, "batchmean": len(x)}[reduction]
        grads = backward(spec, params, caches, pullback(np.full_like(value, 1 / divisor)))
        total = value.sum() / divisor
        for name, layer in params.items():
            kernel = layer["kernel"]
            total = total + l1 * np.abs(kernel).sum() + 0.5 * l2 * (kernel**2).sum()
            grads[name]["kernel"] = grads[name]["kernel"] + l1 * np.sign(kernel) + l2 * kernel
        return total, grads

    return loss_and_grads
