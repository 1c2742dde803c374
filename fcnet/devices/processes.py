"""Several processes, on one host or many, as one job: JAX's multi-controller runtime."""

import atexit
import os
from collections.abc import Sequence
from dataclasses import dataclass

import jax

from fcnet.devices import cluster, meetings, rollcall
from fcnet.devices.announcements import STDERR, without_announcement
from fcnet.errors import InputError, require


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is; (0, 1) alone."""

    index: int
    count: int


def join(coordinator: str | None, processes: int | None, process: int | None, *, seconds: float = 60) -> Processes:
    """Meet the other processes of this job; it must come before JAX computes anything, after ``use_every_core``.

    With all three given, by hand. With none, automatically where a cluster started several processes (a Slurm or Open
    MPI step of several tasks, an indexed Kubernetes Job where the ``kubernetes`` package is installed, a TPU pod), else
    this process is alone. ``coordinator`` "auto" insists on the automatic way; ``processes`` 1 declines it.

    Args:
        coordinator: HOST:PORT of process 0, the same for all; the port must be free on that host.
        processes: how many there are; ``process``: the number of this one, from 0.
        seconds: how long to wait for the others.

    Raises:
        InputError: values that cannot be, no cluster to be found, or processes that do not come in time, by number.
    """
    if process is None and processes == 1 and coordinator is None:
        return Processes(0, 1)
    restricted: Sequence[int] | None = []  # [] is all devices of this host
    if coordinator == cluster.AUTOMATIC or (coordinator, processes, process) == (None, None, None):
        require(
            processes is None and process is None,
            f"--coordinator {cluster.AUTOMATIC} asks the cluster for --processes and --process: leave them out",
        )
        if coordinator is None and not cluster.is_one_of_several():
            return Processes(0, 1)
        coordinator, processes, process, restricted = cluster.ask(seconds)
    if coordinator is None or processes is None or process is None:
        given = {"--coordinator": coordinator, "--processes": processes, "--process": process}
        absent = [flag for flag, value in given.items() if value is None]
        raise InputError(f"to join processes by hand, give {' and '.join(absent)}, too: HOST:PORT, how many, which one")
    rollcall.parse_address(coordinator)
    require(processes > 0, f"--processes must be at least 1, got {processes}")
    require(
        0 <= process < processes,
        f"--process must be from 0 to {processes - 1}, as there are {processes} processes, got {process}",
    )
    if processes > 1:
        peers = rollcall.call(coordinator, processes, process, seconds)
        _initialize(coordinator, processes, process, restricted, seconds)
        meetings.watch(peers)
    return Processes(process, processes)


def _initialize(
    coordinator: str, processes: int, process: int, restricted: Sequence[int] | None, seconds: float
) -> None:
    # a process may outlive another: what that one leaves undone is said in a line of ours
    jax.config.update("jax_enable_recoverability", True)
    # it would swallow SIGTERM, after which a run saves its state and leaves
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_check_proxy_envs", False)  # the roll call has just been through
    given_by_hand = os.environ.get("JAX_LOCAL_DEVICE_IDS")
    try:
        with without_announcement(STDERR):
            jax.distributed.initialize(
                coordinator,
                processes,
                process,
                local_device_ids=None if given_by_hand else restricted,
                cluster_detection_method="deactivate",
                initialization_timeout=max(1, round(seconds)),
            )
            jax.devices()  # the first look at them is a meeting, too, and everyone is here now
    except RuntimeError as failed:
        raise InputError(f"cannot join {processes} processes at {coordinator}: {failed}") from None
    atexit.register(meetings.leave, process, processes)


def share(processes: Processes) -> slice:
    """Which members this process works on: one in every ``count``, so that small and large networks go to all alike."""
    return slice(processes.index, None, processes.count)
