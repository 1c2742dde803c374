"""8-8-8-2, layer norm before each tanh, squared error averaged over the rows; one tuple of arrays a layer."""

from typing import Any, NamedTuple

import numpy as np

EPS = 1e-6


class Block(NamedTuple):
    """tanh(γ norm(x W + b) + β)."""

    kernel: np.ndarray
    bias: np.ndarray
    scale: np.ndarray
    shift: np.ndarray


class Head(NamedTuple):
    """x W + b."""

    kernel: np.ndarray
    bias: np.ndarray


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Two blocks, a head, and 17 rows."""
    blocks = [
        Block(
            random.normal(size=(8, 8)) / 2,
            random.normal(size=8) / 5,
            random.uniform(0.5, 1.5, size=8),
            random.normal(size=8) / 5,
        )
        for _ in range(2)
    ]
    head = Head(random.normal(size=(8, 2)) / 2, random.normal(size=2) / 5)
    return (*blocks, head), random.normal(size=(17, 8)), random.normal(size=(17, 2))


def forward(block: Block, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The block's output, what the norm gave, and what it divided by."""
    z = x @ block.kernel + block.bias
    centred = z - z.mean(axis=1, keepdims=True)
    sigma = np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPS)
    normed = centred / sigma
    return np.tanh(block.scale * normed + block.shift), normed, sigma


def backward(
    block: Block, x: np.ndarray, out: np.ndarray, normed: np.ndarray, sigma: np.ndarray, upstream: np.ndarray
) -> tuple[Block, np.ndarray]:
    """The block's gradients and the gradient towards x."""
    d_affine = upstream * (1 - out * out)
    d_scale = np.einsum("ij,ij->j", d_affine, normed)
    d_shift = np.einsum("ij->j", d_affine)
    d_normed = d_affine * block.scale
    along_mean = d_normed.mean(axis=1, keepdims=True)
    along_sigma = normed * (d_normed * normed).mean(axis=1, keepdims=True)
    d_z = (d_normed - along_mean - along_sigma) / sigma
    d_kernel = np.einsum("ni,nj->ij", x, d_z)
    d_bias = np.einsum("nj->j", d_z)
    return Block(d_kernel, d_bias, d_scale, d_shift), np.einsum("nj,ij->ni", d_z, block.kernel)


def loss_and_grads(params: Any, x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    """The loss and its gradients, as tuples of the same kind."""
    first, second, head = params
    h1, normed1, sigma1 = forward(first, x)
    h2, normed2, sigma2 = forward(second, h1)
    error = h2 @ head.kernel + head.bias - y
    loss = (error**2).sum(axis=1).mean()

    d_out = 2 * error / len(x)
    head_grads = Head(h2.T @ d_out, d_out.sum(axis=0))
    second_grads, d_h1 = backward(second, h1, h2, normed2, sigma2, d_out @ head.kernel.T)
    first_grads, _ = backward(first, x, h1, normed1, sigma1, d_h1)
    return loss, (first_grads, second_grads, head_grads)
