"""12-12-12-12-3, SiLU, binary cross-entropy averaged over rows and labels; weights and biases in two lists."""

from typing import Any

import numpy as np


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Weights and 15 rows with three labels each, 0 or 1."""
    shapes = [(12, 12), (12, 12), (12, 12), (12, 3)]
    params = {
        "weights": [random.normal(size=shape) * 0.4 for shape in shapes],
        "biases": [random.normal(size=shape[1]) * 0.3 for shape in shapes],
    }
    return params, random.normal(size=(15, 12)), random.integers(0, 2, (15, 3)).astype(float)


def sigmoid(z: np.ndarray) -> np.ndarray:
    """The logistic function."""
    return 1 / (1 + np.exp(-z))


def silu(z: np.ndarray) -> np.ndarray:
    """z σ(z)."""
    return z * sigmoid(z)


def d_silu(z: np.ndarray) -> np.ndarray:
    """σ(z) (1 + z (1 − σ(z)))."""
    s = sigmoid(z)
    return s * (1 + z * (1 - s))


def loss_and_grads(params: Any, x: np.ndarray, y: np.ndarray) -> tuple[Any, dict[str, Any]]:
    """The loss and its gradients."""
    weights, biases = params["weights"], params["biases"]
    depth = len(weights)
    inputs, pre = [], []
    a = x
    for w, b in zip(weights, biases, strict=True):
        inputs.append(a)
        z = a @ w + b
        pre.append(z)
        a = silu(z)
    p = sigmoid(pre[-1])
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    grad_w, grad_b = [], []
    delta = (p - y) / y.size
    for k in range(depth - 1, -1, -1):
        grad_w.append(inputs[k].T @ delta)
        grad_b.append(delta.sum(axis=0))
        if k > 0:
            delta = (delta @ weights[k].T) * d_silu(pre[k - 1])
    return loss, {"weights": grad_w[::-1], "biases": grad_b[::-1]}
