"""How a group is trained: in how many slots, in how many waves, with how much memory and time."""

from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh

from fcnet.data import Dataset, mapped
from fcnet.errors import require
from fcnet.models import MLPSpec
from fcnet.sweeps.compiling import Programs
from fcnet.sweeps.groups import Group
from fcnet.sweeps.program import Mode, Shape
from fcnet.sweeps.streamed import programs_for

# Members that train together on one core: more of them leave its cache.
TOGETHER_ON_A_CORE = 32
# Members that a core trains in turn within one call: so many that an epoch of all is about this many operations.
OPERATIONS_A_CALL = 1e10
IN_TURN = 16
# What may be taken of a device's memory; the rest is the system's.
SHARE_OF_MEMORY = 0.8


class Plan(NamedTuple):
    """How one group is trained.

    ``slots``: members that a device holds at a time. ``waves``: of all slots of all devices; a slot is filled again as
    soon as its member is through.
    ``bytes_of_member``: what one more member needs on its device. ``bytes``: of a full device, data included.
    ``seconds_of_epoch``: wall-clock time of one epoch of one member, all devices at work; NaN before it was tried.
    ``stream_bytes``: see ``Shape``.
    """

    mode: Mode
    slots: int
    waves: int
    bytes_of_member: int
    bytes: int
    seconds_of_epoch: float = float("nan")
    stream_bytes: int = 0


def require_room_for_splits(dataset: Dataset, splits: int, available: int) -> None:
    """Whether the host's memory holds so many more data sets of this size: each split is a copy of its own.

    Args:
        available: bytes of host memory. Rows that stay on disk take none.

    Raises:
        InputError: it does not.
    """
    parts = [part for part in (dataset.train, dataset.validation, dataset.test) if part is not None]
    arrays = [array for part in parts for array in part if array is not None]
    each = sum(array.nbytes for array in arrays if mapped.stored_in(array) is None)
    budget = int(SHARE_OF_MEMORY * available)
    require(
        splits * each <= budget,
        f"{splits} more splits of {dataset.description.name} need {_gib(splits * each)} of memory, a copy of the data "
        f"each, but {_gib(budget)} may be used: take fewer --folds, --repeats or --splits",
    )


def operations(model: MLPSpec, rows: int) -> float:
    """Floating-point operations of an epoch: 2 a weight and row forward, 4 backward."""
    return 6.0 * rows * model.parameter_count


def _slots(mode: Mode, group: Group, mesh: Mesh, at_once: int | None) -> int:
    lanes, members = mesh.size, len(group.entrants)
    everybody = -(-members // lanes)
    if at_once is not None:
        return min(at_once, everybody)
    if mode == "exact":
        each = operations(group.spec.model, group.data.train.x.shape[0])
        return min(int(np.clip(OPERATIONS_A_CALL / each, 1, IN_TURN)), everybody)
    return min(TOGETHER_ON_A_CORE, everybody) if mesh.devices.flat[0].platform == "cpu" else everybody


def fitted(shape: Shape, group: Group, available: int, at_once: int | None = None) -> tuple[Plan, Programs]:
    """As many slots as are worth having and fit into ``available`` bytes of each device.

    The bytes are those that the compiled program asks for.

    Raises:
        InputError: not even one member fits.
    """
    slots = _slots(shape.mode, group, shape.mesh, at_once)
    budget = int(SHARE_OF_MEMORY * available)
    while True:
        programs = programs_for(shape, group.hparams, group.data, slots)
        member = max((programs.bytes - programs.bytes_of_rows) // slots, 1)
        if programs.bytes <= budget:
            waves = -(-len(group.entrants) // (slots * shape.mesh.size))
            plan = Plan(shape.mode, slots, waves, member, programs.bytes, stream_bytes=shape.stream_bytes)
            return plan, programs
        fewer = min((budget - programs.bytes_of_rows) // member, slots - 1)
        require(
            slots > 1,
            f"one member of {'-'.join(map(str, group.spec.model.sizes))} needs {_gib(programs.bytes)} on a device, "
            f"data included, but {_gib(budget)} of its memory may be used: take a smaller network, batch or data set",
        )
        slots = max(int(fewer), 1)


def _gib(count: int) -> str:
    return f"{count / 2**30:.3g} GiB"


def adapted(plan: Plan, shape: Shape, group: Group, available: int, at_once: int | None = None) -> Plan:
    """The plan for fewer or more members of the same programs: fewer slots where most stay empty and cost time."""
    members, lanes = len(group.entrants), shape.mesh.size
    if 2 * members <= plan.slots * lanes and plan.mode == "fast":
        fewer, _ = fitted(shape, group, available, at_once)
        return fewer._replace(seconds_of_epoch=plan.seconds_of_epoch)
    return plan._replace(waves=-(-members // (plan.slots * lanes)))
