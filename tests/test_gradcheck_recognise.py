"""Networks written by hand in many styles, and whether they are read as what they are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fcnet import activations
from fcnet.gradcheck.diagnosis.candidates import COMMON, OTHERS
from fcnet.gradcheck.diagnosis.network import Network
from fcnet.gradcheck.diagnosis.recognise import recognise
from fcnet.gradcheck.diagnosis.structure import is_vector, numbers, stem
from fcnet.gradcheck.record import Claims, Evidence

Params = dict[str, np.ndarray]
ROWS = 9


def evidence(loss: Callable[..., float], params: Params, *batch: Any, claims: Claims = Claims()) -> Evidence:  # noqa: B008
    return Evidence(params, batch, {}, {}, (), {}, lambda p: (loss(p, *batch), {}), claims)


def read(loss: Callable[..., float], params: Params, *batch: Any) -> Network:
    network = recognise(evidence(loss, params, *batch))
    assert network is not None
    return network


def normal(*shape: int) -> np.ndarray:
    return 0.6 * np.random.default_rng(sum(shape)).standard_normal(shape)


def classes(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, count, ROWS)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_loss(z: np.ndarray, y: np.ndarray) -> float:
    return float(-np.mean(np.log(softmax(z)[np.arange(len(y)), y])))


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def test_names_say_what_is_a_kernel_and_which_layer_it_is_in():
    assert stem("layers/0/W_1") == "w"
    assert numbers("block_2/0/W1") == (2, 0, 1)
    assert is_vector("b1", (4,))
    assert is_vector("b1", (1, 4))
    assert not is_vector("W1", (1, 4))
    assert not is_vector("0/1", (3, 4))
    assert is_vector("0/1", (1, 4)) is None


def test_a_dictionary_of_rows_with_labels():
    def loss(p, x, y):
        return log_loss(np.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"], y)

    params = {"W1": normal(7, 5), "b1": normal(5), "W2": normal(5, 4), "b2": normal(4)}
    found = read(loss, params, normal(ROWS, 7), classes(4))
    assert [(layer.kernel, layer.bias, layer.activation) for layer in found.layers] == [
        ("W1", "b1", "tanh"),
        ("W2", "b2", "identity"),
    ]
    assert found.form.loss == "cross_entropy"
    assert found.form.factor == pytest.approx(1 / ROWS)
    assert found.exact


def test_columns_with_every_kernel_square_and_half_the_squared_error():
    def loss(p, x, y):
        a = sigmoid(p["W1"] @ x + p["b1"])
        a = sigmoid(p["W2"] @ a + p["b2"])
        return 0.5 * np.sum((p["W3"] @ a + p["b3"] - y) ** 2) / x.shape[1]

    params = {f"W{i}": normal(6, 6) * i for i in (1, 2, 3)} | {f"b{i}": normal(6, 1) * i for i in (1, 2, 3)}
    found = read(loss, params, normal(6, ROWS), normal(6, ROWS))
    assert all(layer.transposed for layer in found.layers)
    assert found.x.shape == (ROWS, 6)
    assert found.form.loss == "mse"
    assert found.form.factor == pytest.approx(0.5 / ROWS)


def test_lists_of_pairs_with_a_penalty_on_the_kernels():
    sizes = (5, 8, 7, 3)
    params = {}
    for i in range(3):
        params |= {f"{i}/0": normal(sizes[i], sizes[i + 1]), f"{i}/1": normal(1, sizes[i + 1])}

    def loss(p, x, y):
        a = x
        for i in range(3):
            z = a @ p[f"{i}/0"] + p[f"{i}/1"]
            a = np.maximum(z, 0)
        return log_loss(z, y) + 2e-3 * sum(np.sum(p[f"{i}/0"] ** 2) for i in range(3))

    found = read(loss, params, normal(ROWS, 5), classes(3))
    assert [layer.bias for layer in found.layers] == ["0/1", "1/1", "2/1"]
    assert found.form.l2 == pytest.approx(4e-3, rel=1e-6)
    assert not found.form.penalises_all


def test_penalties_on_everything_and_lasso():
    def loss(p, x, y):
        z = np.maximum(x @ p["w0"] + p["b0"], 0) @ p["w1"] + p["b1"]
        return log_loss(z, y) + 0.01 * sum(np.sum(np.abs(value)) for value in p.values())

    params = {"w0": normal(4, 6), "w1": normal(6, 3), "b0": normal(6), "b1": normal(3)}
    found = read(loss, params, normal(ROWS, 4), classes(3))
    assert found.form.l1 == pytest.approx(0.01, rel=1e-6)
    assert found.form.penalises_all


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("kind", "axis"), [("batch", 0), ("layer", 1)])
@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_norms(kind, axis, before, eps):
    def norm(z, gamma, beta):
        return gamma * (z - z.mean(axis, keepdims=True)) / np.sqrt(z.var(axis, keepdims=True) + eps) + beta

    def loss(p, x, y):
        z = x @ p["fc1/weight"].T + p["fc1/bias"]
        learned = p["bn1/weight"], p["bn1/bias"]
        a = np.tanh(norm(z, *learned)) if before else norm(np.tanh(z), *learned)
        return log_loss(a @ p["fc2/weight"].T + p["fc2/bias"], y)

    params = {"fc1/weight": normal(8, 5), "fc1/bias": normal(8), "bn1/weight": normal(8), "bn1/bias": 1 + normal(8)}
    params |= {"fc2/weight": normal(3, 8), "fc2/bias": normal(3)}
    first = read(loss, params, normal(ROWS, 5), classes(3)).layers[0]
    assert (first.norm, first.norm_before, first.eps) == (kind, before, eps)
    assert (first.bias, first.scale, first.shift) == ("fc1/bias", "bn1/weight", "bn1/bias")


@pytest.mark.parametrize("told", ["in the mask", "as a rate", "in the code"])
def test_dropout_with_smoothed_labels(told):
    keep = 0.75
    masks = [(np.random.default_rng(2).random((ROWS, units)) < keep) for units in (6, 8)]
    scaled = [mask / keep for mask in masks] if told == "in the mask" else masks

    def loss(p, x, y, masks, *rate):
        a, factor = x, 1 if told == "in the mask" else 1 / keep
        for i, mask in enumerate(masks):
            a = np.maximum(a @ p["kernels"][i] + p["biases"][i], 0) * mask * factor
        q = softmax(a @ p["kernels"][2] + p["biases"][2])
        targets = 0.8 * np.eye(4)[y] + 0.2 / 4
        return -np.sum(targets * np.log(q)) / len(x)

    sizes = (5, 6, 8, 4)
    flat = {f"kernels/{i}": normal(sizes[i], sizes[i + 1]) for i in range(3)}
    flat |= {f"biases/{i}": normal(sizes[i + 1]) for i in range(3)}

    def of_flat(p, *batch):
        return loss({key: [p[f"{key}/{i}"] for i in range(3)] for key in ("kernels", "biases")}, *batch)

    rate = (1 - keep,) if told == "as a rate" else ()
    found = read(of_flat, flat, normal(ROWS, 5), classes(4), scaled, *rate)
    assert found.form.own == pytest.approx(0.8)
    assert found.form.spread == pytest.approx(0.05)
    assert found.multipliers[0] is None
    np.testing.assert_allclose(found.multipliers[2], masks[1] / keep)


def test_mixed_activations_and_one_output_for_two_classes():
    def loss(p, x, y):
        a = np.tanh(x @ p["Wh"] + p["bh"])
        a = np.maximum(a @ p["Wm"] + p["bm"], 0)
        q = sigmoid(a @ p["Wo"] + p["bo"]).ravel()
        return -np.mean(y * np.log(q) + (1 - y) * np.log(1 - q))

    params = {"Wh": normal(4, 6), "Wm": normal(6, 6), "Wo": normal(6, 1)}
    params |= {"bh": normal(6), "bm": 2 * normal(6), "bo": normal(1)}
    found = read(loss, params, normal(ROWS, 4), classes(2))
    assert [layer.activation for layer in found.layers] == ["tanh", "relu", "identity"]
    assert [layer.bias for layer in found.layers] == ["bh", "bm", "bo"]
    assert found.form.loss == "binary_cross_entropy"


def test_weights_of_rows_and_another_order_of_names():
    def loss(p, x, y, w):
        out = sigmoid(np.maximum(x @ p["2/w"] + p["2/b"], 0) @ p["1/w"] + p["1/b"])
        return np.sum(w[:, None] * (out - y) ** 2) / np.sum(w)

    params = {"1/b": normal(2), "1/w": normal(6, 2), "2/b": normal(6), "2/w": normal(5, 6)}
    weights = 1 + np.arange(ROWS) / 4
    found = read(loss, params, normal(ROWS, 5), sigmoid(normal(ROWS, 2)), weights)
    assert [layer.kernel for layer in found.layers] == ["2/w", "1/w"]
    assert found.layers[-1].activation == "sigmoid"
    assert found.row_weights is not None


# Softmax is no elementwise function; names with another option are many, and alike.
OPTIONS = pytest.mark.slow
NAMES = [pytest.param(n, marks=OPTIONS if ":" in n else ()) for n in (*COMMON, *OTHERS) if n != "softmax"]


@pytest.mark.parametrize("name", NAMES)
def test_every_activation(name):
    function = activations.get(name).by_hand

    def loss(p, x, y):
        return float(np.mean((function(2 * (x @ p["A"] + p["c"]) / 2)[0] @ p["B"] - y) ** 2))

    params = {"A": 3 * normal(5, 9), "c": normal(9), "B": normal(9, 2)}
    found = read(loss, params, normal(ROWS, 5), normal(ROWS, 2))
    z = np.linspace(-8, 8, 99)
    # some names are one function: what is found must be that function
    np.testing.assert_allclose(activations.get(found.layers[0].activation).by_hand(z)[0], function(z)[0], atol=1e-12)


def test_a_claim_is_tried_though_it_is_not_common():
    def loss(p, x, y):
        return log_loss(np.where(x @ p["A"] > 0, x @ p["A"], 0.123 * (x @ p["A"])) @ p["B"], y)

    params = {"A": normal(5, 7), "B": normal(7, 3)}
    batch = normal(ROWS, 5), classes(3)
    assert recognise(evidence(loss, params, *batch)) is None
    claims = Claims(activation="leaky_relu:slope=0.123")
    found = recognise(evidence(loss, params, *batch, claims=claims))
    assert found is not None
    assert found.layers[0].activation == "leaky_relu:slope=0.123"


def test_single_precision_is_recognised_and_said():
    def loss(p, x, y):
        narrow = {name: value.astype(np.float32) for name, value in p.items()}
        hidden = np.tanh(x.astype(np.float32) @ narrow["A"])
        return float(np.float32(log_loss(hidden @ narrow["B"], y)))

    found = recognise(evidence(loss, {"A": normal(5, 7), "B": normal(7, 3)}, normal(ROWS, 5), classes(3)))
    assert found is not None
    assert found.layers[0].activation == "tanh"
    assert not found.exact


@pytest.mark.parametrize("refuses", [False, True])
def test_what_is_no_such_network_is_not_recognised(refuses):
    def loss(p, x, y):
        if refuses:
            raise RuntimeError("not here")
        return log_loss(np.sin(2 * x @ p["A"]) @ p["B"], y)

    batch = normal(ROWS, 5), classes(3)
    assert recognise(evidence(loss, {"A": normal(5, 7), "B": normal(7, 3)}, *batch)) is None
    assert recognise(evidence(loss, {"A": normal(5, 7, 2), "B": normal(7, 3)}, *batch)) is None
    assert recognise(evidence(loss, {"A": normal(5, 7)}, np.array(["text"]), None)) is None
