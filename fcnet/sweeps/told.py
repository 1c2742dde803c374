"""What is known after a call of the engine: curves, results, and who goes on later."""

from typing import NamedTuple

import numpy as np

from fcnet.sweeps.tables import MemberResult
from fcnet.train import History, RunState


class Curve(NamedTuple):
    """What one member went through in a call: epochs ``first``, ``first`` + 1, … and their history."""

    member: int
    first: int
    history: History


class Open(NamedTuple):
    """What is remembered of an unfinished member: seconds spent so far, and its last entries of a history."""

    seconds: float = 0.0
    last: tuple[float, float, float] = (np.nan, np.nan, np.nan)


class Resting(NamedTuple):
    """An unfinished member that has left its slot at epoch ``until``, to go on later."""

    state: RunState
    known: Open


class Told(NamedTuple):
    """What is known after a call.

    ``results``: of members that left their slots, for good or, with the status "waiting", to go on from ``resting``.
    ``epochs``: trained by all members together.
    """

    curves: list[Curve]
    results: dict[int, MemberResult]
    resting: dict[int, Resting]
    epochs: int
    seconds: float
