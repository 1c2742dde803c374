"""A file of someone's own code: what is missing is said in one line, what is there is examined and shown."""

import json
from types import ModuleType
from typing import get_args

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

from fcnet.cli import run
from fcnet.commands import gradcheck as command
from fcnet.commands.gradcheck import cause_table
from fcnet.console import Reporter
from fcnet.errors import InputError
from fcnet.gradcheck import files
from fcnet.gradcheck.record import Claims, Verdict
from fcnet.gradcheck.sandbox.outcome import decode

NETWORK = """
import numpy as np

def example(random):
    params = {"W": random.normal(size=(4, 3)), "b[bold]": random.normal(size=3)}
    return params, random.normal(size=(6, 4)), random.normal(size=(6, 3))

def loss_and_grads(params, x, y):
    a = np.tanh(x @ params["W"] + params["b[bold]"])
    delta = (a - y) * (1 - a**2) / len(x)
    return 0.5 * ((a - y) ** 2).sum() / len(x), {"W": x.T @ delta, "b[bold]": delta.sum(axis=0)}
"""
LAYERS = """
def relu(z):
    return np.maximum(z, 0), z

def relu_backward(upstream, z):
    return upstream * (z > 0)

LAYERS = {"relu": (relu, relu_backward, (np.random.default_rng(0).normal(size=(4, 3)),))}
"""


def module(text):
    made = ModuleType("made")
    exec(text, made.__dict__)
    return made


OPTIONS = {"seconds": 20.0, "errors": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"has neither loss_and_grads\(params, x, y\) nor LAYERS: add loss_and_grads"),
        ("def loss_and_gradients(params, x, y): pass", "rename loss_and_gradients to loss_and_grads, or add"),
        ("loss_and_grads = 3\ndef example(): pass", "loss_and_grads is a int, it must be a function"),
        (
            "def loss_and_grads(): pass",
            r"has no example\(\): add .* or params and x and y",
        ),
        ("x = params = 1\ndef loss_and_grads(): pass\ndef exmaple(): pass", "rename exmaple to example, or .* or y as"),
        ("def loss_and_grads(): pass\nexample = 1", "example is a int"),
        ("def loss_and_grads(): pass\ndef example(a, b): pass", "example takes 2 arguments"),
        ("def loss_and_grads(): pass\ndef example(): return 1", "example must return .* it returned a int"),
        ("def loss_and_grads(): pass\ndef example(): return (1,)", "it returned a tuple of 1"),
        (NETWORK + "CLAIMS = []", "CLAIMS is a list, it must be a dictionary"),
        (NETWORK + "CLAIMS = {'activations': 'tanh'}", "unknown claim 'activations': did you mean activation"),
        (NETWORK + "CLAIMS = {'activation': ['tanh', 'reluu']}", "unknown activation 'reluu': did you mean relu"),
        (NETWORK + "CLAIMS = {'loss': 'cross_entropi'}", "unknown loss 'cross_entropi'"),
        ("LAYERS = 3", "LAYERS is a int"),
        ("LAYERS = {'relu': 3}", r"LAYERS\['relu'\] must be \(forward, backward, inputs\)"),
        ("LAYERS = {'relu': (1, 2, 3)}", "the first two must be functions"),
        ("LAYERS = {1: (print, print, 3)}", "its name a string"),
    ],
)
def test_what_is_missing_or_misnamed_is_said(text, message):
    made = module(text)
    with pytest.raises(InputError, match=message) as raised:
        [files.perform(made, task, OPTIONS) for task in files.plan(made, OPTIONS)]
    assert "\n" not in str(raised.value)


def test_what_there_is_to_examine():
    assert files.plan(module(NETWORK), OPTIONS) == ["loss_and_grads"]
    assert files.plan(module(NETWORK + LAYERS), OPTIONS) == ["loss_and_grads", "layer relu"]
    assert files.plan(module("import numpy as np" + LAYERS), OPTIONS) == ["layer relu"]


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("", Claims()),
        ("CLAIMS = {'activation': 'tanh', 'loss': 'mse', 'l2': 0.1}", Claims(activation="tanh", loss="mse", l2=0.1)),
        ("CLAIMS = {'activation': ['tanh', 'relu']}", Claims(activation=("tanh", "relu"))),
    ],
)
def test_claims(text, claims):
    assert files.claims_of(module(text)) == claims


def test_an_example_is_the_same_each_time_and_may_be_names():
    first, second = (files.example_of(module(NETWORK)) for _ in range(2))
    np.testing.assert_array_equal(first[1], second[1])
    assert files.example_of(module("params, x, y = 1, 2, 3")) == (1, 2, 3)
    assert files.example_of(module("def example(): return [1, 2, 3, 4]")) == (1, 2, 3, 4)


def test_the_report_is_plain_and_the_errors_come_with_it():
    found = files.perform(module(NETWORK), "loss_and_grads", OPTIONS)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["report"]["right"]
    errors = {name: decode(value) for name, value in found["errors"].items()}
    assert {name: error.shape for name, error in errors.items()} == {"W": (4, 3), "b[bold]": (3,)}
    assert max(np.abs(error).max() for error in errors.values()) < 1e-6
    assert files.perform(module(NETWORK), "loss_and_grads", OPTIONS | {"errors": False})["errors"] == {}


@pytest.fixture
def shown(tmp_path, capsys):
    """What the command prints of a file, its exit code, and what goes to stderr."""

    def call(text, *flags):
        file = tmp_path / "mine.py"
        file.write_text(text)
        code = run(["gradcheck", str(file), *map(str, flags)])
        captured = capsys.readouterr()
        return captured.out, code, captured.err

    return call


def test_a_right_file(shown, tmp_path):
    printed, code, _ = shown("print('[red]hello')" + NETWORK + LAYERS)
    assert code == 0
    assert "✓ loss_and_grads" in printed
    assert "✓ relu" in printed
    # what the author wrote is shown as written
    assert "b[bold]" in printed
    assert "[red]hello" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_wrong_gradients_come_first_with_their_cause(shown, tmp_path, monkeypatch):
    figures = []
    original = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda self, *a, **k: (figures.append(self), original(self, *a, **k))
    )
    text = (NETWORK + LAYERS).replace("delta.sum(axis=0)", "delta.mean(axis=0)")
    assert "delta.mean" in text
    picture = tmp_path / "errors.png"
    printed, code, _ = shown(text.replace("upstream * (z > 0)", "upstream"), "--figure", picture)
    assert code == 1
    lines = printed.splitlines()
    assert lines[0].startswith("✗ loss_and_grads")
    rows = [line for line in lines if " × " in line or line.strip().startswith("b[bold]")]
    assert rows[0].strip().startswith("b[bold]")
    assert "wrong" in rows[0]
    assert "the bias gradient is a mean instead of a sum" in printed
    assert "f′ is missing, in relu" in printed
    with Image.open(picture) as image:
        assert min(image.size) >= 300
    titles = [panel.get_title(loc="left") for panel in figures[0].axes if panel.get_title(loc="left")]
    assert sorted(titles) == ["loss_and_grads: W: right", "loss_and_grads: b[bold]: wrong", "relu: z: wrong"]


def test_json(shown):
    text = NETWORK.replace("delta.sum(axis=0)", "delta.mean(axis=0)")
    printed, code, _ = shown(text, "--json")
    found = json.loads(printed)
    assert code == 1
    assert list(found) == ["file", "right", "printed", "examinations"]
    (examination,) = found["examinations"]
    assert list(examination) == ["name", "outcome", "message", "report"]
    assert (found["right"], examination["outcome"], examination["message"]) == (False, "finished", "")
    assert {t["name"]: t["verdict"] for t in examination["report"]["tensors"]} == {"W": "right", "b[bold]": "wrong"}


def test_a_part_that_cannot_be_examined_does_not_hide_the_rest(shown):
    text = (NETWORK + LAYERS).replace("return np.maximum(z, 0), z", "raise NotImplementedError")
    printed, code, error = shown(text)
    assert code == 2
    assert "✓ loss_and_grads" in printed
    assert "✗ relu: not done yet" in printed
    assert error.endswith("mine.py: relu: not done yet\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", "is not Python"),
        ("def loss_and_gradients(): pass", "rename loss_and_gradients to loss_and_grads"),
    ],
)
def test_a_file_that_cannot_be_used(text, message, shown):
    printed, code, error = shown(text)
    assert (printed, code) == ("", 2)
    assert message in error
    assert error.count("\n") == 1


def test_a_figure_overwrites_nothing(shown, tmp_path):
    (tmp_path / "precious.png").write_text("precious")
    assert "is there already" in shown(NETWORK, "--figure", tmp_path / "precious.png")[2]
    assert "must end in .png" in shown(NETWORK, "--figure", tmp_path / "errors.pdf")[2]
    assert (tmp_path / "precious.png").read_text() == "precious"


def test_tensors_that_no_mistake_explains_are_named(capsys):
    tensor = {"name": "W[x]", "verdict": "wrong"}
    found = {"causes": [], "tensors": [tensor, tensor | {"name": "b", "verdict": "right"}]}
    Reporter().console.print(cause_table(found))
    told = capsys.readouterr().out
    assert "W[x] no known mistake fits" in told
    assert "b no" not in told


def test_every_verdict_has_a_style():
    assert set(command.VERDICTS) == set(get_args(Verdict))
