"""How much memory a device has for programs."""

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import jax

from fcnet.devices.control_groups import control_groups, number, words


def device_bytes(device: jax.Device) -> int:
    """Bytes that programs on ``device`` may take.

    A GPU or TPU: what its allocator may give out. A core of the CPU: its share of the memory that is free now, within
    the limits of the control groups (Slurm's, Kubernetes's, Docker's) that this process lives in.
    """
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"])
    sharing = sum(other.platform == device.platform for other in jax.local_devices(backend=device.platform))
    return available_bytes() // max(1, sharing)


def available_bytes(root: Path = Path("/")) -> int:
    """Bytes of host memory that this process can still take; ``root`` is where /proc and /sys lie."""
    return max(0, min([_free(root), *_left_in_groups(root)]))


def _free(root: Path) -> int:
    meminfo = root / "proc" / "meminfo"
    if meminfo.is_file():
        fields = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines() if ":" in line)
        if "MemAvailable" in fields:
            return int(fields["MemAvailable"].split()[0]) * 1024
    if sys.platform == "win32":
        # MEMORYSTATUSEX: its length and the load in percent, then physical memory: all of it, and what is free; …
        status = (ctypes.c_uint64 * 8)(64)
        ctypes.windll.kernel32.GlobalMemoryStatusEx(status)
        return int(status[2])
    # macOS tells how much there is, but without another program not how much of it is free
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _left_in_groups(root: Path) -> Iterator[int]:
    """Limit minus use of each control group."""
    for folder, version in control_groups("memory", root):
        limit, use, cache = (
            ("memory.max", "memory.current", "inactive_file")
            if version == 2
            else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )
        if (most := number(folder / limit)) is not None:
            # pages of files that nobody holds are given back when they are asked for
            yield most - (number(folder / use) or 0) + _field(folder / "memory.stat", cache)


def _field(path: Path, name: str) -> int:
    found = words(path)
    return int(found[found.index(name) + 1]) if name in found else 0
