"""What an optimiser and a schedule are: records of the catalogue."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import optax

from fcnet.catalogue import Entry
from fcnet.contracts import Params

# params ↦ the same tree of booleans: what weight decay touches
Mask = Callable[[Params], Any]

# Where weight decay enters: after the direction is found, W ← W − η (d + λ W), or before, g ← g + λ W (L2).
DECOUPLED, COUPLED = "decoupled", "coupled"


@dataclass(frozen=True, kw_only=True)
class Optimizer(Entry):
    """One way from the gradient g to the direction d of the step W ← W − η d.

    ``direction``: (hparams, decayed, **options) ↦ the transformation g ↦ d; ``decayed`` is the mask for an optimiser
        that decays the weights itself, the others leave it alone.
    ``momentum``: what ``hparams.momentum`` is to it ("µ", "β₁"), empty where it has none.
    ``decays``: where weight decay may enter, the usual place first. ``decays_itself``: it is part of ``direction``.
    ``full_batch``: each step sees all rows at once.
    """

    direction: Callable[..., optax.GradientTransformation]
    momentum: str = "µ"
    decays: tuple[str, ...] = (DECOUPLED, COUPLED)
    decays_itself: bool = False
    full_batch: bool = False


@dataclass(frozen=True, kw_only=True)
class Schedule(Entry):
    """One shape of the learning rate over training.

    ``factor``: (step, total_steps, dtype, **options) ↦ what the peak η is multiplied by, a scalar of ``dtype``; step is
        a traced int32 from 0, total_steps an integer ≥ 1.
    ``by_validation``: η follows the validation loss from epoch to epoch as well, see ``update_plateau``.
    """

    factor: Callable[..., jax.Array]
    by_validation: bool = False
