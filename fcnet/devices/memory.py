"""How much memory a device has for programs."""

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import jax


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
    """Limit minus use of this process's control group and of each above it, version 2 and version 1."""
    listing = root / "proc" / "self" / "cgroup"
    if not listing.is_file():
        return
    for line in listing.read_text(encoding="utf-8").splitlines():
        _, controllers, inner = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        top = root / "sys" / "fs" / "cgroup" / ("memory" if controllers else "")
        limit, use, cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if controllers
            else ("memory.max", "memory.current", "inactive_file")
        )
        group = top / inner.lstrip("/")
        for folder in [group, *group.parents]:
            if (most := _number(folder / limit)) is not None:
                # pages of files that nobody holds are given back when they are asked for
                yield most - (_number(folder / use) or 0) + _field(folder / "memory.stat", cache)
            if folder == top:
                break


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:  # not there, or not for us to read
        return None
    return int(text) if text.isdigit() else None


def _field(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)
