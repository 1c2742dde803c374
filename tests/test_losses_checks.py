"""What losses refuse before training: targets, outputs and class weights that do not fit, in one line with the row."""

import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import losses
from fcnet.errors import InputError

GOOD = {
    "cross_entropy": [[0.2, 0.8], [1, 0]],
    "multi_margin": [[0, 1], [1, 0]],
    "binary_cross_entropy": [[0.2, 0.3], [1, 1]],
    "mse": [[-3, 7], [0, 1e9]],
    "poisson_nll": [[0, 3], [2.5, 1e9]],
}


@pytest.mark.parametrize("name", GOOD)
def test_good_targets_pass(name):
    losses.check_targets(losses.get(name), np.array(GOOD[name]), "the table")


def test_rounding_is_no_mistake(random):
    # rows that sum to 1 as well as their type allows
    for dtype in (jnp.bfloat16, jnp.float32, jnp.float64):
        rows = np.asarray(random.dirichlet(np.ones(10), 50)).astype(dtype)
        losses.check_targets(losses.get("cross_entropy"), rows, "the table")
        if dtype != jnp.bfloat16:
            with pytest.raises(InputError, match="sums to"):
                losses.check_targets(losses.get("cross_entropy"), rows.astype(np.float64) * (1 + 1e-4), "the table")


@pytest.mark.parametrize(
    ("name", "targets", "message"),
    [
        ("mse", [[0.0], [np.nan]], "the table: the target is not a finite number, row 2 has nan"),
        ("mse", [1.0, 2.0], r"the table: targets must have shape \(rows, columns\), got \(2,\)"),
        ("cross_entropy", [[1, 0], [1.5, -0.5]], r"cross_entropy needs probabilities in \[0, 1\].*, row 2 has 1.5"),
        ("cross_entropy", [[1, 0], [0.5, 0.4]], "that sum to 1, row 2 sums to 0.9"),
        ("nll", [[0.5, 0.4]], "nll needs probabilities"),
        ("multi_margin", [[0.5, 0.5]], "multi_margin needs a single 1 among 0s, row 1 has 0.5"),
        ("multi_margin", [[0, 1], [1, 1]], "a single 1 among 0s, row 2 sums to 2"),
        ("multi_margin", [[0, 0]], "a single 1 among 0s, row 1 sums to 0"),
        ("binary_cross_entropy", [[0, 1.1]], r"binary_cross_entropy needs memberships in \[0, 1\], row 1 has 1.1"),
        ("poisson_nll", [[0, 1], [2, -1]], "poisson_nll needs counts ≥ 0, row 2 has -1"),
    ],
)
def test_bad_targets(name, targets, message):
    with pytest.raises(InputError, match=message) as error:
        losses.check_targets(losses.get(name), np.array(targets), "the table")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "outputs", "message"),
    [
        ("mse", [[1e9]], None),
        ("mse", [[np.inf]], "the network: the output is not a finite number, row 1 has inf"),
        ("binary_cross_entropy_probability", [[0, 1], [0.5, 0.7]], None),
        ("binary_cross_entropy_probability", [[0, 1], [0.5, 1.7]], r"outputs in \[0, 1\], .*, row 2 has 1.7"),
        ("binary_cross_entropy_probability", [[np.nan, 1]], r"outputs in \[0, 1\], .*, row 1 has nan"),
        ("nll", [[-np.inf, 0], [np.log(0.5), np.log(0.5)]], None),
        ("nll", [[-np.inf, 0], [2.0, -1.0]], "nll needs outputs that are log-probabilities, .*, row 2 has 2"),
        ("kl_divergence", [[-1.0, -1.0]], "kl_divergence needs .* log-probabilities, .*, row 1 sums to 0.735759"),
    ],
)
def test_outputs(name, outputs, message):
    if message is None:
        losses.check_outputs(losses.get(name), np.array(outputs), "the network")
        return
    with pytest.raises(InputError, match=message):
        losses.check_outputs(losses.get(name), np.array(outputs), "the network")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((1.0, 2.0), "class weights must be 3 numbers, one for each class, got 2"),
        ((1.0, -2.0, 1.0), "class weights must be finite and ≥ 0, got -2 for class 1"),
        ((1.0, 1.0, np.nan), "class weights must be finite and ≥ 0, got nan for class 2"),
        ((0.0, 0.0, 0.0), "class weights must not all be 0"),
    ],
)
def test_class_weights(weights, message):
    losses.check_class_weights((0.0, 1.0, 2.0), 3)
    with pytest.raises(InputError, match=message):
        losses.check_class_weights(weights, 3)
