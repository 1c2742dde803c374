"""A sweep that was stopped or killed goes on to the tables of one that was not."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

import fcnet
from fcnet.cli import run
from fcnet.commands import sweep as command
from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.models import MLPSpec
from fcnet.sweeps import calls as calls_room
from fcnet.sweeps import running as running_room
from fcnet.sweeps.folder import SweepFolder
from fcnet.sweeps.states import read_states, write_states
from fcnet.train import RunSpec, initial_state

from .sweep_runs import TRAIN, same_but_for_seconds, tables

AXES = {"learning_rate": [0.02, 0.1], "hidden": [(8,), (4, 4)]}


class StoppedError(Exception):
    pass


HALVING, SEARCH = {"halving": 2}, {"search": "tpe", "trials": 6, "batch": 3}
slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("options", "calls", "committed"),
    [
        ({}, 3, True),
        (HALVING, 4, False),
        (SEARCH, 2, True),
        *(pytest.param({}, calls, committed, marks=slow) for calls in (1, 2) for committed in (True, False)),
        *(pytest.param(HALVING, calls, committed, marks=slow) for calls in (2, 5, 7) for committed in (True, False)),
        *(pytest.param(SEARCH, calls, False, marks=slow) for calls in (1, 3, 5)),
    ],
)
def test_a_sweep_that_is_killed_at_any_call_goes_on_to_the_same_tables(
    options, calls, committed, tmp_path, monkeypatch
):
    """Killed right after a call was committed, or with all of it written but for what commits it."""
    monkeypatch.setattr(running_room, "SECONDS_A_CALL", 0.0)  # an epoch a call
    axes = {"learning_rate": "loguniform:1e-2:1", "hidden": [(8,), (4, 4)]} if options.get("search") else AXES
    config = dict(seeds=2, mode="exact", at_once=2, **options)
    fcnet.sweep(TRAIN, axes, out=tmp_path / "whole", **config)
    write, save, count, before, trained = calls_room.write_json, calls_room.Calls.save, [0], [], []

    def write_and_die(path, value):
        count[0] += path.name.startswith("position-")
        dying = path.name.startswith("position-") and count[0] == calls
        if committed or not dying:
            write(path, value)
        if dying:
            raise StoppedError

    def counting(epochs):
        def counted(self, number, told, *rest, **more):
            epochs.append(told.epochs)
            save(self, number, told, *rest, **more)

        return counted

    with monkeypatch.context() as patched:
        patched.setattr(calls_room, "write_json", write_and_die)
        patched.setattr(calls_room.Calls, "save", counting(before))
        with pytest.raises(StoppedError):
            fcnet.sweep(TRAIN, axes, out=tmp_path / "killed", **config)
    with monkeypatch.context() as patched:
        patched.setattr(calls_room.Calls, "save", counting(trained))
        assert run(["sweep", "--resume", str(tmp_path / "killed"), "--quiet"]) == 0
    same_but_for_seconds(tmp_path / "whole", tmp_path / "killed")
    # every epoch once, but for those of a call that was not committed
    kept = before if committed else before[:-1]
    assert sum(kept) + sum(trained) == len(tables(tmp_path / "whole")[1])


def test_as_many_devices_as_before(tmp_path, monkeypatch, capsys):
    def stopped(progress, *rest):
        raise StoppedError

    with monkeypatch.context() as patched:
        patched.setattr(running_room, "SECONDS_A_CALL", 0.0)
        patched.setattr(running_room, "progress", stopped)
        with pytest.raises(StoppedError):
            fcnet.sweep(TRAIN, {}, out=tmp_path / "s", seeds=2, mode="exact")
    (path,) = (tmp_path / "s" / "parts").glob("position-*.json")
    position = json.loads(path.read_text())
    position["engine"]["lanes"] += [[None]] * 7
    path.write_text(json.dumps(position))
    was = len(position["engine"]["lanes"])
    assert run(["sweep", "--resume", str(tmp_path / "s")]) == 2
    error = capsys.readouterr().err
    assert f"was stopped while {was} devices trained, there are {was - 7} now: go on with as many" in error
    assert error.count("\n") == 1


def test_a_full_disk_is_one_line_and_the_sweep_goes_on(tmp_path, monkeypatch, capsys):
    def full(*given, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(running_room, "SECONDS_A_CALL", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", full)
        with pytest.raises(InputError) as failed:
            fcnet.sweep(TRAIN, {}, out=tmp_path / "s", mode="exact")
    told = str(failed.value)
    assert told.startswith("cannot write ")
    assert told.endswith(f"No space left on device; make room and go on with: fcnet sweep --resume {tmp_path / 's'}")
    assert run(["sweep", "--resume", str(tmp_path / "s"), "--quiet"]) == 0
    fcnet.sweep(TRAIN, {}, out=tmp_path / "whole", mode="exact")
    same_but_for_seconds(tmp_path / "s", tmp_path / "whole")


def test_a_position_that_is_replaced_meanwhile_is_looked_for_again(tmp_path, monkeypatch):
    folder = SweepFolder(tmp_path)
    folder.parts.mkdir()
    for process, stage in ((0, 1), (1, 2)):
        (folder.parts / f"position-{process}-000007.json").write_text(json.dumps({"stage": stage}))
    read, times = Path.read_text, []

    def vanished(path, **how):
        times.append(path)
        if len(times) == 2:
            path.rename(path.with_name(path.name.replace("7", "8")))
        return read(path, **how)

    monkeypatch.setattr(Path, "read_text", vanished)
    assert calls_room.Calls(folder).furthest_stage() == 2
    assert len(times) == 4


def test_a_file_may_appear_late(tmp_path, monkeypatch):
    late = threading.Timer(0.1, (tmp_path / "late").touch)
    late.start()
    assert command._appears(tmp_path / "late")
    late.join()
    monkeypatch.setattr(command, "SECONDS_TO_APPEAR", 0.0)
    assert not command._appears(tmp_path / "never")


def test_a_call_is_never_longer_than_who_stops_it_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(running_room, "SECONDS_A_CALL", 1e9)
    monkeypatch.setattr(running_room, "MOST_SECONDS_A_CALL", 0.0)
    seen = []
    told = running_room.progress
    monkeypatch.setattr(running_room, "progress", lambda *given: seen.append(given[-1].epochs) or told(*given))
    fcnet.sweep(TRAIN, {}, out=tmp_path / "s", mode="exact")
    assert seen == [1] * TRAIN.loop.epochs


@pytest.mark.slow  # several processes, killed at random moments
def test_sigkill_at_any_moment_loses_nothing(tmp_path, random):
    words = ["sweep", "--data", "iris", "--hidden", "8", "--patience", "0", "--epochs", "3000", "--seeds", "8"]
    words += ["--learning-rate", "0.02,0.1", "--mode", "exact", "--quiet"]
    start = [sys.executable, "-c", "from fcnet.cli import main; main()"]
    assert run([*words, "--out", str(tmp_path / "whole")]) == 0
    command = [*start, *words, "--out", str(tmp_path / "killed")]
    kills = 0
    for _ in range(30):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=float(random.uniform(2, 12)))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        if (tmp_path / "killed" / "sweep.json").is_file():
            command = [*start, "sweep", "--resume", str(tmp_path / "killed"), "--quiet"]
        if process.returncode == 0:
            break
    assert kills > 0
    assert process.returncode == 0
    same_but_for_seconds(tmp_path / "whole", tmp_path / "killed")


def bits(state):
    plain = state._replace(key=jax.random.key_data(state.key))
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(plain)]


@pytest.mark.parametrize("damage", ["cut", "gone", "of another shape"])
def test_states_that_cannot_be_gone_on_with_are_one_line(damage, tmp_path):
    spec, hparams = RunSpec(MLPSpec(4, 3, (8,)), "mse"), HParams(0.1, 0.9)
    state = initial_state(spec, hparams, 20, key=jax.random.key(0))
    path, like = tmp_path / "000001.npz", jax.eval_shape(lambda: state)
    write_states(path, state)
    found, beside = read_states(path, like)
    assert beside.size == 0
    assert bits(found) == bits(state)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "gone":
        path.unlink()
    else:
        write_states(path, initial_state(replace(spec, model=MLPSpec(4, 3, (9,))), hparams, 20, key=jax.random.key(0)))
    with pytest.raises(InputError, match="start the sweep again"):
        read_states(path, like)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    words = ["sweep", "--data", "iris", "--hidden", "8", "--patience", "0", "--epochs", "100000", "--seeds", "2"]
    words += ["--out", "s"]
    command = [sys.executable, "-c", "from fcnet.cli import main; main()", *words, "--mode", "exact"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("s/parts/position-*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1].endswith("go on with: fcnet sweep --resume s")
