"""The network: shapes, the XOR solution that the lecture writes down, scaling, dropout, dtypes, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.data.generated import XOR_CORNERS
from fcnet.errors import InputError
from fcnet.layers import dropout_mask
from fcnet.models import MLPSpec, apply, init


def test_the_lectures_solution_of_xor():
    spec = MLPSpec(inputs=2, outputs=1, hidden=(2,))
    params = {
        "layer_1": {"kernel": jnp.array([[1.0, 1.0], [1.0, 1.0]]), "bias": jnp.array([0.0, -1.0])},
        "layer_2": {"kernel": jnp.array([[1.0], [-2.0]]), "bias": jnp.array([0.0])},
    }
    np.testing.assert_array_equal(apply(spec, params, jnp.asarray(XOR_CORNERS.x))[:, 0], XOR_CORNERS.y)


def test_shapes_names_and_count(key):
    spec = MLPSpec(784, 10, (512, 256))
    shapes = jax.eval_shape(lambda: init(spec, key)[0])
    assert {name: layer["kernel"].shape for name, layer in shapes.items()} == {
        "layer_1": (784, 512),
        "layer_2": (512, 256),
        "layer_3": (256, 10),
    }
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == spec.parameter_count == 535_818


def test_hidden_biases_start_where_told(key):
    params, _ = init(MLPSpec(3, 2, (4,), bias=0.1), key)
    np.testing.assert_array_equal(params["layer_1"]["bias"], np.full(4, np.float32(0.1)))
    np.testing.assert_array_equal(params["layer_2"]["bias"], np.zeros(2))


def test_stored_pixels_are_scaled_inside(key, random):
    spec, scaled = MLPSpec(6, 2, (5,), input_scale=1 / 255), MLPSpec(6, 2, (5,))
    params, _ = init(spec, key)
    pixels = random.integers(0, 256, (7, 6), dtype=np.uint8)
    expected = apply(scaled, params, jnp.asarray(pixels, jnp.float32) * jnp.float32(1 / 255))
    np.testing.assert_array_equal(apply(spec, params, jnp.asarray(pixels)), expected)


def test_without_hidden_layers_it_is_linear(key, random):
    spec = MLPSpec(3, 2)
    params, _ = init(spec, key)
    x = random.normal(size=(5, 3)).astype(np.float32)
    layer = params["layer_1"]
    np.testing.assert_allclose(apply(spec, params, x), x @ layer["kernel"] + layer["bias"][None], rtol=1e-6)


@pytest.mark.parametrize(("dtype", "kept"), [("float32", jnp.float32), ("bfloat16", jnp.float32)])
def test_parameters_and_outputs_are_never_narrower_than_float32(dtype, kept, key):
    spec = MLPSpec(3, 2, (4,), dtype=dtype)
    params, _ = init(spec, key)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(kept)}
    assert apply(spec, params, jnp.ones((1, 3))).dtype == kept


def test_dropout_needs_a_key_and_keeps_the_mean(key):
    spec = MLPSpec(3, 1, (2000,), initializer="lecun_normal")
    params, _ = init(spec, key)
    x = jnp.ones((1, 3))
    plain = apply(spec, params, x)
    np.testing.assert_array_equal(apply(spec, params, x, dropout=0.5), plain)
    keys = jax.random.split(key, 400)
    dropped = jax.vmap(lambda k: apply(spec, params, x, dropout=0.5, key=k))(keys)[:, 0, 0]
    assert abs(dropped.mean() - plain[0, 0]) < 5 * dropped.std() / np.sqrt(400)


def test_dropout_mask_is_inverted_and_differs_between_layers(key):
    mask = dropout_mask(key, 1, (200, 300), 0.2, jnp.dtype(jnp.float32))
    assert set(np.unique(mask)) == {0.0, np.float32(1 / 0.8)}
    share = float((mask == 0).mean())
    assert abs(share - 0.2) < 5 * np.sqrt(0.2 * 0.8 / mask.size)
    assert not jnp.array_equal(mask, dropout_mask(key, 2, (200, 300), 0.2, jnp.dtype(jnp.float32)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": 0}, "inputs must be at least 1, got 0"),
        ({"outputs": -1}, "outputs must be at least 1"),
        ({"hidden": (3, 0)}, "hidden layer 2 must have at least 1 unit, got 0"),
        ({"activation": "relo"}, "unknown activation 'relo'"),
        ({"initializer": "xavier"}, "unknown initialiser 'xavier'"),
        ({"dtype": "float16"}, "unknown dtype 'float16'"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(InputError, match=message):
        MLPSpec(**({"inputs": 2, "outputs": 1} | changes))
