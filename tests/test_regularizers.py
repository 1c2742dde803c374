"""Penalties against their sums and gradients, the elastic net's shares, and max-norm: on the ball, inside it, at 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.optimizers import OptimizerSpec, build
from fcnet.regularizers import (
    REGULARIZERS,
    add_penalty_gradient,
    constrain,
    elastic_net,
    kernel_mask,
    penalty,
)


@pytest.fixture
def params(random):
    """Two layers in float64 NumPy, a weight that is 0, and what is no kernel."""
    tree = {
        "layer_1": {"kernel": random.normal(size=(5, 4)), "bias": random.normal(size=4), "slope": np.ones(1)},
        "layer_2": {"kernel": random.normal(size=(4, 3)), "bias": random.normal(size=3)},
    }
    tree["layer_1"]["kernel"][2, 1] = 0.0
    return tree


def in_jax(tree, dtype=jnp.float32):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def kernels(tree):
    return [layer["kernel"] for layer in tree.values()]


HPARAMS = {"l1": HParams(0.1, l1=0.3), "l2": HParams(0.1, l2=0.7), "both": HParams(0.1, l1=0.3, l2=0.7)}


@pytest.mark.parametrize("name", HPARAMS)
def test_penalty_and_its_gradient(name, params):
    hparams = HPARAMS[name]
    l1, l2 = hparams.l1 or 0, hparams.l2 or 0
    with jax.enable_x64(True):
        inside = in_jax(params, jnp.float64)
        expected = sum(l1 * np.abs(w).sum() + 0.5 * l2 * (w**2).sum() for w in kernels(params))
        np.testing.assert_allclose(penalty(hparams, inside), expected, rtol=1e-13)
        by_hand = add_penalty_gradient(hparams, inside, jax.tree.map(jnp.ones_like, inside))
        by_autodiff = jax.grad(lambda p: penalty(hparams, p))(inside)
        for layer, leaves in params.items():
            w = leaves["kernel"]
            np.testing.assert_allclose(by_hand[layer]["kernel"], 1 + l1 * np.sign(w) + l2 * w, rtol=1e-14)
            # 1 was added to each, and rounds
            np.testing.assert_allclose(by_autodiff[layer]["kernel"], by_hand[layer]["kernel"] - 1, atol=1e-15)
            np.testing.assert_array_equal(by_hand[layer]["bias"], 1)


def test_nothing_asked_is_nothing(params):
    assert penalty(HParams(0.1), in_jax(params)) == 0
    grads = in_jax(params)
    jax.tree.map(np.testing.assert_array_equal, add_penalty_gradient(HParams(0.1), grads, grads), grads)
    assert constrain(HParams(0.1), grads) is grads


def test_elastic_net(params):
    l1, l2 = elastic_net(0.6, 0.25)
    assert (l1, l2) == pytest.approx((0.15, 0.45))
    with jax.enable_x64(True):
        seen = penalty(HParams(0.1, l1=l1, l2=l2), in_jax(params, jnp.float64))
    expected = sum(0.6 * (0.25 * np.abs(w).sum() + 0.75 / 2 * (w**2).sum()) for w in kernels(params))
    np.testing.assert_allclose(seen, expected, rtol=1e-13)
    assert elastic_net(0.6, 1.0) == (0.6, 0.0)
    assert elastic_net(0.6, 0.0) == (0.0, 0.6)


@pytest.mark.parametrize(
    ("strength", "ratio", "message"),
    [(-1.0, 0.5, "strength of an elastic net must be a number ≥ 0, got -1"), (1.0, 1.5, r"in \[0, 1\], got 1.5")],
)
def test_elastic_net_refuses(strength, ratio, message):
    with pytest.raises(InputError, match=message):
        elastic_net(strength, ratio)


@pytest.mark.parametrize(("momentum", "same"), [(None, True), (0.9, False)])
def test_weight_decay_is_l2_without_momentum_only(momentum, same, params):
    eta, lam = 0.1, 0.3
    with jax.enable_x64(True):
        decayed = penalised = in_jax(params, jnp.float64)
        by_decay = build(OptimizerSpec("sgd"), HParams(eta, momentum, lam), 3, jnp.dtype("float64"))
        by_penalty = build(OptimizerSpec("sgd"), HParams(eta, momentum), 3, jnp.dtype("float64"))
        decay_state, penalty_state = by_decay.init(decayed), by_penalty.init(penalised)
        for _ in range(3):
            updates, decay_state = by_decay.update(decayed, decay_state, decayed)
            decayed = jax.tree.map(jnp.add, decayed, updates)
            grads = add_penalty_gradient(HParams(eta, l2=lam), penalised, penalised)
            updates, penalty_state = by_penalty.update(grads, penalty_state, penalised)
            penalised = jax.tree.map(jnp.add, penalised, updates)
        apart = max(np.abs(a - b).max() for a, b in zip(kernels(decayed), kernels(penalised), strict=True))
    # three steps of roundings, or a share η λ µ of the weights
    assert apart < 1e-14 if same else apart > 1e-3


def test_max_norm(params):
    limit = 1.5
    after = constrain(HParams(0.1, max_norm=limit), in_jax(params))
    outside = 0
    for layer, leaves in params.items():
        w = leaves["kernel"].astype(np.float32)
        norms = np.linalg.norm(w.astype(np.float64), axis=0)
        outside += (norms > limit).sum()
        expected = w * np.minimum(1, limit / norms)
        # a norm of 5 squares, a quotient and a product: some roundings of 6e-8
        np.testing.assert_allclose(after[layer]["kernel"], expected, rtol=5e-7)
        inside = norms < limit
        np.testing.assert_array_equal(np.asarray(after[layer]["kernel"])[:, inside], w[:, inside])
        np.testing.assert_array_equal(after[layer]["bias"], leaves["bias"].astype(np.float32))
    assert 0 < outside < 7  # both cases were there
    np.testing.assert_array_equal(after["layer_1"]["slope"], 1)


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_max_norm_at_zero(limit):
    zero = {"layer_1": {"kernel": jnp.zeros((3, 2)), "bias": jnp.ones(2)}}
    jax.tree.map(np.testing.assert_array_equal, constrain(HParams(0.1, max_norm=limit), zero), zero)


def test_on_the_ball_is_not_outside():
    # 3-4-5 is exact
    kernel = jnp.array([[3.0], [4.0]])
    after = constrain(HParams(0.1, max_norm=5.0), {"layer_1": {"kernel": kernel}})
    np.testing.assert_array_equal(after["layer_1"]["kernel"], kernel)
    half = constrain(HParams(0.1, max_norm=2.5), {"layer_1": {"kernel": kernel}})
    np.testing.assert_array_equal(half["layer_1"]["kernel"], kernel / 2)


def test_max_norm_is_traced_and_swept(params):
    tree = in_jax(params)
    project = jax.jit(lambda limit: constrain(HParams(0.1, max_norm=limit), tree))
    limits = jnp.array([0.5, 1.0, 100.0])
    swept = jax.vmap(project)(limits)
    for index, limit in enumerate(limits):
        # vectorised sums may be ordered differently
        jax.tree.map(
            lambda row, alone, index=index: np.testing.assert_allclose(row[index], alone, rtol=5e-7),
            swept,
            project(limit),
        )
    # the sweep's program and the solo runs' one
    assert project._cache_size() == 1


def test_mask_is_kernels_only(params):
    mask = kernel_mask(params)
    assert mask["layer_1"] == {"kernel": True, "bias": False, "slope": False}


def test_records_name_fields_that_exist():
    assert set(REGULARIZERS) == {"l1", "l2", "elastic_net", "weight_decay", "max_norm"}
    for record in REGULARIZERS.values():
        assert set(record.hparams) <= set(HParams._fields)
