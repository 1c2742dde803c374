"""The backpropagation exercise solved, in NumPy: what ``fcnet grade`` compares with.

Every forward returns (output, cache), every backward takes (upstream, cache) with ``upstream`` = ∂L/∂output.
"""

from typing import Any

import numpy as np

Array = Any


def matmul_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    """x W: (batch, fan_in), (fan_in, units) ↦ (batch, units)."""
    return x @ kernel, (x, kernel)


def matmul_backward(upstream: Array, cache: tuple[Array, Array]) -> tuple[Array, Array]:
    """∂L/∂x = δ Wᵀ, ∂L/∂W = xᵀ δ."""
    x, kernel = cache
    return upstream @ kernel.T, x.T @ upstream


def relu_forward(z: Array) -> tuple[Array, Array]:
    """max(z, 0)."""
    return np.maximum(z, 0), z


def relu_backward(upstream: Array, cache: Array) -> Array:
    """δ ⊙ [z > 0]."""
    return upstream * (cache > 0)


def softmax_forward(z: Array) -> tuple[Array, Array]:
    """exp(z − max z) / Σₖ exp(zₖ − max z), over each row: the shift cancels and nothing overflows."""
    grown = np.exp(z - z.max(axis=1, keepdims=True))
    a = grown / grown.sum(axis=1, keepdims=True)
    return a, a


def softmax_backward(upstream: Array, cache: Array) -> Array:
    """Σⱼ uⱼ aⱼ (δⱼₖ − aₖ) = aₖ (uₖ − Σⱼ uⱼ aⱼ)."""
    return cache * (upstream - (upstream * cache).sum(axis=1, keepdims=True))


def log_forward(p: Array) -> tuple[Array, Array]:
    """Log p, p > 0."""
    return np.log(p), p


def log_backward(upstream: Array, cache: Array) -> Array:
    """δ / p."""
    return upstream / cache


def loss_forward(log_p: Array, labels: Array) -> tuple[Array, tuple[Array, Array]]:
    """−1/N Σᵢ log pᵢ[yᵢ], a number."""
    return -log_p[np.arange(len(labels)), labels].mean(), (log_p, labels)


def loss_backward(upstream: Array, cache: tuple[Array, Array]) -> Array:
    """−1/N at [i, yᵢ], 0 elsewhere, times ``upstream``."""
    log_p, labels = cache
    return -upstream * one_hot(labels, log_p.shape[1]) / len(labels)


def network_loss_and_grads(params: dict[str, Array], x: Array, labels: Array) -> tuple[Array, dict[str, Array]]:
    """Mean cross-entropy of softmax(max(x W₁ + b₁, 0) W₂ + b₂), and its gradients, through the steps above."""
    z1 = matmul_forward(x, params["W1"])[0] + params["b1"]
    a1 = relu_forward(z1)[0]
    probabilities = softmax_forward(matmul_forward(a1, params["W2"])[0] + params["b2"])[0]
    log_p = log_forward(probabilities)[0]
    loss = loss_forward(log_p, labels)[0]
    towards_p = log_backward(loss_backward(1.0, (log_p, labels)), probabilities)
    delta2 = softmax_backward(towards_p, probabilities)
    towards_a1, kernel2 = matmul_backward(delta2, (a1, params["W2"]))
    delta1 = relu_backward(towards_a1, z1)
    kernel1 = matmul_backward(delta1, (x, params["W1"]))[1]
    return loss, {"W1": kernel1, "b1": delta1.sum(axis=0), "W2": kernel2, "b2": delta2.sum(axis=0)}


def one_hot(labels: Array, classes: int) -> Array:
    """1 at [i, yᵢ], 0 elsewhere: (rows,) ↦ (rows, classes)."""
    return np.eye(classes)[labels]
