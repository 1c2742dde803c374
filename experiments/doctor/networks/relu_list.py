# ruff: noqa: N806 - the names of the lecture
"""20-32-16-12-5, ReLU, mean cross-entropy + ½ λ Σ W²; a list of (W, b) and a loop."""

from itertools import pairwise
from typing import Any

import numpy as np

SIZES = (20, 32, 16, 12, 5)
REG = 0.02


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """He's weights and 30 rows of 5 classes."""
    params = [
        (random.normal(size=(n_in, n_out)) * np.sqrt(2 / n_in), 0.1 * random.normal(size=n_out))
        for n_in, n_out in pairwise(SIZES)
    ]
    return params, random.normal(size=(30, 20)), random.integers(0, 5, 30)


def loss_and_grads(params: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray, y: np.ndarray) -> tuple[Any, list[Any]]:
    """The loss with its penalty, and [(dW, db), …]."""
    rows = np.arange(len(y))
    activations, zs = [x], []
    for i, (W, b) in enumerate(params):
        z = activations[-1] @ W + b
        zs.append(z)
        activations.append(np.maximum(z, 0) if i < len(params) - 1 else z)

    scores = zs[-1] - zs[-1].max(axis=1, keepdims=True)
    log_probs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    loss = -log_probs[rows, y].mean() + 0.5 * REG * sum(np.sum(W * W) for W, _ in params)

    delta = np.exp(log_probs)
    delta[rows, y] -= 1
    delta /= len(y)
    grads: list[Any] = []
    for i in reversed(range(len(params))):
        W, b = params[i]
        dW = activations[i].T @ delta + REG * W
        db = delta.sum(axis=0)
        grads.insert(0, (dW, db))
        if i > 0:
            delta = (delta @ W.T) * (zs[i - 1] > 0)
    return loss, grads
