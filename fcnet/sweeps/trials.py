"""Which mode trains a group sooner: both are tried for a moment on its own members."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from jax.sharding import Mesh

from fcnet.data import Dataset, DataSpec
from fcnet.sweeps.engine import Engine
from fcnet.sweeps.groups import Group
from fcnet.sweeps.lanes import Lanes
from fcnet.sweeps.plan import Plan, fitted
from fcnet.sweeps.program import Mode, Shape
from fcnet.sweeps.told import Told

# Together is chosen where it takes less than this share of the time: bits that equal a solo run are worth something.
CLEARLY_FASTER = 0.97
# How long a trial of a mode takes, about, where an epoch does not take longer.
TRIAL_SECONDS = 0.1
# How often both modes are tried at most, in how many seconds, and in which share of the time that the training takes.
TRIALS, SECONDS_OF_TRIALS, SHARE_OF_TRAINING = 9, 10.0, 0.1


def timed(shape: Shape, plan: Plan, group: Group, datasets: Mapping[DataSpec, Dataset], order_seed: int = 0) -> Plan:
    """The plan with ``seconds_of_epoch`` measured on the group's first members, whose training is then thrown away."""
    first = group.entrants[: plan.slots * shape.mesh.size]
    lanes = Lanes.empty(
        shape.mesh.size, plan.slots, first, lockstep=shape.shared_order, one_stream=shape.stream_bytes > 0
    )
    engine = Engine(shape, group, datasets, lanes, number=0, until=group.spec.epochs, order_seed=order_seed)
    if np.isnan(plan.seconds_of_epoch):  # what was never called is called once to warm up
        plan = _with(plan, engine.call(1))
    if engine.finished:
        return plan
    epochs = int(np.clip(TRIAL_SECONDS / _seconds_of_call(plan, shape.mesh), 1, engine.room))
    return _with(plan, engine.call(epochs))


def _with(plan: Plan, told: Told) -> Plan:
    return plan._replace(seconds_of_epoch=told.seconds / max(told.epochs, 1))


def _seconds_of_call(plan: Plan, mesh: Mesh) -> float:
    """What one epoch of all members in the slots takes."""
    return plan.seconds_of_epoch * plan.slots * mesh.size


def rounds(training: float, one_round: float) -> int:
    """How often both modes are tried, if training takes so many seconds and trying both once takes ``one_round``."""
    return int(np.clip(min(SHARE_OF_TRAINING * training, SECONDS_OF_TRIALS) / one_round, 1, TRIALS))


def planned(
    group: Group,
    datasets: Mapping[DataSpec, Dataset],
    mesh: Mesh,
    available: int,
    *,
    mode: Literal["auto", "exact", "fast"],
    shared_order: bool = False,
    at_once: int | None = None,
    epochs: int | None = None,
    order_seed: int = 0,
    stream_bytes: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> Plan:
    """The plan of a group; ``auto`` tries both modes for a moment and takes the faster.

    Whatever else the machine does can hold up a trial: they are repeated in turns, and the median of what one
    mode took over what the other took right before counts.

    Where training in the exact mode takes less time than compiling for it took, that is the faster: the other mode is
    not compiled to be tried.

    Args:
        available: bytes of memory of one device. ``stream_bytes``: see ``Shape``.
        shared_order: all members see the rows in the same order, which only the fast mode has.
        epochs: how many will be trained; all of a run's unless it is told.
        order_seed: of shared batch orders.
        tell: hears what is being done.

    Raises:
        InputError: not even one member fits.
    """
    modes: tuple[Mode, ...] = ("exact", "fast") if mode == "auto" else (mode,)
    if mode == "auto" and shared_order:
        modes = ("fast",)  # an exact member sees the rows in its own order
    elif mode == "auto" and len(group.entrants) <= mesh.size:
        modes = ("exact",)  # a member each: there is nothing to put together
    members_epochs = len(group.entrants) * (epochs or group.spec.epochs)
    shapes = [Shape(group.spec, name, shared_order, mesh, stream_bytes) for name in modes]
    plans: list[Plan] = []
    for shape in shapes:
        tell(f"compiling ({shape.mode})")
        plan, programs = fitted(shape, group, available, at_once)
        tell(f"timing ({shape.mode})")
        plans.append(timed(shape, plan, group, datasets, order_seed))
        if plans[-1].seconds_of_epoch * members_epochs < programs.seconds:
            break  # all of the training is sooner done than another program compiled
    if len(plans) == 1:
        return plans[0]
    training = min(plan.seconds_of_epoch for plan in plans) * members_epochs
    one_round = sum(max(TRIAL_SECONDS, _seconds_of_call(plan, mesh)) for plan in plans)
    tried = [plans]
    for _ in range(1, rounds(training, one_round)):
        again = zip(shapes, plans, strict=True)
        tried.append([timed(shape, plan, group, datasets, order_seed) for shape, plan in again])
    seconds = np.array([[plan.seconds_of_epoch for plan in plans] for plans in tried])
    chosen = int(np.median(seconds[:, 1] / seconds[:, 0]) < CLEARLY_FASTER)
    return plans[chosen]._replace(seconds_of_epoch=float(np.median(seconds[:, chosen])))
