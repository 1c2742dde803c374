"""Every name of the catalogue trains from the command line, is listed and shown, and is completed by the shell."""

import json
import re
import shutil
import subprocess
from itertools import cycle, islice

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fcnet import plots
from fcnet.activations import ACTIVATIONS
from fcnet.augmentation import TRANSFORMS
from fcnet.cli import app, run
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


def printed(capsys, *words):
    assert run(list(words)) == 0
    return " ".join(capsys.readouterr().out.split())


def test_list_names_all(capsys):
    assert run(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[: len(KINDS)]] == list(KINDS)
    for line, entries in zip(lines, KINDS.values(), strict=False):
        assert line.split(maxsplit=1)[1] == ", ".join(entries)


@pytest.mark.parametrize("kind", KINDS)
def test_list_a_kind_gives_formulas(kind, capsys):
    assert run(["list", kind]) == 0
    out = capsys.readouterr().out
    names = [line.split()[0] for line in out.splitlines()[1:] if line and not line.startswith(" ")]
    assert names == list(KINDS[kind])
    text = "".join(out.split())
    for entry in KINDS[kind].values():
        # a long formula is folded beside the next column, its words still stand there
        assert all("".join(word.split()) in text for word in entry.formula.split()[:3])


@pytest.mark.parametrize("kind", ["initialisers", "regularisers", "optimisers"])
def test_american_spellings(kind, capsys):
    american = kind.replace("is", "iz")
    assert american != kind
    assert printed(capsys, "list", american) == printed(capsys, "list", kind)


@pytest.mark.parametrize("name", sorted({name for entries in KINDS.values() for name in entries}))
def test_show_tells_all(name, capsys):
    text = printed(capsys, "show", name)
    for kind, entries in KINDS.items():
        said = re.search(rf"(?:^| ){name} \(([a-z, ]*\b)?{kind}\b[a-z, ]*\) formula", text)
        assert bool(said) == (name in entries)
        if name not in entries:
            continue
        entry = entries[name]
        for line in ("formula", "PyTorch", *(["source"] if entry.source else []), "use"):
            assert f" {line} " in text
        assert "".join(entry.formula.split()) in "".join(text.split())
        assert (entry.torch or "has none") in text
        for option in entry.options:
            assert f"option {option}" in text
        assert f"use {usage(kind, entry)}" in text


@pytest.mark.parametrize(
    ("name", "kinds"), [("step", ["activations", "schedules"]), ("constant", ["initialisers", "schedules"])]
)
def test_a_name_of_two_kinds_is_shown_twice(name, kinds, capsys):
    text = printed(capsys, "show", name)
    assert [kind for kind in KINDS if f"{name} ({kind})" in text] == kinds


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("relu", ["not smooth", "z = 0", "torch.nn.ReLU", "[0, ∞)"]),
        ("gelu", ["nowhere", "derivative", "torch.nn.GELU"]),
        ("hardtanh", ["z = -1, z = 1", "greatest value (a number; 1.0 if not given)"]),
        ("hardtanh:low=-2", ["z = -1, z = 1"]),
        ("tukey", ["has none"]),
        ("maxout", ["maxout (activations, layers)", "where the largest pieces are equal"]),
        ("swish", ["silu (activations)"]),
        ("CrossEntropyLoss", ["cross_entropy (losses)"]),
        ("l2", ["adds λ w to the gradient", "where a text has λ Σ w², give 2 λ here"]),
        ("huber", ["delta"]),
    ],
)
def test_show_says_what_matters(name, words, capsys):
    text = printed(capsys, "show", name)
    for word in words:
        assert word in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_use_line_is_understood(kind):
    """Its flags parse, checks of the config included, and hold the component."""
    for entry in KINDS[kind].values():
        line = usage(kind, entry)
        words = ["0.5" if word == "NUMBER" else word for word in line.split()]
        assert words[:2] == ["fcnet", "train"]
        _, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
        assert bound.kwargs, line
        given = json.dumps([part.__dict__ for part in bound.kwargs.values()], default=str)
        assert words[-1].partition(":")[0] in given, line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "activation"], "unknown kind 'activation': did you mean activations"),
        (["list", "nonsense"], "unknown kind 'nonsense'"),
        (["show", "gleu"], "unknown component 'gleu': did you mean"),
        (["show", "qqqqqq"], "unknown component 'qqqqqq': fcnet list names all there are"),
        (["show", "hardtanh:lwo=1"], "unknown option of activation hardtanh 'lwo': did you mean low"),
        (["show", "relu:slope=1"], "activation relu has no options, got slope=1"),
        (["show", "leaky_rleu:slope=1"], "did you mean leaky_relu"),
        (["plot", "activations", "gleu"], "unknown activation 'gleu': did you mean"),
        (["plot", "activations", "relu:slope=1"], "activation relu has no options, got slope=1"),
        (["plot", "activations", "hardtanh:low=3"], "low must be below high, got 3.0 and 1.0"),
    ],
)
def test_unknown_names_are_one_line(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.startswith("fcnet: ")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_plot_draws_a_gallery_and_each(tmp_path, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "activation", lambda profile, *, formula, path: drawn.append((profile.name, path)))
    assert run(["plot", "activations", "--out", str(tmp_path / "figures")]) == 0
    assert f"{len(ACTIVATIONS)} activations drawn" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["gallery.png"]
    assert drawn == [(name, tmp_path / "figures" / f"{name}.png") for name in ACTIVATIONS]


def test_plot_draws_what_is_named_and_overwrites_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["plot", "activations", "relu", "leaky_relu:slope=0.2"]) == 0
    names = {path.name for path in (tmp_path / "activations").iterdir()}
    assert names == {"gallery.png", "relu.png", "leaky_relu-slope_0.2.png"}
    for path in (tmp_path / "activations").iterdir():
        with Image.open(path) as picture:
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    before = {path: path.read_bytes() for path in (tmp_path / "activations").iterdir()}
    capsys.readouterr()
    assert run(["plot", "activations", "tanh"]) == 2
    error = capsys.readouterr().err
    assert "activations holds gallery.png already: name another folder with --out" in error
    assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in (tmp_path / "activations").iterdir()} == before


def test_plot_of_one_has_no_gallery(tmp_path):
    assert run(["plot", "activations", "gelu", "--out", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["gelu.png"]


def test_plot_refuses_a_file(tmp_path, capsys):
    (tmp_path / "letter").write_text("mine")
    assert run(["plot", "activations", "relu", "--out", str(tmp_path / "letter")]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'letter'} is a file: name a folder with --out" in error
    assert error.count("\n") == 1
    assert (tmp_path / "letter").read_text() == "mine"


def completions(script, *words):
    """What bash would offer for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    # the program's own name stands for the function that the script registers for it
    program = f"""
source {script}
COMP_WORDS=({quoted}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
handler=$(complete -p fcnet | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$handler" fcnet "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    found = subprocess.run(
        [shutil.which("bash"), "--norc", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
    return {line.strip() for line in found.stdout.splitlines() if line.strip()}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to ask")
def test_bash_completes_every_name(tmp_path):
    script = tmp_path / "fcnet.bash"
    script.write_text(app.generate_completion(prog_name="fcnet", shell="bash"))
    assert "gelu" in completions(script, "fcnet", "train", "--activation", "ge")
    assert completions(script, "fcnet", "train", "--loss", "cross") == {"cross_entropy"}
    for flag, entries in (
        ("--activation", ACTIVATIONS),
        ("--norm", NORMS),
        ("--loss", LOSSES),
        ("--optimizer", OPTIMIZERS),
        ("--schedule", SCHEDULES),
        ("--initializer", INITIALIZERS),
        ("--dropout-kind", DROPOUTS),
        ("--augment", TRANSFORMS),
        ("--data", KINDS["data"]),
    ):
        assert set(entries) <= completions(script, "fcnet", "train", flag, ""), flag
    assert set(KINDS) <= completions(script, "fcnet", "list", "")
    assert {"gelu", "gelu_tanh"} <= completions(script, "fcnet", "show", "ge")
    every = {name for entries in KINDS.values() for name in entries}
    assert every <= completions(script, "fcnet", "show", "")
    assert set(ACTIVATIONS) <= completions(script, "fcnet", "plot", "activations", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shells_script_holds_every_name(shell):
    script = app.generate_completion(prog_name="fcnet", shell=shell)
    words = set(re.findall(r"[A-Za-z0-9_]+", script))
    assert {name for entries in KINDS.values() for name in entries} <= words
