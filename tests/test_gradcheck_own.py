"""fcnet examines its own backpropagation: the table is right, and it would notice."""

import json

import jax
import pytest

from fcnet.activations import ACTIVATIONS
from fcnet.cli import run
from fcnet.gradcheck import own
from fcnet.layers import DROPOUTS, NORMS
from fcnet.losses import LOSSES

EXAMINED = own.components()
# one of each kind
SOME = list({component.kind: component for component in EXAMINED}.values())


def test_the_whole_catalogue_is_in_it():
    names = {(component.kind, component.name) for component in EXAMINED}
    for kind, table in {"activation": ACTIVATIONS, "loss": LOSSES, "norm": NORMS, "dropout": DROPOUTS}.items():
        assert {(kind, name) for name in table} <= names
    assert len(names) == len(EXAMINED)


@pytest.mark.parametrize("component", SOME, ids=lambda component: component.kind)
def test_agrees_with_both_oracles(component):
    found = own.examine(component)
    assert found.right, found
    # networks of 100 parameters and more, nearly all of them away from kinks
    assert found.entries >= 100


@pytest.mark.slow
@pytest.mark.parametrize("component", EXAMINED, ids=lambda component: f"{component.kind}-{component.name}")
def test_every_component(component):
    assert own.examine(component).right


def test_would_notice(monkeypatch):
    right = own.by_hand

    def without_biases(spec, hparams, point):
        found = right(spec, hparams, point)
        grads = {
            name: {key: 0 * value if key == "bias" else value for key, value in layer.items()}
            for name, layer in found.grads.items()
        }
        return found._replace(grads=grads)

    monkeypatch.setattr(own, "by_hand", without_biases)
    found = own.examine(SOME[0])
    assert not found.right
    assert found.autodiff == pytest.approx(1)
    assert found.differences == pytest.approx(1)


@pytest.mark.slow
def test_the_table_of_the_command(capsys):
    assert run(["gradcheck", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["right"]
    assert len(told["components"]) == len(EXAMINED)


def test_the_network_of_a_train_command(capsys, tmp_path):
    words = ["gradcheck", "--data", "wine", "--hidden", "4", "--norm", "batch", "--learning-rate", "0.1"]
    assert run([*words, "--json", "--figure", str(tmp_path / "errors.png")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["autodiff"]["agrees"]
    names = [tensor["name"] for tensor in told["report"]["tensors"]]
    assert sorted(names) == ["layer_1/kernel", "layer_1/scale", "layer_1/shift", "layer_2/bias", "layer_2/kernel"]
    assert {tensor["verdict"] for tensor in told["report"]["tensors"]} == {"right"}
    assert (tmp_path / "errors.png").stat().st_size > 10_000
    assert run([*words, "--figure", str(tmp_path / "errors.png")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert not jax.config.jax_enable_x64


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mine.py", "--hidden", "3"], "mine.py brings its own network and data"),
        (["--figure", "errors.png"], "--figure draws one network's errors"),
        (["--data", "digits", "--figure", "errors.jpg"], "must end in .png"),
        (["--data", "digits", "--activation", "rleu"], "unknown activation 'rleu'"),
    ],
)
def test_bad_input(words, expected, capsys):
    assert run(["gradcheck", *words]) == 2
    told = capsys.readouterr().err
    assert expected in told
    assert told.count("\n") == 1


def test_what_is_not_a_number_is_not_right(monkeypatch):
    right = own.by_hand

    def with_nan(spec, hparams, point):
        found = right(spec, hparams, point)
        last = {**found.grads["layer_3"], "bias": float("nan") * found.grads["layer_3"]["bias"]}
        return found._replace(grads={**found.grads, "layer_3": last})

    monkeypatch.setattr(own, "by_hand", with_nan)
    assert not own.examine(SOME[0]).right
