# ruff: noqa: N806 - the names of the lecture
"""784-128-10, tanh, softmax cross-entropy; a dictionary of weights, one image a row."""

from typing import Any

import numpy as np


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Weights and 24 images with their labels."""
    params = {
        "W1": 0.03 * random.normal(size=(784, 128)),
        "b1": 0.03 * random.normal(size=128),
        "W2": 0.03 * random.normal(size=(128, 10)),
        "b2": 0.03 * random.normal(size=10),
    }
    return params, random.uniform(size=(24, 784)), random.integers(0, 10, 24)


def loss_and_grads(params: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[Any, dict[str, np.ndarray]]:
    """The mean cross-entropy and its gradients."""
    W1, b1 = params["W1"], params["b1"]
    W2, b2 = params["W2"], params["b2"]
    n = x.shape[0]

    # forward
    z1 = x @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2 + b2
    exp = np.exp(z2 - z2.max(axis=1, keepdims=True))
    probs = exp / exp.sum(axis=1, keepdims=True)
    loss = -np.log(probs[np.arange(n), y]).mean()

    # backward
    dz2 = probs.copy()
    dz2[np.arange(n), y] -= 1
    dz2 /= n
    dW2 = a1.T @ dz2
    db2 = dz2.sum(axis=0)
    da1 = dz2 @ W2.T
    dz1 = da1 * (1 - a1**2)
    dW1 = x.T @ dz1
    db1 = dz1.sum(axis=0)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
