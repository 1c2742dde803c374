"""What the tests of backprop hold it to: ``jax.grad``, differences of the loss, and the complex step."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from fcnet import models, objective, regularizers
from fcnet.backprop import Point, by_hand
from fcnet.contracts import HParams
from fcnet.gradcheck import compare
from fcnet.objective import ObjectiveSpec

from .backprop_problems import Problem

FLOAT64 = 1e-10
FLOAT32 = 1e-5
# Of float64: a gradient that is 0 but for rounding is about a hundred roundings of the largest, 1e-14, and those are
# within 1e-10 on this scale.
FLOOR = 1e-4


def objective_at(goal: ObjectiveSpec, hparams: HParams, point: Point) -> jax.Array:
    """What autodiff differentiates, as a function of the whole point: Flax's forward pass, loss and penalties."""
    outputs, _ = models.train_apply(goal.model, point.params, point.batch.x, point.state, point.noise)
    return objective.value(goal, hparams, outputs, point.batch) + regularizers.penalty(hparams, point.params)


def autodiff(goal: ObjectiveSpec, hparams: HParams, point: Point) -> Any:
    """∂L/∂θ by ``jax.grad``."""
    return jax.grad(lambda params: objective_at(goal, hparams, point._replace(params=params)))(point.params)


def wrong(found: Mapping[str, Any], reference: Mapping[str, Any], bound: float, floor: float) -> dict[str, float]:
    """The tensors that differ by more than the bound, each on its own scale, with by how much; {} is what tests ask.

    Args:
        floor: the smallest scale, as a share of the largest tensor: what is 0 but for rounding has no scale of its own.
    """
    norms = [np.linalg.norm(np.asarray(leaf)) for leaf in jax.tree.leaves(reference)]
    assert 0 < max(norms) < np.inf, "nothing to compare"
    rows = compare(found, reference, floor=floor)
    return {row.name: row.relative_difference for row in rows if not row.relative_difference <= bound}


# h = ε^(1/3) balances the two errors of a central difference: rounding ε |L| / h, and h² L‴ / 6
STEP = 6e-6


def in_differences(here: Problem, random: np.random.Generator, grads: Any = None, entries: int = 3) -> None:
    """Hold gradients to (L(θ + h) − L(θ − h)) / 2h in NumPy float64, at a few entries of every tensor.

    Both errors are about ε^(2/3) = 4e-11 of the loss and of its third derivative; 1e-7 leaves room for steep ones.
    Where the loss has a kink between θ − h and θ + h the one-sided slopes differ by more than h L″, and there is no
    derivative to compare with: such entries are left out, and may be one in ten.
    """
    goal, hparams, point = here
    grads = by_hand(*here).grads if grads is None else grads
    params = jax.tree.map(np.array, point.params)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(grads))
    checked = left_out = 0
    for path, array in jax.tree.leaves_with_path(params):
        name = "/".join(step.key for step in path)
        tensor = grads[path[0].key][path[1].key]
        for flat in random.choice(array.size, min(entries, array.size), replace=False):
            place = np.unravel_index(flat, array.shape)
            values, kept = [], array[place]
            for number in (kept - STEP, kept, kept + STEP):
                array[place] = number
                values.append(float(by_hand(goal, hparams, point._replace(params=params)).loss))
            array[place] = kept
            below, value, above = values
            checked += 1
            if abs((above - value) - (value - below)) / STEP > 1e-2 * (largest + abs(value)):
                left_out += 1
                continue
            difference = abs(tensor[place] - (above - below) / (2 * STEP))
            assert difference <= 1e-7 * (largest + abs(value)), (name, place, tensor[place], difference)
    assert left_out <= checked // 10


def in_complex_steps(here: Problem, random: np.random.Generator, grads: Any = None) -> None:
    """Hold gradients to Im L(θ + i h v) / h along a random v of every tensor: exact to rounding, since nothing is
    subtracted, where L is analytic.

    Source: Squire & Trapp 1998, Using complex variables to estimate derivatives of real functions.
    """
    goal, hparams, point = here
    grads = by_hand(*here).grads if grads is None else grads
    point = point._replace(state=jax.tree.map(lambda leaf: leaf.astype(complex), point.state))
    params = jax.tree.map(lambda leaf: leaf.astype(complex), point.params)
    largest = max(np.linalg.norm(leaf) for leaf in jax.tree.leaves(grads))
    tiny = 1e-30
    for path, kept in jax.tree.leaves_with_path(params):
        layer, key = (step.key for step in path)
        direction = random.normal(size=kept.shape)
        moved = params | {layer: params[layer] | {key: kept + 1j * tiny * direction}}
        slope = by_hand(goal, hparams, point._replace(params=moved)).loss.imag / tiny
        difference = abs(np.sum(grads[layer][key] * direction) - slope)
        # sums of tens of terms through three layers: tens of roundings
        assert difference <= 1e-14 * largest * np.linalg.norm(direction), f"{layer}/{key}: {difference}"
