"""What a run holds: its rows, its state between two epochs, and its history."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from fcnet import models, regularizers
from fcnet.arrays import AnyArray
from fcnet.contracts import HParams, ModelState, Params
from fcnet.optimizers import Plateau, initial_plateau
from fcnet.train.spec import RunSpec, optimizer_of


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
    opt_state = optimizer_of(spec, hparams, rows).init(params)
    plateau = initial_plateau(spec.model.param_dtype)
    return RunState(params, opt_state, model_state, run_key, jnp.int32(0), best, plateau, jnp.int32(0))


def abstract_hparams(spec: RunSpec, hparams: HParams) -> HParams:
    """Shapes and dtypes of the hyper-parameters that are there, as this run's programs take them."""
    return jax.tree.map(lambda _: jax.ShapeDtypeStruct((), spec.model.param_dtype), hparams)


def abstract_state(spec: RunSpec, hparams: HParams, rows: int) -> RunState:
    """Shapes and dtypes of a state of this run."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    return jax.eval_shape(lambda h, k: initial_state(spec, h, rows, key=k), abstract_hparams(spec, hparams), key)
