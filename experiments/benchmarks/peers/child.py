"""Contestants in processes of their own: for libraries that read their settings when they are imported, and to use the
cores by one process each.

A child is told a number of epochs on a line, trains, and answers with a line: its loss. It ends with its parent.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from peers.problem import Contestant, Problem

BENCHMARKS = Path(__file__).parents[1]
MAIN = "from peers.child import main; main()"


def processes(
    problem: Problem,
    build: str,
    count: int = 1,
    *,
    bind: bool = False,
    environment: dict[str, str] | None = None,
    **options: Any,
) -> Contestant:
    """``count`` children that train at the same time, each what ``build`` makes of the problem.

    Args:
        build: "module:function" of a function from a problem and ``options`` to a contestant.
        bind: give each child a core of its own, where the system can.
        environment: variables that the children see.

    Raises:
        RuntimeError: a child ended.
    """
    parameters = problem._asdict() | {"x": None, "y": None}
    variables = os.environ | {"PYTHONPATH": str(BENCHMARKS)} | (environment or {})
    started: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.npz"
        np.savez(rows, x=problem.x, y=problem.y)
        for number in range(count):
            told = {"rows": str(rows), "problem": parameters, "build": build, "options": options}
            words = [sys.executable, "-c", MAIN, json.dumps(told | {"core": number if bind else None})]
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=variables))
        networks = sum(int(count) for count in _answers(started, build))
    losses: list[float] = []

    def epochs(count: int) -> None:
        for child in started:
            assert child.stdin is not None
            child.stdin.write(f"{count}\n")
            child.stdin.flush()
        losses[:] = _answers(started, build)

    def close() -> None:
        for child in started:
            child.communicate()

    return Contestant(networks, epochs, lambda: float(np.mean(losses)), close)


def _answers(children: list[subprocess.Popen[str]], build: str) -> list[float]:
    lines = []
    for child in children:
        assert child.stdout is not None
        lines.append(child.stdout.readline())
        if not lines[-1]:
            for other in children:
                other.communicate()
            raise RuntimeError(f"a process of {build} ended with code {child.returncode}")
    return [float(line) for line in lines]


def _bind(number: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def main() -> None:
    """What a child runs."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    told = json.loads(sys.argv[1])
    if told["core"] is not None:
        _bind(told["core"])
    with np.load(told["rows"]) as rows:
        given = told["problem"] | {"x": rows["x"], "y": rows["y"], "sizes": tuple(told["problem"]["sizes"])}
    module, function = told["build"].split(":")
    contestant = getattr(importlib.import_module(module), function)(Problem(**given), **told["options"])
    print(contestant.networks, file=answers, flush=True)
    for line in sys.stdin:
        contestant.epochs(int(line))
        print(contestant.loss(), file=answers, flush=True)
