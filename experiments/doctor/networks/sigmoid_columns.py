# ruff: noqa: N803, N806 - the names of the lecture
"""8-16-16-2, sigmoid, ½ squared error averaged over the examples; one example a column, W (out, in), b (out, 1)."""

from typing import Any

import numpy as np


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Weights and 13 columns."""
    params = {}
    for layer, (n_in, n_out) in enumerate([(8, 16), (16, 16), (16, 2)], start=1):
        params[f"W{layer}"] = random.normal(size=(n_out, n_in)) / np.sqrt(n_in)
        params[f"b{layer}"] = 0.2 * random.normal(size=(n_out, 1))
    return params, random.normal(size=(8, 13)), random.normal(size=(2, 13))


def sigmoid(Z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(−z))."""
    return 1 / (1 + np.exp(-Z))


def loss_and_grads(params: dict[str, np.ndarray], X: np.ndarray, Y: np.ndarray) -> tuple[Any, dict[str, np.ndarray]]:
    """The cost and its gradients."""
    m = X.shape[1]
    W1, b1, W2, b2, W3, b3 = (params[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3"))

    Z1 = W1 @ X + b1
    A1 = sigmoid(Z1)
    Z2 = W2 @ A1 + b2
    A2 = sigmoid(Z2)
    Z3 = W3 @ A2 + b3
    cost = np.sum((Z3 - Y) ** 2) / (2 * m)

    dZ3 = Z3 - Y
    dW3 = 1 / m * dZ3 @ A2.T
    db3 = 1 / m * np.sum(dZ3, axis=1, keepdims=True)
    dA2 = W3.T @ dZ3
    dZ2 = dA2 * A2 * (1 - A2)
    dW2 = 1 / m * dZ2 @ A1.T
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dA1 = W2.T @ dZ2
    dZ1 = dA1 * A1 * (1 - A1)
    dW1 = 1 / m * dZ1 @ X.T
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return cost, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}
