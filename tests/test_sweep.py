"""fcnet sweep from words to tables: members that are solo runs, halving, search, bad input."""

import inspect
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

import fcnet
from fcnet.cli import run
from fcnet.commands.sweep_display import SweepDisplay
from fcnet.config import DataConfig, LoopConfig, NetworkConfig, TrainConfig
from fcnet.console import Reporter
from fcnet.sweeps import running as running_room
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.folder import SweepFolder
from fcnet.sweeps.progress import Progress
from fcnet.sweeps.told import Told

from .sweep_runs import SMALL, TRAIN, tables


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
        "12 members in turn",
        " a member, ",
        " a device; ",
        " ms per member and epoch",
        "at most a second for the whole sweep",
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
    error = capsys.readouterr().err
    assert "one member of 4-8-3 needs" in error
    assert error.count("\n") == 1
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
