"""Several real processes on this host: who does not come is named in one line; two or four train what one trains."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

# No test waits longer than this for a process.
SECONDS = 200
FCNET = "from fcnet.cli import main; main()"

# A process that joins, does what its last argument says, and ends as the command line would.
JOINED = """
import sys, time
from fcnet import devices
from fcnet.cli import guarded

def work():
    address, count, index, seconds, todo = sys.argv[1:]
    processes = devices.join(address, int(count), int(index), seconds=float(seconds))
    exec(todo)

sys.exit(guarded(work))
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def free_port() -> int:
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def start(program: str, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    # one device a process: the tests' results must not depend on how many cores there are
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *words],
        cwd=cwd,
        env=os.environ | {"JAX_NUM_CPU_DEVICES": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait(started: Sequence[subprocess.Popen[str]]) -> list[Ended]:
    deadline = time.monotonic() + SECONDS
    try:
        outputs = [process.communicate(timeout=max(1, deadline - time.monotonic())) for process in started]
    finally:
        for process in started:
            process.kill()
    return [Ended(process.returncode, *output) for process, output in zip(started, outputs, strict=True)]


def joined(numbers: Sequence[int], count: int, todo: str = "", seconds: float = 60) -> list[Ended]:
    address = f"127.0.0.1:{free_port()}"
    return wait([start(JOINED, address, str(count), str(number), str(seconds), todo) for number in numbers])


def the_line(ended: Ended) -> str:
    """What a process that could not go on said: one line, exit code 2."""
    assert ended.code == 2, ended.err
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("fcnet: ")
    return ended.err


def test_all_who_join_know_their_number_and_meet():
    meet = "devices.barrier('a'); devices.barrier('a'); devices.barrier('b'); "
    meet += "assert devices.of_the_first('n', 7 + processes.index) == 7; "
    meet += "looks = []; time.sleep(0.5 * processes.index); "
    meet += "devices.barrier('c', look=lambda seen=looks: seen.append(1)); assert looks or processes.index; "
    todo = meet + "print(processes, devices.share(processes))"
    ended = joined(range(3), 3, todo)
    assert [(one.code, one.err) for one in ended] == [(0, "")] * 3
    shares = [f"slice({index}, None, 3)" for index in range(3)]
    expected = [f"Processes(index={index}, count=3) {share}\n" for index, share in enumerate(shares)]
    assert [one.out for one in ended] == expected


def test_processes_that_never_join_are_named_to_all_who_did():
    for ended in joined((0, 2), 4, seconds=3):
        line = the_line(ended)
        assert "processes 1, 3 of 4 did not come to process 0 at 127.0.0.1:" in line
        assert "within 3 s" in line


def test_a_coordinator_that_never_comes_is_named():
    (ended,) = joined((1,), 2, seconds=2)
    assert "process 1 of 2 waited 2 s for process 0 at 127.0.0.1:" in the_line(ended)


def test_a_host_that_does_not_exist_is_named():
    (ended,) = wait([start(JOINED, "no-such-host.invalid:1234", "2", "1", "2", "")])
    assert "process 0 at no-such-host.invalid:1234: there is no host of that name" in the_line(ended)


def test_two_processes_with_one_number_are_told():
    for ended in joined((0, 1, 1), 3, seconds=30):
        assert "two processes came as --process 1" in the_line(ended)


@pytest.mark.slow
def test_processes_that_disagree_on_how_many_they_are_are_told():
    address = f"127.0.0.1:{free_port()}"
    started = [start(JOINED, address, str(count), str(number), "30", "") for number, count in enumerate((2, 3))]
    for ended in wait(started):
        assert "process 1 was started with --processes 3, process 0 with 2" in the_line(ended)


def test_a_port_that_is_taken_is_told():
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as taken:
        port = taken.getsockname()[1]
        (ended,) = wait([start(JOINED, f"127.0.0.1:{port}", "2", "0", "2", "")])
    assert f"process 0 cannot listen on port {port}" in the_line(ended)


@pytest.mark.slow
def test_strangers_at_the_port_do_not_count():
    port = free_port()
    started = [start(JOINED, f"127.0.0.1:{port}", "2", "0", "20", "print(processes)")]
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                stranger.recv(10)
            break
        except OSError:
            time.sleep(0.1)
    started.append(start(JOINED, f"127.0.0.1:{port}", "2", "1", "20", "print(processes)"))
    assert [ended.code for ended in wait(started)] == [0, 0]


def test_who_is_late_at_a_barrier_is_named():
    todo = "time.sleep(20 * (processes.index == 1)); devices.barrier('the sweep', seconds=2)"
    first, late, third = joined(range(3), 3, todo)
    for ended in (first, third):
        assert "process 1 of 3 did not come within 2 s to: the sweep" in the_line(ended)
    assert late.code != 0


@pytest.mark.parametrize("leaver", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_nobody_waits_for_who_has_ended(leaver):
    todo = f"processes.index == {leaver} and sys.exit(5); devices.barrier('the sweep', seconds=60)"
    ended = joined(range(3), 3, todo)
    for index, one in enumerate(ended):
        if index == leaver:
            assert one.code == 5
        else:
            assert f"process {leaver} of 3 ended before the others at: the sweep" in the_line(one)


def test_slurm_tasks_find_each_other():
    step = {
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "JAX_COORDINATOR_PORT": str(free_port()),
    }
    program = "from fcnet import devices; print(devices.join(None, None, None))"
    started = [start(program, **step, SLURM_PROCID=str(number), SLURM_LOCALID=str(number)) for number in range(2)]
    assert [ended.out for ended in wait(started)] == [f"Processes(index={number}, count=2)\n" for number in range(2)]


# --- training together ---


def training(count: int, cwd: Path, *flags: str) -> list[subprocess.Popen[str]]:
    address = f"127.0.0.1:{free_port()}"
    return [
        start(
            FCNET,
            "train",
            *flags,
            *("--coordinator", address, "--processes", str(count), "--process", str(number)),
            cwd=cwd,
        )
        for number in range(count)
    ]


QUICK = ("--data", "iris", "--hidden", "8", "--dtype", "float64", "--batch-size", "30", "--patience", "0")
TOGETHER = (*QUICK, "--data-parallel")


def curves(run: Path) -> np.ndarray:
    return np.genfromtxt(run / "metrics.csv", delimiter=",", skip_header=1)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    (ended,) = wait([start(FCNET, "train", *QUICK, "--epochs", "6", "--out", "run", cwd=folder)])
    assert ended.code == 0, ended.err
    return folder / "run"


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_train_what_one_trains(alone, tmp_path, count):
    ended = wait(training(count, tmp_path, *TOGETHER, "--epochs", "6", "--out", "run"))
    assert [(one.code, one.err) for one in ended] == [(0, "")] * count
    # process 0 alone prints and writes
    assert f"{count} processes" in ended[0].out
    assert "Gloo" not in ended[0].out
    assert [one.out for one in ended[1:]] == [""] * (count - 1)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    stored = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert stored["config"]["loop"]["data_parallel"] is True
    assert (stored["provenance"]["device"]["count"], stored["provenance"]["device"]["processes"]) == (count, count)
    # 24 steps, each with sums over at most 30 rows in another order, in float64; the losses are of order 1
    np.testing.assert_allclose(curves(tmp_path / "run"), curves(alone), rtol=0, atol=24 * 30 * 2.3e-16 * 100)


def wait_for_epochs(run: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not list((run / "checkpoints").glob("*.sha256")) and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.slow  # a minute and a half: three times two processes, and long enough to be stopped on the way
def test_a_signal_to_one_stops_all_and_they_resume_to_the_same_bits(tmp_path):
    ended = wait(training(2, tmp_path, *TOGETHER, "--epochs", "200", "--out", "unstopped"))
    assert [one.code for one in ended] == [0, 0], ended
    started = training(2, tmp_path, *TOGETHER, "--epochs", "200", "--out", "run")
    wait_for_epochs(tmp_path / "run")
    started[1].send_signal(signal.SIGTERM)
    first, second = wait(started)
    assert (first.code, second.code) == (143, 143), (first, second)
    assert "go on with: fcnet train --resume run" in first.err
    assert "stopped with process 0 after epoch" in second.err
    assert 0 < len(curves(tmp_path / "run")) < 200
    ended = wait(training(2, tmp_path, "--resume", "run"))
    assert [one.code for one in ended] == [0, 0], ended
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == (tmp_path / "unstopped" / "metrics.csv").read_bytes()


def test_when_one_is_killed_the_other_says_so(tmp_path):
    started = training(2, tmp_path, *TOGETHER, "--epochs", "400", "--out", "run")
    wait_for_epochs(tmp_path / "run")
    started[1].kill()
    first, _ = wait(started)
    # in the middle of a step, or between two calls of the program
    line = the_line(first)
    assert "another process ended in the middle of training" in line or "process 1 of 2 ended before" in line
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["status"] == "started"


@pytest.mark.slow
def test_when_process_0_cannot_begin_nobody_waits(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    first, second = wait(training(2, tmp_path, *TOGETHER, "--epochs", "6", "--out", "run"))
    assert "run holds other files" in the_line(first)
    assert "process 0 of 2 ended before the others" in the_line(second)
