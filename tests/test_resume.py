"""A run stopped at any moment and resumed ends bit-identical to one that was not stopped."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.cli import run
from fcnet.runs import RunFolder, load_state

RUN = ["--data", "digits", "--hidden", "96", "64", "--patience", "0", "--seed", "3"]
# seconds of training, so that there is something to interrupt
SHORT, LONG = [*RUN, "--epochs", "250"], [*RUN, "--epochs", "1500"]


@pytest.fixture(scope="module")
def start(optimising):
    def start(folder, *words):
        command = [sys.executable, "-c", "from fcnet.cli import main; main()", "train", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=folder, env=optimising, stdout=pipe, stderr=pipe, text=True)

    return start


def bits(folder):
    def raw(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf).tobytes()

    return [raw(leaf) for leaf in jax.tree.leaves(load_state(RunFolder(folder)))]


def trained(start, folder, words):
    process = start(folder, *words, "--out", "run")
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return folder / "run"


@pytest.fixture(scope="module")
def uninterrupted(start, tmp_path_factory):
    return trained(start, tmp_path_factory.mktemp("uninterrupted"), SHORT)


def assert_same_run(folder, uninterrupted):
    assert (folder / "metrics.csv").read_bytes() == (uninterrupted / "metrics.csv").read_bytes()
    assert bits(folder) == bits(uninterrupted)
    parts = [json.loads((path / "results.json").read_text())["parts"] for path in (folder, uninterrupted)]
    assert parts[0] == parts[1]


@pytest.mark.slow  # half a minute of training, killed again and again
def test_killed_at_random_moments(start, tmp_path):
    (tmp_path / "whole").mkdir()
    uninterrupted = trained(start, tmp_path / "whole", LONG)
    moments = random.Random(20261120)
    words, kills, reached = [*LONG, "--out", "run"], 0, []
    for _ in range(12):
        process = start(tmp_path, *words)
        # the first seconds go into imports and compilation: those moments count too
        try:
            process.wait(timeout=moments.uniform(1.0, 8.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        printed, _ = process.communicate()
        reached += [int(line.split()[-1]) for line in printed.splitlines() if line.startswith("resuming")]
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        if (tmp_path / "run" / "run.json").exists():
            words = ["--resume", "run"]
    else:
        process = start(tmp_path, *words)
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        reached += [int(line.split()[-1]) for line in printed.splitlines() if line.startswith("resuming")]
    assert kills >= 1
    assert any(0 < epoch < 1500 for epoch in reached)
    assert_same_run(tmp_path / "run", uninterrupted)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_stopped_politely(number, code, start, uninterrupted, tmp_path):
    process = start(tmp_path, *SHORT, "--out", "run")
    for line in process.stdout:
        if line.startswith("training"):
            break
    time.sleep(0.3)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert error.count("\n") == 1
    assert "stopped after epoch" in error
    assert "go on with: fcnet train --resume run" in error
    resumed = start(tmp_path, "--resume", "run")
    printed, error = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, error
    assert "resuming   run after epoch" in printed
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_finished_run_is_left_alone(uninterrupted, capsys):
    before = {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()}
    assert run(["train", "--resume", str(uninterrupted)]) == 0
    assert "is finished: nothing to resume" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in uninterrupted.rglob("*") if path.is_file()} == before


def stopped_copy(uninterrupted, folder):
    shutil.copytree(uninterrupted, folder)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "started"}))
    return folder


def test_a_torn_checkpoint_is_refused(uninterrupted, tmp_path, capsys):
    folder = stopped_copy(uninterrupted, tmp_path / "run")
    newest = max((folder / "checkpoints").glob("*.sha256"), key=lambda path: int(path.stem))
    victim = next(path for path in newest.with_suffix("").rglob("*") if path.is_file() and path.stat().st_size > 100)
    victim.write_bytes(victim.read_bytes()[:50])
    assert run(["train", "--resume", str(folder)]) == 2
    error = capsys.readouterr().err
    assert "is damaged: remove it and" in error
    assert error.count("\n") == 1


def test_metrics_that_lost_rows_are_refused(uninterrupted, tmp_path, capsys):
    folder = stopped_copy(uninterrupted, tmp_path / "run")
    lines = (folder / "metrics.csv").read_text().splitlines(keepends=True)
    (folder / "metrics.csv").write_text("".join(lines[:100]))
    assert run(["train", "--resume", str(folder)]) == 2
    assert "metrics.csv has 99 epochs, the checkpoint 250" in capsys.readouterr().err
