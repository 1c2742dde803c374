"""The whole chain of a run: clipping, decay, direction, learning rate."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from fcnet.contracts import HParams, Params
from fcnet.errors import require
from fcnet.optimizers.record import COUPLED
from fcnet.optimizers.spec import OptimizerSpec, get, get_schedule
from fcnet.regularizers import kernel_mask


def learning_rate(
    spec: OptimizerSpec, peak: jax.Array | float, total_steps: int, dtype: jnp.dtype
) -> Callable[[jax.Array], jax.Array]:
    """step ↦ η(step): a linear rise over the first ``warmup`` of the steps, then the schedule over the rest.

    The rise ends at a whole step, warmup · total_steps rounded; the schedule then counts from 0.
    """
    schedule = get_schedule(spec.schedule)
    warmup_steps = round(spec.warmup * total_steps)
    rest = max(total_steps - warmup_steps, 1)

    def at(step: jax.Array) -> jax.Array:
        rise = jnp.minimum(step + 1, max(warmup_steps, 1)).astype(dtype) / max(warmup_steps, 1)
        factor = schedule.factor(jnp.maximum(step - warmup_steps, 0), rest, dtype)
        return jnp.asarray(peak, dtype) * (rise * factor)

    return at


def _all_mask(params: Params) -> Params:
    return jax.tree.map(lambda _: True, params)


def build(spec: OptimizerSpec, hparams: HParams, total_steps: int, dtype: jnp.dtype) -> optax.GradientTransformation:
    """The whole chain: clipping by value, clipping by global norm, direction, weight decay, learning rate.

        g ← clip(g, ±c),   g ← g · min(1, C / ‖g‖),   W ← W − η (direction(g) + λ W)

    Coupled decay stands before the direction, behind the clipping, where PyTorch's optimisers have it. What is None in
    ``hparams`` is not in the chain. PyTorch adds 10⁻⁶ to the norm that it clips by; here nothing is added.

    Args:
        dtype: of the parameters; the hyper-parameters are cast to it, so they may be of any type and traced.

    Raises:
        InputError: a momentum for an optimiser that has none.
    """
    optimizer = get(spec.name)
    allowed = bool(optimizer.momentum) or hparams.momentum is None
    require(allowed, f"optimiser {optimizer.name} has no momentum: leave it None")
    hparams = jax.tree.map(lambda value: jnp.asarray(value, dtype), hparams)
    decayed = _all_mask if spec.decay_all else kernel_mask
    direction = optimizer.direction(hparams, decayed)
    steps = []
    if hparams.clip_value is not None:
        steps.append(optax.clip(hparams.clip_value))
    if hparams.clip_norm is not None:
        steps.append(optax.clip_by_global_norm(hparams.clip_norm))
    if hparams.weight_decay is None or optimizer.decays_itself:
        steps.append(direction)
    else:
        decay = optax.add_decayed_weights(hparams.weight_decay, decayed)
        place = spec.decay or optimizer.decays[0]
        steps += [decay, direction] if place == COUPLED else [direction, decay]
    schedule = learning_rate(spec, hparams.learning_rate, total_steps, dtype)
    return optax.chain(*steps, optax.scale_by_learning_rate(schedule))
