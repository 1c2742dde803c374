"""What computes: the devices of this process, their memory, and other processes that work with it.

Nothing here is an engine of its own. Arrays are placed by ``jax.sharding`` and processes are joined by
``jax.distributed``; these files only ask for them, and say in one line what did not come.
"""

from fcnet.devices.kept import forget, keep
from fcnet.devices.meetings import agree, barrier, of_the_first, together
from fcnet.devices.memory import available_bytes, device_bytes
from fcnet.devices.placement import local, mesh, replicate, spread, use_every_core, whole
from fcnet.devices.precision import use_precision
from fcnet.devices.processes import Processes, join, share

__all__ = [
    "Processes",
    "agree",
    "available_bytes",
    "barrier",
    "device_bytes",
    "forget",
    "join",
    "keep",
    "local",
    "mesh",
    "of_the_first",
    "replicate",
    "share",
    "spread",
    "together",
    "use_every_core",
    "use_precision",
    "whole",
]
