"""Backprop by hand against what needs no derivative at all: differences of the loss, and the complex step.

All in NumPy: every activation, loss, norm and kind of dropout on networks small enough to ask entry by entry.
"""

import numpy as np
import pytest

from fcnet.backprop import by_hand
from fcnet.layers import DROPOUTS, NORMS
from fcnet.objective import ObjectiveSpec
from fcnet.spec import MLPSpec

from .backprop_oracles import in_complex_steps, in_differences
from .backprop_problems import ACTIVATIONS, LOSSES, problem, spec_for

NOISE = {"dropout": 0.3, "input_noise": 0.1, "hidden_noise": 0.1}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation, random):
    goal = ObjectiveSpec(spec_for("cross_entropy", (4, 5), activation), "cross_entropy")
    in_differences(problem(goal, random, l1=0.01, label_smoothing=0.1), random)


# by itself as output activation, where what a loss thinks of its derivative shows
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name not in ("step", "rrelu")])
def test_every_output_activation(activation, random):
    goal = ObjectiveSpec(MLPSpec(5, 3, (4,), "tanh", dtype="float64", output_activation=activation), "huber")
    in_differences(problem(goal, random, l2=0.02), random)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss, random):
    goal = ObjectiveSpec(spec_for(loss, (4,), "silu"), loss, "sum")
    in_differences(problem(goal, random, **NOISE), random)


@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("norm", [*NORMS, "group:groups=3", "instance:channels=2,affine=true", "batch:affine=false"])
def test_every_norm(norm, position, random):
    goal = ObjectiveSpec(spec_for("mse", (6, 6), ("tanh", "silu"), norm=norm, norm_position=position), "mse")
    in_differences(problem(goal, random), random)


@pytest.mark.parametrize("dropout", DROPOUTS)
def test_every_kind_of_dropout(dropout, random):
    model = spec_for("cross_entropy", (6, 4), ("glu", "prelu"), norm=("batch", "layer"), dropout=dropout)
    in_differences(problem(ObjectiveSpec(model, "cross_entropy"), random, **NOISE), random)


@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean"])
@pytest.mark.parametrize(
    ("loss", "fields"),
    [
        ("mse", {}),
        ("kl_divergence", {"ignored": 2}),
        ("cross_entropy", {"class_weights": (0.5, 2.0, 0.0), "ignored": 1}),
        ("binary_cross_entropy", {"class_weights": (0.5, 2.0, 1.0)}),
        ("multi_margin", {"class_weights": (0.5, 2.0, 1.0), "ignored": 0}),
    ],
)
def test_reductions_class_weights_and_ignored_rows(loss, fields, reduction, random):
    for weighted in (False, True):
        goal = ObjectiveSpec(spec_for(loss, (4,)), loss, reduction, **fields)
        in_differences(problem(goal, random, weighted=weighted), random)


@pytest.mark.parametrize("depth", range(6))
def test_every_depth(depth, random):
    in_differences(problem(ObjectiveSpec(spec_for("mse", (6, 3, 5, 2, 4)[:depth]), "mse"), random, dropout=0.2), random)


def test_pixels_are_scaled(random):
    goal = ObjectiveSpec(spec_for("mse", (4,), "tanh", input_scale=1 / 255), "mse")
    drawn = problem(goal, random)
    pixels = random.integers(0, 256, drawn.point.batch.x.shape, dtype=np.uint8)
    point = drawn.point._replace(batch=drawn.point.batch._replace(x=pixels))
    in_differences(drawn._replace(point=point), random)


ANALYTIC = ["identity", "sigmoid", "tanh", "scaled_tanh", "tanhshrink", "silu", "gelu", "gelu_tanh"]
ANALYTIC += ["softmax", "log_softmax", "glu"]


@pytest.mark.parametrize("norm", ["none", "layer", "batch", "group", "instance:affine=true"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "half_mse", "nll", "poisson_nll"])
def test_the_complex_step_where_everything_is_analytic(loss, norm, random):
    for activation in ANALYTIC:
        model = spec_for(loss, (6, 6), (activation, "tanh"), norm=norm)
        in_complex_steps(problem(ObjectiveSpec(model, loss), random, l2=0.02, dropout=0.3), random)


def test_differences_notice_a_mistake(random):
    """A ½ too many in one tensor: the comparison itself can fail."""
    drawn = problem(ObjectiveSpec(spec_for("mse", (4,), "tanh"), "mse"), random)
    grads = by_hand(*drawn).grads
    halved = grads | {"layer_2": grads["layer_2"] | {"bias": grads["layer_2"]["bias"] / 2}}
    for check in (in_differences, in_complex_steps):
        with pytest.raises(AssertionError, match="layer_2/bias"):
            check(drawn, random, halved)
