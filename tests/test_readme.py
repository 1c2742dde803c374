"""README is true: its commands run as they stand, its links lead somewhere, its numbers are those of the results.

Their programs are compiled in a hurry like those of all tests; FCNET_TESTS_OPTIMISED=1 has them as users do.
"""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fcnet

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SET_UP = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "venv" in block]
SHELL = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "venv" not in block]
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_ci_runs_exactly_the_set_up_commands():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert len(SET_UP) == 2
    for block in SET_UP:
        assert block.strip() in lines


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the experiments and ``fcnet`` on the path, in which the blocks run one after the other."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "experiments").symlink_to(ROOT / "experiments")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for name in ("JAX_NUMPY_RANK_PROMOTION", "JAX_NUMPY_DTYPE_PROMOTION"):
        environment.pop(name, None)
    return folder, environment


def run_in(desk, command):
    folder, environment = desk
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", range(len(SHELL)))
def test_shell_blocks(number, desk):
    run_in(desk, ["bash", "-euo", "pipefail", "-c", SHELL[number]])


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python_blocks(number, desk):
    run_in(desk, [sys.executable, "-W", "error", "-c", PYTHON[number]])


def test_the_packages_own_example(desk):
    first, second = re.findall(r"(?:^    .*\n)+", fcnet.__doc__ + "\n", re.MULTILINE)
    example = "import fcnet\n" + textwrap.dedent(first)
    run_in(desk, [sys.executable, "-c", example])
    assert "fcnet.load(" in second  # README's own block runs that


def test_no_heading_stands_twice():
    headings = re.findall(r"^## .*", README, re.MULTILINE)
    assert len(headings) == len(set(headings)) > 5


def test_links_lead_somewhere():
    for document in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        targets = re.findall(r"\]\(([^)#]+)\)", text)
        assert targets or document != "README.md"
        for target in targets:
            assert target.startswith("https://") or (ROOT / target).exists(), f"{document}: {target}"


def test_measured_figures_are_those_of_the_results():
    results = sorted((ROOT / "experiments" / "benchmarks" / "results").glob("*.json"))
    goals = [(path, goal) for path in results for goal in json.loads(path.read_text())["goals"]]
    assert goals
    for path, goal in goals:
        shown = goal["measured"]
        if goal["limit"] == 1e-9:
            continue  # a difference in rounding, not in the table
        cells = {f"{shown:.2f}", f"{shown:.1f} s", f"{shown:.2f} s", f"{shown:.2f} GB", f"{100 * shown:.1f} %"}
        rows = [line.split(" | ") for line in README.splitlines() if f"`{path.stem}.py`" in line]
        assert any(row[2] in cells for row in rows), f"{path.name}: {goal['what']} {shown}"


def test_milliseconds_of_the_peers_are_those_of_the_results():
    stored = json.loads((ROOT / "experiments" / "benchmarks" / "results" / "sweep_speed.json").read_text())
    tables = [stored["details"]["tables"][name]["milliseconds"] for name in ("small", "large")]
    measured = [
        {f"{took['median']:.{digits}f}" for took in table.values()}
        for table, digits in zip(tables, (2, 0), strict=True)
    ]
    rows = README.split("| | 64 small | 16 MNIST |\n|---|---|---|\n")[1].split("\n\n")[0].splitlines()
    assert len(rows) >= 10
    for row in rows:
        small, large = row.strip("| ").split(" | ")[1:]
        assert (small in measured[0], large in measured[1]) == (True, True), row


def test_versions_agree():
    assert f"version: {fcnet.__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f'version = "{fcnet.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-oldest.txt"])
def test_constraints_name_versions_only(name):
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[\w.-]+==[\w.+]+( ; .*)?", line), line
