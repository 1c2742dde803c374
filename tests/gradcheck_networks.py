"""Networks with backward passes by hand, as texts in which mistakes can be made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

SOFTMAX = """
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
"""
TANH = """
def loss_and_grads(p, x, y):
    n = len(x)
    z1 = x @ p["W1"] + p["b1"]
    h = np.tanh(z1)
    q = softmax(h @ p["W2"] + p["b2"])
    loss = -np.log(q[np.arange(n), y]).mean()
    target = np.eye(q.shape[1])[y]
    d2 = (q - target) / n
    dW2 = h.T @ d2
    db2 = d2.sum(axis=0)
    dh = d2 @ p["W2"].T
    d1 = dh * (1 - h**2)
    dW1 = x.T @ d1
    db1 = d1.sum(axis=0)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""
DEEP_RELU = """
LAMBDA = 0.03

def loss_and_grads(p, x, y):
    n = x.shape[0]
    caches, a = [x], x
    zs = []
    for i in range(4):
        z = a @ p[f"{i}/0"] + p[f"{i}/1"]
        zs.append(z)
        a = np.maximum(z, 0)
        caches.append(a)
    q = softmax(zs[-1])
    data = -np.sum(np.log(q[np.arange(n), y])) / n
    loss = data + 0.5 * LAMBDA * sum(np.sum(p[f"{i}/0"] ** 2) for i in range(4))
    q[np.arange(n), y] -= 1
    delta = q / n
    grads = {}
    for i in reversed(range(4)):
        grads[f"{i}/0"] = caches[i].T @ delta + LAMBDA * p[f"{i}/0"]
        grads[f"{i}/1"] = np.sum(delta, axis=0)
        if i > 0:
            delta = (delta @ p[f"{i}/0"].T) * (zs[i - 1] > 0)
    return loss, grads
"""
COLUMNS = """
def sigma(z):
    return 1 / (1 + np.exp(-z))

def loss_and_grads(p, x, y):
    m = x.shape[1]
    A1 = sigma(p["W1"] @ x + p["b1"])
    A2 = sigma(p["W2"] @ A1 + p["b2"])
    out = p["W3"] @ A2 + p["b3"]
    loss = np.sum((out - y) ** 2) / (2 * m)
    D3 = (out - y) / m
    E2 = p["W3"].T @ D3
    D2 = E2 * A2 * (1 - A2)
    E1 = p["W2"].T @ D2
    D1 = E1 * A1 * (1 - A1)
    grads = {"W3": D3 @ A2.T, "b3": D3.sum(axis=1, keepdims=True)}
    grads["W2"], grads["b2"] = D2 @ A1.T, D2.sum(axis=1, keepdims=True)
    grads["W1"], grads["b1"] = D1 @ x.T, D1.sum(axis=1, keepdims=True)
    return loss, grads
"""
BATCH_NORM = """
def loss_and_grads(p, x, y):
    n = x.shape[0]
    z = x @ p["W1"]
    mean, var = z.mean(axis=0), z.var(axis=0)
    s = np.sqrt(var + 1e-5)
    zhat = (z - mean) / s
    u = p["gamma1"] * zhat + p["beta1"]
    a = np.maximum(u, 0)
    q = softmax(a @ p["W2"] + p["b2"])
    loss = -np.mean(np.log(q[range(n), y]))
    d = q.copy()
    d[range(n), y] -= 1
    d /= n
    da = d @ p["W2"].T
    du = da * (u > 0)
    g = du * p["gamma1"]
    dvar = np.sum(g * (z - mean) * -0.5 / s**3, axis=0)
    dmean = np.sum(-g / s, axis=0)
    dz = g / s + dvar * 2 * (z - mean) / n + dmean / n
    return loss, {
        "W1": x.T @ dz,
        "gamma1": np.sum(du * zhat, axis=0),
        "beta1": np.sum(du, axis=0),
        "W2": a.T @ d,
        "b2": d.sum(axis=0),
    }
"""
DROPOUT = """
def loss_and_grads(p, x, y, m1, m2, keep):
    t = 0.9 * np.eye(4)[y] + 0.1 / 4
    z1 = x @ p["W1"].T + p["b1"]
    h1 = np.maximum(z1, 0)
    a1 = h1 * m1 / keep
    z2 = a1 @ p["W2"].T + p["b2"]
    h2 = np.maximum(z2, 0)
    a2 = h2 * m2 / keep
    q = softmax(a2 @ p["W3"].T + p["b3"])
    loss = -np.sum(t * np.log(q)) / len(x)
    d3 = (q - t) / len(x)
    d2 = (d3 @ p["W3"]) * m2 / keep * (z2 > 0)
    d1 = (d2 @ p["W2"]) * m1 / keep * (z1 > 0)
    return loss, {
        "W1": d1.T @ x, "b1": d1.sum(0), "W2": d2.T @ a1, "b2": d2.sum(0), "W3": d3.T @ a2, "b3": d3.sum(0)
    }
"""
JACOBIAN = """
def loss_and_grads(p, x, y):
    n, k = y.shape
    z1 = x @ p["Wh"] + p["bh"]
    s = 1 / (1 + np.exp(-z1))
    a1 = z1 * s
    z2 = a1 @ p["Wm"] + p["bm"]
    s2 = 1 / (1 + np.exp(-z2))
    a2 = z2 * s2
    q = softmax(a2 @ p["Wo"] + p["bo"])
    loss = -np.mean(np.sum(y * np.log(q), axis=1))
    d3 = np.zeros((n, k))
    for i in range(n):
        dq = -y[i] / q[i]
        jacobian = np.diag(q[i]) - np.outer(q[i], q[i])
        d3[i] = jacobian @ dq / n
    d2 = (d3 @ p["Wo"].T) * (s2 + z2 * s2 * (1 - s2))
    d1 = (d2 @ p["Wm"].T) * (s + z1 * s * (1 - s))
    return loss, {
        "Wh": x.T @ d1, "bh": d1.sum(0), "Wm": a1.T @ d2, "bm": d2.sum(0), "Wo": a2.T @ d3, "bo": d3.sum(0)
    }
"""
LAYER_NORM = """
def loss_and_grads(p, x, y):
    z = x @ p["0/weight"].T + p["0/bias"]
    c = z - z.mean(1, keepdims=True)
    s = np.sqrt((c**2).mean(1, keepdims=True) + 1e-5)
    hat = c / s
    u = hat * p["1/weight"] + p["1/bias"]
    a = np.tanh(u)
    out = a @ p["2/weight"].T + p["2/bias"]
    r = out - y
    loss = np.mean(r**2)
    d = 2 * r / r.size
    du = (d @ p["2/weight"]) * (1 - a**2)
    g = du * p["1/weight"]
    dz = (g - g.mean(1, keepdims=True) - hat * (g * hat).mean(1, keepdims=True)) / s
    return loss, {
        "0/weight": dz.T @ x,
        "0/bias": dz.sum(0),
        "1/weight": (du * hat).sum(0),
        "1/bias": du.sum(0),
        "2/weight": d.T @ a,
        "2/bias": d.sum(0),
    }
"""


def _scaled(random: np.random.Generator, *shape: int, size: float = 0.5) -> np.ndarray:
    return size * random.standard_normal(shape)


def _example(name: str) -> tuple[dict[str, np.ndarray], tuple[Any, ...]]:
    random = np.random.default_rng(3)
    of = lambda *shape: _scaled(random, *shape)  # noqa: E731
    if name == "tanh":
        params = {"W1": of(7, 6), "b1": of(6), "W2": of(6, 5), "b2": of(5)}
        return params, (of(12, 7), random.integers(0, 5, 12))
    if name == "deep_relu":
        sizes = (6, 9, 8, 8, 5)
        params = {}
        for i in range(4):
            params |= {f"{i}/0": of(sizes[i], sizes[i + 1]), f"{i}/1": of(sizes[i + 1])}
        return params, (of(10, 6), random.integers(0, 5, 10))
    if name == "columns":
        params = {"W1": of(6, 4), "W2": of(6, 6), "W3": of(2, 6), "b1": of(6, 1), "b2": of(6, 1), "b3": of(2, 1)}
        return params, (of(4, 9), of(2, 9))
    if name == "batch_norm":
        params = {"W1": of(5, 8), "gamma1": 1 + of(8), "beta1": of(8), "W2": of(8, 4), "b2": of(4)}
        return params, (of(11, 5), random.integers(0, 4, 11))
    if name == "dropout":
        params = {"W1": of(9, 5), "b1": of(9), "W2": of(7, 9), "b2": of(7), "W3": of(4, 7), "b3": of(4)}
        masks = ((random.random((13, units)) < 0.7).astype(float) for units in (9, 7))
        return params, (of(13, 5), random.integers(0, 4, 13), *masks, 0.7)
    if name == "jacobian":
        params = {"Wh": of(6, 6), "Wm": of(6, 6), "Wo": of(6, 3), "bh": of(6), "bm": of(6), "bo": of(3)}
        return params, (of(8, 6), np.eye(3)[random.integers(0, 3, 8)])
    params = {"0/weight": of(6, 4), "0/bias": of(6), "1/weight": 1 + of(6), "1/bias": of(6)}
    return params | {"2/weight": of(3, 6), "2/bias": of(3)}, (of(10, 4), of(10, 3))


SOURCES = {
    "tanh": TANH,
    "deep_relu": DEEP_RELU,
    "columns": COLUMNS,
    "batch_norm": BATCH_NORM,
    "dropout": DROPOUT,
    "jacobian": JACOBIAN,
    "layer_norm": LAYER_NORM,
}


@dataclass(frozen=True)
class Mutant:
    """An edit of a network's text, and the mistake it is."""

    network: str
    mistake: str
    edits: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.network}-{self.mistake}-{self.edits[0][1]}"


def mutant(network: str, mistake: str, *texts: str) -> Mutant:
    return Mutant(network, mistake, tuple(zip(texts[::2], texts[1::2], strict=True)))


def compiled(source: str) -> Callable[..., tuple[float, dict[str, np.ndarray]]]:
    scope: dict[str, Any] = {"np": np}
    exec(SOFTMAX + source, scope)
    return scope["loss_and_grads"]


def edited(one: Mutant) -> Callable[..., tuple[float, dict[str, np.ndarray]]]:
    source = SOURCES[one.network]
    for old, new in one.edits:
        assert source.count(old) == 1, f"{old!r} is there {source.count(old)} times"
        source = source.replace(old, new)
    return compiled(source)


@cache
def twin(network: str) -> tuple[dict[str, np.ndarray], tuple[Any, ...], dict[str, np.ndarray], float]:
    """Parameters, batch, and the gradients and the loss of the network as it should be."""
    params, batch = _example(network)
    loss, grads = compiled(SOURCES[network])(params, *batch)
    return params, batch, grads, loss


MUTANTS = (
    mutant("tanh", "sign", "(q - target) / n", "(target - q) / n"),
    mutant("tanh", "missing_mean", "(q - target) / n", "q - target"),
    mutant("tanh", "extra_mean", "(q - target) / n", "(q - target) / n / n"),
    mutant("tanh", "bias_averaged", "db1 = d1.sum(axis=0)", "db1 = d1.mean(axis=0)"),
    mutant("tanh", "bias_averaged", "db2 = d2.sum(axis=0)", "db2 = d2.mean(axis=0)"),
    mutant("tanh", "bias_not_summed", "db1 = d1.sum(axis=0)", "db1 = d1[0]"),
    mutant("tanh", "bias_not_summed", "db2 = d2.sum(axis=0)", "db2 = np.full(5, d2.sum())"),
    mutant("tanh", "missing", "db1 = d1.sum(axis=0)", "db1 = np.zeros(6)"),
    mutant("tanh", "derivative_missing", "dh * (1 - h**2)", "dh"),
    mutant("tanh", "derivative_missing", "db1 = d1.sum(axis=0)", "db1 = dh.sum(axis=0)"),
    mutant("tanh", "derivative_at_activation", "(1 - h**2)", "(1 - np.tanh(h) ** 2)"),
    mutant("tanh", "derivative_at_activation", "(1 - h**2)", "(1 - z1**2)"),
    mutant("tanh", "derivative_of_another", "(1 - h**2)", "(h > 0)"),
    mutant("tanh", "derivative_of_another", "(1 - h**2)", "h * (1 - h)"),
    mutant("tanh", "derivative_of_another", "(1 - h**2)", "(1 - h)"),
    mutant("tanh", "derivative_of_another", "(1 - h**2)", "(1 - h**2) ** 2"),
    mutant("tanh", "updated_weights", 'dh = d2 @ p["W2"].T', 'dh = d2 @ (p["W2"] - 0.1 * dW2).T'),
    mutant("tanh", "label_off_by_one", "[y]\n", "[(y + 1) % 5]\n"),
    mutant("tanh", "label_off_by_one", "[y]\n", "[y - 1]\n"),
    mutant("tanh", "loss_gradient", "(q - target) / n", "(q - target) * q * (1 - q) / n"),
    mutant("tanh", "one_class", "(q - target) / n", "(q - target) / n * (np.arange(5) != 4)"),
    mutant("tanh", "one_row", "(q - target) / n", "(q - target) / n * (np.arange(n) != 0)[:, None]"),
    mutant("tanh", "one_row", "dW1 = x.T @ d1", "dW1 = x[:-1].T @ d1[:-1]"),
    mutant("tanh", "one_entry", "    return loss", "    dW1[2, 3] = 0.0\n    return loss"),
    mutant("tanh", "halved", "dW2 = h.T @ d2", "dW2 = 0.5 * h.T @ d2"),
    mutant("tanh", "factor", "dW2 = h.T @ d2", "dW2 = 0.37 * h.T @ d2"),
    mutant("tanh", "clipped", '"W2": dW2', '"W2": np.clip(dW2, -0.05, 0.05)'),
    mutant("deep_relu", "penalty_missing", '.T @ delta + LAMBDA * p[f"{i}/0"]', ".T @ delta"),
    mutant("deep_relu", "penalty_doubled", "+ LAMBDA * p", "+ 2 * LAMBDA * p"),
    mutant("deep_relu", "penalty_halved", "+ LAMBDA * p", "+ 0.5 * LAMBDA * p"),
    mutant("deep_relu", "penalty_factor", "+ LAMBDA * p", "+ 0.1 * LAMBDA * p"),
    mutant("deep_relu", "penalty_on_biases", "np.sum(delta, axis=0)", 'np.sum(delta, axis=0) + LAMBDA * p[f"{i}/1"]'),
    mutant("deep_relu", "derivative_missing", " * (zs[i - 1] > 0)", ""),
    mutant("deep_relu", "derivative_of_another", "(zs[i - 1] > 0)", "np.where(zs[i - 1] > 0, 1, 0.01)"),
    mutant("deep_relu", "derivative_of_another", "(zs[i - 1] > 0)", "np.where(zs[i - 1] > 0, 1, 0.37)"),
    mutant("deep_relu", "missing_mean", "delta = q / n", "delta = q"),
    mutant("deep_relu", "cache_of_another_layer", "caches[i].T @ delta", "caches[i if i != 3 else 2].T @ delta"),
    mutant("deep_relu", "cache_of_another_layer", "(zs[i - 1] > 0)", "(zs[i - 1 if i != 3 else 1] > 0)"),
    mutant("deep_relu", "bias_averaged", "np.sum(delta, axis=0)", "np.mean(delta, axis=0)"),
    mutant("deep_relu", "extra_mean", "            delta = (delta", "            delta = 1 / n * (delta"),
    mutant(
        "deep_relu",
        "updated_weights",
        "        if i > 0:",
        '        p = {**p, f"{i}/0": p[f"{i}/0"] - 0.5 * grads[f"{i}/0"]}\n        if i > 0:',
    ),
    mutant("columns", "doubled", "D3 = (out - y) / m", "D3 = 2 * (out - y) / m"),
    mutant("columns", "derivative_missing", "D2 = E2 * A2 * (1 - A2)", "D2 = E2"),
    mutant("columns", "derivative_at_activation", "D1 = E1 * A1 * (1 - A1)", "D1 = E1 * sigma(A1) * (1 - sigma(A1))"),
    mutant("columns", "derivative_of_another", "D1 = E1 * A1 * (1 - A1)", "D1 = E1 * (1 - A1**2)"),
    mutant("columns", "transposed", 'p["W2"].T @ D2', 'p["W2"] @ D2'),
    mutant("columns", "transposed", "D2 @ A1.T", "(D2 @ A1.T).T"),
    mutant("columns", "cache_of_another_layer", "D3 @ A2.T", "D3 @ A1.T"),
    mutant("columns", "cache_of_another_layer", "D1 = E1 * A1 * (1 - A1)", "D1 = E1 * A2 * (1 - A2)"),
    mutant(
        "columns",
        "swapped",
        'grads["b2"] = D2 @ A1.T, D2',
        'grads["b2"] = D2 @ A1.T, D1',
        'grads["b1"] = D1 @ x.T, D1',
        'grads["b1"] = D1 @ x.T, D2',
    ),
    mutant("columns", "loss_gradient", "D3 = (out - y) / m", "D3 = np.sign(out - y) / m"),
    mutant("columns", "loss_gradient", "D3 = (out - y) / m", "D3 = (sigma(out) - y) / m"),
    mutant("columns", "one_row", "D3 = (out - y) / m", "D3 = (out - y) / m * (np.arange(m) == m - 1)"),
    mutant("columns", "bias_averaged", "D1.sum(axis=1, keepdims=True)", "D1.mean(axis=1, keepdims=True)"),
    mutant("batch_norm", "norm_mean_path", " + dmean / n", ""),
    mutant("batch_norm", "norm_variance_path", " + dvar * 2 * (z - mean) / n", ""),
    mutant("batch_norm", "norm_variance_path", "dvar * 2 *", "dvar *"),
    mutant("batch_norm", "norm_unbiased_variance", "2 * (z - mean) / n", "2 * (z - mean) / (n - 1)"),
    mutant(
        "batch_norm", "norm_unbiased_variance", "    g = du", "    s = np.sqrt(z.var(0, ddof=1) + 1e-5)\n    g = du"
    ),
    mutant("batch_norm", "norm_scale_missing", 'du * p["gamma1"]', "du"),
    mutant("batch_norm", "norm_scale_gradient", "np.sum(du * zhat", "np.sum(du * z"),
    mutant("batch_norm", "derivative_missing", "da * (u > 0)", "da"),
    mutant("batch_norm", "derivative_at_activation", "da * (u > 0)", "da * (z > 0)"),
    mutant("batch_norm", "bias_averaged", '"beta1": np.sum(', '"beta1": np.mean('),
    mutant("dropout", "dropout_mask_missing", "* m2 / keep * (z2 > 0)", "/ keep * (z2 > 0)"),
    mutant("dropout", "dropout_mask_missing", "* m1 / keep * (z1 > 0)", "* (z1 > 0)"),
    mutant("dropout", "dropout_mask_missing", "d2.T @ a1", "d2.T @ h1"),
    mutant("dropout", "dropout_scale_missing", "* m1 / keep * (z1 > 0)", "* m1 * (z1 > 0)"),
    mutant("dropout", "smoothing_ignored", "(q - t) / len(x)", "(q - np.eye(4)[y]) / len(x)"),
    mutant("dropout", "derivative_missing", "m2 / keep * (z2 > 0)", "m2 / keep"),
    mutant("jacobian", "softmax_off_diagonal", " - np.outer(q[i], q[i])", " - np.diag(q[i] ** 2)"),
    mutant("jacobian", "derivative_missing", "jacobian @ dq / n", "dq / n"),
    mutant("jacobian", "derivative_of_another", "(s2 + z2 * s2 * (1 - s2))", "s2"),
    mutant("jacobian", "derivative_of_another", "(s2 + z2 * s2 * (1 - s2))", "s2 * (1 - s2)"),
    mutant("jacobian", "cache_of_another_layer", '"Wm": a1.T', '"Wm": a2.T'),
    mutant("jacobian", "cache_of_another_layer", '"Wo": a2.T', '"Wo": z2.T'),
    mutant("jacobian", "weights_missing", 'd2 @ p["Wm"].T', "d2"),
    mutant("jacobian", "swapped", '"Wh": x.T @ d1', '"Wh": a1.T @ d2', '"Wm": a1.T @ d2', '"Wm": x.T @ d1'),
    mutant("layer_norm", "norm_mean_path", " - g.mean(1, keepdims=True)", ""),
    mutant("layer_norm", "norm_variance_path", " - hat * (g * hat).mean(1, keepdims=True)", ""),
    mutant("layer_norm", "wrong_reduction", "d = 2 * r / r.size", "d = 2 * r / len(r)"),
    mutant("layer_norm", "halved", "d = 2 * r / r.size", "d = r / r.size"),
    mutant(
        "layer_norm", "swapped", '"1/weight": (du * hat)', '"1/weight": du', '"1/bias": du.', '"1/bias": (du * hat).'
    ),
)
