"""One sweep by eight devices, and by several real processes over gloo: the same tables as by one."""

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from . import sweep_runs

SWEEP = [
    "sweep",
    "--data",
    "iris",
    "--hidden",
    "8",
    "--epochs",
    "4",
    "--patience",
    "0",
    "--learning-rate",
    "0.02,0.1,1e30",
]
SWEEP += ["--seeds", "3", "--folds", "2", "--mode", "exact", "--quiet"]
SECONDS = 300


def start(words, cwd, devices):
    return subprocess.Popen(
        [sys.executable, "-c", "from fcnet.cli import main; main()", *words],
        cwd=cwd,
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes):
    try:
        return [(*process.communicate(timeout=SECONDS), process.returncode) for process in processes]
    finally:
        for process in processes:
            process.kill()


def together(words, cwd, count):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    flags = ["--coordinator", f"127.0.0.1:{port}", "--processes", str(count)]
    return [start([*words, *flags, "--process", str(index)], cwd, 1) for index in range(count)]


def tables(folder):
    """Members and curves, but for what depends on who trained them."""
    members, curves = sweep_runs.tables(folder)
    return members.drop(columns=["seconds", "program"]), curves


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same sweep by one device of one process."""
    folder = tmp_path_factory.mktemp("alone")
    ((_, errors, code),) = finish([start([*SWEEP, "--out", "sweep"], folder, 1)])
    assert code == 0, errors
    return tables(folder / "sweep")


def same(one, other):
    return all(left.equals(right) for left, right in zip(one, other, strict=True))


def test_eight_devices_leave_the_tables_of_one(alone, tmp_path):
    ((_, errors, code),) = finish([start([*SWEEP, "--out", "sweep"], tmp_path, 8)])
    assert code == 0, errors
    assert same(tables(tmp_path / "sweep"), alone)


# four processes are started in the slow tests only
@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_leave_the_tables_of_one(count, alone, tmp_path):
    ended = finish(together([*SWEEP, "--out", "sweep"], tmp_path, count))
    assert [code for _, _, code in ended] == [0] * count, ended
    assert "setting" in ended[0][0]
    assert all(out == "" for out, _, _ in ended[1:])
    assert same(tables(tmp_path / "sweep"), alone)


@pytest.mark.slow
def test_processes_that_are_killed_go_on(alone, tmp_path):
    words = [*SWEEP[: SWEEP.index("--epochs")], "--epochs", "300", *SWEEP[SWEEP.index("--epochs") + 2 :]]
    ((_, errors, code),) = finish([start([*words, "--out", "whole"], tmp_path, 1)])
    assert code == 0, errors
    begun = together([*words, "--out", "sweep"], tmp_path, 2)
    deadline = time.monotonic() + SECONDS
    while len(list(tmp_path.glob("sweep/parts/position-*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in begun:
        process.send_signal(signal.SIGKILL)
    finish(begun)
    ended = finish(together(["sweep", "--resume", "sweep", "--quiet"], tmp_path, 2))
    assert [code for _, _, code in ended] == [0, 0], ended
    assert same(tables(tmp_path / "sweep"), tables(tmp_path / "whole"))
    assert np.isfinite(tables(tmp_path / "sweep")[1]["train_loss"]).all()


@pytest.mark.slow
def test_halving_ranks_the_settings_of_all_processes(tmp_path):
    words = [
        "sweep",
        "--data",
        "iris",
        "--hidden",
        "8",
        "--epochs",
        "4",
        "--patience",
        "0",
        "--quiet",
        "--halving",
        "2",
    ]
    words += ["--learning-rate", "1e-5,0.02,0.1,0.3", "--seeds", "2", "--mode", "exact"]
    ended = finish([*together([*words, "--out", "two"], tmp_path, 2), start([*words, "--out", "one"], tmp_path, 1)])
    assert [code for _, _, code in ended] == [0, 0, 0], ended
    assert same(tables(tmp_path / "one"), tables(tmp_path / "two"))


def test_several_processes_need_a_folder_by_name(tmp_path):
    ended = finish(together(SWEEP, tmp_path, 2))
    assert [code for _, _, code in ended] == [2, 2]
    assert all("name its folder with --out" in errors for _, errors, _ in ended)
