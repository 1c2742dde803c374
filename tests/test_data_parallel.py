"""One network on eight devices: the result of one device, up to the order in which rows are summed.

The devices exist only in a process that asks for them before JAX begins, so this file is also the program of that
process: it trains every case alone and on the mesh, and leaves the numbers for the tests.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from fcnet import checkpoint, devices
from fcnet.cli import run
from fcnet.config import (
    AugmentConfig,
    DataConfig,
    LoopConfig,
    NetworkConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from fcnet.data import Dataset, load
from fcnet.fitting import (
    Outcome,
    Progress,
    as_hparams,
    check_fits,
    compile_run,
    fit,
    fresh_state,
    shapes,
    stored_rows,
)
from fcnet.train import RunState

DEVICES = 8
EPSILON = float(np.finfo(np.float64).eps)
# The relative size of the nudge that measures how far a run carries a difference: above rounding, below curvature.
NUDGE = 1e-9

MOONS = DataConfig(data="moons", samples=150)
SMALL = NetworkConfig(hidden=(12, 8), dtype="float64", activation=("tanh",))


def config(
    data: DataConfig = MOONS,
    network: NetworkConfig = SMALL,
    objective: ObjectiveConfig = ObjectiveConfig(),
    optimizer: OptimizerConfig = OptimizerConfig(),
    augmentation: AugmentConfig = AugmentConfig(),
    **loop: Any,
) -> TrainConfig:
    chosen = LoopConfig(**{"epochs": 4, "patience": 0, "batch_size": 32} | loop)
    return TrainConfig(data, network, objective, optimizer, chosen, augmentation)


CASES = {
    "dropout and noise": config(network=replace(SMALL, dropout=(0.3,), input_noise=0.1, hidden_noise=0.05)),
    # 30 rows over 8 devices, and a last batch of 7: both uneven, the last one with a device that has no row
    "batch norm": config(network=replace(SMALL, norm=("batch",)), batch_size=30),
    "weighted rows": config(objective=ObjectiveConfig(class_weights=("balanced",), l1=1e-3)),
    "gradients by hand": config(
        objective=ObjectiveConfig(label_smoothing=0.1),
        optimizer=OptimizerConfig(optimizer="adam", clip_norm=0.5, learning_rate=0.01),
        gradients="manual",
    ),
    "patience": config(optimizer=OptimizerConfig(learning_rate=0.3, schedule="constant"), epochs=40, patience=3),
    "whole batches of numbers": config(
        data=DataConfig(data="function", samples=90),
        optimizer=OptimizerConfig(optimizer="gd"),
        batch_size=None,
    ),
    "images": config(
        data=DataConfig(data="digits"),
        augmentation=AugmentConfig(augment=("shift:pixels=1",)),
        batch_size=100,
        epochs=2,
    ),
}


def dataset_of(name: str) -> Dataset:
    dataset = load(CASES[name].data_spec())
    if name != "weighted rows":
        return dataset
    weight = np.linspace(0.0, 2.0, len(dataset.train.y), dtype=np.float32)
    return replace(dataset, train=dataset.train._replace(weight=weight))


# --- what the process with eight devices does ---


def nudged(state: RunState, size: float) -> RunState:
    """Every parameter off by a factor of 1 ± size."""
    random = np.random.default_rng(1)
    return state._replace(
        params=jax.tree.map(
            lambda leaf: leaf * (1 + size * np.sign(random.normal(size=leaf.shape))).astype(leaf.dtype), state.params
        )
    )


def flat(outcome: Outcome) -> np.ndarray:
    """The last and the best parameters as one vector."""
    leaves = jax.tree.leaves((outcome.state.params, outcome.state.best.params))
    return np.concatenate([np.asarray(leaf).ravel() for leaf in leaves])


def train(name: str, **how: Any) -> Outcome:
    chosen, dataset = CASES[name], dataset_of(name)
    spec, hparams = chosen.run_spec(dataset.description), chosen.hparams(dataset.description)
    return fit(spec, hparams, dataset, seed=chosen.loop.seed, **how)


def fresh(name: str) -> RunState:
    chosen, dataset = CASES[name], dataset_of(name)
    spec = chosen.run_spec(dataset.description)
    hparams = as_hparams(chosen.hparams(dataset.description), spec.model.param_dtype)
    return fresh_state(spec, hparams, len(dataset.train.y), chosen.loop.seed)


class StoppedError(Exception):
    """What the listener raises to stop a run."""


def stopped_and_resumed(name: str, folder: Path, mesh: jax.sharding.Mesh) -> Outcome:
    """The case stopped after its first call, saved, loaded and gone on with."""
    identity = {"case": name}

    def stop(told: Progress) -> None:
        checkpoint.save(folder, int(told.state.epoch), told.state, identity)
        raise StoppedError

    with pytest.raises(StoppedError):
        train(name, mesh=mesh, listener=stop)
    state = checkpoint.load(folder, jax.eval_shape(lambda: fresh(name)), identity)
    assert int(state.epoch) == 1
    return train(name, mesh=mesh, state=state)


def program_text(name: str, mesh: jax.sharding.Mesh | None) -> str:
    chosen, dataset = CASES[name], dataset_of(name)
    spec = chosen.run_spec(dataset.description)
    hparams = as_hparams(chosen.hparams(dataset.description), spec.model.param_dtype)
    return compile_run(spec, hparams, shapes(stored_rows(dataset)), mesh).call.as_text()


def main(folder: Path, names: list[str]) -> None:
    """Train these cases, leaving one .npz each."""
    jax.config.update("jax_enable_x64", True)
    mesh = devices.mesh()
    assert mesh.size == DEVICES
    for name in names:
        alone, together = train(name), train(name, mesh=mesh)
        again = stopped_and_resumed(name, folder / "checkpoints" / name, mesh)
        nudge = train(name, state=nudged(fresh(name), NUDGE))
        np.savez(
            folder / f"{name}.npz",
            alone=flat(alone),
            together=flat(together),
            again=flat(again),
            nudge=flat(nudge),
            best_epochs=[alone.best_epoch, together.best_epoch],
            histories=[np.stack(outcome.history) for outcome in (alone, together)],
        )
    texts = [program_text("batch norm", placed) for placed in (None, mesh)]
    np.savez(folder / "programs.npz", all_reduces=[text.count("all-reduce(") for text in texts])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])


# --- what the tests make of it ---


SLOW = ("weighted rows", "whole batches of numbers", "images")
EACH = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in CASES]


@pytest.fixture(scope="module")
def found(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str], dict[str, np.ndarray]]:
    """The numbers of a case; of all cases that are asked for, and of the one that stops early."""
    folder = tmp_path_factory.mktemp("eight")
    asked = {getattr(item, "callspec", None) and item.callspec.params.get("name") for item in request.session.items}
    names = [name for name in CASES if name in asked | {"patience"}]
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, str(folder), *names],
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(DEVICES), "JAX_DISABLE_MOST_OPTIMIZATIONS": "true"},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    def read(name: str) -> dict[str, np.ndarray]:
        with np.load(folder / f"{name}.npz") as stored:
            return dict(stored)

    return read


@pytest.mark.parametrize("name", EACH)
def test_eight_devices_train_what_one_trains(found, name):
    got = found(name)
    epochs = got["histories"].shape[2]
    # a run carries a relative difference of NUDGE in its start this far: its condition number
    condition = np.linalg.norm(got["nudge"] - got["alone"]) / NUDGE / np.linalg.norm(got["alone"])
    # each step adds the rounding of sums over at most 1,200 rows in another order, √1200 · ε, and carries it on
    steps = epochs * 40
    allowed = max(condition, 1.0) * steps * np.sqrt(1200) * EPSILON
    off = np.linalg.norm(got["together"] - got["alone"]) / np.linalg.norm(got["alone"])
    assert off <= allowed < 1e-6
    assert got["best_epochs"][0] == got["best_epochs"][1]
    np.testing.assert_allclose(got["histories"][1], got["histories"][0], rtol=0, atol=allowed * 100)


def test_patience_stops_both_in_the_same_epoch(found):
    histories = found("patience")["histories"]
    assert histories.shape[2] < CASES["patience"].loop.epochs


@pytest.mark.parametrize("name", EACH)
def test_resumed_on_the_same_devices_it_is_the_same_bit_for_bit(found, name):
    got = found(name)
    np.testing.assert_array_equal(got["again"], got["together"])


def test_devices_exchange_sums_and_alone_nothing(found):
    alone, together = found("programs")["all_reduces"]
    assert alone == 0
    assert together > 0


def test_fewer_rows_a_step_than_devices_are_refused(blobs):
    mesh = type("Mesh", (), {"size": 8})()
    spec = config(batch_size=7).run_spec(blobs.description)
    spec = replace(spec, model=replace(spec.model, dtype="float32"))
    with pytest.raises(ValueError, match="batch size 7 leaves some of the 8 devices without a row"):
        check_fits(spec, blobs, mesh)


def test_on_one_device_the_flag_changes_no_bit(tmp_path, small):
    for out, flags in (("plain", []), ("parallel", ["--data-parallel"])):
        assert run(["train", *small, *flags, "--out", str(tmp_path / out), "--quiet"]) == 0
    metrics = [(tmp_path / out / "metrics.csv").read_bytes() for out in ("plain", "parallel")]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--data-parallel", "--gradients", "manual", "--engine", "numpy"], "--data-parallel is for --engine jax"),
        (["--coordinator", "localhost:1234"], "several processes train one network with --data-parallel: add it"),
        (["--processes", "2", "--process", "0"], "several processes train one network with --data-parallel: add it"),
        (["--data-parallel", "--coordinator", "localhost"], "give --processes and --process, too"),
        (
            ["--data-parallel", "--coordinator", "localhost", "--processes", "2", "--process", "0"],
            "--coordinator must be HOST:PORT",
        ),
        (["--data-parallel", "--processes", "2"], "give --coordinator and --process, too"),
        (
            ["--data-parallel", "--coordinator", "localhost:1234", "--processes", "2", "--process", "2"],
            "--process must be from 0 to 1",
        ),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, flags, words):
    monkeypatch.chdir(tmp_path)
    assert run(["train", *flags]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out
    assert not list(tmp_path.iterdir())
