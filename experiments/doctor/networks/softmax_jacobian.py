"""9-15-7, sigmoid, a softmax layer with its whole Jacobian, log loss; one example after the other."""

from typing import Any

import numpy as np


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Weights and 11 rows of 7 classes."""
    params = {
        "hidden_weights": random.normal(size=(15, 9)) / 3,
        "hidden_bias": 0.2 * random.normal(size=15),
        "output_weights": random.normal(size=(7, 15)) / 4,
        "output_bias": 0.2 * random.normal(size=7),
    }
    return params, random.normal(size=(11, 9)), random.integers(0, 7, 11)


def softmax(z: np.ndarray) -> np.ndarray:
    """Of one row."""
    e = np.exp(z - np.max(z))
    return e / np.sum(e)


def loss_and_grads(params: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[Any, dict[str, np.ndarray]]:
    """The mean of −log p(y) and its gradients, added up row by row."""
    n_samples = len(x)
    v, c = params["hidden_weights"], params["hidden_bias"]
    w, b = params["output_weights"], params["output_bias"]
    dv, dc, dw, db = np.zeros_like(v), np.zeros_like(c), np.zeros_like(w), np.zeros_like(b)
    total = 0.0
    for i in range(n_samples):
        h = 1 / (1 + np.exp(-(v @ x[i] + c)))
        p = softmax(w @ h + b)
        total = total - np.log(p[y[i]])

        dloss_dp = np.zeros_like(p)
        dloss_dp[y[i]] = -1 / p[y[i]]
        jacobian = np.diag(p) - np.outer(p, p)
        dz = jacobian @ dloss_dp / n_samples
        dw += np.outer(dz, h)
        db += dz
        dh = w.T @ dz
        da = dh * h * (1 - h)
        dv += np.outer(da, x[i])
        dc += da
    return total / n_samples, {"hidden_weights": dv, "hidden_bias": dc, "output_weights": dw, "output_bias": db}
