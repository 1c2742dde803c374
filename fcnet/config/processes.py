"""The flags of several processes."""

from dataclasses import dataclass

from fcnet import devices
from fcnet.config.groups import PROCESSES
from fcnet.errors import require


@PROCESSES
@dataclass(frozen=True)
class ProcessesConfig:
    """Which other processes to work with: a matter of the machines, not of the run."""

    coordinator: str | None = None
    """HOST:PORT of process 0, or auto. [default: what Slurm, Open MPI, Kubernetes or a TPU pod says]"""
    processes: int | None = None
    """How many processes there are."""
    process: int | None = None
    """The number of this one, from 0."""
    join_seconds: float = 60
    """How long to wait for the others to come."""

    def __post_init__(self) -> None:
        require(self.join_seconds > 0, f"--join-seconds must be positive, got {self.join_seconds:g}")

    def join(self) -> devices.Processes:
        """Every core a device, and the others met; see ``devices.join``, which checks the values."""
        devices.use_every_core()
        return devices.join(self.coordinator, self.processes, self.process, seconds=self.join_seconds)
