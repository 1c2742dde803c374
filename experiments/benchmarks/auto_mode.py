"""Whether ``--mode auto`` takes the faster mode, on networks from tiny to MNIST's.

Goal     the mode that auto takes has at least 0.95 of the speed of the better one, in every shape.
Command  python experiments/benchmarks/auto_mode.py --data FOLDER   (the folder with MNIST's IDX files)
Time     about 2 minutes on 2 CPU cores.

Auto tries both modes for a moment; afterwards whole sweeps in both are timed in turns, and medians are compared.
"""

from typing import Annotated

import contestants
import jax
from contestants import group_of, whole_sweep
from cyclopts import Parameter
from peers.problem import Problem
from record import goal, write
from sweep_speed import problem, title
from turns import in_turns

from fcnet import devices
from fcnet.cli import script
from fcnet.sweeps.trials import planned

# Members of a plan train for so long that compiling does not matter: auto then tries both modes.
EPOCHS_PLANNED, EPOCHS_TIMED = 2000, 5


def auto(given: Problem, networks: int) -> str:
    """The mode that a sweep of these networks would train in."""
    group, rows = group_of(given, networks, EPOCHS_PLANNED)
    mesh = devices.mesh()
    return planned(group, rows, mesh, devices.device_bytes(mesh.devices.flat[0]), mode="auto").mode


def main(*, data_set: Annotated[str, Parameter(name="--data")] = "mnist", rounds: int = 3, rows: int = 5000) -> bool:
    """Measure.

    Args:
        data_set: "mnist" for a prepared set, or a folder of IDX files.
        rounds: Of each table.
        rows: Of MNIST.
    """
    contestants.cores_as_devices()
    lanes, speeds, tables = len(jax.devices()), [], {}
    for given, networks in (
        (problem("iris", (8,), 16, 150), 32 * lanes),
        (problem("digits", (32, 32), 32, 1792), 32 * lanes),
        (problem("digits", (256, 128), 32, 1792), 8 * lanes),
        (problem(data_set, (512, 256), 128, rows), 4 * lanes),
    ):
        about, chosen = title(given, networks), auto(given, networks)
        modes = {mode: whole_sweep(given, networks, EPOCHS_TIMED, mode=mode) for mode in ("exact", "fast")}
        took = in_turns(about, modes, rounds)
        speeds.append(min(took.medians.values()) / took.medians[chosen])
        print(f"  auto takes {chosen}: {speeds[-1]:.2f} of the speed of the better mode")
        tables[about] = {"auto": chosen, "milliseconds": took.milliseconds}
    reached = goal("lowest speed of auto's mode / the better mode", min(speeds), 0.95, at_least=True)
    write("auto_mode", [reached], tables=tables)
    return bool(reached["reached"])


if __name__ == "__main__":
    script(main)
