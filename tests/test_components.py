"""Everything with a name, by kind: names and records agree, and each says how it is used."""

import pytest

from fcnet.catalogue import choose
from fcnet.components import KINDS, SPELLINGS, called, usage

EACH = [(kind, name) for kind, entries in KINDS.items() for name in entries]


def test_kinds_are_what_people_look_for():
    wanted = ["activations", "losses", "layers", "initialisers", "optimisers", "schedules", "data"]
    assert set(wanted) <= set(KINDS)
    assert SPELLINGS == {
        "initializers": "initialisers",
        "regularizers": "regularisers",
        "optimizers": "optimisers",
    }


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_names_and_records_agree(kind, name):
    entry = KINDS[kind][name]
    assert entry.name == name
    assert name == name.lower()
    assert entry.formula
    assert all(option.meaning for option in entry.options.values())
    # what is written in full is the same component with its options at their defaults
    record, options = choose(kind, entry.written, KINDS[kind])
    assert record is entry
    assert options == {option: entry.options[option].default for option in entry.options}


@pytest.mark.parametrize(
    ("kind", "name", "line"),
    [
        ("activations", "leaky_relu", "fcnet train --activation leaky_relu:slope=0.01"),
        ("losses", "mse", "fcnet train --loss mse"),
        ("layers", "dense", "fcnet train --hidden 64 32"),
        ("layers", "layer", "fcnet train --norm layer:eps=1e-05,affine=true"),
        ("layers", "classic", "fcnet train --dropout-kind classic"),
        ("layers", "input_noise", "fcnet train --input-noise NUMBER"),
        ("regularisers", "weight_decay", "fcnet train --weight-decay NUMBER"),
        ("regularisers", "elastic_net", "fcnet train --elastic-net NUMBER NUMBER"),
        ("optimisers", "gd", "fcnet train --optimizer gd"),
        ("schedules", "cosine", "fcnet train --schedule cosine:final=0.0"),
        ("augmentations", "shift", "fcnet train --augment shift:pixels=1"),
        ("data", "iris", "fcnet train --data iris"),
        ("layers", "maxout", "fcnet train --activation maxout:pieces=2"),
        ("layers", "max_norm", "fcnet train --max-norm NUMBER"),
    ],
)
def test_how_it_is_used(kind, name, line):
    assert usage(kind, KINDS[kind][name]) == line


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gelu", [("activations", "gelu")]),
        ("constant", [("initialisers", "constant"), ("schedules", "constant")]),
        ("maxout", [("activations", "maxout"), ("layers", "maxout")]),
        ("swish", [("activations", "silu")]),
        ("DropConnect", [("layers", "connect")]),
        ("CrossEntropyLoss", [("losses", "cross_entropy")]),
        ("torch.nn.LeakyReLU", [("activations", "leaky_relu")]),
        ("dropout", [("layers", name) for name in ("inverted", "classic", "alpha", "connect")]),
        ("nothing", []),
    ],
)
def test_what_a_name_calls(name, found):
    assert [(kind, entry.name) for kind, entry in called(name)] == found


@pytest.mark.parametrize(
    "torch", sorted({entry.torch.rpartition(".")[2] for entries in KINDS.values() for entry in entries.values()} - {""})
)
def test_pytorchs_names_are_found(torch):
    """Or are a name of ours, which goes first."""
    assert called(torch)
