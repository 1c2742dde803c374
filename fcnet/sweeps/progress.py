"""How far a sweep is after a call, and how much of it is left at most."""

from typing import NamedTuple

import numpy as np

from fcnet.sweeps.engine import Engine
from fcnet.sweeps.planning import PlannedStage, Sweep
from fcnet.sweeps.tables import WAITING
from fcnet.sweeps.told import Told


class Progress(NamedTuple):
    """What a listener is told after each call.

    ``done``, ``members``: members that are through, and all that are known so far but for those that other processes
    train meanwhile. ``told``: of the call.
    ``best``: the highest validation score of any member so far; NaN where there is none.
    ``epochs_left``: of all members in this stage, at most. ``group``, ``groups``: which program, of how many.
    ``wave``, ``waves``: of its members, as many a wave as there are slots; the next begins with the first free slot.
    """

    done: int
    members: int
    told: Told
    best: float
    epochs_left: int
    group: int
    groups: int
    wave: int
    waves: int


def progress(sweep: Sweep, now: PlannedStage, number: int, engine: Engine, told: Told) -> Progress:
    """Where the sweep is after a call of the ``engine`` that trains the group ``number`` of its stage ``now``."""
    later = sum(len(group.entrants) * now.stage.last(group.spec.epochs) for group in now.groups[number + 1 :])
    waiting = len(engine.lanes.waiting) * engine.until
    inside = np.asarray(engine.states.epoch)
    running = sum(
        engine.until - int(epoch)
        for entrant, epoch in zip(engine.lanes.slots, inside, strict=True)
        if entrant is not None
    )
    results = sweep.results.values()
    done = sum(result.status != WAITING for result in results)
    # a search counts what it may still propose
    known = len(sweep.stages.members)
    members = max(sweep.config.number_of_members, 1) if sweep.config.search else known
    unknown = -(-(members - known) // sweep.processes.count) * now.groups[number].spec.epochs
    elsewhere = len(now.stage.members) - sum(len(group.entrants) for group in now.groups)
    left = later + waiting + running + unknown
    best = float(np.fmax.reduce([result.best_validation_score for result in results], initial=np.nan))
    slots, entrants = len(engine.lanes.slots), len(now.groups[number].entrants)
    wave = -(-(entrants - len(engine.lanes.waiting)) // slots)
    waves = -(-entrants // slots)
    return Progress(done, members - elsewhere, told, best, left, number + 1, len(now.groups), wave, waves)
