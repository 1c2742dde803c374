"""The command line: what a run leaves behind, what the other commands make of it, and one line for every mistake."""

import csv
import io
import json
import shutil
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pyarrow import parquet

import fcnet
from fcnet import devices
from fcnet.cli import run
from fcnet.commands.evaluate import labelled_rows


def test_train_says_what_it_does(trained):
    folder, process = trained
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    gradients = next(line for line in lines if line.startswith("gradients"))
    assert "agree: worst relative difference" in gradients
    assert "layer_" in gradients
    assert any(line.startswith("device     cpu") for line in lines)
    assert any("epoch 3/3 · loss" in line and "validation accuracy" in line and "examples/s" in line for line in lines)
    for part in ("train", "validation", "test"):
        assert any(line.startswith(part) and "%" in line for line in lines)
    assert "s to compile" in process.stdout
    assert process.stderr == ""
    assert {path.name for path in folder.iterdir()} == {
        "run.json",
        "metrics.csv",
        "results.json",
        "checkpoints",
        "curves.png",
        "confusion.png",
    }


def test_the_record_says_where_it_came_from(trained):
    record = json.loads((trained[0] / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["config"]["network"]["hidden"] == [8]
    assert record["config"]["loop"]["seed"] == 0
    assert record["gradient_check"]["agrees"] is True
    source = record["provenance"]
    assert source["versions"]["jax"]
    assert source["device"]["platform"] == "cpu"
    assert "fry" in source["prng"]
    assert set(source) == {"started", "versions", "system", "device", "prng", "source"}


def test_metrics_are_read_by_pandas_and_duckdb(trained):
    path = trained[0] / "metrics.csv"
    frame = pd.read_csv(path)
    assert list(frame.columns) == ["epoch", "train_loss", "validation_loss", "validation_accuracy"]
    assert list(frame.epoch) == [1, 2, 3]
    assert duckdb.sql(f"select max(epoch), min(train_loss) from '{path}'").fetchall() == [(3, frame.train_loss.min())]


def test_results_agree_with_the_metrics(trained):
    results = json.loads((trained[0] / "results.json").read_text())
    frame = pd.read_csv(trained[0] / "metrics.csv").set_index("epoch")
    best = frame.loc[results["best_epoch"]]
    validation = results["parts"]["validation"]
    assert validation["score"]["value"] == pytest.approx(best.validation_accuracy, abs=1e-6)
    assert validation["loss"]["value"] == pytest.approx(best.validation_loss, rel=1e-5)
    assert validation["score"]["low"] < validation["score"]["value"] < validation["score"]["high"]
    assert results["parameters"] == 64 * 8 + 8 + 8 * 10 + 10


def test_figures_are_drawn(trained):
    for name in ("curves.png", "confusion.png"):
        with Image.open(trained[0] / name) as picture:
            assert min(picture.size) >= 500
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_evaluate_repeats_the_table(trained, capsys):
    assert run(["evaluate", str(trained[0])]) == 0
    printed = capsys.readouterr().out.splitlines()
    table = [line for line in trained[1].stdout.splitlines() if line.startswith(("train ", "validation", "test"))]
    assert [line for line in printed if line.startswith(("train ", "validation", "test"))] == table


def test_predict_images_as_npy_and_from_python(trained, tmp_path):
    x = fcnet.data.load(fcnet.DataSpec("digits")).test.x
    np.save(tmp_path / "x.npy", x)
    assert run(["predict", str(trained[0]), str(tmp_path / "x.npy"), "--out", str(tmp_path / "p.parquet")]) == 0
    table = parquet.read_table(tmp_path / "p.parquet").to_pydict()
    assert list(table) == ["digit", *(f"p({digit})" for digit in range(10))]
    model = fcnet.load(trained[0])
    probabilities = np.asarray(model.predict(model.params, x))
    np.testing.assert_allclose(np.sum(probabilities, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        np.stack([table[f"p({digit})"] for digit in range(10)], axis=1), probabilities, rtol=1e-6
    )
    assert table["digit"] == [str(label) for label in probabilities.argmax(axis=1)]


def test_predict_a_table_and_evaluate_on_it(table_run, tmp_path, capsys):
    folder, table = table_run
    assert run(["predict", str(folder), str(table), "--out", str(tmp_path / "p.csv")]) == 0
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 90
    assert set(rows[0]) == {"label", "p(no)", "p(yes)"}
    assert run(["evaluate", str(folder), str(table)]) == 0
    assert "people.csv" in capsys.readouterr().out


def test_regression_predicts_in_the_targets_units(tmp_path, small):
    assert run(["train", "--data", "diabetes", *small, "--out", str(tmp_path / "run"), "--quiet"]) == 0
    assert (tmp_path / "run" / "predicted.png").is_file()
    dataset = fcnet.data.load(fcnet.DataSpec("diabetes"))
    model = fcnet.load(tmp_path / "run")
    predicted = np.asarray(model.predict(model.params, dataset.train.x))
    assert 50 < predicted.mean() < 250
    raw = np.array([[59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]])  # the first patient, as measured
    assert model.encode(raw).shape == (1, 10)


@pytest.fixture(scope="module")
def plain_curves(tmp_path_factory):
    """metrics.csv of a run on the same data without any other flag, trained once."""

    @cache
    def curves(*data):
        folder = tmp_path_factory.mktemp("plain") / "run"
        assert run(["train", *TWO_EPOCHS, *data, "--hidden", "8", "4", "--out", str(folder)]) == 0
        return (folder / "metrics.csv").read_text()

    return curves


TWO_EPOCHS = ["--epochs", "2", "--quiet"]


@pytest.mark.parametrize("words", [["--hidden", "6", "5", "--dropout", "0.2", "0.1"], ["--data-parallel"]])
def test_what_is_compiled_beside_the_gradient_check_is_what_trains(words, tmp_path, compiled, without_figures):
    devices.forget()
    assert run(["train", *TWO_EPOCHS, "--data", "iris", *words, "--out", str(tmp_path / "run")]) == 0
    assert compiled.count("jit(chunk)") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--gradients", "manual"],
        ["--dtype", "bfloat16"],
        pytest.param(["--no-hidden"], marks=pytest.mark.slow),
        ["--dropout", "0.5", "--l1", "1e-4", "--l2", "1e-3", "--weight-decay", "0", "--label-smoothing", "0.1"],
        pytest.param(
            ["--optimizer", "adam", "--learning-rate", "0.001", "--schedule", "step", "--warmup", "0.1"],
            marks=pytest.mark.slow,
        ),
        ["--loss", "binary_cross_entropy", "--activation", "gelu", "--initializer", "lecun_normal", "--bias", "0.1"],
        ["--data", "spirals", "--samples", "200", "--noise", "0", "--validation", "0"],
        pytest.param(
            ["--data", "function", "--function", "sinc", "--interval", "-2", "2", "--loss", "smooth_l1"],
            marks=pytest.mark.slow,
        ),
        pytest.param(["--data", "wine", "--folds", "4", "--fold", "1", "--batch-size", "16"], marks=pytest.mark.slow),
    ],
)
def test_flags_work(words, tmp_path, plain_curves, without_figures):
    hidden = [] if "--no-hidden" in words else ["--hidden", "8", "4"]
    data = words[:2] if "--data" in words else []  # the same data without the other flags
    assert run(["train", *TWO_EPOCHS, *hidden, *words, "--out", str(tmp_path / "run")]) == 0
    curves = [plain_curves(*data), (tmp_path / "run" / "metrics.csv").read_text()]
    if words == ["--gradients", "manual"]:  # the one flag that changes rounding only
        plain, manual = (pd.read_csv(io.StringIO(curve)).train_loss for curve in curves)
        np.testing.assert_allclose(manual, plain, rtol=1e-5)
        return
    assert curves[0] != curves[1]


@pytest.mark.slow  # two runs for each flag
@pytest.mark.parametrize(
    "words",
    [
        ["--momentum", "0", "--optimizer", "adam"],
        ["--momentum", "0.5"],
        ["--optimizer", "nesterov"],
        ["--schedule", "constant"],
        ["--warmup", "0.3"],
        ["--weight-decay", "0.1"],
        ["--l1", "0.01"],
        ["--l2", "0.01"],
        ["--dropout", "0"],
        ["--label-smoothing", "0.1"],
        ["--bias", "0.1"],
        ["--initializer", "zeros"],
        ["--activation", "tanh"],
        ["--seed", "1"],
        ["--split-seed", "1"],
        ["--batch-size", "64"],
    ],
)
def test_each_flag_changes_the_run(words, tmp_path):
    small = ["--epochs", "1", "--quiet", "--hidden", "6"]
    if "adam" in words:
        small += ["--optimizer", "adam"]
        words = words[:2]
    curves = []
    for name, more in (("plain", []), ("varied", words)):
        assert run(["train", *small, *more, "--out", str(tmp_path / name)]) == 0
        curves.append((tmp_path / name / "metrics.csv").read_text())
    assert curves[0] != curves[1]


def test_float64_is_a_process_of_its_own(tmp_path, small, fcnet_process):
    """It switches JAX to 64 bits for the whole process."""
    process = fcnet_process("train", *small, "--dtype", "float64", "--out", "run", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "float64)" in process.stdout
    digits = pd.read_csv(tmp_path / "run" / "metrics.csv", dtype=str).train_loss[0]
    assert len(digits) > 12
    again = fcnet_process("evaluate", "run", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_quiet_prints_only_the_table(tmp_path, capsys, small):
    assert run(["train", *small, "--quiet", "--out", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == ["part", "train", "validation", "test"]


def test_help_and_version(tmp_path, fcnet_process):
    text = fcnet_process("train", "--help", cwd=tmp_path).stdout
    for words in ("--hidden", "--learning-rate", "--gradients", "--resume", "Units of each hidden layer"):
        assert words in text
    assert fcnet_process("--version", cwd=tmp_path).stdout.strip() == fcnet.__version__


def test_evaluating_the_training_file_is_the_same_as_its_parts(tmp_path, without_figures):
    """Booleans, times, padded and quoted cells are read alike whenever the file is read."""
    rows = [
        f'{"true" if i % 2 else "false"},2020-01-01 10:{i % 4:02}, {i} ,"Rome, {i % 2}",{"a" if i % 2 else "b"}'
        for i in range(80)
    ]
    table = tmp_path / "kinds.csv"
    table.write_text("flag,time,count,place,label\n" + "\n".join(rows) + "\n")
    out = str(tmp_path / "run")
    assert run(["train", "--data", str(table), "--target", "label", "--epochs", "20", "--out", out, "--quiet"]) == 0
    dataset = fcnet.data.load(fcnet.DataSpec(str(table), target="label"))
    assert dataset.description.inputs == 2 + 4 + 1 + 2
    model = fcnet.load(out)
    again = labelled_rows(model, table)
    parts = np.concatenate([part.x for part in dataset.parts.values()])
    np.testing.assert_array_equal(np.sort(again.x.sum(axis=1)), np.sort(parts.sum(axis=1)))


def test_classes_keep_their_digits_and_predictions_theirs(tmp_path, without_figures):
    rows = [f"{i},{1000001 + i % 2},{1.6e9 + 100 * i:.0f}" for i in range(80)]
    table = tmp_path / "codes.csv"
    table.write_text("x,code,stamp\n" + "\n".join(rows) + "\n")
    for target, more in (("code", []), ("stamp", ["--drop", "code"])):
        words = ["--data", str(table), "--target", target, *more, "--activation", "tanh", "--epochs", "30", "--quiet"]
        assert run(["train", *words, "--out", str(tmp_path / target)]) == 0
        assert run(["predict", str(tmp_path / target), str(table), "--out", str(tmp_path / f"{target}.csv")]) == 0
    assert fcnet.load(tmp_path / "code").data.classes == ("1000001", "1000002")
    assert pd.read_csv(tmp_path / "stamp.csv").stamp.nunique() > 60


def test_a_full_disk_is_one_line_and_the_run_goes_on(tmp_path, capsys, monkeypatch, without_figures):
    folder = tmp_path / "run"
    words = ["train", "--data", "iris", "--hidden", "8", "--epochs", "3", "--patience", "0", "--out", str(folder)]
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
        assert run(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.endswith(f"0 are left; make room and go on with: fcnet train --resume {folder}\n")
    assert run(["train", "--resume", str(folder)]) == 0
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"


def test_reading_a_run_leaves_what_is_being_written_alone(trained, tmp_path):
    folder = Path(shutil.copytree(trained[0], tmp_path / "run"))
    unfinished = folder / "checkpoints" / "9.orbax-checkpoint-tmp"
    shutil.copytree(next(path for path in (folder / "checkpoints").iterdir() if path.is_dir()), unfinished)
    fcnet.load(folder)
    assert unfinished.is_dir()


def test_a_run_is_found_from_another_folder(table_run, tmp_path, monkeypatch, small):
    shutil.copy(table_run[1], tmp_path / "people.csv")
    monkeypatch.chdir(tmp_path)
    assert run(["train", "--data", "people.csv", "--target", "label", *small, "--out", "run", "--quiet"]) == 0
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert run(["evaluate", "../run"]) == 0


def test_user_text_is_no_markup(tmp_path, capsys, small):
    folder = tmp_path / "m[bold]x[/c]"
    assert run(["train", *small, "--out", str(folder)]) == 0
    assert "m[bold]x[/c]" in capsys.readouterr().out
