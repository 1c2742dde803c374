"""fcnet's own backpropagation, component by component, against autodiff and against differences of the loss.

Autodiff is of the Flax network and the losses' JAX forms; the differences are of the forward pass by hand, so that they
hold the backward pass to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import losses, models, noise, objective
from fcnet.activations import ACTIVATIONS
from fcnet.backprop import Point, by_hand
from fcnet.contracts import CLASSIFICATION, Batch, HParams
from fcnet.gradcheck.compare import FLOOR, compare, tolerance
from fcnet.layers import DROPOUTS, NORMS
from fcnet.objective import ObjectiveSpec, output_activation_for
from fcnet.spec import MLPSpec

ROWS, INPUTS, HIDDEN, CLASSES = 12, 5, (8, 6), 3
# ε^⅓, where rounding and curvature of a central difference weigh alike; two such differences, at h and h / 2, cancel
# the curvature, so that what is left is rounding of the loss over h.
STEP = float(np.finfo(np.float64).eps) ** (1 / 3) * 8
# Rounding of a loss of size 1 over h is 5e-12; that on the scale of FLOOR, where the smallest gradients are judged.
DIFFERENCES_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Component:
    """One component in a small network: its kind and name, and what it changes of the plain network."""

    kind: str
    name: str
    model: Mapping[str, Any] = field(default_factory=dict)
    hparams: Mapping[str, float] = field(default_factory=dict)
    loss: str = "cross_entropy"
    objective: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OwnReport:
    """One component's gradients by hand, in float64 on NumPy: the worst tensor against each oracle.

    ``autodiff``: the relative difference to ``jax.grad`` of the Flax network. ``differences``: to central differences
    of the loss by hand, on the entries with no kink within a step. ``entries``: how many those are, of
    ``component_size``.
    """

    component: Component
    autodiff: float
    differences: float
    entries: int
    component_size: int
    autodiff_tolerance: float

    @property
    def right(self) -> bool:
        """Whether both oracles agree, the second on most of the entries; what is not a number agrees with nothing."""
        seen = self.entries > self.component_size / 2
        return self.autodiff <= self.autodiff_tolerance and self.differences <= DIFFERENCES_TOLERANCE and seen


def components() -> list[Component]:
    """Every activation, loss, norm, kind of dropout, noise, penalty, and reduction of the catalogue."""
    smooth = {"activation": "tanh"}
    strengths = {"l1": {"l1": 0.01}, "l2": {"l2": 0.02}, "elastic_net": {"l1": 0.01, "l2": 0.02}}
    return [
        *(Component("activation", name, {"activation": name}) for name in sorted(ACTIVATIONS)),
        *(Component("loss", name, smooth, loss=name) for name in sorted(losses.LOSSES)),
        *(Component("norm", name, smooth | {"norm": name}) for name in sorted(NORMS)),
        *(Component("dropout", name, smooth | {"dropout": name}, {"dropout": 0.3}) for name in sorted(DROPOUTS)),
        *(Component("noise", name, smooth, {name: 0.2}) for name in ("input_noise", "hidden_noise")),
        *(Component("regulariser", name, smooth, given) for name, given in strengths.items()),
        *(Component("reduction", name, smooth, objective={"reduction": name}) for name in ("mean", "sum", "batchmean")),
        Component("weights", "class_weights", smooth, objective={"class_weights": (0.5, 2.0, 1.0)}),
        Component("weights", "ignored", smooth, objective={"ignored": 1}),
        Component("targets", "label_smoothing", smooth, {"label_smoothing": 0.1}),
    ]


def _problem(component: Component) -> tuple[ObjectiveSpec, HParams, Point, jax.Array]:
    """A small network with that component in float64, at parameters and rows that depend on nothing but its name."""
    loss = losses.get(component.loss)
    random = np.random.default_rng(list(component.name.encode()))
    outputs = 2 * loss.outputs_per_target if loss.outputs_per_target > 1 else CLASSES
    model = MLPSpec(
        INPUTS,
        outputs,
        HIDDEN,
        dtype="float64",
        output_activation=output_activation_for(component.loss),
        **component.model,
    )
    key = jax.random.key(0)
    params, state = jax.tree.map(np.asarray, models.init(model, key))
    params = jax.tree.map(lambda leaf: leaf + 0.1 * random.normal(size=leaf.shape), params)
    x = random.normal(size=(ROWS, INPUTS))
    shape = (ROWS, outputs // loss.outputs_per_target)
    numbers = random.poisson(2, shape) if loss.targets == "counts" else random.normal(size=shape)
    labels = random.integers(0, CLASSES, ROWS).astype(np.int32)
    y = labels if loss.task == CLASSIFICATION else np.asarray(numbers, np.float64)
    rows: Any = (x, y, random.uniform(0.5, 2, ROWS))
    hparams = HParams(0.1, **{name: np.float64(value) for name, value in component.hparams.items()})
    drawn = jax.tree.map(np.asarray, noise.draw(model, hparams, ROWS, key))
    return (
        ObjectiveSpec(model, component.loss, **component.objective),
        hparams,
        Point(params, Batch(*rows), state, drawn),
        key,
    )


def examine(component: Component) -> OwnReport:
    """One component's network, by hand on NumPy, against ``jax.grad`` and against central differences."""
    with jax.enable_x64(True):
        spec, hparams, point, key = _problem(component)
        found = by_hand(spec, hparams, point).grads
        at = jax.tree.map(jnp.asarray, (point.params, point.batch, point.state))
        automatic = objective.autodiff(spec, hparams)(at[0], at[1], state=at[2], key=key).grads
    # np.max keeps what is not a number
    worst = float(np.max([row.relative_difference for row in compare(found, automatic, floor=FLOOR)]))
    explained = tolerance("float64", max(ROWS, *HIDDEN), len(HIDDEN) + 1) / FLOOR
    differences, entries = _against_differences(spec, hparams, point, found)
    size = sum(leaf.size for leaf in jax.tree.leaves(found))
    return OwnReport(component, worst, differences, entries, size, explained)


def _against_differences(spec: ObjectiveSpec, hparams: HParams, point: Point, grads: Any) -> tuple[float, int]:
    """The worst tensor's ‖g − r‖ / ‖r‖ over its entries without a kink nearby, r by differences at h and at h / 2."""
    params = jax.tree.map(np.array, point.params)
    moved = point._replace(params=params)

    def slope(array: np.ndarray, place: tuple[int, ...], step: float) -> float:
        kept = array[place]
        values = []
        for side in (1, -1):
            array[place] = kept + side * step
            values.append(float(by_hand(spec, hparams, moved).loss))
        array[place] = kept
        return (values[0] - values[1]) / (2 * step)

    worst, entries = 0.0, 0
    sizes = [float(np.linalg.norm(leaf)) for leaf in jax.tree.leaves(grads)]
    for array, gradient in zip(jax.tree.leaves(params), jax.tree.leaves(grads), strict=True):
        g, r = [], []
        for place in np.ndindex(array.shape):
            wide, narrow = slope(array, place, STEP), slope(array, place, STEP / 2)
            # where there is no kink the two differ by h² terms alone
            if abs(wide - narrow) <= 1e-5 * (abs(narrow) + FLOOR * max(sizes)):
                g.append(gradient[place])
                r.append((4 * narrow - wide) / 3)
        entries += len(g)
        scale = max(float(np.linalg.norm(r)), FLOOR * max(sizes))
        worst = float(np.maximum(worst, np.linalg.norm(np.subtract(g, r)) / scale))
    return worst, entries
