"""The comparison finds the tensor that is wrong and lets right ones pass, in every dtype."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import models
from fcnet.contracts import Batch, HParams
from fcnet.errors import InputError
from fcnet.gradcheck import Comparison, compare, compare_manual_with_autodiff, tolerance
from fcnet.models import MLPSpec
from fcnet.objective import ObjectiveSpec, autodiff


@pytest.fixture
def reference(key, random):
    spec = ObjectiveSpec(MLPSpec(784, 10, (128,), "tanh"), "cross_entropy")
    params, state = models.init(spec.model, key)
    params = jax.tree.map(lambda leaf: 0.03 * leaf, params)
    x = jnp.asarray(random.uniform(size=(64, 784)), jnp.float32)
    y = jnp.asarray(random.integers(0, 10, 64), jnp.int32)
    return autodiff(spec, HParams(0.1))(params, Batch(x, y), state=state, key=key).grads


def verdict(grads, reference):
    return Comparison(compare(grads, reference), tolerance("float32", 784, 2), "float32")


MISTAKES = {
    "zero": jnp.zeros_like,
    "sign": lambda g: -g,
    "averaged instead of summed": lambda g: g / 64,
    "doubled": lambda g: 2 * g,
    "one entry": lambda g: g.at[0].set(g[0] + jnp.abs(g).max()),
    "not a number": lambda g: g.at[0].set(jnp.nan),
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
@pytest.mark.parametrize(("layer", "part"), [("layer_1", "bias"), ("layer_2", "kernel")])
def test_finds_the_wrong_tensor_however_small_its_scale(mistake, layer, part, reference):
    assert verdict(reference, reference).agrees
    wrong = {name: dict(tensors) for name, tensors in reference.items()}
    wrong[layer][part] = MISTAKES[mistake](reference[layer][part])
    found = verdict(wrong, reference)
    assert not found.agrees
    assert found.worst.name == f"{layer}/{part}"
    assert found.summary()["worst_tensor"] == f"{layer}/{part}"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("hidden", [(), (3,), (64, 32), (40, 40, 40, 40)])
def test_no_false_alarm(dtype, hidden, key, random):
    spec = ObjectiveSpec(MLPSpec(20, 5, hidden, "relu", dtype=dtype), "cross_entropy")
    params, state = models.init(spec.model, key)
    batch = Batch(
        jnp.asarray(random.normal(size=(32, 20)), jnp.float32), jnp.asarray(random.integers(0, 5, 32), jnp.int32)
    )
    found = compare_manual_with_autodiff(spec, HParams(0.1, dropout=0.2), params, batch, state=state, key=key)
    assert found.agrees, found.worst
    assert found.dtype == "float64"


def test_layers_come_in_their_order():
    tree = {f"layer_{number}": {"kernel": np.ones((1, 1)), "bias": np.ones(1)} for number in range(1, 13)}
    names = [row.name for row in compare(tree, tree)]
    assert names == [f"layer_{number}/{part}" for number in range(1, 13) for part in ("kernel", "bias")]


def test_refuses_other_trees_and_shapes():
    tree = {"layer_1": {"kernel": np.ones((2, 3))}}
    with pytest.raises(InputError, match="gradients are for layer_1/kernel, the reference is for layer_2/kernel"):
        compare(tree, {"layer_2": {"kernel": np.ones((2, 3))}})
    with pytest.raises(InputError, match=r"gradient of layer_1/kernel has shape \(2, 3\), the reference has \(3, 2\)"):
        compare(tree, {"layer_1": {"kernel": np.ones((3, 2))}})
