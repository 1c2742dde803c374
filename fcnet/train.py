"""One run as a pure function: a step, an epoch, a chunk of epochs.

A chunk is one compiled program. It holds the data on the device as it came, shuffles, steps, evaluates, keeps the best
parameters, and stops by itself when patience runs out or the loss is no longer finite. How many epochs a call runs is
traced, so the cuts between chunks change neither the program nor a bit of the result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from fcnet import backprop, devices, metrics, models, objective, regularizers
from fcnet.arrays import AnyArray
from fcnet.augmentation import AugmentSpec, augment
from fcnet.contracts import Batch, GradFn, HParams, ModelState, Params
from fcnet.errors import require
from fcnet.optimizers import OptimizerSpec, Plateau, build, initial_plateau, update_plateau
from fcnet.spec import MLPSpec


@dataclass(frozen=True)
class RunSpec:
    """Everything about a run that its compiled program depends on.

    ``batch_size``: rows a step; the last batch of an epoch is the smaller rest. ``epochs``: the most there may be.
    ``patience``: epochs without a better validation score before the run stops; 0 never stops early.
    ``gradients``: who computes them; ``engine``: the library that runs those by hand.
    ``reduction``, ``class_weights``, ``ignored``: see ``ObjectiveSpec``.
    ``augmentation``: what is done to the images of each step, or None.

    Raises:
        InputError: a size below 1, a negative patience, or an engine without gradients by hand, or not at hand.
    """

    model: MLPSpec
    loss: str
    optimizer: OptimizerSpec = OptimizerSpec()
    batch_size: int = 32
    epochs: int = 100
    patience: int = 0
    gradients: Literal["autodiff", "manual"] = "autodiff"
    engine: backprop.Engine = "jax"
    reduction: objective.Reduction = "mean"
    class_weights: tuple[float, ...] | None = None
    ignored: int | None = None
    augmentation: AugmentSpec | None = None

    def __post_init__(self) -> None:
        self.objective  # noqa: B018 - checks itself
        require(self.batch_size > 0, f"batch_size must be at least 1, got {self.batch_size}")
        require(self.epochs > 0, f"epochs must be at least 1, got {self.epochs}")
        require(self.patience >= 0, f"patience must be 0 (off) or more, got {self.patience}")
        require(
            self.engine == "jax" or self.gradients == "manual",
            f"engine {self.engine} runs gradients by hand: --gradients manual --engine {self.engine}",
        )
        _grad_fn(self)  # checks the engine

    @property
    def objective(self) -> objective.ObjectiveSpec:
        """Network and loss, and how the loss is reduced."""
        return objective.ObjectiveSpec(self.model, self.loss, self.reduction, self.class_weights, self.ignored)


def _grad_fn(spec: RunSpec) -> Callable[[objective.ObjectiveSpec, HParams], GradFn]:
    return objective.autodiff if spec.gradients == "autodiff" else backprop.manual_on(spec.engine, spec.model.dtype)


class TrainData(NamedTuple):
    """The rows of a run, on the device as stored; ``validation`` and ``weight`` are None where there is none."""

    x: jax.Array
    y: jax.Array
    validation: tuple[jax.Array, jax.Array] | None
    weight: jax.Array | None = None


class Best(NamedTuple):
    """The parameters with the best score so far (ties go to the lower loss), and when that was."""

    params: Params
    model_state: ModelState
    score: jax.Array
    loss: jax.Array
    epoch: jax.Array


class RunState(NamedTuple):
    """All that a run is between two epochs: saving this and nothing else is enough to go on, bit for bit.

    ``key``: of the whole run; epoch e draws from fold_in(key, e). ``epoch``: epochs done.
    ``plateau``: what the schedule of that name remembers.
    ``failed_step``: the step within epoch ``epoch`` + 1 whose loss was not finite, counted from 1; 0 while all is well.
        The state is then that of the last good epoch.
    """

    params: Params
    opt_state: optax.OptState
    model_state: ModelState
    key: jax.Array
    epoch: jax.Array
    best: Best
    plateau: Plateau
    failed_step: jax.Array


class History(NamedTuple):
    """One entry per epoch, each array (epochs,): mean loss while training, and what validation said (NaN without)."""

    train_loss: AnyArray
    validation_loss: AnyArray
    validation_score: AnyArray


def steps_per_epoch(spec: RunSpec, rows: int) -> int:
    """⌈rows / batch_size⌉: every row is seen once an epoch."""
    return -(-rows // spec.batch_size)


def _optimizer(spec: RunSpec, hparams: HParams, rows: int) -> optax.GradientTransformation:
    total = spec.epochs * steps_per_epoch(spec, rows)
    return build(spec.optimizer, hparams, total, spec.model.param_dtype)


def initial_state(spec: RunSpec, hparams: HParams, rows: int, *, key: jax.Array) -> RunState:
    """Epoch 0: fresh parameters from one half of ``key``, the run's own randomness from the other."""
    init_key, run_key = jax.random.split(key)
    params, model_state = models.init(spec.model, init_key)
    if hparams.init_scale is not None:
        scale = jnp.asarray(hparams.init_scale, spec.model.param_dtype)
        params = jax.tree.map(lambda on, leaf: leaf * scale if on else leaf, regularizers.kernel_mask(params), params)
    # every leaf its own buffer, because a compiled call gives them all away
    score, loss = (jnp.full((), jnp.nan, spec.model.param_dtype) for _ in range(2))
    best_params, best_state = jax.tree.map(jnp.copy, (params, model_state))
    best = Best(best_params, best_state, score, loss, jnp.int32(0))
    opt_state = _optimizer(spec, hparams, rows).init(params)
    plateau = initial_plateau(spec.model.param_dtype)
    return RunState(params, opt_state, model_state, run_key, jnp.int32(0), best, plateau, jnp.int32(0))


def batch_order(key: jax.Array, rows: int) -> jax.Array:
    """A random order of all rows, (rows,) int32: that of one 32-bit draw a row.

    Two rows draw the same number with probability 2⁻³² and then keep their order; ``jax.random.permutation`` sorts
    twice to be rid of that, and sorting is what shuffling costs.
    """
    draws = jax.random.bits(key, (rows,), jnp.uint32)
    return jax.lax.sort((draws, jnp.arange(rows, dtype=jnp.int32)), num_keys=1)[1]


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
    result = _grad_fn(spec)(spec.objective, hparams)(carry.params, batch, state=carry.model_state, key=key)
    updates, opt_state = optimizer.update(result.grads, carry.opt_state, carry.params)
    params = regularizers.constrain(hparams, optax.apply_updates(carry.params, updates))
    # a penalty can overflow before the data loss does: either ends the run
    return Carry(params, opt_state, result.state), jnp.where(jnp.isfinite(result.loss), result.data_loss, jnp.nan)


def epoch_keys(spec: RunSpec, key: jax.Array, epoch: jax.Array, rows: int) -> tuple[jax.Array, jax.Array]:
    """The keys of the epoch after ``epoch``: one of its batch order, and (steps,) or one more of its steps."""
    order_key, noise_key = jax.random.split(jax.random.fold_in(key, epoch))
    return order_key, jax.random.split(noise_key, rows // spec.batch_size + 1)


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
    optimizer = _optimizer(spec, hparams._replace(learning_rate=rate * plateau.factor), rows)

    def step(carry: Carry, key_and_rows: tuple[jax.Array, jax.Array]) -> tuple[Carry, jax.Array]:
        key, chosen = key_and_rows
        batch = Batch(data.x[chosen], data.y[chosen], None if data.weight is None else data.weight[chosen])
        return _step(spec, hparams, optimizer, carry, devices.spread(batch, mesh), key)

    return jax.lax.scan(step, carry, (keys, batches))


def _better(new: metrics.Evaluation, best: Best) -> jax.Array:
    higher = (new.score > best.score) | ((new.score == best.score) & (new.loss < best.loss))
    return higher | jnp.isnan(best.score)


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


def is_finished(spec: RunSpec, state: RunState) -> jax.Array:
    """Whether no further epoch is to be trained: all done, patience over, or the loss no longer finite.

    Of one state, or elementwise of several that are stacked.
    """
    waited = state.epoch - state.best.epoch
    out_of_patience = waited >= spec.patience if spec.patience else jnp.bool_(False)
    return (state.epoch >= spec.epochs) | out_of_patience | (state.failed_step > 0)


def run_epochs(
    spec: RunSpec,
    hparams: HParams,
    state: RunState,
    data: TrainData,
    until: jax.Array,
    *,
    room: int,
    mesh: Mesh | None = None,
) -> tuple[RunState, History]:
    """Train until epoch ``until`` or until finished: the program of a chunk, pure, to be jitted or vmapped.

    Args:
        until: the epoch to stop after, traced.
        room: entries of history to return; ``until`` − ``state.epoch`` must not exceed it.
        mesh: see ``run_epoch``.

    Returns:
        The state reached and a history whose first (reached − started) entries are filled.
    """
    start = state.epoch
    empty = jnp.full((room,), jnp.nan, spec.model.param_dtype)

    def body(loop: tuple[RunState, History]) -> tuple[RunState, History]:
        state, history = loop
        after, row = run_epoch(spec, hparams, state, data, mesh=mesh)
        place = state.epoch - start
        return after, History(*(column.at[place].set(value) for column, value in zip(history, row, strict=True)))

    def unfinished(loop: tuple[RunState, History]) -> jax.Array:
        return (loop[0].epoch < until) & ~is_finished(spec, loop[0])

    return jax.lax.while_loop(unfinished, body, (state, History(empty, empty, empty)))
