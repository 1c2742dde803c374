"""14-10-6-4, leaky ReLU, summed cross-entropy + ½ λ Σ w² over the weights, in PyTorch with the backward written out."""

from typing import Any

import numpy as np
import torch

SLOPE = 0.1
DECAY = 0.3


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Weights (out, in) as PyTorch keeps them and 9 rows of 4 classes, as NumPy arrays still."""
    params = {}
    for name, (fan_in, units) in {"fc1": (14, 10), "fc2": (10, 6), "fc3": (6, 4)}.items():
        params[f"{name}.weight"] = random.normal(size=(units, fan_in)) / np.sqrt(fan_in)
        params[f"{name}.bias"] = 0.2 * random.normal(size=units)
    return params, random.normal(size=(9, 14)), random.integers(0, 4, 9)


def loss_and_grads(params: Any, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss with its penalty, and its gradients."""
    z1 = torch.nn.functional.linear(x, params["fc1.weight"], params["fc1.bias"])
    a1 = torch.where(z1 > 0, z1, SLOPE * z1)
    z2 = torch.nn.functional.linear(a1, params["fc2.weight"], params["fc2.bias"])
    a2 = torch.where(z2 > 0, z2, SLOPE * z2)
    logits = torch.nn.functional.linear(a2, params["fc3.weight"], params["fc3.bias"])
    penalty = sum(params[f"fc{i}.weight"].square().sum() for i in (1, 2, 3))
    loss = torch.nn.functional.cross_entropy(logits, y, reduction="sum") + DECAY / 2 * penalty

    grads = {}
    g = torch.softmax(logits, dim=1)
    g = g - torch.nn.functional.one_hot(y, logits.shape[1]).to(g.dtype)
    grads["fc3.weight"] = g.T @ a2 + DECAY * params["fc3.weight"]
    grads["fc3.bias"] = g.sum(dim=0)
    g = g @ params["fc3.weight"]
    g = torch.where(z2 > 0, g, SLOPE * g)
    grads["fc2.weight"] = g.T @ a1 + DECAY * params["fc2.weight"]
    grads["fc2.bias"] = g.sum(dim=0)
    g = g @ params["fc2.weight"]
    g = torch.where(z1 > 0, g, SLOPE * g)
    grads["fc1.weight"] = g.T @ x + DECAY * params["fc1.weight"]
    grads["fc1.bias"] = g.sum(dim=0)
    return loss, grads
