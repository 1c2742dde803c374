"""Sample weights: from a table's column to the gradient, counting in training and nowhere else."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from fcnet.cli import run
from fcnet.contracts import HParams
from fcnet.data import DataSpec, load
from fcnet.errors import InputError
from fcnet.fitting import fit
from fcnet.models import MLPSpec
from fcnet.train import RunSpec


def write(path, weights):
    rows = [f"{i % 7},{i * i % 11},{('a', 'b')[i % 2]},{weight}" for i, weight in enumerate(weights)]
    path.write_text("x,z,label,w\n" + "\n".join(rows) + "\n")
    return DataSpec(str(path), target="label", sample_weight="w")


def test_the_column_goes_with_its_rows_and_is_no_feature(tmp_path):
    dataset = load(write(tmp_path / "t.csv", range(1, 61)))
    assert dataset.description.features == ("x", "z")
    weights = np.concatenate([rows.weight for rows in dataset.parts.values()])
    np.testing.assert_array_equal(np.sort(weights), np.arange(1, 61))
    assert dataset.train.weight.dtype == np.float32


def test_weights_of_one_change_nothing_and_other_weights_do(blobs):
    spec = RunSpec(MLPSpec(4, 3, (5,)), "cross_entropy", batch_size=10, epochs=3)
    plain = fit(spec, HParams(0.1), blobs)

    def weighted(weight):
        train = blobs.train._replace(weight=weight.astype(np.float32))
        return fit(spec, HParams(0.1), dataclasses.replace(blobs, train=train))

    ones, random = weighted(np.ones(50)), weighted(np.arange(50) % 3)
    # the mean is summed in another order: some roundings of 1.2e-7 over 15 steps
    np.testing.assert_allclose(ones.history.train_loss, plain.history.train_loss, rtol=1e-5)
    assert not np.allclose(random.history.train_loss, plain.history.train_loss, rtol=1e-3)


def test_rows_of_weight_0_leave_no_trace(blobs):
    spec = RunSpec(MLPSpec(4, 3, (5,)), "cross_entropy", batch_size=50, epochs=3, gradients="manual")
    weight = (np.arange(50) % 2).astype(np.float32)
    kept = blobs.train._replace(weight=weight)
    spoiled = kept._replace(x=np.where(weight[:, None] == 0, np.float32(9), kept.x))
    runs = [fit(spec, HParams(0.1), dataclasses.replace(blobs, train=train)) for train in (kept, spoiled)]
    for mine, theirs in zip(*(jax.tree.leaves(outcome.state.params) for outcome in runs), strict=True):
        # the spoiled rows enter the products times 0
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_from_the_command_line(tmp_path):
    write(tmp_path / "t.csv", range(1, 61))
    words = [
        "train",
        "--data",
        str(tmp_path / "t.csv"),
        "--target",
        "label",
        "--hidden",
        "4",
        "--epochs",
        "2",
        "--quiet",
    ]
    assert run([*words, "--sample-weight", "w", "--out", str(tmp_path / "run")]) == 0
    stored = json.loads((tmp_path / "run" / "run.json").read_text())
    assert stored["gradient_check"]["agrees"]
    assert stored["data"]["features"] == ["x", "z"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0] * 30 + [-1.0] * 30, "weight column 'w' must be numbers ≥ 0, row 31 has -1"),
        ([0.0] * 60, "weight column 'w' is 0 in every row"),
        (["much"] * 60, "weight column 'w' is not numeric"),
        ([""] + [1.0] * 59, "weight column 'w' must be numbers ≥ 0, row 1 has nan"),
    ],
)
def test_refusals(weights, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load(write(tmp_path / "t.csv", weights))


def test_other_refusals(tmp_path):
    spec = write(tmp_path / "t.csv", range(1, 61))
    with pytest.raises(InputError, match="did you mean w"):
        load(dataclasses.replace(spec, sample_weight="ww"))
    with pytest.raises(InputError, match="cannot be both --target and --sample-weight"):
        load(dataclasses.replace(spec, sample_weight="label"))
