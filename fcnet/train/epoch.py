"""One epoch: rows in a random order, step by step, then judged; the best is kept."""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from fcnet import devices, metrics
from fcnet.contracts import HParams
from fcnet.optimizers import update_plateau
from fcnet.train.spec import RunSpec, steps_per_epoch
from fcnet.train.state import Best, RunState, TrainData
from fcnet.train.step import Carry, run_block


def batch_order(key: jax.Array, rows: int) -> jax.Array:
    """A random order of all rows, (rows,) int32: that of one 32-bit draw a row.

    Two rows draw the same number with probability 2⁻³² and then keep their order; ``jax.random.permutation`` sorts
    twice to be rid of that, and sorting is what shuffling costs.
    """
    draws = jax.random.bits(key, (rows,), jnp.uint32)
    return jax.lax.sort((draws, jnp.arange(rows, dtype=jnp.int32)), num_keys=1)[1]


def epoch_keys(spec: RunSpec, key: jax.Array, epoch: jax.Array, rows: int) -> tuple[jax.Array, jax.Array]:
    """The keys of the epoch after ``epoch``: one of its batch order, and (steps,) or one more of its steps."""
    order_key, noise_key = jax.random.split(jax.random.fold_in(key, epoch))
    return order_key, jax.random.split(noise_key, rows // spec.batch_size + 1)


def run_epoch(
    spec: RunSpec,
    hparams: HParams,
    state: RunState,
    data: TrainData,
    order: jax.Array | None = None,
    mesh: Mesh | None = None,
) -> tuple[RunState, tuple[jax.Array, jax.Array, jax.Array]]:
    """Train, evaluate, keep the best; where a loss was not finite, the state before, marked with the step.

    Args:
        order: (rows,) of the rows, where it is shared with other runs; else this run's own for this epoch.
        mesh: of the devices that share the rows of each step, where they do; all else is whole on every one of them.

    Returns:
        The state reached, and the epoch's entries of a ``History``.
    """
    rows = data.x.shape[0]
    order_key, keys = epoch_keys(spec, state.key, state.epoch, rows)
    if order is None:
        order = batch_order(order_key, rows)
    full, rest = divmod(rows, spec.batch_size)
    whole = order[: full * spec.batch_size].reshape(full, spec.batch_size)
    carry, losses = run_block(spec, hparams, state.plateau, rows, Carry.of(state), data, whole, keys[:full], mesh)
    if rest:
        smaller = order[full * spec.batch_size :].reshape(1, rest)
        carry, last = run_block(spec, hparams, state.plateau, rows, carry, data, smaller, keys[full:], mesh)
        losses = jnp.concatenate((losses, last))
    evaluation = None
    if data.validation is not None:
        judged = devices.spread(data.validation, mesh)
        evaluation = metrics.evaluate(spec.objective, carry.params, carry.model_state, *judged)
    return end_epoch(spec, state, carry, losses, evaluation, rows)


def _better(new: metrics.Evaluation, best: Best) -> jax.Array:
    higher = (new.score > best.score) | ((new.score == best.score) & (new.loss < best.loss))
    return higher | jnp.isnan(best.score)


def end_epoch(
    spec: RunSpec,
    state: RunState,
    carry: Carry,
    losses: jax.Array,
    evaluation: metrics.Evaluation | None,
    rows: int,
) -> tuple[RunState, tuple[jax.Array, jax.Array, jax.Array]]:
    """From the last step of an epoch to what ``run_epoch`` returns.

    Args:
        state: at the epoch's start. ``carry``: of its last step. ``losses``: (steps,) of all its steps.
        evaluation: of the validation part with the parameters in ``carry``; None where there is none.
        rows: of the training part.
    """
    # XLA must not draw what made the losses into what follows: it would round differently where they come from outside
    losses = jax.lax.optimization_barrier(losses)
    full, rest = divmod(rows, spec.batch_size)
    total = jnp.sum(losses[:full]) * spec.batch_size
    if rest:  # the smaller last batch counts by its rows
        total = total + losses[full] * rest
    train_loss = total / rows
    bad = ~jnp.isfinite(losses)
    failed_step = jnp.where(jnp.any(bad), jnp.argmax(bad).astype(jnp.int32) + 1, 0)
    epoch, last_step = state.epoch + 1, steps_per_epoch(spec, rows)
    unknown = jnp.full_like(train_loss, jnp.nan)
    found = metrics.Evaluation(unknown, unknown) if evaluation is None else evaluation
    best = Best(carry.params, carry.model_state, found.score, found.loss, epoch)
    if evaluation is not None:  # else there is nothing to choose by: the last epoch is the best there is
        better = _better(evaluation, state.best)
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), best, state.best)
    # the last update of an epoch is followed by no loss that could tell
    finite = jnp.stack(
        [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((carry.params, carry.model_state))]
    ).all()
    if evaluation is not None:
        finite &= jnp.isfinite(evaluation.loss)
    failed_step = jnp.where((failed_step == 0) & ~finite, jnp.int32(last_step), failed_step)
    plateau = update_plateau(spec.optimizer, state.plateau, train_loss if evaluation is None else evaluation.loss)
    after = RunState(carry.params, carry.opt_state, carry.model_state, state.key, epoch, best, plateau, failed_step)
    before = state._replace(failed_step=failed_step)
    kept = jax.tree.map(lambda new, old: jnp.where(failed_step == 0, new, old), after, before)
    return kept, (train_loss, found.loss, found.score)
