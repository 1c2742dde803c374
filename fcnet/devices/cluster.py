"""Whether a cluster started this process as one of several, and what it says of the others."""

import os
import re
import warnings
from collections.abc import Sequence
from importlib.util import find_spec

from fcnet.errors import InputError

# What --coordinator says to insist on asking.
AUTOMATIC = "auto"
BY_HAND = "give --coordinator HOST:PORT --processes N --process I"


def is_one_of_several() -> bool:
    """Whether a cluster started this process as one of several; looks at the environment only."""
    several = any(
        os.environ.get(name, "1") not in ("", "1") and os.environ.get(mark) is not None
        for name, mark in (("SLURM_NTASKS", "SLURM_STEP_NODELIST"), ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"))
    )
    pod = "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")
    return several or pod or (_has_kubernetes() and "JOB_COMPLETION_INDEX" in os.environ)


def _has_kubernetes() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and find_spec("kubernetes") is not None


def ask(seconds: float) -> tuple[str, int, int, Sequence[int] | None]:
    """Coordinator, processes, process and devices as JAX finds them.

    Raises:
        InputError: there is no cluster that JAX knows, or it does not say.
    """
    # what jax.distributed.initialize asks, too; asked before it for the roll call
    from jax._src.clusters import ClusterEnv

    try:
        with warnings.catch_warnings():  # that the package kubernetes is absent; the error below says enough
            warnings.simplefilter("ignore")
            found = ClusterEnv.auto_detect_unset_distributed_params(None, None, None, None, None, round(seconds))
    except (RuntimeError, ValueError, OSError) as failed:
        raise InputError(f"the cluster does not say which processes there are ({failed}): {BY_HAND}") from None
    coordinator, processes, process, restricted = found
    if coordinator is None or processes is None or process is None:
        raise InputError(f"--coordinator {AUTOMATIC} finds no Slurm, Open MPI, Kubernetes or TPU cluster: {BY_HAND}")
    # JAX gives a process the device of its local number, which is meant for one process a device
    return coordinator, processes, process, [] if _alone_on_host() else restricted


def _alone_on_host() -> bool:
    slurm = os.environ.get("SLURM_STEP_TASKS_PER_NODE") or os.environ.get("SLURM_TASKS_PER_NODE", "")
    return bool(re.fullmatch(r"1(\(x\d+\))?", slurm)) or os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE") == "1"
