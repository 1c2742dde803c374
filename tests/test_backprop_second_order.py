"""Products with second derivatives by hand: the Hessian's against ``jax.jvp`` of ``jax.grad`` and against differences
of gradients, the Gauss–Newton matrix's against Jᵀ H_ℓ J written out.
"""

from functools import partial

import jax
import numpy as np
import pytest

from fcnet import models, objective
from fcnet.backprop import by_hand, gauss_newton_vector, hessian_vector
from fcnet.objective import ObjectiveSpec

from .backprop_oracles import FLOAT64, FLOOR, autodiff, wrong
from .backprop_problems import ACTIVATIONS, LIBRARIES, LOSSES, problem, spec_for, to

NOISE = {"dropout": 0.3, "input_noise": 0.1, "hidden_noise": 0.1, "l1": 0.01, "l2": 0.02}
# a few at a time, one in each hidden layer; what stands before a step function has no second derivative
SOME = [name for name in ACTIVATIONS if name != "step"]
FIVES = [tuple(SOME[start::7]) for start in range(7)]


def direction(params, random):
    return jax.tree.map(lambda leaf: random.normal(size=np.shape(leaf)), params)


def inner(one, other):
    return sum(
        float(np.sum(np.asarray(a) * np.asarray(b))) for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True)
    )


def hold_to_autodiff(here, random):
    goal, hparams, point = here
    vector = direction(point.params, random)
    with jax.enable_x64(True):

        @jax.jit
        def product(hparams, point, vector):
            gradient = lambda params: autodiff(goal, hparams, point._replace(params=params))  # noqa: E731
            return jax.jvp(gradient, (point.params,), (vector,))[1]

        reference = jax.tree.map(np.asarray, product(*to("jax", (hparams, point, vector))))
    for library in LIBRARIES[1:]:
        found = hessian_vector(*here.on(library), to(library, vector))
        assert wrong(found, reference, FLOAT64, FLOOR) == {}, library
    return reference, vector


@pytest.mark.slow
@pytest.mark.parametrize("activations", [*FIVES, ("step", "tanh")], ids="-".join)
def test_every_activation_against_autodiff(activations, random):
    model = spec_for("cross_entropy", (6,) * len(activations), activations)
    hold_to_autodiff(problem(ObjectiveSpec(model, "cross_entropy"), random, label_smoothing=0.1, **NOISE), random)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_against_autodiff(loss, random):
    hold_to_autodiff(problem(ObjectiveSpec(spec_for(loss, (6,)), loss), random, **NOISE), random)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["batch", "layer", "group", "instance:affine=true"])
@pytest.mark.parametrize("dropout", ["alpha", "connect"])
def test_every_norm_against_autodiff(norm, dropout, random):
    model = spec_for("mse", (6, 6), ("glu", "prelu"), norm=norm, dropout=dropout)
    hold_to_autodiff(problem(ObjectiveSpec(model, "mse"), random, **NOISE), random)


def test_a_network_with_some_of_all_against_autodiff_also_in_jax(random):
    model = spec_for("cross_entropy", (6, 6), ("silu", "glu"), norm=("batch", "layer"), dropout="connect")
    here = problem(ObjectiveSpec(model, "cross_entropy", class_weights=(0.5, 2.0, 1.0)), random, **NOISE)
    reference, vector = hold_to_autodiff(here, random)
    with jax.enable_x64(True):
        inside = jax.jit(partial(hessian_vector, here.goal))(*to("jax", (here.hparams, here.point, vector)))
    assert wrong(inside, reference, FLOAT64, FLOOR) == {}


def hold_to_differences(here, random):
    """(∇L(θ + h v) − ∇L(θ − h v)) / 2h, whose errors are ε^(2/3) of the gradients and their second derivatives."""
    goal, hparams, point = here
    vector, step = direction(point.params, random), 1e-6

    def gradient(h):
        moved = jax.tree.map(lambda p, v: p + h * v, point.params, vector)
        return by_hand(goal, hparams, point._replace(params=moved)).grads

    above, below = gradient(step), gradient(-step)
    slope = jax.tree.map(lambda a, b: (a - b) / (2 * step), above, below)
    found = hessian_vector(*here, vector)
    # 1.1e-16 / 1e-6, and h² times third derivatives; a hundred times as much
    assert wrong(found, slope, 1e-6, 1e-2) == {}
    other = direction(point.params, random)
    one, two = inner(other, found), inner(vector, hessian_vector(*here, other))
    # sums of a hundred terms each way, which may cancel
    size = np.sqrt(inner(other, other) * inner(found, found))
    assert abs(one - two) <= 1e-12 * size
    return found


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_against_differences(activation, random):
    model = spec_for("cross_entropy", (4, 5), (activation, "tanh"))
    hold_to_differences(problem(ObjectiveSpec(model, "cross_entropy"), random, **NOISE), random)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_against_differences(loss, random):
    hold_to_differences(problem(ObjectiveSpec(spec_for(loss, (5,)), loss), random, **NOISE), random)


@pytest.mark.parametrize("dropout", ["inverted", "classic", "alpha", "connect"])
@pytest.mark.parametrize("norm", ["batch", "layer", "group", "instance:affine=true"])
def test_every_norm_and_dropout_against_differences(norm, dropout, random):
    model = spec_for("mse", (6, 6), ("glu", "prelu"), norm=norm, norm_position="after", dropout=dropout)
    hold_to_differences(problem(ObjectiveSpec(model, "mse"), random, **NOISE), random)


def test_a_linear_model_has_a_constant_hessian(random):
    """½ (x W + b − y)² over n rows: H v = Xᵀ X v / n of the bordered X, whatever W is."""
    here = problem(ObjectiveSpec(spec_for("half_mse", ()), "half_mse", "batchmean"), random, weighted=False)
    vector = direction(here.point.params, random)["layer_1"]
    x = here.point.batch.x
    along = x @ vector["kernel"] + vector["bias"]
    found = hessian_vector(*here, {"layer_1": vector})["layer_1"]
    np.testing.assert_allclose(found["kernel"], x.T @ along / len(x), rtol=1e-13)
    np.testing.assert_allclose(found["bias"], along.mean(0), rtol=1e-13)


def explicit_gauss_newton(here, vector):
    """Jᵀ H_ℓ J v with both matrices written out by autodiff, and the l2 penalty's λ₂ v at the kernels."""
    goal, hparams, point = here

    @jax.jit
    def matrices(hparams, point):
        def outputs_of(params):
            return models.train_apply(goal.model, params, point.batch.x, point.state, point.noise)[0]

        outputs = outputs_of(point.params)
        curvature = jax.hessian(lambda z: objective.value(goal, hparams, z, point.batch))(outputs)
        return jax.jacrev(outputs_of)(point.params), curvature

    with jax.enable_x64(True):
        jacobian, curvature = jax.tree.map(np.asarray, matrices(*to("jax", (hparams, point))))
    moved = sum(
        np.tensordot(j, v, v.ndim) for j, v in zip(jax.tree.leaves(jacobian), jax.tree.leaves(vector), strict=True)
    )
    upstream = np.tensordot(curvature, moved, 2)
    pulled = jax.tree.map(lambda j: np.tensordot(upstream, j, 2), jacobian)
    return {
        name: {key: g + (hparams.l2 * vector[name][key] if key == "kernel" else 0) for key, g in layer.items()}
        for name, layer in pulled.items()
    }


# one of classes with weights, one with two outputs a number that is not convex in both
@pytest.mark.parametrize(
    ("loss", "fields"),
    [("cross_entropy", {"class_weights": (0.5, 2.0, 1.0)}), ("gaussian_nll", {"reduction": "sum"})],
)
def test_gauss_newton_against_the_matrices_themselves(loss, fields, random):
    model = spec_for(loss, (6, 4), ("glu", "softplus"), norm="layer", dropout="alpha")
    here = problem(ObjectiveSpec(model, loss, **fields), random, **NOISE)
    vector = direction(here.point.params, random)
    reference = explicit_gauss_newton(here, vector)
    for library in LIBRARIES[1:]:
        assert wrong(gauss_newton_vector(*here.on(library), to(library, vector)), reference, FLOAT64, FLOOR) == {}
    with jax.enable_x64(True):
        inside = jax.jit(partial(gauss_newton_vector, here.goal))(*to("jax", (here.hparams, here.point, vector)))
    assert wrong(inside, reference, FLOAT64, FLOOR) == {}


CONVEX = ["mse", "half_mse", "huber", "smooth_l1", "cross_entropy", "binary_cross_entropy", "poisson_nll"]
CONVEX += ["soft_margin", "multilabel_soft_margin", "multi_margin:p=2"]


@pytest.mark.parametrize("loss", CONVEX)
def test_gauss_newton_of_a_convex_loss_has_no_negative_curvature(loss, random):
    # behind the second layer's softmax the Hessian itself is not positive
    here = problem(ObjectiveSpec(spec_for(loss, (5, 4), ("tanh", "softmax")), loss), random)
    for _ in range(20):
        vector = direction(here.point.params, random)
        product = gauss_newton_vector(*here, vector)
        size = np.sqrt(inner(vector, vector) * inner(product, product))
        assert inner(vector, product) >= -1e-14 * size


def test_the_hessian_has_negative_curvature_where_gauss_newton_has_none(random):
    here = problem(ObjectiveSpec(spec_for("mse", (5, 4), ("tanh", "softmax")), "mse"), random)
    vectors = [direction(here.point.params, random) for _ in range(20)]
    assert min(inner(v, hessian_vector(*here, v)) for v in vectors) < 0


def test_gauss_newton_is_the_hessian_where_the_network_is_linear(random):
    here = problem(ObjectiveSpec(spec_for("cross_entropy", ()), "cross_entropy"), random, l2=0.1)
    vector = direction(here.point.params, random)
    assert wrong(gauss_newton_vector(*here, vector), hessian_vector(*here, vector), 1e-13, FLOOR) == {}


def test_narrow_rows_move_nothing(random):
    """x in float32, or pixels, beside parameters in float64: the products keep the parameters' type."""
    here = problem(ObjectiveSpec(spec_for("mse", (4,), input_scale=1 / 255), "mse"), random)
    pixels = random.integers(0, 256, here.point.batch.x.shape, dtype=np.uint8)
    vector = direction(here.point.params, random)
    wide, narrow = (
        hessian_vector(here.goal, here.hparams, here.point._replace(batch=here.point.batch._replace(x=x)), vector)
        for x in (pixels.astype(float), pixels)
    )
    assert jax.tree.all(jax.tree.map(np.array_equal, wide, narrow))
    assert {leaf.dtype for leaf in jax.tree.leaves(narrow)} == {np.dtype(np.float64)}
