"""What backprop by hand says of single rows: the gradient towards x, and what each row adds to the parameters'."""

from functools import partial

import jax
import numpy as np
import pytest

from fcnet import models, objective
from fcnet.backprop import by_hand, input_gradient, per_example
from fcnet.layers import DROPOUTS
from fcnet.objective import ObjectiveSpec

from .backprop_oracles import FLOAT64, FLOOR, objective_at, wrong
from .backprop_problems import ACTIVATIONS, LIBRARIES, LOSSES, problem, spec_for, to

NOISE = {"dropout": 0.3, "input_noise": 0.1, "hidden_noise": 0.1}
PENALTIES = {"l1": 0.01, "l2": 0.02}
# every way in which rows meet or do not: batch norm, whose rows all change each other, norms within rows, DropConnect
NETWORKS = {
    "plain": spec_for("cross_entropy", (6, 5), ("maxout", "prelu:per_unit=true"), input_scale=0.5),
    "batch norm": spec_for("cross_entropy", (6, 5), ("glu", "two_slope"), norm="batch"),
    "norms in rows": spec_for("cross_entropy", (6, 6), "splash", norm=("instance:channels=2,affine=true", "group")),
    "connect": spec_for("cross_entropy", (6, 5), "rrelu", norm="layer", dropout="connect"),
}


def shares_by_autodiff(goal, hparams, point):
    """∂Lᵢ/∂θ, Lᵢ being what row i adds to the reduced loss."""

    def shares(params):
        outputs, _ = models.train_apply(goal.model, params, point.batch.x, point.state, point.noise)
        unreduced = objective.unreduced(goal, hparams, outputs, point.batch)
        weights = objective.row_weights(goal, point.batch, outputs)
        terms = unreduced * objective.reduction_gradient(goal.reduction, unreduced, weights)
        return terms.reshape(terms.shape[0], -1).sum(1)

    return jax.jacrev(shares)(point.params)


@pytest.mark.parametrize("network", NETWORKS)
def test_against_autodiff(network, random):
    goal = ObjectiveSpec(NETWORKS[network], "cross_entropy", class_weights=(0.5, 2.0, 1.0), ignored=2)
    here = problem(goal, random, **NOISE, **PENALTIES)

    @jax.jit
    def found_by_both(hparams, point):
        def objective_of(x):
            return objective_at(goal, hparams, point._replace(batch=point.batch._replace(x=x)))

        automatic = shares_by_autodiff(goal, hparams, point), jax.grad(objective_of)(point.batch.x)
        return automatic, (per_example(goal, hparams, point), input_gradient(goal, hparams, point))

    with jax.enable_x64(True):
        (shares, towards_x), inside = jax.tree.map(np.asarray, found_by_both(*to("jax", (here.hparams, here.point))))
    found = {"jax": inside}
    for library in LIBRARIES[1:]:
        there = here.on(library)
        found[library] = per_example(*there), input_gradient(*there)
    for library, (rows, inputs) in found.items():
        assert wrong(rows, shares, FLOAT64, FLOOR) == {}, library
        assert wrong({"x": {"x": inputs}}, {"x": {"x": towards_x}}, FLOAT64, FLOOR) == {}, library


def hold_sum_and_inputs(here, random):
    """Rows add up to the gradient, and the gradient towards x is that of differences along a random direction."""
    goal, hparams, point = here
    whole = by_hand(goal, hparams._replace(l1=None, l2=None), point).grads
    summed = jax.tree.map(partial(np.sum, axis=0), per_example(*here))
    # a dozen terms in another order
    assert wrong(summed, whole, 1e-12, FLOOR) == {}
    direction, step = random.normal(size=point.batch.x.shape), 6e-6
    above, below = (
        by_hand(goal, hparams, point._replace(batch=point.batch._replace(x=point.batch.x + sign * step * direction)))
        for sign in (1, -1)
    )
    slope = np.sum(input_gradient(*here) * direction)
    # see STEP in backprop_oracles.py
    assert abs(slope - (above.loss - below.loss) / (2 * step)) <= 1e-7 * (abs(slope) + abs(above.loss))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation, random):
    model = spec_for("cross_entropy", (4, 5), ("tanh", activation))
    hold_sum_and_inputs(problem(ObjectiveSpec(model, "cross_entropy"), random, **NOISE, **PENALTIES), random)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss, random):
    hold_sum_and_inputs(problem(ObjectiveSpec(spec_for(loss, (5,)), loss, "batchmean"), random, **PENALTIES), random)


@pytest.mark.parametrize("dropout", DROPOUTS)
@pytest.mark.parametrize("norm", ["batch", "layer", "group", "instance:affine=true"])
def test_every_norm_and_dropout(norm, dropout, random):
    for position in ("before", "after"):
        options = {"norm": norm, "norm_position": position, "dropout": dropout, "input_scale": 0.5}
        model = spec_for("mse", (6, 6), ("glu", "splash"), **options)
        hold_sum_and_inputs(problem(ObjectiveSpec(model, "mse", "sum"), random, **NOISE), random)


def test_a_row_of_no_weight_adds_nothing(random):
    here = problem(ObjectiveSpec(spec_for("mse", (5,)), "mse"), random)
    weight = np.where(np.arange(len(here.point.batch.x)) == 3, 0, here.point.batch.weight)
    point = here.point._replace(batch=here.point.batch._replace(weight=weight))
    for leaf in jax.tree.leaves(per_example(here.goal, here.hparams, point)):
        assert not np.any(leaf[3])
        assert np.any(leaf[4])
    towards_x = input_gradient(here.goal, here.hparams, point)
    assert not np.any(towards_x[3])
    assert np.any(towards_x[4])


def test_rows_by_themselves_are_batches_of_one(random):
    """Where rows do not meet, row i's share of a sum is the gradient of that row alone."""
    here = problem(ObjectiveSpec(spec_for("huber", (5, 4), "gelu", norm="layer"), "huber", "sum"), random)
    rows = per_example(*here)
    for number in range(len(here.point.batch.x)):
        batch = jax.tree.map(lambda leaf: leaf[number : number + 1], here.point.batch)  # noqa: B023
        alone = by_hand(here.goal, here.hparams, here.point._replace(batch=batch)).grads
        # 1e-12: one row's products are added up in another order than all rows' at once
        assert wrong(jax.tree.map(lambda leaf: leaf[number], rows), alone, 1e-12, FLOOR) == {}  # noqa: B023
