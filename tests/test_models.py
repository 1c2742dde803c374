"""The network: shapes, the XOR solution that the lecture writes down, scaling, dropout, dtypes, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.contracts import HParams
from fcnet.data.generated import XOR_CORNERS
from fcnet.errors import InputError
from fcnet.models import MLPSpec, apply, init, train_apply
from fcnet.noise import draw


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


def test_training_keeps_the_mean_of_the_answers(key):
    spec = MLPSpec(3, 1, (2000,), initializer="lecun_normal")
    params, state = init(spec, key)
    x = jnp.ones((1, 3))
    plain = apply(spec, params, x)

    def answer(key):
        noise = draw(spec, HParams(0.1, dropout=0.5), 1, key)
        return train_apply(spec, params, x, state, noise)[0][0, 0]

    dropped = jax.vmap(answer)(jax.random.split(key, 400))
    assert abs(dropped.mean() - plain[0, 0]) < 5 * dropped.std() / np.sqrt(400)


def test_classic_dropout_scales_in_evaluation(key):
    spec = MLPSpec(3, 1, (50,), dropout="classic")
    params, state = init(spec, key)
    x = jnp.ones((4, 3))
    without = apply(spec, params, x, state)
    np.testing.assert_array_equal(without, apply(MLPSpec(3, 1, (50,)), params, x))
    _, state = train_apply(spec, params, x, state, draw(spec, HParams(0.1, dropout=0.25), 4, key))
    assert state == {"layer_1": {"keep": jnp.float32(0.75)}}
    # the output layer is linear with a bias of 0
    np.testing.assert_allclose(apply(spec, params, x, state), 0.75 * without, rtol=1e-6)


def test_batch_norm_learns_its_averages_in_training_only(key, random):
    spec = MLPSpec(4, 2, (6,), norm="batch", bias=0.5)
    params, state = init(spec, key)
    assert set(params["layer_1"]) == {"kernel", "scale", "shift"}  # a bias would be cancelled
    x = jnp.asarray(random.normal(size=(30, 4)), jnp.float32)
    noise = draw(spec, HParams(0.1), 30, key)
    outputs, after = train_apply(spec, params, x, state, noise)
    z = x @ params["layer_1"]["kernel"]
    np.testing.assert_allclose(after["layer_1"]["mean"], 0.1 * z.mean(axis=0), rtol=1e-4, atol=1e-6)
    assert not jnp.allclose(outputs, apply(spec, params, x, state), atol=1e-3)
    for _ in range(200):
        _, state = train_apply(spec, params, x, state, noise)
    # what is left is n / (n − 1) of the unbiased variance
    np.testing.assert_allclose(apply(spec, params, x, state), outputs, rtol=0.03, atol=0.03)


def test_layers_differ_where_told(key):
    spec = MLPSpec(
        4,
        3,
        (6, 8, 5),
        ("tanh", "glu", "maxout:pieces=3"),
        norm=("none", "layer", "batch"),
        output_activation="softmax",
    )
    params, state = init(spec, key)
    assert {name: layer["kernel"].shape for name, layer in params.items()} == {
        "layer_1": (4, 6),
        "layer_2": (6, 16),
        "layer_3": (8, 15),
        "layer_4": (5, 3),
    }
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == spec.parameter_count
    assert set(state) == {"layer_3"}
    np.testing.assert_allclose(apply(spec, params, jnp.ones((2, 4)), state).sum(axis=1), 1, rtol=1e-6)


def test_norm_after_the_activation(key, random):
    spec = MLPSpec(4, 2, (6,), "relu", norm="layer:affine=false", norm_position="after")
    params, _ = init(spec, key)
    x = jnp.asarray(random.normal(size=(3, 4)), jnp.float32)
    a = jax.nn.relu(x @ params["layer_1"]["kernel"])
    a = (a - a.mean(1, keepdims=True)) / jnp.sqrt(a.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(apply(spec, params, x), a @ params["layer_2"]["kernel"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": 0}, "inputs must be at least 1, got 0"),
        ({"outputs": -1}, "outputs must be at least 1"),
        ({"hidden": (3, 0)}, "hidden layer 2 must have at least 1 unit, got 0"),
        ({"activation": "relo"}, "unknown activation 'relo'"),
        ({"initializer": "xavier"}, "unknown initialiser 'xavier'"),
        ({"dtype": "float16"}, "unknown dtype 'float16'"),
        ({"hidden": (3, 3), "activation": ("relu",) * 3}, "activation names 3 layers, but there are 2 hidden ones"),
        ({"hidden": (3, 3), "norm": ("batch", "bach")}, "unknown norm 'bach'"),
        ({"hidden": (6,), "norm": "group:groups=4"}, "norm group of 6 units in 4 groups"),
        ({"norm_position": "under"}, "unknown norm position 'under'"),
        ({"dropout": "inverse"}, "unknown kind of dropout 'inverse': did you mean inverted"),
        ({"output_activation": "softmaxx"}, "unknown activation 'softmaxx'"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(InputError, match=message):
        MLPSpec(**({"inputs": 2, "outputs": 1} | changes))
