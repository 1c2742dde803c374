"""Reduce η on a plateau: a state machine that looks at the validation loss once an epoch."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fcnet.catalogue import choose
from fcnet.optimizers.schedules import SCHEDULES
from fcnet.optimizers.spec import OptimizerSpec


class Plateau(NamedTuple):
    """What is known between two epochs; scalars.

    ``best``: lowest validation loss so far. ``waited``: int32, epochs since. ``cooling``: int32, epochs still not
    counted. ``factor``: what η is multiplied by now.
    """

    best: jax.Array
    waited: jax.Array
    cooling: jax.Array
    factor: jax.Array


def initial_plateau(dtype: jnp.dtype) -> Plateau:
    """Before the first epoch: nothing seen, factor 1; losses and factor in ``dtype``."""
    return Plateau(jnp.asarray(jnp.inf, dtype), jnp.int32(0), jnp.int32(0), jnp.ones((), dtype))


def update_plateau(spec: OptimizerSpec, plateau: Plateau, loss: jax.Array) -> Plateau:
    """The state after an epoch with this validation loss; the same one where the schedule is none that asks for it.

        better: loss < best − threshold · |best|;  otherwise one more epoch waited, unless cooling down;
        waited > patience: factor ← max(factor · reduction, smallest), and cool down

    The comparison is relative, PyTorch's for losses above 0; NaN is never better.

    Args:
        loss: scalar of the dtype of ``plateau.best``.

    Source: ``torch.optim.lr_scheduler.ReduceLROnPlateau``, mode min, threshold_mode rel.
    """
    schedule, given = choose("schedule", spec.schedule, SCHEDULES)
    if not schedule.by_validation:
        return plateau
    options: dict[str, Any] = dict(given)
    # before the first epoch the best is infinite, and so would be the step that is asked of it
    asked = options["threshold"] * jnp.abs(jnp.where(jnp.isfinite(plateau.best), plateau.best, 0.0))
    better = loss < plateau.best - asked
    waited = jnp.where(better | (plateau.cooling > 0), 0, plateau.waited + 1)
    stuck = waited > options["patience"]
    reduced = jnp.maximum(plateau.factor * options["factor"], options["smallest"])
    return Plateau(
        best=jnp.where(better, loss, plateau.best),
        waited=jnp.where(stuck, 0, waited),
        cooling=jnp.where(stuck, options["cooldown"], jnp.maximum(plateau.cooling - 1, 0)),
        factor=jnp.where(stuck, reduced, plateau.factor),
    )
