"""fcnet list, show and plot: all names, formulas and figures, and one line for what is unknown."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from fcnet import plots
from fcnet.activations import ACTIVATIONS
from fcnet.cli import app, run
from fcnet.components import KINDS, usage


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
