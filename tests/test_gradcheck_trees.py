"""Trees of anyone's arrays: names, back again, libraries and dtypes."""

import subprocess
import sys
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.gradcheck import check
from fcnet.gradcheck.examination import trees


class Layer(NamedTuple):
    weight: Any
    bias: Any


@dataclass(frozen=True)
class Net:
    first: Layer
    rate: float


TREES = {
    "dict": ({"W1": 1.0, "b1": 2.0}, ["W1", "b1"]),
    "nested": ({"layer_1": {"kernel": 1.0, "bias": 2.0}, "none": None}, ["layer_1/kernel", "layer_1/bias"]),
    "list of pairs": ([(1.0, 2.0), (3.0, 4.0)], ["0/0", "0/1", "1/0", "1/1"]),
    "list of dicts": ([{"weight": 1.0}], ["0/weight"]),
    "named tuple": (Layer(1.0, [2.0]), ["weight", "bias/0"]),
    "dataclass": (Net(Layer(1.0, 2.0), 3.0), ["first/weight", "first/bias", "rate"]),
    "ordered": (OrderedDict(b=1.0, a=2.0), ["b", "a"]),
    "default": (defaultdict(list, {"a": 1.0}), ["a"]),
    "alone": (1.0, [trees.ALONE]),
}


@pytest.mark.parametrize("name", sorted(TREES))
def test_leaves_by_name_and_back(name):
    tree, names = TREES[name]
    leaves = trees.flatten(tree)
    assert list(leaves) == names
    doubled = trees.unflatten(tree, {key: 2 * value for key, value in leaves.items()})
    assert type(doubled) is type(tree)
    assert trees.flatten(doubled) == {key: 2 * value for key, value in leaves.items()}
    assert trees.flatten(tree) == leaves, "the tree itself stays"


# how the gradients' tree may differ from the parameters' {"a": w, "b": [v, u]} and from a named tuple
OTHERS = {
    "another order": (lambda p: {"b": p["b"], "a": p["a"]}, True),
    "tuple for list": (lambda p: {"a": p["a"], "b": tuple(p["b"])}, True),
    "flat": (lambda p: {"a": p["a"], "b/0": p["b"][0], "b/1": p["b"][1]}, True),
    "one less": (lambda p: {"a": p["a"], "b": p["b"][:1]}, False),
}


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_gradients_in_a_tree_of_their_own(name):
    make, accepted = OTHERS[name]
    params = {"a": np.ones(2), "b": [np.full(3, 2.0), np.arange(4.0)]}

    def function(params):
        leaves = [params["a"], *params["b"]]
        loss = sum((leaf**2).sum() for leaf in leaves) / 2
        return loss, make({"a": params["a"].copy(), "b": [leaf.copy() for leaf in params["b"]]})

    assert check(function, params, ()).right is accepted


def test_a_tuple_for_a_named_tuple():
    params = Layer(np.ones((2, 2)), np.ones(2))

    def function(params):
        return (params.weight**2).sum() / 2 + params.bias.sum(), (params.weight.copy(), np.ones_like(params.bias))

    assert check(function, params, ()).right


def test_python_floats_and_constants_among_the_parameters():
    params = {"w": np.ones(3), "scale": 2.0, "layers": 3, "name": "tanh", "mask": np.array([True, False, True])}

    def function(params, x):
        assert isinstance(params["layers"], int)
        assert params["name"] == "tanh"
        masked = params["w"] * params["mask"]
        return params["scale"] * (masked @ x), {"w": params["scale"] * x * params["mask"], "scale": masked @ x}

    assert check(function, params, (np.arange(3.0),)).right


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_into_their_own_library_and_back(dtype, random):
    value = random.normal(size=(2, 3)).astype(dtype)
    leaves = [np.ones(1)]
    with jax.enable_x64(True):
        leaves.append(jnp.ones(1))
        found = [trees.own(value, leaf) for leaf in leaves]
        assert [trees.library(leaf) for leaf in found] == ["numpy", "jax"]
        assert [trees.dtype_name(leaf) for leaf in found] == [dtype] * 2
        for leaf in found:
            np.testing.assert_array_equal(trees.to_numpy(leaf), value)
    wide = trees.widened({"x": value, "in_jax": jnp.ones(2), "labels": np.arange(3), "name": "x", "none": None})
    assert trees.dtype_name(wide["in_jax"]) == "float64"
    assert wide["x"].dtype == np.float64
    assert wide["labels"].dtype == np.arange(3).dtype
    assert (wide["name"], wide["none"]) == ("x", None)


def test_torch_leaves_keep_their_ways():
    torch = pytest.importorskip("torch")
    leaf = torch.nn.Parameter(torch.ones(2, 3))
    assert trees.library(leaf) == "torch"
    assert trees.is_floating(leaf)
    made = trees.own(np.full((2, 3), 0.1), leaf)
    assert made.dtype == torch.float64
    assert made.requires_grad
    assert trees.to_numpy(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
    with torch.no_grad():
        trees.copied(leaf)[0] = 7
    assert leaf[0, 0] == 1


def test_torch_is_not_imported_for_arrays_of_others():
    lines = [
        "import numpy, sys",
        "from fcnet.gradcheck.examination import trees",
        "trees.library(numpy.ones(1))",
        "sys.exit('torch' in sys.modules)",
    ]
    ran = subprocess.run([sys.executable, "-c", "; ".join(lines)], check=False)
    assert ran.returncode == 0
