"""One step, and the scanned steps of rows at hand."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from fcnet import devices, regularizers
from fcnet.augmentation import augment
from fcnet.contracts import Batch, HParams, ModelState, Params
from fcnet.optimizers import Plateau
from fcnet.train.spec import RunSpec, grad_fn, optimizer_of
from fcnet.train.state import RunState, TrainData


class Carry(NamedTuple):
    """What one step hands to the next."""

    params: Params
    opt_state: optax.OptState
    model_state: ModelState

    @classmethod
    def of(cls, state: RunState) -> "Carry":
        """That of an epoch's first step."""
        return cls(state.params, state.opt_state, state.model_state)


def _step(
    spec: RunSpec,
    hparams: HParams,
    optimizer: optax.GradientTransformation,
    carry: Carry,
    batch: Batch,
    key: jax.Array,
) -> tuple[Carry, jax.Array]:
    """One step: augmented rows, gradients, the optimiser's update, and the batch's mean loss."""
    if spec.augmentation is not None:
        augment_key, key = jax.random.split(key)
        batch = batch._replace(x=augment(spec.augmentation, batch.x, key=augment_key))
    result = grad_fn(spec)(spec.objective, hparams)(carry.params, batch, state=carry.model_state, key=key)
    updates, opt_state = optimizer.update(result.grads, carry.opt_state, carry.params)
    params = regularizers.constrain(hparams, optax.apply_updates(carry.params, updates))
    # a penalty can overflow before the data loss does: either ends the run
    return Carry(params, opt_state, result.state), jnp.where(jnp.isfinite(result.loss), result.data_loss, jnp.nan)


def run_block(
    spec: RunSpec,
    hparams: HParams,
    plateau: Plateau,
    rows: int,
    carry: Carry,
    data: TrainData,
    batches: jax.Array,
    keys: jax.Array,
    mesh: Mesh | None = None,
) -> tuple[Carry, jax.Array]:
    """The steps of an epoch, or of a part of it whose rows are at hand: pure, to be jitted, or vmapped over members.

    Args:
        plateau: of the state at the epoch's start.
        rows: of the whole training part, which the schedule goes by.
        data: the rows at hand; its validation part is not looked at.
        batches: (steps, batch_size) which of these rows each step takes.
        keys: (steps,) of the steps.
        mesh: see ``run_epoch``.

    Returns:
        What the next step goes on from, and the (steps,) mean losses of the batches.
    """
    rate = jnp.asarray(hparams.learning_rate, plateau.factor.dtype)
    optimizer = optimizer_of(spec, hparams._replace(learning_rate=rate * plateau.factor), rows)

    def step(carry: Carry, key_and_rows: tuple[jax.Array, jax.Array]) -> tuple[Carry, jax.Array]:
        key, chosen = key_and_rows
        batch = Batch(data.x[chosen], data.y[chosen], None if data.weight is None else data.weight[chosen])
        return _step(spec, hparams, optimizer, carry, devices.spread(batch, mesh), key)

    return jax.lax.scan(step, carry, (keys, batches))
