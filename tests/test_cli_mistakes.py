"""Every mistake ends in one line on stderr and exit code 2; nothing is overwritten or lost."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import fcnet
from fcnet.cli import run

ONE_LINE_MISTAKES = [
    (["train", "--activation", "rleu"], "unknown activation 'rleu': did you mean relu"),
    (["train", "--loss", "crossentropy"], "did you mean cross_entropy"),
    (["train", "--initializer", "he"], "unknown initialiser 'he'"),
    (["train", "--optimizer", "sdg"], "unknown optimiser 'sdg'"),
    (["train", "--schedule", "cos"], "unknown schedule 'cos'"),
    (["train", "--dtype", "float16"], "unknown dtype"),
    (["train", "--data", "digist"], "unknown data 'digist': did you mean digits"),
    (["train", "--gradients", "magic"], 'Choose from: "autodiff", "manual"'),
    (["train", "--learnig-rate", "1"], "Did you mean --learning-rate"),
    (["train", "--hidden", "0"], "hidden layer 1 must have at least 1 unit, got 0"),
    (["train", "--hidden", "ten"], "--hidden"),
    (["train", "--batch-size", "0"], "--batch-size must be at least 1, got 0"),
    (["train", "--batch-size", "5000"], "batch size 5000 is larger than the 1168 training rows of digits"),
    (["train", "--epochs", "2.5"], "--epochs takes whole numbers, got 2.5"),
    (["train", "--batch-size=0.5"], "--batch-size takes whole numbers, got 0.5"),
    (["train", "--hidden", "64", "32.5"], "--hidden takes whole numbers, got 32.5"),
    (["train", "--epochs", "two.5"], "--epochs takes whole numbers, got two.5"),
    (
        ["sweep", "--data", "iris", "--seeds", "2", "--validation", "0", "--test", "0", "--quiet"],
        "iris has no validation and no test rows, which rank members: add --validation or --test",
    ),
    (["sweep", "--seeds", "2.5"], "--seeds takes whole numbers, got 2.5"),
    (["sweep", "show", "run", "--top", "1.5"], "--top takes whole numbers, got 1.5"),
    (["train", "--epochs", "-3"], "--epochs must be at least 1, got -3"),
    (["train", "--patience", "-1"], "--patience must be 0"),
    (["train", "--dropout", "1"], "--dropout must be in [0, 1), got 1.0"),
    (["train", "--momentum", "1.5"], "--momentum must be in [0, 1)"),
    (["train", "--label-smoothing", "-0.1"], "--label-smoothing must be in [0, 1)"),
    (["train", "--learning-rate", "0"], "--learning-rate must be a number > 0, got 0.0"),
    (["train", "--learning-rate", "nan"], "--learning-rate must be a number > 0, got nan"),
    (["train", "--weight-decay", "-1"], "--weight-decay must be a number ≥ 0"),
    (["train", "--l1", "inf"], "--l1 must be a number ≥ 0"),
    (["train", "--activation", "relu", "tanh", "gelu"], "activation names 3 layers, but there are 2 hidden ones"),
    (
        ["train", "--activation", "leaky_relu:slop=1"],
        "unknown option of activation leaky_relu 'slop': did you mean slope",
    ),
    (["train", "--output-activation", "sofmax"], "unknown activation 'sofmax': did you mean softmax"),
    (["train", "--norm", "grop"], "unknown norm 'grop': did you mean group"),
    (["train", "--norm", "batch", "layer", "group"], "norm names 3 layers, but there are 2 hidden ones"),
    (["train", "--norm", "group:groups=3"], "norm group of 256 units in 3 groups: the groups must divide the units"),
    (["train", "--norm-position", "middle"], 'Choose from: "before", "after"'),
    (["train", "--norm", "batch", "--batch-size", "1"], "norm batch needs 2 rows a step"),
    (["train", "--norm", "batch", "--batch-size", "389"], "1168 rows in batches of 389 leave a last one of 1"),
    (["train", "--dropout", "0.1", "0.2", "0.3"], "--dropout names 3 rates for 2 hidden layers"),
    (["train", "--dropout-kind", "clasic"], "unknown kind of dropout 'clasic': did you mean classic"),
    (["train", "--hidden-noise", "nan"], "--hidden-noise must be a number ≥ 0, got nan"),
    (["train", "--input-noise", "-1"], "--input-noise must be a number ≥ 0, got -1.0"),
    (["train", "--initializer", "constant:value=inf"], "initialiser constant: value must be a number, got inf"),
    (["train", "--data", "line", "--loss", "huber:delta=0"], "loss huber: delta must be a number > 0, got 0"),
    (["train", "--loss", "nll", "--output-activation", "relu"], "output activation log_softmax, got relu"),
    (["train", "--output-activation", "softmax"], "cross_entropy takes logits and squashes them itself"),
    (["train", "--activation", "hardtanh:low=0,low=1"], "activation hardtanh:low=0,low=1: low is given twice"),
    (["train", "--reduction", "none"], 'Choose from: "mean", "sum", "batchmean"'),
    (["train", "--class-weights", "1", "2"], "class weights must be 10 numbers, one for each class, got 2"),
    (
        ["train", "--class-weights", "1", "two"],
        "--class-weights must be one number a class or the word balanced, got 1 two",
    ),
    (["train", "--class-weights", "-1", *"111111111"], "class weights must be finite and ≥ 0, got -1 for class 0"),
    (["train", "--class-weights", *"0000000000"], "class weights must not all be 0"),
    (["train", "--class-weights", "balanced", "--loss", "soft_margin"], "class weights go with binary_cross_entropy"),
    (["train", "--data", "diabetes", "--class-weights", "balanced"], "--class-weights are for classes, diabetes has"),
    (["train", "--data", "iris", "--ignore-class", "setos"], "unknown class of iris 'setos': did you mean setosa"),
    (["train", "--data", "diabetes", "--ignore-class", "1"], "--ignore-class is for classes, diabetes has numbers"),
    (
        ["train", "--label-smoothing", "0.1", "--loss", "multi_margin"],
        "needs a loss of soft targets such as cross_entropy",
    ),
    (["train", "--elastic-net", "0.1", "0.5", "--l1", "0.1"], "--elastic-net sets both penalties: leave out --l1 and"),
    (["train", "--elastic-net", "0.1", "2"], "the ratio of an elastic net must be in [0, 1], got 2.0"),
    (["train", "--elastic-net", "-1", "0.5"], "the strength of an elastic net must be a number ≥ 0, got -1.0"),
    (["train", "--elastic-net", "inf", "0.5"], "the strength of an elastic net must be a number ≥ 0, got inf"),
    (["train", "--max-norm", "-1"], "--max-norm must be a number ≥ 0, got -1.0"),
    (["train", "--clip-norm", "inf"], "--clip-norm must be a number ≥ 0, got inf"),
    (["train", "--clip-value", "-1"], "--clip-value must be a number ≥ 0, got -1.0"),
    (
        ["train", "--optimizer", "gd", "--batch-size", "32"],
        "--optimizer gd takes all 1168 rows: leave out --batch-size",
    ),
    (["train", "--optimizer", "adagrad", "--momentum", "0.9"], "--momentum 0.9: adagrad has none, leave it out"),
    (["train", "--optimizer", "adam:b2=1"], "optimiser adam: b2 must be a number in (0, 1), got 1"),
    (["train", "--optimizer", "weight_decay_sgd", "--decay", "decoupled"], "must be coupled, got decoupled"),
    (["train", "--schedule", "step:every=2"], "schedule step: every must be a number in (0, 1], got 2"),
    (["train", "--warmup", "1"], "warmup must be a fraction of the steps in [0, 1), got 1.0"),
    (["train", "--augment", "shfit"], "unknown augmentation 'shfit': did you mean shift"),
    (["train", "--augment", "hue"], "augmentation hue needs images of 3 colours, these have 1 channel"),
    (["train", "--data", "iris", "--augment", "shift"], "--augment is for images, iris has none"),
    (["train", "--augment", "shift", "shift"], "augmentation names shift twice: give it once"),
    (["train", "--augment", "shift:pixels=8"], "pixels must be below 8, the picture's smaller side, got 8"),
    (["train", "--augment", "rotation:degrees=90"], "leave it out, or add --force-augmentation"),
    (["train", "--seed", "-1"], "--seed must be in"),
    (["train", "--split-seed", "-1"], "--split-seed must be in"),
    (["train", "--hidden", "1000000", "1000000"], "parameters: at most 2³¹"),
    (["train", "--loss", "mse"], "loss mse is for regression, but digits has classes"),
    (["train", "--data", "diabetes", "--label-smoothing", "0.1"], "--label-smoothing 0.1 is for classes"),
    (["train", "--validation", "0.6", "--test", "0.6"], "leave no row to train"),
    (["train", "--data", "mnist", "--data-dir", "nowhere"], "mnist is not here yet: looked in nowhere/mnist"),
    (["train", "--data", "digits.csv"], "digits.csv does not exist"),
    (["train", "--resume", "nowhere"], "nowhere is not there: give the folder of a run"),
    (["train", "--resume", "nowhere", "--epochs", "60"], "--resume goes on as the run was begun: leave out --epochs"),
    (["train", "--out", "/dev/null/run"], "cannot make the folder /dev/null/run"),
    (["evaluate", "nowhere"], "nowhere is not there"),
    (["predict", "nowhere", "x.csv"], "nowhere is not there"),
    (["predict", "nowhere", "x.csv", "--out", "p.txt"], "must end in .csv or .parquet"),
    (["prepare", "digitz"], "unknown set 'digitz'"),
    (["trian"], 'Unknown command "trian". Did you mean "train"?'),
]


@pytest.mark.parametrize(("words", "message"), ONE_LINE_MISTAKES, ids=lambda value: " ".join(value)[:40])
def test_a_mistake_is_one_line_and_exit_code_2(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.startswith("fcnet: ")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_a_process_leaves_no_traceback(tmp_path, fcnet_process):
    process = fcnet_process("train", "--activation", "rleu", cwd=tmp_path)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("fcnet: unknown activation 'rleu'")


def test_a_folder_that_holds_something_is_never_written_into(trained, tmp_path, capsys, small):
    before = {path: path.read_bytes() for path in trained[0].rglob("*") if path.is_file()}
    assert run(["train", *small, "--out", str(trained[0])]) == 2
    assert "holds another run: go on with --resume" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in trained[0].rglob("*") if path.is_file()} == before
    (tmp_path / "letter.txt").write_text("mine")
    assert run(["train", *small, "--out", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err


def mistaken_files(folder, table):
    lines = table.read_text().splitlines()
    (folder / "short.csv").write_text("age,income\n1,2\n")
    (folder / "text.csv").write_text(lines[0] + "\nold,Rome,1,yes\n")
    (folder / "infinite.csv").write_text(lines[0] + "\n1,Rome,inf,yes\n")
    (folder / "class.csv").write_text(lines[0] + "\n1,Rome,2,perhaps\n")
    (folder / "empty.csv").write_text("")
    (folder / "huge.csv").write_text(lines[0] + "\n1,Rome,1e300,yes\n")
    parquet.write_table(pa.table({"age": [1], "city": [2], "income": [3.0]}), folder / "numbers.parquet")
    np.save(folder / "wide.npy", np.zeros((2, 3)))
    np.save(folder / "narrow.npy", np.zeros((2, 4)))
    np.save(folder / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("command", "file", "message"),
    [
        ("predict", "short.csv", "short.csv has no column 'city', which the network needs"),
        ("predict", "text.csv", "column 'age' is not numeric, as it was in training"),
        ("predict", "infinite.csv", "row 1, column 'income' is infinite"),
        ("predict", "empty.csv", "empty.csv is empty"),
        ("predict", "narrow.npy", "expected rows of 3 numbers, got an array of shape (2, 4)"),
        ("predict", "objects.npy", "is not a NumPy file of numbers"),
        ("predict", "gone.csv", "gone.csv is not a file"),
        ("evaluate", "class.csv", "row 1: 'perhaps' is not a class of the run (no, yes)"),
        ("evaluate", "narrow.npy", "expected a table"),
        ("predict", "huge.csv", "row 1, column 'income' is too large to be standardised"),
        ("predict", "numbers.parquet", "column 'city' is not text, as it was in training"),
        ("predict", "wide.npy", "a table is needed, because column 'city' is text"),
    ],
)
def test_files_that_do_not_fit(command, file, message, table_run, tmp_path, capsys, monkeypatch):
    folder, table = table_run
    monkeypatch.chdir(tmp_path)
    mistaken_files(tmp_path, table)
    assert run([command, str(folder), file]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("*-predictions.csv"))


def test_predictions_overwrite_nothing(table_run, tmp_path, capsys):
    out = tmp_path / "p.csv"
    out.write_text("precious")
    assert run(["predict", str(table_run[0]), str(table_run[1]), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "precious"


def test_divergence_keeps_the_last_good_checkpoint(tmp_path, capsys):
    folder = tmp_path / "run"
    words = ["--data", "diabetes", "--hidden", "8", "8", "--learning-rate", "3", "--out", str(folder), "--quiet"]
    assert run(["train", *words]) == 2
    error = capsys.readouterr().err
    assert "the loss became NaN or infinite in epoch" in error
    assert "step" in error
    assert json.loads((folder / "run.json").read_text())["status"] == "diverged"
    assert all(np.isfinite(leaf).all() for layer in fcnet.load(folder).params.values() for leaf in layer.values())


def test_a_run_whose_files_were_changed(trained, tmp_path, capsys):
    folder = Path(shutil.copytree(trained[0], tmp_path / "copy"))
    record = json.loads((folder / "run.json").read_text())
    record["config"]["loop"]["seed"] = 7
    (folder / "run.json").write_text(json.dumps(record))
    assert run(["evaluate", str(folder)]) == 2
    assert "was changed since the run began" in capsys.readouterr().err
    del record["config"]["loop"]["seed"]
    record["config"]["loop"]["sed"] = 7
    (folder / "run.json").write_text(json.dumps(record))
    assert run(["evaluate", str(folder)]) == 2
    assert "is not a run of this version of fcnet" in capsys.readouterr().err
    (folder / "run.json").write_text("{torn")
    assert run(["evaluate", str(folder)]) == 2
    assert "run.json is damaged: it is not JSON" in capsys.readouterr().err
    (folder / "run.json").unlink()
    assert run(["evaluate", str(folder)]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err


def test_data_that_changed_since(table_run, tmp_path, capsys, small):
    table = tmp_path / "people.csv"
    shutil.copy(table_run[1], table)
    folder = tmp_path / "run"
    assert run(["train", "--data", str(table), "--target", "label", *small, "--out", str(folder), "--quiet"]) == 0
    table.write_text(table.read_text().replace("1007", "1008"))
    capsys.readouterr()
    assert run(["evaluate", str(folder)]) == 2
    assert "people is no longer the data that" in capsys.readouterr().err


def test_a_run_that_ends_in_infinity_says_so(tmp_path, capsys):
    """The last step's update overflows and no loss comes after it."""
    words = ["--data", "line", "--epochs", "1", "--batch-size", "400", "--validation", "0", "--learning-rate", "1e30"]
    assert run(["train", *words, "--out", str(tmp_path / "run"), "--quiet"]) == 2
    assert "the loss is not finite after epoch 1: try a smaller --learning-rate" in capsys.readouterr().err
    assert run(["train", "--resume", str(tmp_path / "run")]) == 2
    assert "diverged: start a new run with a smaller --learning-rate" in capsys.readouterr().err


def test_edited_and_incomplete_run_files(trained, tmp_path, capsys):
    folder = Path(shutil.copytree(trained[0], tmp_path / "run"))
    record = json.loads((folder / "run.json").read_text())
    np.save(tmp_path / "x.npy", np.zeros((1, 64)))

    def predict_with(changed):
        (folder / "run.json").write_text(json.dumps(changed))
        assert run(["predict", str(folder), str(tmp_path / "x.npy"), "--out", str(tmp_path / "p.csv")]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    edited = json.loads(json.dumps(record))
    edited["config"]["network"]["activation"] = "tanh"
    assert "was changed since the run began" in predict_with(edited)
    for name in ("data", "identity"):
        assert f"it has no {name}" in predict_with({key: value for key, value in record.items() if key != name})
    assert "is not a run of this version" in predict_with(record | {"data": record["data"] | {"colour": 1}})
