"""Flax as its own MNIST example uses it: a ``TrainState``, two compiled functions, and a loop over steps in Python."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.training.train_state import TrainState

from peers.problem import Contestant, Problem


class Network(nn.Module):
    """Dense layers with ReLU between them."""

    sizes: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, inputs) ↦ (batch, classes)."""
        for units in self.sizes[1:-1]:
            x = nn.relu(nn.Dense(units)(x))
        return nn.Dense(self.sizes[-1])(x)


@jax.jit
def gradients(state: TrainState, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
    """Gradients and loss of a batch."""

    def loss_of(params: Any) -> jax.Array:
        logits = state.apply_fn({"params": params}, x)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, y))

    loss, grads = jax.value_and_grad(loss_of)(state.params)
    return grads, loss


@jax.jit
def update(state: TrainState, grads: Any) -> TrainState:
    """One step of the optimiser."""
    return state.apply_gradients(grads=grads)


def loop(problem: Problem) -> Contestant:
    """One network, step by step; rows that fill no batch are left out, as in the example."""
    x, y = jnp.asarray(problem.scaled), jnp.asarray(problem.y)
    full = len(y) // problem.batch_size
    net = Network(problem.sizes)
    optimizer = optax.chain(
        optax.add_decayed_weights(problem.weight_decay), optax.sgd(problem.learning_rate, problem.momentum)
    )
    params = net.init(jax.random.key(0), x[:1])["params"]
    state = TrainState.create(apply_fn=net.apply, params=params, tx=optimizer)
    key, last = jax.random.key(1), float("nan")

    def epochs(count: int) -> None:
        nonlocal state, key, last
        for _ in range(count):
            key, order_key = jax.random.split(key)
            order = jax.random.permutation(order_key, len(y))[: full * problem.batch_size]
            losses = []
            for rows in order.reshape(full, problem.batch_size):
                grads, loss = gradients(state, x[rows], y[rows])
                state = update(state, grads)
                losses.append(loss)
            last = float(np.mean(jax.device_get(losses)))

    return Contestant(1, epochs, lambda: last)
