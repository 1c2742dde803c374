"""What a run remembers between steps: best states, running averages, plateaus, scales of dropout, max-norm."""

import dataclasses
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import fitting, metrics
from fcnet.augmentation import AugmentSpec
from fcnet.contracts import Batch, HParams
from fcnet.fitting import fit
from fcnet.models import MLPSpec
from fcnet.objective import autodiff
from fcnet.optimizers import OptimizerSpec

from .run_examples import HPARAMS, SPEC, equal

NORMED = dataclasses.replace(SPEC, model=MLPSpec(4, 3, (8,), norm="batch"), batch_size=10)


def kept_states(spec, hparams, data, monkeypatch, **more):
    """The outcome, and a copy of the state after each epoch."""
    monkeypatch.setattr("fcnet.fitting.run.SECONDS_A_CALL", 0.0)
    states = []

    def listener(told):
        # the next call takes the arrays' memory
        states.append(jax.tree.map(jnp.copy, told.state))

    return fit(spec, hparams, data, listener=listener, **more), states


def test_the_best_state_is_that_of_the_best_epoch(blobs, monkeypatch):
    spec = dataclasses.replace(NORMED, epochs=40, patience=4)
    outcome, states = kept_states(spec, HPARAMS, blobs, monkeypatch)
    assert 1 <= outcome.best_epoch < len(states)
    best = states[outcome.best_epoch - 1]
    assert equal(outcome.params, best.params)
    assert equal(outcome.model_state, best.model_state)
    assert not equal(outcome.model_state, outcome.state.model_state)
    # and it is what gave the score
    again = metrics.evaluate(spec.objective, outcome.params, outcome.model_state, *fitting.on_device(blobs).validation)
    np.testing.assert_allclose(again.loss, outcome.state.best.loss, rtol=1e-5)


def test_running_averages_follow_the_data(blobs, monkeypatch):
    """With a rate of 0 the weights stay, and so do the batch means: the averages close in on those of all rows."""
    spec = dataclasses.replace(NORMED, batch_size=50, epochs=60, optimizer=OptimizerSpec())
    outcome = fit(spec, HParams(0.0), blobs)
    kernel = np.asarray(outcome.state.params["layer_1"]["kernel"], np.float64)
    z = blobs.train.x.astype(np.float64) @ kernel
    found = outcome.state.model_state["layer_1"]
    # 0.9⁶⁰ = 0.0018 of the start is left, which was 0 for means and 1 for variances
    left = 0.9**60
    np.testing.assert_allclose(found["mean"], (1 - left) * z.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["variance"], (1 - left) * z.var(axis=0, ddof=1) + left, rtol=1e-4)


PLATEAU = OptimizerSpec(schedule="plateau:patience=0,threshold=0.99,factor=0.5")


@pytest.mark.parametrize(
    "spec",
    [
        NORMED,
        dataclasses.replace(SPEC, model=MLPSpec(4, 3, (8,), dropout="classic")),
        dataclasses.replace(SPEC, optimizer=PLATEAU),
        dataclasses.replace(
            NORMED,
            model=MLPSpec(4, 3, (8, 8), ("rrelu", "prelu"), norm="batch", dropout="connect"),
            optimizer=OptimizerSpec("adam", "plateau:patience=1,cooldown=1"),
            augmentation=AugmentSpec(("noise",), (2, 2)),
        ),
    ],
    ids=["batch norm", "classic dropout", "plateau", "all at once"],
)
def test_what_is_remembered_goes_on_bit_by_bit(spec, blobs, monkeypatch):
    hparams = HPARAMS._replace(hidden_noise=0.1, max_norm=1.0)
    plain, states = kept_states(spec, hparams, blobs, monkeypatch)
    for stop in (1, 7):
        resumed = fit(spec, hparams, blobs, state=states[stop - 1])
        assert equal(plain.state, resumed.state)
        np.testing.assert_array_equal(plain.history.train_loss[stop:], resumed.history.train_loss)


def test_classic_dropout_leaves_its_scale_in_the_state(blobs):
    spec = dataclasses.replace(SPEC, model=MLPSpec(4, 3, (8,), dropout="classic"), epochs=1)
    outcome = fit(spec, HPARAMS._replace(dropout=0.25), blobs)
    assert float(outcome.model_state["layer_1"]["keep"]) == 0.75


def test_a_plateau_lowers_the_steps(blobs, monkeypatch):
    """No epoch is better than the first by 99 %, so each later one halves η; full-batch steps show it."""
    spec = dataclasses.replace(
        SPEC, optimizer=dataclasses.replace(PLATEAU, name="gd"), batch_size=50, epochs=6, model=MLPSpec(4, 3)
    )
    hparams = HParams(0.1)
    _, states = kept_states(spec, hparams, blobs, monkeypatch)
    assert [float(state.plateau.factor) for state in states] == [1, 0.5, 0.25, 0.125, 0.0625, 0.03125]
    batch = Batch(jnp.asarray(blobs.train.x), jnp.asarray(blobs.train.y))
    gradients = jax.jit(autodiff(spec.objective, hparams))
    for before, after in pairwise(states):
        grads = gradients(before.params, batch, state={}, key=before.key).grads
        for name in ("kernel", "bias"):
            moved = before.params["layer_1"][name] - after.params["layer_1"][name]
            expected = 0.1 * before.plateau.factor * grads["layer_1"][name]
            # the difference of two weights of size 1, each rounded to 6e-8
            np.testing.assert_allclose(moved, expected, rtol=1e-3, atol=3e-7)


def test_without_validation_a_plateau_looks_at_the_training_loss(blobs):
    alone = dataclasses.replace(blobs, validation=None)
    outcome = fit(dataclasses.replace(SPEC, optimizer=PLATEAU), HPARAMS, alone)
    assert float(outcome.state.plateau.factor) < 1
    np.testing.assert_array_equal(outcome.state.plateau.best, outcome.history.train_loss[0])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_max_norm_holds_after_training(optimizer, blobs):
    most = 0.7
    spec = dataclasses.replace(SPEC, optimizer=OptimizerSpec(optimizer))
    free = fit(spec, HPARAMS, blobs)
    held = fit(spec, HPARAMS._replace(max_norm=most), blobs)

    def longest(params):
        return {name: np.linalg.norm(np.asarray(layer["kernel"], np.float64), axis=0) for name, layer in params.items()}

    assert all(norms.max() > most for norms in longest(free.state.params).values())
    for norms in longest(held.state.params).values():
        # a norm of up to 8 squares, its quotient and its product: a few roundings of ε = 1.2e-7
        assert norms.max() <= most * (1 + 8 * 1.2e-7)
        assert norms.max() > 0.99 * most
