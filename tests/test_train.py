"""The compiled promises of a run: chunks, resuming, early stopping, divergence, traced values, both gradients."""

import dataclasses
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import fitting, train
from fcnet.augmentation import AugmentSpec
from fcnet.contracts import Batch, HParams
from fcnet.errors import InputError
from fcnet.fitting import DivergedError, fit
from fcnet.models import MLPSpec
from fcnet.objective import autodiff
from fcnet.optimizers import OptimizerSpec

from .run_examples import HPARAMS, SPEC, equal


def test_it_learns(blobs):
    outcome = fit(SPEC, HPARAMS, blobs)
    assert outcome.history.train_loss[-1] < 0.5 * outcome.history.train_loss[0]
    assert float(outcome.state.best.score) >= 0.85
    assert len(outcome.history.train_loss) == 12


def test_the_seed_decides_everything(blobs):
    one, same, other = (
        fit(SPEC, HPARAMS, blobs, seed=1),
        fit(SPEC, HPARAMS, blobs, seed=1),
        fit(SPEC, HPARAMS, blobs, seed=2),
    )
    assert equal(one.state, same.state)
    assert not equal(one.state.params, other.state.params)


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_cuts_between_chunks_change_no_bit(seconds, blobs, monkeypatch):
    plain = fit(SPEC, HPARAMS, blobs)
    monkeypatch.setattr("fcnet.fitting.run.SECONDS_A_CALL", seconds)
    calls = []
    other = fit(SPEC, HPARAMS, blobs, listener=calls.append)
    assert len(calls) == (12 if seconds == 0 else 2)
    assert equal(plain.state, other.state)
    assert equal(plain.history, other.history)


def test_going_on_from_any_epoch_changes_no_bit(blobs, monkeypatch):
    plain = fit(SPEC, HPARAMS, blobs)
    monkeypatch.setattr("fcnet.fitting.run.SECONDS_A_CALL", 0.0)

    class StopError(Exception):
        pass

    for stop in (1, 5, 11):
        kept = []

        def listener(told, stop=stop, kept=kept):
            if int(told.state.epoch) == stop:
                kept.append(told.state)
                raise StopError

        with pytest.raises(StopError):
            fit(SPEC, HPARAMS, blobs, listener=listener)
        resumed = fit(SPEC, HPARAMS, blobs, state=kept[0])
        assert equal(plain.state, resumed.state)
        np.testing.assert_array_equal(plain.history.train_loss[stop:], resumed.history.train_loss)


def test_the_scanned_epoch_is_the_python_loop(blobs):
    """The compiled epoch against its definition written out: same order, same keys, smaller last batch included."""
    spec = dataclasses.replace(SPEC, epochs=1, optimizer=OptimizerSpec())
    outcome = fit(spec, HPARAMS, blobs, seed=3)
    hparams = fitting.as_hparams(HPARAMS, jnp.dtype("float32"))
    state = train.initial_state(spec, hparams, 50, key=jax.random.key(3))
    order_key, noise_key = jax.random.split(jax.random.fold_in(state.key, 0))
    order = np.argsort(np.asarray(jax.random.bits(order_key, (50,), jnp.uint32)), kind="stable")
    gradients = jax.jit(autodiff(spec.objective, hparams))
    params, velocity, total = state.params, jax.tree.map(jnp.zeros_like, state.params), 0.0
    for step in range(7):
        rows = order[8 * step : 8 * step + 8]
        batch = Batch(jnp.asarray(blobs.train.x[rows]), jnp.asarray(blobs.train.y[rows]))
        found = gradients(params, batch, state={}, key=jax.random.fold_in(noise_key, step))
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, found.grads)
        decay = jax.tree.map_with_path(lambda path, p: (1e-3 if path[-1].key == "kernel" else 0.0) * p, params)
        params = jax.tree.map(lambda p, v, d: p - 0.1 * (v + d), params, velocity, decay)
        total += float(found.data_loss) * len(rows)
    assert len(rows) == 2
    # two programs round differently: 7 steps of sums of 8 and 4 terms, a few ε = 1.2e-7 each, through momentum
    np.testing.assert_allclose(outcome.history.train_loss[0], total / 50, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), outcome.state.params, params)


def test_manual_gradients_give_the_same_curve(blobs):
    autodiffed = fit(SPEC, HPARAMS, blobs)
    manual = fit(dataclasses.replace(SPEC, gradients="manual"), HPARAMS, blobs)
    # 84 steps carry a difference of one ε = 1.2e-7 on, each multiplying it by little more than 1: below 1000 ε
    np.testing.assert_allclose(manual.history.train_loss, autodiffed.history.train_loss, rtol=1.2e-4)


def test_float64_curves_agree_to_its_rounding(blobs):
    with jax.enable_x64(True):
        spec = dataclasses.replace(SPEC, model=dataclasses.replace(SPEC.model, dtype="float64"))
        curve = fit(dataclasses.replace(spec, gradients="manual"), HPARAMS, blobs).history.train_loss
        other = fit(spec, HPARAMS, blobs).history.train_loss
    assert curve.dtype == other.dtype == np.float64
    # the same factor of 1000 on float64's ε = 2.2e-16, and some room
    np.testing.assert_allclose(curve, other, rtol=1e-11)


def test_keeps_the_best_epoch_and_stops_when_patience_is_over(blobs):
    spec = dataclasses.replace(SPEC, epochs=60, patience=3)
    outcome = fit(spec, HPARAMS, blobs)
    history = outcome.history
    order = np.lexsort((history.validation_loss, -history.validation_score))
    assert outcome.best_epoch == order[0] + 1
    assert len(history.train_loss) == outcome.best_epoch + 3 < 60
    assert float(outcome.state.best.score) == history.validation_score.max()
    assert not equal(outcome.params, outcome.state.params)


def test_patience_zero_never_stops(blobs):
    assert len(fit(dataclasses.replace(SPEC, epochs=30, patience=0), HPARAMS, blobs).history.train_loss) == 30


def test_without_validation_the_last_epoch_is_kept(blobs):
    outcome = fit(SPEC, HPARAMS, dataclasses.replace(blobs, validation=None))
    assert outcome.best_epoch == 12
    assert np.isnan(outcome.history.validation_loss).all()
    assert equal(outcome.params, outcome.state.params)


def test_divergence_names_epoch_and_step_and_keeps_the_last_good_state(blobs):
    spec = dataclasses.replace(SPEC, loss="mse", model=MLPSpec(4, 3, (8,)))
    y = np.eye(3, dtype=np.float32)[blobs.train.y]
    description = dataclasses.replace(blobs.description, task="regression", classes=())
    data = dataclasses.replace(blobs, description=description, train=blobs.train._replace(y=y), validation=None)
    seen = []
    with pytest.raises(DivergedError, match=r"NaN or infinite in epoch \d+, step \d+: try a smaller --learning-rate"):
        fit(spec, HParams(50.0, 0.9), data, listener=seen.append)
    last = seen[-1].state
    assert int(last.failed_step) > 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(last.params))


def test_another_hyper_parameter_does_not_compile_again(blobs):
    data = fitting.on_device(blobs)
    counted = jax.jit(lambda hparams, state: train.run_epochs(SPEC, hparams, state, data, jnp.int32(1), room=1))
    for rate in (0.1, 0.2, 0.3):
        hparams = fitting.as_hparams(HPARAMS._replace(learning_rate=rate), jnp.dtype("float32"))
        counted(hparams, train.initial_state(SPEC, hparams, 50, key=jax.random.key(0)))
    assert counted._cache_size() == 1


def test_a_second_run_of_the_same_shape_compiles_nothing(blobs, compiled):
    fit(SPEC, HPARAMS, blobs, seed=1)
    compiled.clear()
    fit(SPEC, HPARAMS._replace(learning_rate=0.01), blobs, seed=2)
    assert not compiled
    fit(dataclasses.replace(SPEC, batch_size=7), HPARAMS, blobs)
    assert compiled, "the count must be able to see something"


def test_a_run_is_a_pure_function_that_vmaps_over_seeds_and_rates(blobs):
    data = fitting.on_device(blobs)
    spec = dataclasses.replace(SPEC, patience=3)

    def run(rate, key):
        hparams = fitting.as_hparams(HPARAMS._replace(learning_rate=rate), jnp.dtype("float32"))
        state = train.initial_state(spec, hparams, 50, key=key)
        return train.run_epochs(spec, hparams, state, data, jnp.int32(12), room=12)[0]

    rates, keys = jnp.array([0.05, 0.2], jnp.float32), jax.random.split(jax.random.key(0), 3)
    together = jax.jit(jax.vmap(jax.vmap(run, in_axes=(None, 0)), in_axes=(0, None)))(rates, keys)
    alone = jax.jit(run)(rates[1], keys[2])
    assert together.best.epoch.shape == (2, 3)
    assert int(together.epoch[1, 2]) == int(alone.epoch)
    # a vmapped product sums in another order; see above for what steps make of it
    np.testing.assert_allclose(together.best.loss[1, 2], alone.best.loss, rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"patience": -1}, "patience must be 0"),
        ({"loss": "hinge"}, "unknown loss"),
    ],
)
def test_specs_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(SPEC, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 51}, "batch size 51 is larger than the 50 training rows of blobs"),
        ({"loss": "mse"}, "loss mse is for regression, but blobs has classes to predict"),
        ({"model": MLPSpec(5, 3)}, "the network has 5 inputs and 3 outputs, blobs needs 4 and 3"),
        ({"model": MLPSpec(4, 3, dtype="float64")}, "float64 needs jax.config.update"),
    ],
)
def test_specs_that_do_not_fit_the_data(changes, message, blobs):
    with pytest.raises(InputError, match=message):
        fit(dataclasses.replace(SPEC, **changes), HPARAMS, blobs)


def test_patience_needs_validation(blobs):
    with pytest.raises(InputError, match="patience 2 needs a validation part"):
        fit(dataclasses.replace(SPEC, patience=2), HPARAMS, dataclasses.replace(blobs, validation=None))


def test_augmentation_changes_the_run_and_repeats(blobs):
    images = AugmentSpec(("shift:pixels=1", "noise:sigma=0.2"), (2, 2))
    spec = dataclasses.replace(SPEC, augmentation=images)
    plain, once, again = fit(SPEC, HPARAMS, blobs), fit(spec, HPARAMS, blobs), fit(spec, HPARAMS, blobs)
    assert equal(once.state, again.state)
    assert not equal(once.state.params, plain.state.params)
    assert not equal(fit(spec, HPARAMS, blobs, seed=1).state.params, once.state.params)
    manual = fit(dataclasses.replace(spec, gradients="manual"), HPARAMS, blobs)
    # the same draws, and 84 steps that carry one rounding on, as above
    np.testing.assert_allclose(manual.history.train_loss, once.history.train_loss, rtol=1.2e-4)


@pytest.mark.parametrize(
    ("gradients", "reduction"),
    [
        ("autodiff", "mean"),
        ("manual", "sum"),
        pytest.param("autodiff", "sum", marks=pytest.mark.slow),
        pytest.param("manual", "mean", marks=pytest.mark.slow),
    ],
)
def test_a_class_that_weighs_nothing_is_ignored(gradients, reduction, blobs):
    spec = dataclasses.replace(SPEC, gradients=gradients, reduction=reduction, epochs=4)
    hparams = HPARAMS._replace(learning_rate=0.02)
    weightless = fit(dataclasses.replace(spec, class_weights=(0.0, 1.0, 1.0)), hparams, blobs)
    ignored = fit(dataclasses.replace(spec, ignored=0), hparams, blobs)
    # the factor 0 meets other sums in the two programs: roundings that 28 steps carry on
    np.testing.assert_allclose(weightless.history.train_loss, ignored.history.train_loss, rtol=1e-4)
    np.testing.assert_allclose(weightless.history.validation_loss, ignored.history.validation_loss, rtol=1e-4)
    plain = fit(spec, hparams, blobs)
    assert not np.allclose(plain.history.validation_loss, ignored.history.validation_loss, rtol=1e-2)


@pytest.mark.slow  # eleven pairs of runs
@pytest.mark.parametrize("name", [name for name in HParams._fields if name != "learning_rate"])
def test_traced_values_change_the_run_and_do_not_compile_again(name, blobs):
    data = fitting.on_device(blobs)
    counted = jax.jit(lambda hparams, state: train.run_epochs(SPEC, hparams, state, data, jnp.int32(2), room=2))
    finals = []
    for value in (0.01, 0.1, 0.5):
        hparams = fitting.as_hparams(HPARAMS._replace(**{name: value}), jnp.dtype("float32"))
        finals.append(counted(hparams, train.initial_state(SPEC, hparams, 50, key=jax.random.key(0)))[0].params)
    assert counted._cache_size() == 1
    assert not any(equal(one, other) for one, other in pairwise(finals))


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_a_batch_order_holds_every_row_once(rows, key):
    order = np.asarray(train.batch_order(key, rows))
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(rows))
    if rows > 2:
        assert not np.array_equal(order, train.batch_order(jax.random.split(key)[0], rows))


def test_every_order_of_a_few_rows_is_as_likely_as_any_other(key):
    """Chi-squared over the 24 orders of 4 rows: 23 degrees of freedom exceed 53 with probability 0.0004."""
    orders = np.asarray(jax.vmap(lambda k: train.batch_order(k, 4))(jax.random.split(key, 24_000)))
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert np.sum((counts - 1000) ** 2 / 1000) < 53


def test_init_scale_multiplies_kernels_alone():
    spec = dataclasses.replace(SPEC, model=MLPSpec(4, 3, (8,), bias=0.1))
    plain = train.initial_state(spec, HPARAMS, 50, key=jax.random.key(0)).params
    scaled = train.initial_state(spec, HPARAMS._replace(init_scale=2.0), 50, key=jax.random.key(0)).params
    for layer in plain:
        np.testing.assert_array_equal(scaled[layer]["kernel"], 2 * plain[layer]["kernel"])
        np.testing.assert_array_equal(scaled[layer]["bias"], plain[layer]["bias"])


def test_hidden_noise_sweeps_by_vmap(blobs):
    data = fitting.on_device(blobs)

    def run(sigma):
        hparams = fitting.as_hparams(HPARAMS._replace(hidden_noise=sigma), jnp.dtype("float32"))
        state = train.initial_state(SPEC, hparams, 50, key=jax.random.key(0))
        return train.run_epochs(SPEC, hparams, state, data, jnp.int32(4), room=4)[1].train_loss

    sigmas = jnp.array([0.0, 0.3, 1.0], jnp.float32)
    together = jax.jit(jax.vmap(run))(sigmas)
    alone = np.stack([jax.jit(run)(sigma) for sigma in sigmas])
    # a vmapped product sums in another order; see above for what steps make of it
    np.testing.assert_allclose(together, alone, rtol=1e-3)
    assert len(np.unique(np.round(alone[:, -1], 3))) == 3
