"""7-11-9-2, softplus, mean squared error + λ Σ|w|, in JAX with the backward pass written out."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

LAMBDA = 0.01


def example(random: np.random.Generator) -> tuple[Any, ...]:
    """Weights and 14 rows, as NumPy arrays still."""
    params = {
        name: {"kernel": random.normal(size=shape) / np.sqrt(shape[0]), "bias": 0.2 * random.normal(size=shape[1:])}
        for name, shape in (("dense_a", (7, 11)), ("dense_b", (11, 9)), ("head", (9, 2)))
    }
    return params, random.normal(size=(14, 7)), random.normal(size=(14, 2))


def dense(layer: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """x W + b."""
    return jnp.dot(x, layer["kernel"]) + layer["bias"][None, :]


def dense_vjp(layer: dict[str, jax.Array], x: jax.Array, ct: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
    """Towards the layer and towards x."""
    kernel = jnp.dot(x.T, ct) + LAMBDA * jnp.sign(layer["kernel"])
    bias = jnp.sum(ct, axis=0)
    return {"kernel": kernel, "bias": bias}, jnp.dot(ct, layer["kernel"].T)


def loss_and_grads(params: Any, x: jax.Array, y: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
    """The loss with its penalty, and its gradients."""
    z_a = dense(params["dense_a"], x)
    h_a = jax.nn.softplus(z_a)
    z_b = dense(params["dense_b"], h_a)
    h_b = jax.nn.softplus(z_b)
    out = dense(params["head"], h_b)
    residual = out - y
    penalty = sum(jnp.sum(jnp.abs(layer["kernel"])) for layer in params.values())
    loss = jnp.mean(residual**2) + LAMBDA * penalty

    ct_out = 2 * residual / residual.size
    g_head, ct_h = dense_vjp(params["head"], h_b, ct_out)
    ct_z = ct_h * jax.nn.sigmoid(z_b)
    g_b, ct_h = dense_vjp(params["dense_b"], h_a, ct_z)
    ct_z = ct_h * jax.nn.sigmoid(z_a)
    g_a, _ = dense_vjp(params["dense_a"], x, ct_z)
    return loss, {"dense_a": g_a, "dense_b": g_b, "head": g_head}
