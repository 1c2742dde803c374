"""fcnet sweep from words to tables: members that are solo runs, stops and kills, halving, search, bad input."""

import inspect
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import fcnet
from fcnet.cli import run
from fcnet.commands.sweep_display import SweepDisplay
from fcnet.config import DataConfig, LoopConfig, NetworkConfig, TrainConfig
from fcnet.console import Reporter
from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.models import MLPSpec
from fcnet.sweeps import calls as calls_room
from fcnet.sweeps import running as running_room
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.engine import Told
from fcnet.sweeps.folder import SweepFolder
from fcnet.sweeps.progress import Progress
from fcnet.sweeps.states import read_states, write_states
from fcnet.train import RunSpec, initial_state

SMALL = ["--data", "iris", "--hidden", "8", "--epochs", "6", "--patience", "0", "--dropout", "0.1"]
TRAIN = TrainConfig(DataConfig("iris"), NetworkConfig((8,), dropout=(0.1,)), loop=LoopConfig(epochs=6, patience=0))


def tables(folder):
    return pq.read_table(folder / "members.parquet").to_pandas(), pq.read_table(folder / "curves.parquet").to_pandas()


def same_but_for_seconds(one, other):
    for left, right in zip(tables(one), tables(other), strict=True):
        drop = [name for name in ("seconds",) if name in left.columns]
        assert left.drop(columns=drop).equals(right.drop(columns=drop))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep in exact mode: 2 learning rates, one of them far too large, × 2 seeds × 3 folds; and what it printed."""
    folder = tmp_path_factory.mktemp("swept")
    words = ["sweep", *SMALL, "--learning-rate", "0.05,1e30", "--seeds", "2", "--folds", "3", "--mode", "exact"]
    command = [sys.executable, "-c", "from fcnet.cli import main; main()", *words, "--out", "sweep"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "sweep", done.stdout


def test_it_says_what_it_will_do_and_what_came_of_it(swept):
    folder, printed = swept
    for said in (
        "12 networks: 2 settings",
        "bit for bit their solo runs",
        "by hand and by jax.grad agree",
        "12 of 12 members",
        "equals its solo run bit for bit",
        "6 diverged",
    ):
        assert said in printed, said
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".png") == [
        "curves.parquet",
        "members.parquet",
        "sweep.json",
    ]
    assert json.loads((folder / "sweep.json").read_text())["status"] == "finished"


def test_every_member_is_its_solo_run(swept, tmp_path):
    members, curves = tables(swept[0])
    assert list(members["member"]) == list(range(12))
    for number in (1, 4):
        member = members.iloc[number]
        words = ["train", *SMALL, "--learning-rate", str(member["learning_rate"]), "--seed", str(member["seed"])]
        words += ["--folds", "3", "--fold", str(member["fold"]), "--out", str(tmp_path / str(number)), "--quiet"]
        assert run(words) == 0
        solo = np.genfromtxt(tmp_path / str(number) / "metrics.csv", delimiter=",", skip_header=1, dtype=np.float32)
        own = curves[curves["member"] == number]
        for place, name in enumerate(("train_loss", "validation_loss", "validation_score"), start=1):
            np.testing.assert_array_equal(own[name].to_numpy(np.float32), solo[:, place])
        results = json.loads((tmp_path / str(number) / "results.json").read_text())
        assert results["best_epoch"] == member["best_epoch"]
        # rows of a fold are summed in float32 here, in float64 there
        assert results["parts"]["test"]["score"]["value"] == pytest.approx(member["test_score"], abs=1e-6)
        assert results["parts"]["test"]["loss"]["value"] == pytest.approx(member["test_loss"], rel=1e-5)


def test_what_diverged_is_named_with_epoch_and_cause(swept):
    members, curves = tables(swept[0])
    gone = members[members["learning_rate"] > 1]
    assert set(gone["status"]) == {"diverged"}
    assert gone["cause"].str.contains("epoch 1, step").all()
    assert set(members[members["learning_rate"] < 1]["status"]) == {"finished"}
    assert set(curves["member"]) == set(members[members["learning_rate"] < 1]["member"])


def test_from_python(tmp_path, capsys):
    found = fcnet.sweep(TRAIN, {"learning_rate": [0.02, 0.1], "seed": [3, 5]}, mode="exact", out=tmp_path / "sweep")
    assert capsys.readouterr().out == ""
    assert found.is_complete
    assert found.members["seed"].to_pylist() == [3, 5, 3, 5]
    assert found.column("learning_rate").tolist() == [0.02, 0.02, 0.1, 0.1]
    solo = fcnet.fit(
        TRAIN.run_spec(fcnet.data.load(TRAIN.data_spec()).description),
        fcnet.HParams(0.1, 0.9, 1e-4, dropout=0.1),
        fcnet.data.load(TRAIN.data_spec()),
        seed=5,
    )
    own = found.curves["member"].to_numpy() == 3
    np.testing.assert_array_equal(
        found.curves["train_loss"].to_numpy()[own].astype(np.float32), solo.history.train_loss
    )


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
    write, count = calls_room.write_json, [0]

    def write_and_die(path, value):
        count[0] += path.name.startswith("position-")
        dying = path.name.startswith("position-") and count[0] == calls
        if committed or not dying:
            write(path, value)
        if dying:
            raise StoppedError

    with monkeypatch.context() as patched:
        patched.setattr(calls_room, "write_json", write_and_die)
        with pytest.raises(StoppedError):
            fcnet.sweep(TRAIN, axes, out=tmp_path / "killed", **config)
    trained = []
    call = running_room.Engine.call

    def counted(self, *arguments, **named):
        told = call(self, *arguments, **named)
        trained.append(told.epochs)
        return told

    with monkeypatch.context() as patched:
        patched.setattr(running_room.Engine, "call", counted)
        assert run(["sweep", "--resume", str(tmp_path / "killed"), "--quiet"]) == 0
    same_but_for_seconds(tmp_path / "whole", tmp_path / "killed")
    whole = len(tables(tmp_path / "whole")[1])
    if committed or calls > 1:  # else there is nothing to go on from
        assert 0 < sum(trained) < whole


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


@pytest.mark.parametrize(("width", "last"), [(80, "wave 16 of 16"), (100, "program 4 of 4"), (160, "186 a second")])
def test_the_live_line_fits_the_terminal_and_keeps_the_count(width, last):
    console = Console(width=width, force_terminal=True, file=io.StringIO())
    with SweepDisplay(Reporter(console=console), "accuracy") as display:
        display(Progress(1872, 1920, Told([], {}, {}, 102_300, 550.0), 0.9926, 8000, 4, 4, 16, 16))
        with console.capture() as captured:
            console.print(display.bar.get_renderable())
    seen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", captured.get()).replace("\r", "\n").splitlines()
    (line,) = {line.rstrip() for line in seen if "1872/1920" in line}
    assert line.endswith(last)
    assert len(line) <= width


def test_halving_drops_settings_and_survivors_are_their_solo_runs(tmp_path):
    axes = {"learning_rate": [1e-5, 0.02, 0.1, 0.3]}
    train = TrainConfig(DataConfig("iris"), NetworkConfig((8,)), loop=LoopConfig(epochs=8, patience=0))
    halved = fcnet.sweep(train, axes, seeds=2, halving=2, mode="exact", out=tmp_path / "halved")
    full = fcnet.sweep(train, axes, seeds=2, mode="exact", out=tmp_path / "full")
    status, epochs = halved.column("status"), halved.column("epochs_run")
    assert sorted(epochs) == [2, 2, 2, 2, 4, 4, 8, 8]
    assert all((one == "finished") == (count == 8) for one, count in zip(status, epochs, strict=True))
    assert all("not among the best" in text for text in halved.column("cause")[status == "dropped"])
    assert status[0] == "dropped", "a learning rate of 1e-5 does not lead"
    both = full.curves.to_pandas().merge(halved.curves.to_pandas(), on=["member", "epoch"], suffixes=("", "_halved"))
    assert len(both) == sum(epochs)
    np.testing.assert_array_equal(both["train_loss"], both["train_loss_halved"])


def test_a_search_trains_as_many_settings_as_it_was_asked_for(tmp_path):
    axes = {"learning_rate": "loguniform:1e-3:1", "activation": ["relu", "tanh"]}
    found = fcnet.sweep(TRAIN, axes, seeds=2, search="tpe", trials=5, batch=2, mode="exact", out=tmp_path / "search")
    assert found.column("setting").tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    rates = found.column("learning_rate")
    assert len(set(rates)) == 5
    assert ((rates >= 1e-3) & (rates <= 1)).all()


def test_fast_says_how_far_it_is_from_a_solo_run(tmp_path, capsys):
    words = ["sweep", *SMALL, "--learning-rate", "0.02,0.1", "--seeds", "3", "--mode", "fast"]
    assert run([*words, "--out", str(tmp_path / "s")]) == 0
    printed = capsys.readouterr().out
    assert "(relative) from its solo run" in printed or "bit for bit" in printed
    (found,) = json.loads((tmp_path / "s" / "sweep.json").read_text())["distances"]
    assert found["mode"] == "fast"
    assert found["loss"] < 1e-4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--folds", "60"], "60 folds need 60 rows of every class, the smallest has 50"),
        (["--learning-rate", "log:1:0.1:3"], "1 must be below 0.1"),
        (["--learning-rate", "0.1,0.2", "--seeds", "100000"], "more than 10,000; add --yes"),
        (["--batch-size", "8,500"], "batch size 500 is larger than the 98 training rows of iris"),
        (["--validation", "0.1,0.2"], "--validation 0.1,0.2 cannot be swept"),
        (["--loss", "cross_entropy,huber"], "huber is for regression"),
        (["--learning-rate", "0.1,-1"], "--learning-rate must be a number > 0, got -1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["sweep", *SMALL, *words, "--out", "sweep"]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_device_too_small_for_one_member(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(running_room.devices, "device_bytes", lambda device: 20_000)
    assert run(["sweep", *SMALL, "--seeds", "3", "--out", str(tmp_path / "sweep")]) == 2
    assert "one member of 4-8-3 needs" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


def test_a_host_too_small_for_all_folds(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(running_room.devices, "available_bytes", lambda: 10_000)
    assert run(["sweep", *SMALL, "--folds", "10", "--out", str(tmp_path / "sweep")]) == 2
    assert "9 more splits of iris need" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


def test_another_folder_is_never_overwritten(swept, capsys):
    assert run(["sweep", *SMALL, "--seeds", "2", "--out", str(swept[0])]) == 2
    assert f"holds another run: go on with --resume {swept[0]}" in capsys.readouterr().err
    assert run(["sweep", "--resume", str(swept[0])]) == 0
    assert "is finished: nothing to resume" in capsys.readouterr().out


def test_nobody_trains_in_a_folder_that_another_is_training_in(swept, tmp_path, capsys):
    stored = json.loads((swept[0] / "sweep.json").read_text()) | {"status": "started"}
    (tmp_path / "sweep.json").write_text(json.dumps(stored))
    with SweepFolder(tmp_path).locked():
        assert run(["sweep", "--resume", str(tmp_path), "--quiet"]) == 2
    assert "is being trained by another command" in capsys.readouterr().err


def test_an_edited_sweep_is_refused(swept, tmp_path, capsys):
    stored = json.loads((swept[0] / "sweep.json").read_text())
    stored["config"]["seeds"] = 3
    (tmp_path / "sweep.json").write_text(json.dumps(stored))
    assert run(["sweep", "--resume", str(tmp_path)]) == 2
    assert "was changed since the sweep began" in capsys.readouterr().err


def test_the_members_of_a_config_are_counted_before_they_are_made():
    config = SweepConfig.of(TRAIN, {"learning_rate": "log:1e-3:1:8", "weight_decay": [0, 1e-4, 1e-3]}, seeds=16)
    assert config.number_of_members == 384


def test_the_signature_of_sweep_fits_a_line():
    defaults = [parameter.default for parameter in inspect.signature(fcnet.sweep).parameters.values()]
    assert max(len(repr(default)) for default in defaults) < 40
