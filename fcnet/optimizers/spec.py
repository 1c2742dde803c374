"""Names and options of a run's optimiser and schedule, and the frozen spec that carries them."""

from dataclasses import dataclass
from functools import cache

from fcnet.catalogue import choose, filled
from fcnet.errors import require
from fcnet.optimizers.adaptive import ADAPTIVE
from fcnet.optimizers.descent import DESCENT
from fcnet.optimizers.record import COUPLED, DECOUPLED, Optimizer, Schedule
from fcnet.optimizers.schedules import SCHEDULES

OPTIMIZERS: dict[str, Optimizer] = DESCENT | ADAPTIVE


@cache
def get(text: str) -> Optimizer:
    """The optimiser that ``text`` names, its options filled in: "sgd", "adam:b2=0.99".

    Raises:
        InputError: no such optimiser, option or value, or two options that exclude each other.
    """
    record, options = choose("optimiser", text, OPTIMIZERS)
    both = options.get("nesterov") and options.get("dampening")
    require(not both, f"optimiser {text}: nesterov goes with dampening=0 only")
    return filled(record, options, "direction")


@cache
def get_schedule(text: str) -> Schedule:
    """The schedule that ``text`` names, its options filled in: "cosine", "step:every=0.25,factor=0.5".

    Raises:
        InputError: no such schedule, option or value.
    """
    record, options = choose("schedule", text, SCHEDULES)
    return filled(record, options, "factor")


@dataclass(frozen=True)
class OptimizerSpec:
    """Which chain, and the shape of its learning rate.

    ``name``, ``schedule``: with options, "adam:b2=0.99", "step:every=0.25,factor=0.5".
    ``warmup``: the fraction of all steps in which the learning rate rises linearly from 0, in [0, 1).
    ``decay``: where weight decay enters, "decoupled" (after the direction) or "coupled" (added to the gradient before
        it: L2); None is the optimiser's usual place, decoupled for all but weight_decay_sgd.
    ``decay_all``: weight decay touches biases, norms and learned slopes too, not kernels only.

    Raises:
        InputError: names or options that are not in the catalogue, a fraction outside [0, 1), or a place of the decay
            that the optimiser does not have.
    """

    name: str = "sgd"
    schedule: str = "constant"
    warmup: float = 0.0
    decay: str | None = None
    decay_all: bool = False

    def __post_init__(self) -> None:
        optimizer = get(self.name)
        get_schedule(self.schedule)
        require(0 <= self.warmup < 1, f"warmup must be a fraction of the steps in [0, 1), got {self.warmup}")
        places = (DECOUPLED, COUPLED)
        require(self.decay in (None, *places), f"decay must be {' or '.join(places)}, got {self.decay!r}")
        require(
            self.decay in (None, *optimizer.decays),
            f"decay of optimiser {optimizer.name} must be {' or '.join(optimizer.decays)}, got {self.decay}",
        )
