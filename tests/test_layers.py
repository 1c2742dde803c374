"""Norms and kinds of dropout: what they promise of means and variances, derivations against autodiff, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.errors import InputError
from fcnet.layers import DROPOUTS, LAYERS, NORMS, norms

TEXTS = ["batch", "batch:affine=false", "layer", "layer:affine=no,eps=0.1", "group", "group:groups=4", "instance"]
TEXTS += ["instance:channels=2", "instance:channels=2,affine=true"]
UNITS = 8


def problem(norm, random, dtype=np.float64):
    z, upstream = random.normal(3, 2, (10, UNITS)), random.normal(size=(10, UNITS))
    learned = {name: random.normal(size=norm.width(UNITS)) for name in norm.parameters()}
    return jax.tree.map(lambda leaf: leaf.astype(dtype), (z, upstream, learned))


@pytest.mark.parametrize("text", TEXTS)
def test_by_hand_on_numpy_meets_autodiff(text, random):
    norm = norms.get(text)
    z, upstream, learned = problem(norm, random)
    found, pullback = norms.by_hand(norm, z, learned)
    towards_z, shares = pullback(upstream)
    towards = {name: of_rows.sum(axis=0) for name, of_rows in shares.items()}
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, (z, learned))
        run = lambda z, learned: norms.function(norm, z, learned, {}, training=True)  # noqa: E731
        expected, pull = jax.vjp(lambda *both: run(*both).value, *arrays)
        slope, slopes = pull(jnp.asarray(upstream))
        statistics = run(*arrays)
    # means of 10 terms in float64, and differences of numbers of size 3
    np.testing.assert_allclose(found.value, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(towards_z, slope, rtol=1e-11, atol=1e-14)
    assert towards.keys() == slopes.keys() == learned.keys()
    for name, value in towards.items():
        np.testing.assert_allclose(value, slopes[name], rtol=1e-12)
    for mine, theirs in ((found.mean, statistics.mean), (found.variance, statistics.variance)):
        assert (mine is None) == (theirs is None) == (not norm.over_batch)
        if mine is not None:
            np.testing.assert_allclose(mine, theirs, rtol=1e-13)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_normalised_has_mean_0_and_variance_1(text, random):
    norm = norms.get(text)
    z, _, learned = problem(norm, random)
    plain = {"scale": np.ones_like(learned["scale"]), "shift": np.zeros_like(learned["shift"])} if learned else {}
    value = norms.by_hand(norm, z, plain)[0].value
    eps = norm.given["eps"]
    groups = UNITS if norm.over_batch else norm.groups(UNITS, norm.given)
    cut, axis = (value, 0) if norm.over_batch else (value.reshape(10, groups, -1), 2)
    before = z.var(axis=0) if norm.over_batch else z.reshape(10, groups, -1).var(axis=2)
    np.testing.assert_allclose(cut.mean(axis=axis), 0, atol=1e-14)
    np.testing.assert_allclose(cut.var(axis=axis), before / (before + eps), rtol=1e-12)


@pytest.mark.parametrize("text", TEXTS)
def test_bfloat16_keeps_its_type_and_float32_statistics(text, random):
    norm = norms.get(text)
    z, upstream, learned = problem(norm, random)
    narrow, narrow_upstream = (jnp.asarray(array, jnp.bfloat16) for array in (z + 1000, upstream))
    wide = {name: jnp.asarray(value, jnp.float32) for name, value in learned.items()}
    value = norms.function(norm, narrow, wide, {}, training=True).value
    found, pullback = norms.by_hand(norm, narrow, wide)
    assert value.dtype == found.value.dtype == pullback(narrow_upstream)[0].dtype == jnp.bfloat16
    exact = norms.by_hand(norm, np.asarray(narrow, np.float64), learned)[0].value
    # one rounding to 8 bits of a result whose mean was taken in float32
    np.testing.assert_allclose(np.asarray(value, np.float64), exact, rtol=2**-7, atol=2**-8)
    np.testing.assert_allclose(np.asarray(found.value, np.float64), exact, rtol=2**-7, atol=2**-8)


def test_running_averages_lead_to_the_whole_set(random):
    """After many batches evaluation normalises by the mean and the unbiased variance of what was seen."""
    norm = norms.get("batch")
    kept = norms.initial_statistics(norm, 3, jnp.dtype("float32"))
    np.testing.assert_array_equal(kept["mean"], 0)
    np.testing.assert_array_equal(kept["variance"], 1)
    z = jnp.asarray(random.normal(2, 3, (20, 3)), jnp.float32)
    found = norms.function(norm, z, {}, kept, training=True)
    once = norms.running(norm, kept, found.mean, found.variance, 20)
    np.testing.assert_allclose(once["mean"], 0.1 * z.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(once["variance"], 0.9 + 0.1 * z.var(axis=0, ddof=1), rtol=1e-5)
    for _ in range(300):
        kept = norms.running(norm, kept, found.mean, found.variance, 20)
    value = norms.function(norm, z, {}, kept, training=False).value
    np.testing.assert_allclose(value, (z - z.mean(0, keepdims=True)) / z.std(0, ddof=1, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("text", ["layer", "group", "instance"])
def test_norms_within_a_row_do_not_look_at_the_batch(text, random):
    norm = norms.get(text)
    z, _, learned = problem(norm, random)
    whole = norms.by_hand(norm, z, learned)[0].value
    np.testing.assert_array_equal(norms.by_hand(norm, z[:1], learned)[0].value, whole[:1])
    assert norms.running(norm, {}, None, None, 10) == {}


def test_layer_is_group_of_one_and_instance_of_one_channel(random):
    z = random.normal(size=(5, UNITS))
    value = norms.by_hand(norms.get("layer:affine=false"), z, {})[0].value
    for other in ("group:groups=1,affine=false", "instance"):
        np.testing.assert_array_equal(norms.by_hand(norms.get(other), z, {})[0].value, value)


@pytest.mark.parametrize(
    ("text", "units", "message"),
    [
        ("group:groups=3", 8, "norm group of 8 units in 3 groups: the groups must divide the units, two or more each"),
        ("group:groups=8", 8, "two or more each"),
        ("instance:channels=5", 8, "norm instance of 8 units in 5 groups"),
        ("layer", 1, "norm layer of 1 units in 1 groups"),
    ],
)
def test_groups_must_divide(text, units, message):
    with pytest.raises(InputError, match=message):
        norms.get(text).check(units)


def test_other_refusals():
    with pytest.raises(InputError, match="unknown norm 'bath': did you mean batch"):
        norms.get("bath")
    with pytest.raises(InputError, match=r"norm batch: momentum must be a number in \(0, 1\], got 0"):
        norms.get("batch:momentum=0")
    with pytest.raises(InputError, match="norm batch needs at least 2 rows a step, got 1"):
        norms.running(norms.get("batch"), {}, np.zeros(2), np.zeros(2), 1)


@pytest.mark.parametrize("name", ["inverted", "classic", "alpha", "connect"])
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_dropout_keeps_what_it_promises(name, rate, random):
    """Inverted and DropConnect keep the mean; classic keeps q of it; alpha keeps mean and variance."""
    kept = jnp.asarray(random.uniform(size=400_000) >= rate)
    a = jnp.asarray(random.normal(size=400_000), jnp.float32)
    multiplier, addend = DROPOUTS[name].affine(kept, jnp.float32(rate), jnp.dtype("float32"))
    dropped = np.asarray(a * multiplier if addend is None else a * multiplier + addend, np.float64)
    error = 5 * dropped.std() / np.sqrt(dropped.size)
    assert abs(dropped.mean()) <= error
    keep = 1 - rate
    variance = {"inverted": 1 / keep, "connect": 1 / keep, "classic": keep, "alpha": 1.0}[name]
    # the variance of a variance: the fourth moment of these mixtures is below 6
    assert abs(dropped.var() - variance) <= 5 * np.sqrt(6 / dropped.size) * max(variance, 1)
    if rate == 0:
        np.testing.assert_allclose(dropped, a, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_records_are_complete(name):
    assert LAYERS[name].formula
    assert LAYERS[name].source
    assert set(NORMS) | set(DROPOUTS) <= set(LAYERS)
