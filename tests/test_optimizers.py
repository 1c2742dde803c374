"""The chains, step by step against the recursions written out in NumPy; schedules at their ends; no recompilation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.optimizers import OPTIMIZERS, SCHEDULES, OptimizerSpec, build, learning_rate

F64 = jnp.dtype("float64")


def trajectory(spec, hparams, grads, steps=20):
    """Kernel and bias after each step, under a gradient that depends on them."""
    with jax.enable_x64(True):
        params = {"layer_1": {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([0.5, 3.0])}}
        chain = build(spec, hparams, steps, F64)
        state, seen = chain.init(params), []
        for step in range(steps):
            updates, state = chain.update(jax.tree.map(lambda p: grads(p, step), params), state, params)  # noqa: B023
            params = optax.apply_updates(params, updates)
            seen.append((np.asarray(params["layer_1"]["kernel"]), np.asarray(params["layer_1"]["bias"])))
        return seen


def gradient(p, step):
    return jnp.sin(3 * p + step) + p


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_with_decoupled_decay(nesterov):
    eta, mu, lam = 0.1, 0.9, 0.05
    spec = OptimizerSpec("nesterov" if nesterov else "sgd")
    seen = trajectory(spec, HParams(eta, mu, lam), gradient)
    values = [np.array([[1.0, -2.0]]), np.array([0.5, 3.0])]
    velocity = [np.zeros((1, 2)), np.zeros(2)]
    for step, after in enumerate(seen):
        for index, decay in ((0, lam), (1, 0.0)):  # biases do not decay
            g = np.sin(3 * values[index] + step) + values[index]
            velocity[index] = mu * velocity[index] + g
            direction = g + mu * velocity[index] if nesterov else velocity[index]
            values[index] = values[index] - eta * (direction + decay * values[index])
            # 20 steps of a few roundings of 1e-16 each, amplified by a gradient of slope 4
            np.testing.assert_allclose(after[index], values[index], rtol=1e-12)


def test_adam():
    seen = trajectory(OptimizerSpec("adam"), HParams(0.01, 0.9), gradient)
    value, m, v = np.array([0.5, 3.0]), np.zeros(2), np.zeros(2)
    for step, (_, after) in enumerate(seen):
        g = np.sin(3 * value + step) + value
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        value = value - 0.01 * (m / (1 - 0.9 ** (step + 1))) / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8)
        # as above, and the division by √v amplifies once more
        np.testing.assert_allclose(after, value, rtol=1e-10)


def test_without_momentum_it_is_plain_descent():
    (_, bias), *_ = trajectory(OptimizerSpec(), HParams(0.1), gradient, steps=1)
    start = np.array([0.5, 3.0])
    np.testing.assert_allclose(bias, start - 0.1 * (np.sin(3 * start) + start), rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "at_half", "at_end"),
    [("constant", 1, 1), ("cosine", 0.5, 0), ("linear", 0.5, 0), ("step", 0.1, 0.01), ("exponential", 0.1, 0.01)],
)
def test_schedules(name, at_half, at_end):
    rate = learning_rate(OptimizerSpec(schedule=name), 2.0, 100, jnp.dtype("float32"))
    steps = [rate(jnp.int32(step)) for step in (0, 50, 100)]
    np.testing.assert_allclose(steps, [2, 2 * at_half, 2 * at_end], rtol=1e-5, atol=1e-6)


def test_warmup_rises_and_then_the_schedule_runs():
    rate = learning_rate(OptimizerSpec(schedule="cosine", warmup=0.1), 1.0, 100, jnp.dtype("float32"))
    rises = [float(rate(jnp.int32(step))) for step in range(10)]
    np.testing.assert_allclose(rises, np.arange(1, 11) / 10, rtol=1e-6)
    assert float(rate(jnp.int32(100))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_another_value_does_not_compile_again(name, schedule):
    params = {"layer_1": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}

    @jax.jit
    def run(hparams):
        chain = build(OptimizerSpec(name, schedule, 0.1), hparams, 10, jnp.dtype("float32"))
        updates, _ = chain.update(params, chain.init(params), params)
        return updates

    first, second = run(HParams(0.1, 0.9, 0.01)), run(HParams(0.2, 0.8, 0.0))
    assert run._cache_size() == 1
    assert not jnp.array_equal(first["layer_1"]["kernel"], second["layer_1"]["kernel"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "sdg"}, "unknown optimiser 'sdg': did you mean sgd"),
        ({"schedule": "cosin"}, "did you mean cosine"),
        ({"warmup": 1.0}, r"warmup must be a fraction of the steps in \[0, 1\)"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(InputError, match=message):
        OptimizerSpec(**fields)
