"""How far a sweep is: alone, one of several processes, and while a search goes on."""

from types import SimpleNamespace

import numpy as np
import pytest

from fcnet.devices import Processes
from fcnet.sweeps.planning import PlannedStage
from fcnet.sweeps.progress import progress
from fcnet.sweeps.stages import Stage
from fcnet.sweeps.tables import FINISHED, WAITING, MemberResult
from fcnet.sweeps.told import Told

TOLD = Told([], {}, {}, 0, 0.0)
EPOCHS = 10


def result(score, status=FINISHED):
    nan = float("nan")
    return MemberResult(status, "", 3, 3, nan, score, nan, nan, nan, nan, nan, 0.1, 0, "exact")


def seen(results, *, own, known=8, processes=1, search=None, expected=0, inside=(None, None), waiting=0):
    """What is told by a process that trains ``own`` members of a stage of all that are ``known``."""
    sweep = SimpleNamespace(
        results=results,
        config=SimpleNamespace(search=search, number_of_members=expected),
        stages=SimpleNamespace(members=list(range(known))),
        processes=Processes(0, processes),
    )
    group = SimpleNamespace(entrants=list(range(own)), spec=SimpleNamespace(epochs=EPOCHS))
    stage = Stage(0, list(range(known)), None, {})
    slots = [None if epoch is None else object() for epoch in inside]
    engine = SimpleNamespace(
        lanes=SimpleNamespace(slots=slots, waiting=[object()] * waiting),
        until=EPOCHS,
        states=SimpleNamespace(epoch=np.array([epoch or 0 for epoch in inside])),
    )
    return progress(sweep, PlannedStage(stage, [group], []), 0, engine, TOLD)


@pytest.mark.parametrize(("processes", "own"), [(1, 8), (2, 4), (4, 2)])
def test_a_process_ends_with_all_of_its_own_members(processes, own):
    told = seen({member: result(0.9) for member in range(own)}, own=own, processes=processes)
    assert (told.done, told.members, told.epochs_left) == (own, own, 0)


def test_who_waits_is_not_through_and_the_best_is_the_highest():
    results = {0: result(0.5), 1: result(0.9, WAITING), 2: result(float("nan"))}
    told = seen(results, own=8, inside=(4, None), waiting=5)
    assert (told.done, told.members, told.best) == (2, 8, 0.9)
    assert told.epochs_left == (EPOCHS - 4) + 5 * EPOCHS
    assert (told.wave, told.waves) == (2, 4)  # three of eight have come to two slots


@pytest.mark.parametrize(("processes", "left"), [(1, 12 * EPOCHS), (3, 4 * EPOCHS)])
def test_what_a_search_will_propose_is_shared_out(processes, left):
    own = 9 // processes
    told = seen({}, own=own, known=9, processes=processes, search="tpe", expected=21)
    assert told.members == 21 - (9 - own)
    assert told.epochs_left == left
