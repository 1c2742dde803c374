"""What a newcomer waits for: the import, ``fcnet train`` cold and with compiled programs on disk, memory on MNIST.

Goal     import fcnet ≤ 1.5 s; fcnet train ≤ 15 s cold and ≤ 8 s warm; peak memory of a run on MNIST ≤ 1.0 GB.
Command  python experiments/benchmarks/first_minute.py --data FOLDER   (the folder with MNIST's IDX files)
Time     about 1 minute on 2 CPU cores.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from record import goal, seconds, write

from fcnet.cli import script

FCNET = [sys.executable, "-c", "from fcnet.cli import main; main()"]


def timed(command: list[str], folder: Path) -> float:
    """Seconds that ``command`` takes in ``folder``, with compiled programs kept in that folder."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main(*, data_set: Annotated[str, Parameter(name="--data")] = "mnist", repeats: int = 5) -> bool:
    """Measure in fresh processes.

    Args:
        data_set: "mnist" for a prepared set, or a folder of IDX files.
        repeats: Of the import and of both kinds of run.
    """
    where = str(Path(data_set).absolute()) if Path(data_set).is_dir() else data_set
    cold, warm = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            cold.append(timed([*FCNET, "train"], folder))
            warm.append(timed([*FCNET, "train"], folder))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        imports = [timed([sys.executable, "-c", "import fcnet"], folder) for _ in range(repeats)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        network = ["--hidden", "512", "256", "--batch-size", "128", "--epochs", "2"]
        timed([*FCNET, "train", "--data", where, *network], folder)
        # the largest child so far, in kibibytes on Linux: MNIST's, because digits takes less
        peak_bytes = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    goals = [
        goal("import fcnet, whole process, seconds", float(np.median(imports)), 1.5, at_least=False),
        goal("fcnet train, nothing cached, seconds", float(np.median(cold)), 15, at_least=False),
        goal("fcnet train, programs cached, seconds", float(np.median(warm)), 8, at_least=False),
        goal("peak memory of fcnet train on MNIST, gigabytes", peak_bytes / 1e9, 1.0, at_least=False),
    ]
    details = {"import": seconds(imports), "cold": seconds(cold), "warm": seconds(warm)}
    write("first_minute", goals, seconds=details, peak_bytes=peak_bytes, peak_bytes_on_digits=1024 * before)
    return all(found["reached"] for found in goals)


if __name__ == "__main__":
    script(main)
