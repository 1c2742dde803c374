"""What the tests of backprop share: networks and points to take gradients at.

A point is drawn in NumPy float64 and handed to whichever library is asked, so that all see the same numbers to a bit.
"""

from dataclasses import replace
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import activations, losses, objective
from fcnet.backprop import Point
from fcnet.contracts import CLASSIFICATION, Batch, HParams
from fcnet.noise import LayerNoise, Noise
from fcnet.objective import ObjectiveSpec
from fcnet.spec import MLPSpec

ROWS = 12
# of hidden layers, first to last; group norm cuts them in two, and two units alone would always be ±1 behind it
WIDTHS = (8, 6, 8, 6, 6)
LIBRARIES = ["jax", "numpy", *(["torch"] if find_spec("torch") else [])]
ACTIVATIONS = [*sorted(activations.ACTIVATIONS), "maxout:pieces=4", "prelu:per_unit=true", "splash:per_unit=true"]
LOSSES = [*sorted(losses.LOSSES), "poisson_nll:log_input=false", "huber:delta=0.3", "multi_margin:p=2", "tukey:c=0.5"]


class Problem(NamedTuple):
    """An objective and where to differentiate it."""

    goal: ObjectiveSpec
    hparams: HParams
    point: Point

    def on(self, library: str, dtype: str = "float64") -> "Problem":
        """The same numbers as arrays of a library and a dtype; labels stay integers."""
        goal = replace(self.goal, model=replace(self.goal.model, dtype=dtype))
        return Problem(goal, to(library, self.hparams, dtype), to(library, self.point, dtype))


def to(library: str, tree: Any, dtype: str = "float64") -> Any:
    """The leaves as arrays of a library, floating-point ones in the dtype; float64 of JAX asks for its x64 mode."""

    def convert(leaf: Any) -> Any:
        array = np.asarray(leaf)
        array = array.astype(dtype) if array.dtype.kind == "f" else array
        if library == "jax":
            return jnp.asarray(array)
        if library == "torch":
            import torch

            return torch.from_numpy(np.array(array))
        return array

    return jax.tree.map(convert, tree)


def spec_for(loss: str, hidden: tuple[int, ...], activation: str | tuple[str, ...] = "tanh", **more: Any) -> MLPSpec:
    """A network with five inputs whose outputs are what the loss asks for."""
    outputs = 4 if losses.get(loss).outputs_per_target == 2 else 3
    output = objective.output_activation_for(loss)
    return MLPSpec(5, outputs, hidden, activation, dtype="float64", output_activation=output, **more)


def problem(
    goal: ObjectiveSpec, random: np.random.Generator, *, rows: int = ROWS, weighted: bool = True, **hparams: float
) -> Problem:
    """Parameters all of which matter, rows that fit the loss, and the draws that the hyper-parameters ask for."""
    model, loss = goal.model, losses.get(goal.loss)
    params = {layer.name: _parameters(layer, random) for layer in model.layers}
    state = {layer.name: found for layer in model.layers[:-1] if (found := _state(model, layer, random))}
    shape = (rows, model.outputs // loss.outputs_per_target)
    if loss.task == CLASSIFICATION:
        y = random.integers(0, shape[1], rows, dtype=np.int32)
    else:
        y = random.poisson(2, shape).astype(float) if loss.targets == "counts" else random.normal(size=shape)
    batch = Batch(random.normal(size=(rows, model.inputs)), y, random.uniform(0.5, 2, rows) if weighted else None)
    traced = HParams(0.1, **hparams)
    noise = Noise(
        None if traced.input_noise is None else traced.input_noise * random.normal(size=batch.x.shape),
        tuple(_drawn(model, layer, traced, rows, random) for layer in model.layers[:-1]),
    )
    return Problem(goal, to("numpy", traced), Point(params, batch, state, noise))


def _parameters(layer: Any, random: np.random.Generator) -> dict[str, np.ndarray]:
    found = {"kernel": random.normal(size=(layer.fan_in, layer.columns)) * 1.5 / np.sqrt(layer.fan_in)}
    if layer.bias is not None:
        found["bias"] = 0.3 * random.normal(size=layer.columns)
    for name, start in layer.norm_parameters.items():
        found[name] = start + 0.3 * random.normal(size=layer.norm.width(layer.normalised))
    for name, start in (layer.activation.learned(layer.units) if layer.learned_names else {}).items():
        found[name] = start + 0.1 * random.normal(size=np.shape(start))
    return found


def _state(model: MLPSpec, layer: Any, random: np.random.Generator) -> dict[str, Any]:
    found: dict[str, Any] = {"keep": np.float64(1)} if model.dropout_kind.scales_evaluation else {}
    if layer.norm is not None and layer.norm.over_batch:
        found |= {"mean": random.normal(size=layer.normalised), "variance": random.uniform(1, 2, layer.normalised)}
    return found


def _drawn(model: MLPSpec, layer: Any, hparams: HParams, rows: int, random: np.random.Generator) -> LayerNoise:
    shape, drawn = (rows, layer.units), LayerNoise()
    if hparams.hidden_noise is not None:
        drawn = drawn._replace(addend=hparams.hidden_noise * random.normal(size=shape))
    if layer.activation.draw is not None:
        drawn = drawn._replace(slopes=random.uniform(0.1, 0.4, shape))
    if hparams.dropout is None:
        return drawn
    q = 1 - hparams.dropout
    if model.dropout == "connect":
        return drawn._replace(kernel=(random.uniform(size=(layer.fan_in, layer.columns)) < q) / q)
    kept = random.uniform(size=shape) < q
    if model.dropout == "classic":
        return drawn._replace(multiplier=kept.astype(float), keep=np.float64(q))
    if model.dropout == "alpha":  # some m and some c: which ones is for the tests of dropout
        return drawn._replace(multiplier=0.9 * kept, addend=np.where(kept, 0.3, -1.1))
    return drawn._replace(multiplier=kept / q)
