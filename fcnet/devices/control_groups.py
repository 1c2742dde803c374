"""The control groups of Linux (Slurm's, Kubernetes's, Docker's) that this process lives in: limits of what it takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class ControlGroup(NamedTuple):
    """The ``folder`` of one group's limits, whose files have the names of ``version`` 1 or 2."""

    folder: Path
    version: int


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[ControlGroup]:
    """This process's group and each above it; ``root`` is where /proc and /sys lie.

    Args:
        controller: what is limited, "memory" or "cpu".
    """
    listing = root / "proc" / "self" / "cgroup"
    if not listing.is_file():
        return
    for line in listing.read_text(encoding="utf-8").splitlines():
        _, controllers, inner = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys" / "fs" / "cgroup" / (controller if controllers else "")
        group = top / inner.lstrip("/")
        for folder in [group, *group.parents]:
            yield ControlGroup(folder, 1 if controllers else 2)
            if folder == top:
                break


def words(path: Path) -> list[str]:
    """The words of a small file; none where it is not there, or not for us to read."""
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def number(path: Path) -> int | None:
    """The number in a file; None where there is another word, such as max, or no file."""
    found = words(path)
    return int(found[0]) if len(found) == 1 and found[0].isdigit() else None
