"""How many cores this process may use."""

import os
from math import ceil
from pathlib import Path

from fcnet.devices.control_groups import ControlGroup, control_groups, number, words


def available_cores(root: Path = Path("/")) -> int:
    """Those that it may run on, and no more than its control groups give time for; at least 1.

    A container that may take 16 cores' time of a host with 64 is bound to none of them, but held up beyond its share.

    Args:
        root: where /proc and /sys lie.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [_share(group) for group in control_groups("cpu", root)]
    return max(1, min([bound, *(ceil(share) for share in shares if share is not None)]))


def _share(group: ControlGroup) -> float | None:
    """Processor time over time; None without a limit."""
    if group.version == 2:
        found = words(group.folder / "cpu.max")
        quota, period = (int(found[0]), int(found[1])) if len(found) == 2 and found[0].isdigit() else (None, None)
    else:  # -1 is no limit
        quota, period = number(group.folder / "cpu.cfs_quota_us"), number(group.folder / "cpu.cfs_period_us")
    return quota / period if quota and period else None
