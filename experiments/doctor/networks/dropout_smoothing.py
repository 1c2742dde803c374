"""16-20-20-6, ELU, inverted dropout with its masks in the batch, cross-entropy with smoothed labels."""

from typing import Any

import numpy as np

KEEP = 0.75
SMOOTHING = 0.1
CLASSES = 6


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Weights, 22 rows of 6 classes, and a mask of zeros and ones for each hidden layer."""
    sizes = [(16, 20), (20, 20), (20, CLASSES)]
    params = {
        f"fc{i}": {"weight": random.normal(size=size) / np.sqrt(size[0]), "bias": 0.2 * random.normal(size=size[1])}
        for i, size in enumerate(sizes)
    }
    masks = [(random.uniform(size=(22, 20)) < KEEP).astype(float) for _ in range(2)]
    return params, random.normal(size=(22, 16)), random.integers(0, CLASSES, 22), *masks


def elu(z: np.ndarray) -> np.ndarray:
    """z above 0, exp(z) − 1 below."""
    return np.where(z > 0, z, np.exp(z) - 1)


def elu_prime(z: np.ndarray) -> np.ndarray:
    """1 above 0, exp(z) below."""
    return np.where(z > 0, 1, np.exp(z))


def loss_and_grads(
    params: Any, x: np.ndarray, y: np.ndarray, mask0: np.ndarray, mask1: np.ndarray
) -> tuple[Any, dict[str, Any]]:
    """The mean smoothed cross-entropy and its gradients."""
    batch = x.shape[0]
    one_hot = np.zeros((batch, CLASSES), dtype=x.dtype)
    one_hot[np.arange(batch), y] = 1
    soft = (1 - SMOOTHING) * one_hot + SMOOTHING / CLASSES

    z0 = x @ params["fc0"]["weight"] + params["fc0"]["bias"]
    h0 = elu(z0)
    d0 = h0 * mask0 / KEEP
    z1 = d0 @ params["fc1"]["weight"] + params["fc1"]["bias"]
    h1 = elu(z1)
    d1 = h1 * mask1 / KEEP
    logits = d1 @ params["fc2"]["weight"] + params["fc2"]["bias"]
    shifted = logits - logits.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    loss = -(soft * logp).sum(axis=1).mean()

    grad_logits = (np.exp(logp) - soft) / batch
    grad_d1 = grad_logits @ params["fc2"]["weight"].T
    grad_h1 = grad_d1 * mask1 / KEEP
    grad_z1 = grad_h1 * elu_prime(z1)
    grad_d0 = grad_z1 @ params["fc1"]["weight"].T
    grad_h0 = grad_d0 * mask0 / KEEP
    grad_z0 = grad_h0 * elu_prime(z0)
    return loss, {
        "fc0": {"weight": x.T @ grad_z0, "bias": grad_z0.sum(axis=0)},
        "fc1": {"weight": d0.T @ grad_z1, "bias": grad_z1.sum(axis=0)},
        "fc2": {"weight": d1.T @ grad_logits, "bias": grad_logits.sum(axis=0)},
    }
