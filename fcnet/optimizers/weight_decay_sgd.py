"""Weight-decay SGD as one transformation with a state of its own: decay, momentum and step in one recursion."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from fcnet.contracts import Params
from fcnet.optimizers.record import Mask


class WeightDecaySGDState(NamedTuple):
    """Steps done so far, and the velocity v of every parameter (None without momentum)."""

    steps: jax.Array
    velocity: Params | None


def weight_decay_sgd(
    weight_decay: jax.Array | float | None,
    momentum: jax.Array | float | None,
    decayed: Mask,
    *,
    nesterov: bool = False,
    dampening: float = 0.0,
) -> optax.GradientTransformation:
    """The direction of SGD whose weight decay passes through its momentum.

        g ← ∂L/∂W + λ W,    v ← µ v + (1 − τ) g  (v = g at the first step),    d = v, or g + µ v with Nesterov

    Args:
        weight_decay: λ, or None for no decay. Like momentum, in the dtype of the parameters, or a Python number.
        momentum: µ, or None for d = g.
        decayed: params ↦ tree of booleans, the parameters that λ touches.
        nesterov: look ahead by one more step of the velocity.
        dampening: τ; the first step is not damped.

    Source: Krogh & Hertz 1992, A simple weight decay can improve generalization; ``torch.optim.SGD``.
    """

    def init(params: Params) -> WeightDecaySGDState:
        velocity = None if momentum is None else jax.tree.map(jnp.zeros_like, params)
        return WeightDecaySGDState(jnp.int32(0), velocity)

    def update(
        grads: Params, state: WeightDecaySGDState, params: Params | None = None
    ) -> tuple[Any, WeightDecaySGDState]:
        if weight_decay is not None:
            grads = jax.tree.map(lambda on, g, w: g + weight_decay * w if on else g, decayed(grads), grads, params)
        steps = optax.safe_increment(state.steps)
        if momentum is None:
            return grads, WeightDecaySGDState(steps, None)

        def accelerated(g: jax.Array, v: jax.Array) -> jax.Array:
            damped = g if dampening == 0 else jnp.where(state.steps == 0, g, (1 - dampening) * g)
            return momentum * v + damped

        velocity = jax.tree.map(accelerated, grads, state.velocity)
        direction = jax.tree.map(lambda g, v: g + momentum * v, grads, velocity) if nesterov else velocity
        return direction, WeightDecaySGDState(steps, velocity)

    return optax.GradientTransformation(init, update)
