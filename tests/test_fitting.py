"""What is refused before anything is compiled: specs that do not fit their data, naming both."""

import dataclasses

import numpy as np
import pytest

from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.fitting import check_fits, fit
from fcnet.models import MLPSpec
from fcnet.train import RunSpec

SPEC = RunSpec(MLPSpec(4, 3, (8, 6), norm=("batch", "none")), "cross_entropy", batch_size=10, epochs=2)


@pytest.mark.parametrize("size", [1, 7, 49])
def test_batch_norm_needs_two_rows_a_step(size, blobs):
    """Each of these leaves a last batch of one of the 50 rows."""
    spec = dataclasses.replace(SPEC, batch_size=size)
    message = f"norm batch needs 2 rows a step, but 50 rows in batches of {size} leave a last one of 1"
    with pytest.raises(InputError, match=message):
        fit(spec, HParams(0.1), blobs)
    for norm in ("none", "layer", "group:groups=2"):  # these look at one row at a time
        check_fits(dataclasses.replace(spec, model=dataclasses.replace(SPEC.model, norm=norm)), blobs)


@pytest.mark.parametrize("size", [2, 8, 10, 25, 48, 50])
def test_batch_norm_takes_any_other_rest(size, blobs):
    check_fits(dataclasses.replace(SPEC, batch_size=size), blobs)


def test_batch_norm_trains_where_batches_are_equal(blobs):
    outcome = fit(SPEC, HParams(0.1), blobs)
    assert np.isfinite(outcome.history.train_loss).all()
    assert set(outcome.model_state) == {"layer_1"}


def test_all_rows_ignored(blobs):
    of_one_class = blobs.train._replace(y=np.ones_like(blobs.train.y))
    data = dataclasses.replace(blobs, train=of_one_class)
    nothing = "all 50 training rows of blobs are ignored or weigh 0: no row is left to learn from"
    with pytest.raises(InputError, match=nothing):
        fit(dataclasses.replace(SPEC, ignored=1), HParams(0.1), data)
    with pytest.raises(InputError, match=nothing):
        check_fits(dataclasses.replace(SPEC, class_weights=(1.0, 0.0, 1.0)), data)
    weightless = dataclasses.replace(blobs, train=blobs.train._replace(weight=np.zeros(50, np.float32)))
    with pytest.raises(InputError, match=nothing):
        check_fits(SPEC, weightless)
    check_fits(dataclasses.replace(SPEC, ignored=0, class_weights=(0.0, 1.0, 0.0)), data)


def soft(blobs, y):
    """The set with rows of probabilities as targets."""
    return dataclasses.replace(
        blobs, train=blobs.train._replace(y=y), validation=blobs.validation._replace(y=y[: len(blobs.validation.y)])
    )


@pytest.mark.parametrize(
    ("loss", "column", "value", "message"),
    [
        ("cross_entropy", 0, 1.5, r"blobs, train part: cross_entropy needs probabilities .* row 5 has 1.5"),
        ("cross_entropy", 1, 0.5, "cross_entropy needs probabilities in .* that sum to 1, row 5 sums to 1.5"),
        ("cross_entropy", 2, np.nan, "blobs, train part: the target is not a finite number, row 5 has nan"),
        ("binary_cross_entropy", 0, -0.1, r"binary_cross_entropy needs memberships in \[0, 1\], row 5 has -0.1"),
        ("multi_margin", 1, 0.5, "multi_margin needs a single 1 among 0s, row 5 has 0.5"),
    ],
)
def test_targets_that_the_loss_cannot_take(loss, column, value, message, blobs):
    y = np.tile(np.float32([1, 0, 0]), (50, 1))
    check_fits(dataclasses.replace(SPEC, loss=loss), soft(blobs, y.copy()))
    y[4, column] = value
    with pytest.raises(InputError, match=message):
        check_fits(dataclasses.replace(SPEC, loss=loss), soft(blobs, y))


def test_negative_counts(blobs):
    description = dataclasses.replace(blobs.description, task="regression", classes=(), outputs=1)
    y = np.arange(50, dtype=np.float32)[:, None]
    data = dataclasses.replace(soft(blobs, y), description=description)
    spec = dataclasses.replace(SPEC, loss="poisson_nll", model=MLPSpec(4, 1))
    check_fits(spec, data)
    with pytest.raises(InputError, match="blobs, train part: poisson_nll needs counts ≥ 0, row 1 has -1"):
        check_fits(spec, dataclasses.replace(soft(blobs, y - 1), description=description))


def test_two_outputs_a_target(blobs):
    description = dataclasses.replace(blobs.description, task="regression", classes=(), outputs=1)
    data = dataclasses.replace(soft(blobs, np.zeros((50, 1), np.float32)), description=description)
    check_fits(dataclasses.replace(SPEC, loss="gaussian_nll", model=MLPSpec(4, 2)), data)
    with pytest.raises(InputError, match="the network has 4 inputs and 4 outputs, blobs needs 4 and 2"):
        check_fits(dataclasses.replace(SPEC, loss="gaussian_nll", model=MLPSpec(4, 4)), data)
