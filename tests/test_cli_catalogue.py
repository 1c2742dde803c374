"""Every name of the catalogue trains from the command line."""

import json
from itertools import cycle, islice

import numpy as np
import pandas as pd
import pytest

from fcnet.activations import ACTIVATIONS
from fcnet.augmentation import TRANSFORMS
from fcnet.cli import run
from fcnet.components import KINDS, usage
from fcnet.contracts import CLASSIFICATION, REGRESSION
from fcnet.initializers import INITIALIZERS
from fcnet.layers import DROPOUTS, NORMS
from fcnet.losses import LOSSES
from fcnet.optimizers import OPTIMIZERS, SCHEDULES

# One hidden layer, equal steps and nothing held back: the fewest programs to compile.
TINY = ["--hidden", "12", "--epochs", "2", "--patience", "0", "--learning-rate", "0.01", "--quiet"]
TINY += ["--samples", "90", "--validation", "0", "--test", "0"]
SETS = {CLASSIFICATION: cycle(["iris", "xor", "moons", "spirals"]), REGRESSION: cycle(["diabetes"])}
BATCHES = {"iris": "50", "diabetes": "221"}
# What keeps weights small or adds noise has a flag of its own.
PENALTIES = [
    ["--l1", "0.01"],
    ["--l2", "0.01"],
    ["--elastic-net", "0.01", "0.5"],
    ["--weight-decay", "0.01"],
    ["--max-norm", "1"],
    ["--input-noise", "0.1"],
    ["--hidden-noise", "0.1"],
    ["--clip-norm", "1"],
    ["--clip-value", "0.1"],
]


def rows():
    """As many runs as the longest list has names; shorter ones start again. Every other name is with its options."""
    flags = {
        "--activation": ACTIVATIONS,
        "--loss": LOSSES,
        "--norm": NORMS,
        "--dropout-kind": DROPOUTS,
        "--optimizer": OPTIMIZERS,
        "--schedule": SCHEDULES,
        "--initializer": INITIALIZERS,
    }
    count = max(map(len, flags.values()))
    columns = [[(flag, entry) for entry in islice(cycle(entries.values()), count)] for flag, entries in flags.items()]
    for number, row in enumerate(zip(*columns, strict=True)):
        words = [word for flag, entry in row for word in (flag, entry.written if number % 2 else entry.name)]
        loss = next(entry for flag, entry in row if flag == "--loss")
        data = "counts" if loss.targets == "counts" else next(SETS[loss.task])
        full = any(entry.name == "gd" for _, entry in row)
        size = [] if full else ["--batch-size", BATCHES.get(data, "30")]
        yield [*words, "--data", data, "--dropout", "0.2", *size, *PENALTIES[number % len(PENALTIES)]]


ROWS = list(rows())


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """Flags for a table with a number of events to predict."""
    random = np.random.default_rng(20261120)
    path = tmp_path_factory.mktemp("counts") / "counts.csv"
    x = random.uniform(0, 1, 90)
    lines = [f"{value:.4f},{count}" for value, count in zip(x, random.poisson(np.exp(2 * x)), strict=True)]
    path.write_text("x,events\n" + "\n".join(lines) + "\n")
    return ["--data", str(path), "--target", "events", "--task", "regression"]


def trained_well(folder, epochs=2):
    """The record of a finished run whose gradients agree and whose losses are numbers."""
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["gradient_check"]["agrees"] is True, record["gradient_check"]
    losses = pd.read_csv(folder / "metrics.csv").train_loss
    assert len(losses) == epochs
    assert np.isfinite(losses).all()
    return record


# every sixth row in the quick suite
@pytest.mark.parametrize(
    "words",
    [pytest.param(words, marks=pytest.mark.slow if number % 6 else ()) for number, words in enumerate(ROWS)],
    ids=["-".join(words[1:14:2])[:90] for words in ROWS],
)
def test_every_name_trains(words, counts, tmp_path, capsys, without_figures):
    flags = dict(zip(words[::2], words[1::2], strict=False))
    place = words.index("--data")
    table = counts if flags["--data"] == "counts" else words[place : place + 2]
    out = tmp_path / "run"
    code = run(["train", *TINY, *words[:place], *table, *words[place + 2 :], "--out", str(out)])
    assert code == 0, capsys.readouterr().err
    config = trained_well(out)["config"]
    assert config["network"]["activation"] == [flags["--activation"]]
    assert config["network"]["norm"] == [flags["--norm"]]
    assert config["network"]["dropout_kind"] == flags["--dropout-kind"]
    assert config["network"]["initializer"] == flags["--initializer"]
    assert config["objective"]["loss"] == flags["--loss"]
    assert config["optimizer"]["optimizer"] == flags["--optimizer"]
    assert config["optimizer"]["schedule"] == flags["--schedule"]


@pytest.mark.parametrize(
    "words",
    [
        ["--data", "line", "--norm", "batch"],  # one input: batch norm takes its weight out again
        ["--data", "iris", "--norm", "group:groups=2", "--hidden", "4"],  # two units under a norm are always ±1
    ],
    ids=["one input", "groups of two"],
)
def test_gradients_that_cancel_are_no_false_alarm(words, tmp_path, capsys, without_figures):
    """A gradient that is 0 but for rounding has no relative error to judge."""
    assert run(["train", *TINY, *words, "--out", str(tmp_path / "run")]) == 0, capsys.readouterr().err
    trained_well(tmp_path / "run")
    assert "DISAGREE" not in capsys.readouterr().out


def test_the_runs_above_hold_every_name():
    """So that a name that is added later is trained, too."""
    tried = {word.partition(":")[0] for words in ROWS for word in words}
    for entries in (ACTIVATIONS, LOSSES, NORMS, DROPOUTS, OPTIMIZERS, SCHEDULES, INITIALIZERS):
        assert set(entries) <= tried
    for kind in ("regularisers", "layers"):
        flags = {usage(kind, entry).split()[2] for entry in KINDS[kind].values()}
        assert flags <= tried | set(TINY)


GREY = [name for name, transform in TRANSFORMS.items() if not transform.needs_colour]


# one that moves pixels, one that changes them and one that is refused at first in the quick suite
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("shift", "noise", "horizontal_flip") else pytest.mark.slow)
        for name in GREY
    ],
)
def test_every_augmentation_trains(name, tmp_path, capsys, without_figures):
    words = ["--data", "digits", "--hidden", "4", "--epochs", "1", "--batch-size", "584", "--patience", "0", "--quiet"]
    words += ["--augment", TRANSFORMS[name].written, "--validation", "0", "--test", "0.35"]
    if name.endswith("flip"):
        assert run(["train", *words, "--out", str(tmp_path / "refused")]) == 2
        error = capsys.readouterr().err
        assert (
            f"augmentation {TRANSFORMS[name].written} changes labels of digits (a mirrored 2 looks like a 5)" in error
        )
        assert "leave it out, or add --force-augmentation" in error
        words.append("--force-augmentation")
    assert run(["train", *words, "--out", str(tmp_path / "run")]) == 0, capsys.readouterr().err
    assert trained_well(tmp_path / "run", epochs=1)["config"]["augmentation"]["augment"] == [TRANSFORMS[name].written]
