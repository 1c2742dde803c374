"""A streamed run is the run in memory, bit for bit, from Python and from the command line."""

import dataclasses
import json
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import fitting, streaming, train
from fcnet.augmentation import AugmentSpec
from fcnet.cli import run
from fcnet.console import TrainingDisplay
from fcnet.contracts import HParams
from fcnet.fitting import DivergedError, fit
from fcnet.models import MLPSpec
from fcnet.optimizers import OptimizerSpec
from fcnet.streaming import blocks, programs

from .run_examples import HPARAMS, equal
from .streaming_examples import ROW_BYTES, SMALL_STEPS, SPEC, blocks_of, on_disk, weighted, without_validation


def in_regression(data):
    y = data.train.x[:, :2] ** 2 + 3
    description = dataclasses.replace(data.description, task="regression", classes=(), outputs=2)
    judged = data.validation._replace(y=data.validation.x[:, :2] ** 2 + 3)
    return dataclasses.replace(data, description=description, train=data.train._replace(y=y), validation=judged)


NORMED = dataclasses.replace(SPEC, model=MLPSpec(4, 3, (8,), norm="batch"))
RUNS = {
    "stops early": (dataclasses.replace(SPEC, epochs=60, patience=3), HPARAMS, lambda data: data),
    "batch norm": (NORMED, HPARAMS, lambda data: data),
    "sample weights": (SPEC, HPARAMS, weighted),
    "no validation": (SPEC, HPARAMS, without_validation),
    "regression": (
        dataclasses.replace(SPEC, model=MLPSpec(4, 2, (8,)), loss="mse"),
        SMALL_STEPS,
        in_regression,
    ),
    "by hand, plateau": (
        dataclasses.replace(SPEC, optimizer=OptimizerSpec("adam", "plateau:patience=0"), gradients="manual"),
        HParams(0.01, 0.9),
        lambda data: data,
    ),
    "all at once": (
        dataclasses.replace(
            SPEC,
            model=MLPSpec(4, 3, (8, 8), ("rrelu", "prelu"), norm="batch", dropout="connect"),
            augmentation=AugmentSpec(("noise",), (2, 2)),
        ),
        HPARAMS._replace(hidden_noise=0.1, max_norm=1.0, label_smoothing=0.1, clip_norm=1.0),
        lambda data: data,
    ),
    "one batch and a rest": (dataclasses.replace(SPEC, batch_size=40), HPARAMS, lambda data: data),
    "all rows a step": (dataclasses.replace(SPEC, batch_size=50), HPARAMS, lambda data: data),
    "divides evenly": (dataclasses.replace(SPEC, batch_size=10), HPARAMS, lambda data: data),
}

# The others' parts have tests of their own: where batches end, which weight goes with a row, and what judges, below.
QUICK = ("stops early",)


@pytest.mark.optimised  # unoptimised, a sum is rounded as its surroundings have it
@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RUNS],
)
def test_the_run_in_memory_bit_for_bit(name, blobs, monkeypatch):
    spec, hparams, change = RUNS[name]
    data = change(blobs)
    plain = fit(spec, hparams, data, seed=5, stream=False)
    # 50 rows in batches of 8 are six steps and a rest of two rows: single steps, 3 + 3, 2 + 2 + 2, and 6
    for steps in (1, 4, 2, 100) if name == "stops early" else (1, 4):
        blocks_of(monkeypatch, steps, spec.batch_size)
        streamed = fit(spec, hparams, data, seed=5, stream=True)
        assert equal(plain.state, streamed.state)
        assert equal(plain.history, streamed.history)
    if name == "stops early":
        assert len(plain.history.train_loss) < 60


def test_rows_on_disk_are_the_rows_in_memory(blobs, tmp_path, monkeypatch):
    blocks_of(monkeypatch, 2)
    stored = on_disk(blobs, tmp_path)
    plain = fit(SPEC, HPARAMS, blobs)
    for stream in (False, True):
        assert equal(plain.state, fit(SPEC, HPARAMS, stored, stream=stream).state)


@pytest.mark.optimised  # unoptimised, a sum is rounded as its surroundings have it
@pytest.mark.parametrize("regression", [False, True])
def test_validation_in_blocks_is_equal_up_to_summation(regression, blobs, tmp_path, monkeypatch):
    spec, hparams, change = RUNS["regression" if regression else "batch norm"]
    data = change(blobs)
    np.save(tmp_path / "judged.npy", data.validation.x)
    judged = data.validation._replace(x=np.load(tmp_path / "judged.npy", mmap_mode="r"))
    plain = fit(spec, hparams, data, stream=False)
    # room for 600 bytes: less than twice the 20 validation rows, and blocks of a few of them
    monkeypatch.setattr("fcnet.devices.device_bytes", lambda device: 1200)
    small = dataclasses.replace(data, validation=judged)
    sizes = [rows.stop - rows.start for rows in blocks.plan(small, spec.batch_size, blocks.room()).judged]
    assert sum(sizes) == 20
    assert len(sizes) > 2
    streamed = fit(spec, hparams, small)
    assert equal(plain.state.params, streamed.state.params)
    assert equal(plain.history.train_loss, streamed.history.train_loss)
    # sums of 20 float32 numbers in another order
    np.testing.assert_allclose(streamed.history.validation_loss, plain.history.validation_loss, rtol=20 * 1.2e-7)
    np.testing.assert_allclose(
        streamed.history.validation_score, plain.history.validation_score, rtol=20 * 1.2e-7, atol=20 * 1.2e-7
    )


def test_streaming_by_itself_where_the_device_is_too_small(blobs, tmp_path, monkeypatch):
    begun = []
    compile_run = streaming.compile_run
    monkeypatch.setattr(streaming, "compile_run", lambda *args: begun.append(1) or compile_run(*args))
    stored = on_disk(blobs, tmp_path)
    assert not streaming.is_needed(stored)
    fit(SPEC, HPARAMS, stored)
    assert not begun
    # 70 rows of 20 bytes are more than half of it
    monkeypatch.setattr("fcnet.devices.device_bytes", lambda device: 2 * 70 * ROW_BYTES - 1)
    assert streaming.is_needed(stored)
    fit(SPEC, HPARAMS, stored)
    assert begun
    monkeypatch.setattr("fcnet.devices.device_bytes", lambda device: 2 * 70 * ROW_BYTES)
    assert not streaming.is_needed(stored)


def test_divergence_is_that_of_the_run_in_memory(blobs, monkeypatch):
    data, spec = without_validation(in_regression(blobs)), RUNS["regression"][0]
    told = {}
    for stream, steps in ((False, 1), (True, 1), (True, 2)):
        blocks_of(monkeypatch, steps)
        seen = []
        with pytest.raises(DivergedError) as diverged:
            fit(spec, HParams(50.0, 0.9), data, listener=seen.append, stream=stream)
        told[stream, steps] = str(diverged.value), seen[-1].state
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(seen[-1].state.params))
    assert told[False, 1][0] == told[True, 1][0] == told[True, 2][0]
    assert equal(told[False, 1][1], told[True, 1][1])
    assert equal(told[False, 1][1], told[True, 2][1])


@pytest.mark.optimised  # unoptimised, a sum is rounded as its surroundings have it
@pytest.mark.parametrize("within", [False, True])
def test_going_on_changes_no_bit(within, blobs, monkeypatch):
    """Stopped between two epochs or within one: what is kept is the state of the last whole epoch."""
    blocks_of(monkeypatch, 2)
    plain, kept = fit(NORMED, HPARAMS, blobs, stream=False), []

    class StopError(Exception):
        pass

    def listener(told):
        if int(told.state.epoch) == 2 and (told.rows > 0) == within:
            kept.append(jax.tree.map(jnp.copy, told.state))
            raise StopError

    with pytest.raises(StopError):
        fit(NORMED, HPARAMS, blobs, listener=listener, stream=True)
    for stream in (False, True):
        resumed = fit(NORMED, HPARAMS, blobs, state=jax.tree.map(jnp.copy, kept[0]), stream=stream)
        assert equal(plain.state, resumed.state)
        np.testing.assert_array_equal(plain.history.train_loss[2:], resumed.history.train_loss)


def test_members_share_the_rows_of_a_block(blobs):
    """What a sweep needs: the steps of a block vmapped over members, while the rows are there once."""
    order = np.random.default_rng(0).permutation(50)[:48].astype(np.int32).reshape(6, 8)
    block = blocks.gather(blobs.train, order, np.zeros((6, 2), np.uint32))
    rows = train.TrainData(jnp.asarray(block.x), jnp.asarray(block.y), None)
    rates = jnp.array([0.05, 0.2], jnp.float32)

    def member(rate, key):
        hparams = fitting.as_hparams(HPARAMS._replace(learning_rate=rate), jnp.dtype("float32"))
        state = train.initial_state(SPEC, hparams, 50, key=key)
        _, keys = train.epoch_keys(SPEC, state.key, state.epoch, 50)
        carry, batches = train.Carry.of(state), jnp.asarray(block.batches)
        return train.run_block(SPEC, hparams, state.plateau, 50, carry, rows, batches, keys[:6])

    keys = jax.random.split(jax.random.key(0), 2)
    carries, losses = jax.jit(jax.vmap(member))(rates, keys)
    alone, losses_alone = jax.jit(member)(rates[1], keys[1])
    assert losses.shape == (2, 6)
    # a vmapped product sums in another order; six steps carry a few ε = 1.2e-7 on
    np.testing.assert_allclose(losses[1], losses_alone, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, rtol=1e-4, atol=1e-6), carries, alone)


FLAGS = ["--data", "digits", "--hidden", "8", "--epochs", "3", "--patience", "0"]


def results(folder):
    return (folder / "metrics.csv").read_bytes(), json.loads((folder / "results.json").read_text())["parts"]


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(blocks, "MOST_BYTES_A_BLOCK", 20_000)
    plain, streamed, alone = (tmp_path / name for name in ("plain", "streamed", "alone"))
    assert run(["train", *FLAGS, "--out", str(plain)]) == 0
    assert "streaming" not in capsys.readouterr().out
    assert run(["train", *FLAGS, "--stream", "--out", str(streamed)]) == 0
    assert "rows are read in blocks while the device trains, as --stream says" in capsys.readouterr().out
    assert json.loads((streamed / "run.json").read_text())["config"]["loop"]["stream"] is True
    monkeypatch.setattr("fcnet.devices.device_bytes", lambda device: 150_000)
    assert run(["train", *FLAGS, "--out", str(alone)]) == 0
    assert "they are too large for the device's memory" in capsys.readouterr().out
    assert results(plain) == results(streamed) == results(alone)


def test_ctrl_c_within_an_epoch_and_resume(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(blocks, "MOST_BYTES_A_BLOCK", 20_000)
    assert run(["train", *FLAGS, "--out", str(tmp_path / "plain"), "--quiet"]) == 0
    show = TrainingDisplay.__call__

    def interrupting(self, told):
        show(self, told)
        if int(told.state.epoch) == 1 and told.rows:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingDisplay, "__call__", interrupting)
        assert run(["train", *FLAGS, "--stream", "--out", str(tmp_path / "run")]) == 130
    printed = capsys.readouterr()
    assert "stopped after epoch 1; go on with: fcnet train --resume" in printed.err
    assert "epoch 1/3 at " in printed.out
    assert run(["train", "--resume", str(tmp_path / "run")]) == 0
    assert "after epoch 1" in capsys.readouterr().out
    assert results(tmp_path / "plain") == results(tmp_path / "run")


def test_nothing_is_compiled_twice(blobs, monkeypatch):
    blocks_of(monkeypatch, 3)
    compiled = []
    compile_programs = programs.compile_programs
    monkeypatch.setattr(
        "fcnet.streaming.run.compile_programs", lambda *args: compiled.append(compile_programs(*args)) or compiled[-1]
    )
    fit(SPEC, HPARAMS, blobs, stream=True)
    assert len(compiled) == 1
    assert set(compiled[0].steps) == {(3, 8), (1, 2)}
