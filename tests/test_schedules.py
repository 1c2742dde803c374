"""Every schedule against its closed form; boundaries on whole steps; warm-up; the plateau, epoch by epoch."""

from math import cos, inf, nan, pi

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.optimizers import (
    SCHEDULES,
    OptimizerSpec,
    build,
    initial_plateau,
    learning_rate,
    update_plateau,
)

F32, F64 = jnp.dtype("float32"), jnp.dtype("float64")


def rates(schedule, total=100, peak=1.0, dtype=F64, warmup=0.0, upto=None):
    """η at steps 0, 1, …, ``upto`` (all of them where it is None)."""
    at = learning_rate(OptimizerSpec(schedule=schedule, warmup=warmup), peak, total, dtype)
    return np.asarray(jax.vmap(at)(jnp.arange(total if upto is None else upto, dtype=jnp.int32)))


def half_cosine(first, last, share):
    return last + (first - last) * 0.5 * (1 + cos(pi * share))


def one_cycle(k, peak, start, final, last=99):
    if k <= peak:
        return half_cosine(start, 1, k / peak)
    return half_cosine(1, final, (k - peak) / (last - peak))


CLOSED_FORMS = {
    "constant": lambda k: 1.0,
    "step": lambda k: 0.1 ** (k // 40),
    "step:every=0.25,factor=0.5": lambda k: 0.5 ** (k // 25),
    "exponential": lambda k: 0.01 ** (k / 100),
    "exponential:final=0.3": lambda k: 0.3 ** (k / 100),
    "inverse_time": lambda k: 1 / (1 + 0.01 * k),
    "inverse_time:rate=0.5": lambda k: 1 / (1 + 0.5 * k),
    "cosine": lambda k: half_cosine(1, 0, k / 100),
    "cosine:final=0.2": lambda k: half_cosine(1, 0.2, k / 100),
    "linear": lambda k: 1 - k / 100,
    "linear:final=0.4": lambda k: 1 - 0.6 * k / 100,
    "one_cycle": lambda k: one_cycle(k, 29, 0.04, 4e-6),
    "one_cycle:peak_at=0.255,start=0.1,final=0.01": lambda k: one_cycle(k, 24.5, 0.1, 0.01),
    "plateau": lambda k: 1.0,
}


def test_every_schedule_has_a_closed_form():
    assert {text.partition(":")[0] for text in CLOSED_FORMS} == set(SCHEDULES)


@pytest.mark.parametrize("schedule", CLOSED_FORMS)
def test_closed_form(schedule):
    expected = [0.7 * CLOSED_FORMS[schedule](k) for k in range(100)]
    with jax.enable_x64(True):
        # a handful of roundings of 1e-16, absolute where ½ (1 + cos) of the expectation cancels
        np.testing.assert_allclose(rates(schedule, peak=0.7), expected, rtol=1e-14, atol=1e-15)
    # the same in float32, with relative precision down to the smallest factor of each
    np.testing.assert_allclose(rates(schedule, peak=0.7, dtype=F32), expected, rtol=2e-6)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "exponential", "inverse_time", "one_cycle"])
def test_smooth_in_float32(schedule):
    total = 20_000
    single = rates(schedule, total, dtype=F32).astype(np.float64)
    with jax.enable_x64(True):
        double = rates(schedule, total)
    # never up where it should go down: a step that is due is at most overlaid by roundings of 6e-8 of the factor
    np.testing.assert_allclose(np.diff(single), np.diff(double), atol=4e-7)
    np.testing.assert_allclose(single, double, rtol=2e-6)


@pytest.mark.parametrize("total", [3, 7, 90, 100, 1000])
@pytest.mark.parametrize("every", [0.07, 0.1, 0.29, 0.3, 0.57, 1.0])
def test_drops_fall_on_whole_steps(every, total):
    period = max(round(every * total), 1)  # 0.29 · 100 and 0.57 · 100 lie just below the integer they mean
    seen = rates(f"step:every={every},factor=0.5", total, dtype=F32, upto=total + 1)
    drops = 1 + np.flatnonzero(np.diff(seen))
    assert drops.tolist() == list(range(period, total + 1, period))


@pytest.mark.parametrize(("schedule", "final"), [("cosine", 0.0), ("linear", 0.0), ("linear:final=0.25", 0.25)])
def test_ends_exactly(schedule, final):
    seen = rates(schedule, 77, dtype=F32, upto=90)
    assert seen[0] == 1
    assert set(seen[77:].tolist()) == {final}


@pytest.mark.parametrize("total", [1, 2, 3, 10])
@pytest.mark.parametrize("schedule", CLOSED_FORMS)
def test_short_runs_have_rates(schedule, total):
    seen = rates(schedule, total, warmup=0.9, dtype=F32, upto=total + 2)
    assert np.isfinite(seen).all()
    assert (seen >= 0).all()
    assert (seen <= 1).all()


@pytest.mark.parametrize("schedule", CLOSED_FORMS)
def test_warmup_rises_and_then_the_schedule_runs(schedule):
    # 0.07 · 100 is 7.000000000000001 in floating point
    warm, rest = rates(schedule, 100, warmup=0.07, dtype=F32), rates(schedule, 93, dtype=F32)
    np.testing.assert_allclose(warm[:7], np.arange(1, 8) / 7 * rest[0], rtol=1e-6)
    np.testing.assert_allclose(warm[7:], rest, rtol=1e-6)


@pytest.mark.parametrize("schedule", CLOSED_FORMS)
def test_another_peak_does_not_compile_again(schedule):
    params = {"layer_1": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}

    @jax.jit
    def run(hparams):
        chain = build(OptimizerSpec("sgd", schedule, 0.1), hparams, 10, F32)
        return chain.update(params, chain.init(params), params)[0]["layer_1"]["bias"]

    first, second = run(HParams(0.1)), run(HParams(0.2))
    assert run._cache_size() == 1
    np.testing.assert_allclose(second, 2 * first, rtol=1e-6)


def plateau_factors(losses, dtype=F32, **options):
    text = ",".join(f"{name}={value}" for name, value in options.items())
    spec = OptimizerSpec(schedule=f"plateau:{text}".rstrip(":"))
    seen, state = [], initial_plateau(dtype)
    for loss in losses:
        state = update_plateau(spec, state, jnp.asarray(loss, dtype))
        seen.append(float(state.factor))
    return seen


@pytest.mark.parametrize(
    ("losses", "options", "expected"),
    [
        # more than patience epochs without improvement; after a drop the waiting starts anew
        ([1, 1, 1, 1, 1, 1, 1], {"patience": 2, "factor": 0.5}, [1, 1, 1, 0.5, 0.5, 0.5, 0.25]),
        ([1, 1, 1], {"patience": 0, "factor": 0.5}, [1, 0.5, 0.25]),
        # an improvement forgives
        ([1, 1, 1, 0.5, 0.5, 0.5, 0.5], {"patience": 2, "factor": 0.5}, [1, 1, 1, 1, 1, 1, 0.5]),
        # improvement means by more than the threshold, as a share of the best
        ([100, 96, 92], {"patience": 1, "threshold": 0.05, "factor": 0.5}, [1, 1, 1]),
        ([100, 96, 95.5], {"patience": 1, "threshold": 0.05, "factor": 0.5}, [1, 1, 0.5]),
        # bad epochs of the cooldown do not count
        ([1] * 7, {"patience": 1, "cooldown": 2, "factor": 0.5}, [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]),
        # never below the smallest
        ([1] * 4, {"patience": 0, "factor": 0.5, "smallest": 0.4}, [1, 0.5, 0.4, 0.4]),
        # what is not a number is never an improvement
        ([nan, nan, 1, nan, nan], {"patience": 1, "factor": 0.5}, [1, 0.5, 0.5, 0.5, 0.25]),
        ([inf, inf], {"patience": 0, "factor": 0.5}, [0.5, 0.25]),
    ],
)
def test_plateau_epoch_by_epoch(losses, options, expected):
    # halves are exact; 0.4 is float32's
    np.testing.assert_allclose(plateau_factors(losses, **options), expected, rtol=1e-7)


def test_plateau_defaults():
    # the 12th epoch is the 11th bad one
    seen = plateau_factors([1.0] * 12)
    np.testing.assert_allclose(seen, [1.0] * 11 + [0.1], rtol=1e-7)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_plateau_is_one_state_through_a_scan(dtype):
    spec = OptimizerSpec(schedule="plateau:patience=1")
    with jax.enable_x64(dtype == F64):
        start = initial_plateau(dtype)
        end, _ = jax.lax.scan(lambda state, loss: (update_plateau(spec, state, loss), 0), start, jnp.ones(5, dtype))
        np.testing.assert_allclose(end.factor, 0.01, rtol=1e-6)
        swept = jax.vmap(lambda losses: jax.lax.scan(lambda s, x: (update_plateau(spec, s, x), 0), start, losses)[0])(
            jnp.stack([jnp.ones(5, dtype), 1 / jnp.arange(1, 6, dtype=dtype)])
        )
        np.testing.assert_allclose(swept.factor, [0.01, 1], rtol=1e-6)


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"plateau"}))
def test_no_other_schedule_looks_at_the_loss(name):
    start = initial_plateau(F32)
    assert update_plateau(OptimizerSpec(schedule=name), start, jnp.float32(1)) is start
    assert not SCHEDULES[name].by_validation


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("cosin", "did you mean cosine"),
        ("step:every=0", r"every must be a number in \[?\(?0, 1"),
        ("step:gamma=0.1", "unknown option of schedule step 'gamma'"),
        ("exponential:final=0", "final must be a number in"),
        ("one_cycle:peak_at=1", "peak_at must be a number in"),
        ("plateau:patience=1.5", "patience must be an integer ≥ 0"),
        ("plateau:factor=1", "factor must be a number in"),
        ("constant:final=1", "constant has no options"),
    ],
)
def test_refusals(schedule, message):
    with pytest.raises(InputError, match=message):
        OptimizerSpec(schedule=schedule)
