# ruff: noqa: D102 - forward and backward are what they are called
"""6-13-13-5, GELU in its tanh form, mean cross-entropy; layers as objects that remember their inputs."""

from typing import Any

import numpy as np


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Weights and 16 rows of 5 classes."""
    shapes = {"one": (6, 13), "two": (13, 13), "three": (13, 5)}
    params = {
        name: (random.normal(size=shape) / np.sqrt(shape[0]), 0.2 * random.normal(size=shape[1]))
        for name, shape in shapes.items()
    }
    return params, random.normal(size=(16, 6)), random.integers(0, 5, 16)


class Linear:
    """x W + b."""

    def __init__(self) -> None:
        self.x: Any = None
        self.dw: Any = 0
        self.db: Any = 0

    def forward(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
        self.x = x
        self.w = w
        return x @ w + b

    def backward(self, grad: np.ndarray) -> np.ndarray:
        self.dw = self.x.T @ grad
        self.db = np.sum(grad, axis=0)
        return grad @ self.w.T


class Gelu:
    """½ z (1 + tanh(√(2/π) (z + 0.044715 z³)))."""

    C = float(np.sqrt(2 / np.pi))

    def __init__(self) -> None:
        self.z: Any = None

    def forward(self, z: np.ndarray) -> np.ndarray:
        self.z = z
        return 0.5 * z * (1 + np.tanh(self.C * (z + 0.044715 * z**3)))

    def backward(self, grad: np.ndarray) -> np.ndarray:
        z = self.z
        t = np.tanh(self.C * (z + 0.044715 * z**3))
        inner = self.C * (1 + 3 * 0.044715 * z**2)
        return grad * (0.5 * (1 + t) + 0.5 * z * (1 - t**2) * inner)


class CrossEntropy:
    """The mean of −log softmax(z)ᵧ."""

    def __init__(self) -> None:
        self.probs: Any = None
        self.y: Any = None

    def forward(self, logits: np.ndarray, y: np.ndarray) -> Any:
        e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
        self.probs = e / np.sum(e, axis=1, keepdims=True)
        self.y = y
        return -np.mean(np.log(self.probs[np.arange(len(y)), y]))

    def backward(self) -> np.ndarray:
        targets = np.eye(self.probs.shape[1], dtype=self.probs.dtype)[self.y]
        return (self.probs - targets) / len(self.y)


one, two, three = Linear(), Linear(), Linear()
gelu_one, gelu_two = Gelu(), Gelu()
criterion = CrossEntropy()


def loss_and_grads(params: Any, x: np.ndarray, y: np.ndarray) -> tuple[Any, dict[str, Any]]:
    """The loss and its gradients."""
    h = gelu_one.forward(one.forward(x, *params["one"]))
    h = gelu_two.forward(two.forward(h, *params["two"]))
    loss = criterion.forward(three.forward(h, *params["three"]), y)

    grad = three.backward(criterion.backward())
    grad = two.backward(gelu_two.backward(grad))
    one.backward(gelu_one.backward(grad))
    return loss, {"one": (one.dw, one.db), "two": (two.dw, two.db), "three": (three.dw, three.db)}
