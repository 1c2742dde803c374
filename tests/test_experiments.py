"""Experiments and benchmarks run as their headers say, at a smaller size, and their verdicts hold."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.py"))


def run(script, *words):
    command = [sys.executable, str(ROOT / script), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_has_a_header(path):
    header = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    for part in ("Claim", "Source", f"Command  python experiments/{path.name}", "Time", "Expected"):
        assert part in header


@pytest.mark.slow  # README's commands run them, too
@pytest.mark.parametrize(
    ("name", "words"), [("xor", ["--seeds", "60", "--epochs", "600"]), ("melon", ["--seeds", "20"])]
)
def test_claim_holds(name, words, tmp_path):
    figure = tmp_path / "figure.png"
    done = run(f"experiments/{name}.py", *words, "--out", str(figure))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "verdict: the claim holds"
    assert figure.stat().st_size > 10_000


def test_mnist_learns_quickly(shared_data, tmp_path):
    folder = str(shared_data / "mnist")
    done = run(
        "experiments/mnist.py", "--data", folder, "--seeds", "1", "--epochs", "1", "--out", str(tmp_path / "f.png")
    )
    assert done.returncode == 1, done.stderr  # one epoch does not reach the goal, and says so
    assert "DOES NOT HOLD (goal 98.2%)" in done.stdout
    assert float(done.stdout.split("seed 0: test accuracy ")[1].split("%")[0]) > 94


@pytest.mark.slow
def test_mnist_reaches_the_goal(shared_data, tmp_path):
    done = run(
        "experiments/mnist.py", "--data", str(shared_data / "mnist"), "--seeds", "3", "--out", str(tmp_path / "f.png")
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_data_that_are_not_there_end_in_one_line():
    done = run("experiments/mnist.py", "--data", "nowhere/mnist")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "nowhere/mnist does not exist" in done.stderr


@pytest.mark.parametrize("name", ["catalogue_speed", "digits_accuracy", "first_minute", "mnist_epoch"])
def test_benchmark_results_are_committed_with_their_machine(name):
    import json

    results = json.loads((ROOT / "experiments" / "benchmarks" / "results" / f"{name}.json").read_text())
    assert results["provenance"]["device"]["kind"]
    assert results["goals"]
    for goal in results["goals"]:
        reached = goal["measured"] >= goal["limit"] if goal["at_least"] else goal["measured"] <= goal["limit"]
        assert reached == goal["reached"]
