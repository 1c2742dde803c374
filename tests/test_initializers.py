"""Each scheme gives the variance it states, in the shape it states, with exact structure where it promises one."""

from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import initializers
from fcnet.errors import InputError

# text, variance for a kernel of shape (i, o), fourth moment over squared variance: 3 for normals, 9/5 for uniforms
SCHEMES = [
    ("he_normal", lambda i, o: 2 / i, 3),
    ("he_normal:mode=fan_out", lambda i, o: 2 / o, 3),
    ("he_normal:slope=0.5", lambda i, o: 1.6 / i, 3),
    ("he_uniform", lambda i, o: 2 / i, 1.8),
    ("he_uniform:slope=2.23606797749979", lambda i, o: 1 / (3 * i), 1.8),
    ("glorot_normal", lambda i, o: 2 / (i + o), 3),
    ("glorot_normal:gain=1.5", lambda i, o: 4.5 / (i + o), 3),
    ("glorot_uniform", lambda i, o: 2 / (i + o), 1.8),
    ("glorot_uniform:gain=0.1", lambda i, o: 0.02 / (i + o), 1.8),
    ("lecun_normal", lambda i, o: 1 / i, 3),
    ("lecun_uniform", lambda i, o: 1 / i, 1.8),
    ("lecture_uniform", lambda i, o: 5 / (3 * i), 1.8),
    ("gaussian", lambda i, o: 1e-4, 3),
    ("gaussian:sigma=2", lambda i, o: 4, 3),
    ("uniform", lambda i, o: 0.0025 / 3, 1.8),
    ("uniform:limit=3", lambda i, o: 3, 1.8),
    # a share k of normals among zeros has fourth moment 3 k σ⁴ and variance k σ²
    ("sparse", lambda i, o: 0.9e-4, 3 / 0.9),
    ("sparse:sparsity=0.5,sigma=2,of=outgoing", lambda i, o: 2, 6),
    ("constant:value=0.3", lambda i, o: 0, None),
    ("zeros", lambda i, o: 0, None),
    ("orthogonal", lambda i, o: 1 / max(i, o), None),
    ("orthogonal:gain=2", lambda i, o: 4 / max(i, o), None),
]
IDS = [text for text, _, _ in SCHEMES]


def drawn(text, key, shape, dtype=jnp.float32):
    return np.asarray(initializers.get(text).function(key, shape, dtype), np.float64)


def test_every_scheme_is_tried():
    assert {text.partition(":")[0] for text in IDS} == set(initializers.INITIALIZERS)


@pytest.mark.parametrize("shape", [(300, 200), (100, 600)])
@pytest.mark.parametrize(("text", "variance", "kurtosis"), SCHEMES, ids=IDS)
def test_variance_is_what_is_stated(text, variance, kurtosis, shape, key):
    expected = variance(*shape)
    assert initializers.get(text).variance(*shape) == pytest.approx(expected, rel=1e-12)
    if kurtosis is None:
        return  # constants and orthogonal kernels have no independent entries: below
    kernel = drawn(text, key, shape)
    # five standard errors: σ / √n of the mean, σ² √((κ − 1) / n) of the variance
    assert abs(kernel.mean()) <= 5 * sqrt(expected / kernel.size)
    assert abs((kernel**2).mean() - expected) <= 5 * expected * sqrt((kurtosis - 1) / kernel.size)


@pytest.mark.parametrize(
    ("text", "kurtosis"), [(text, kurtosis) for text, _, kurtosis in SCHEMES if kurtosis], ids=lambda value: str(value)
)
def test_distribution_has_its_shape(text, kurtosis, key):
    kernel = drawn(text, key, (300, 200))
    # the standard error of a mean of fourth powers is at most √(E w⁸ / n); divided by the fourth power of the variance,
    # E w⁸ is 105 for a normal, 9 for a uniform, 105 / k³ for a share k of normals among zeros
    kept = 3 / kurtosis if kurtosis >= 3 else 1
    eighth = 105 / kept**3 if kurtosis >= 3 else 9
    expected = initializers.get(text).variance(300, 200)
    assert abs((kernel**4).mean() / expected**2 - kurtosis) <= 5 * sqrt(eighth / kernel.size)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("lecture_uniform", sqrt(5 / 80)),
        ("he_uniform", sqrt(6 / 80)),
        ("he_uniform:slope=2.23606797749979", 1 / sqrt(80)),
        ("lecun_uniform", sqrt(3 / 80)),
        ("glorot_uniform", sqrt(6 / 580)),
        ("uniform:limit=0.7", 0.7),
    ],
)
def test_uniforms_fill_their_interval(text, limit, key):
    kernel = drawn(text, key, (80, 500))
    # 40 000 draws leave each end uncovered by a share of 1e-4 or so; 1e-7 is the rounding of the limit to float32
    for end in (kernel.max(), -kernel.min()):
        assert limit * 0.999 < end <= limit * (1 + 1e-7)


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (50, 50), (1, 7), (7, 1)])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal(gain, shape, key):
    for dtype in (jnp.float32, jnp.float64):
        with jax.enable_x64(dtype == jnp.float64):
            kernel = drawn(f"orthogonal:gain={gain}", key, shape, dtype)
        small = kernel.T @ kernel if shape[0] >= shape[1] else kernel @ kernel.T
        # Householder QR: ‖QᵀQ − I‖ is a small multiple of n^½ roundings
        tolerance = 50 * gain**2 * jnp.finfo(dtype).eps
        np.testing.assert_allclose(small, gain**2 * np.eye(min(shape)), atol=float(tolerance))


def test_orthogonal_is_uniform_over_signs(key):
    # QR alone would make the diagonal of R positive and the first entries of Q one-sided
    firsts = [drawn("orthogonal", one, (3, 3))[0, 0] for one in jax.random.split(key, 400)]
    # mean 0, variance 1/3
    assert abs(np.mean(firsts)) <= 5 * sqrt(1 / 3 / 400)


@pytest.mark.parametrize(
    ("of", "axis", "zeros"),
    [("incoming", 0, 8), ("outgoing", 1, 13)],  # ⌈0.25 · 30⌉ and ⌈0.25 · 50⌉
)
def test_sparse_counts(of, axis, zeros, key):
    kernel = drawn(f"sparse:sparsity=0.25,of={of}", key, (30, 50))
    np.testing.assert_array_equal((kernel == 0).sum(axis), zeros)
    # each column or row draws its own places
    assert len({tuple(line) for line in np.moveaxis(kernel == 0, axis, -1)}) > 25


def test_all_or_nothing_is_sparse(key):
    assert not drawn("sparse:sparsity=1", key, (5, 4)).any()
    assert drawn("sparse:sparsity=0", key, (5, 4)).all()


@pytest.mark.parametrize("text", IDS)
def test_dtype_and_determinism(text, key):
    with jax.enable_x64(True):
        function = initializers.get(text).function
        for dtype in (jnp.float32, jnp.float64):
            kernel = jax.jit(lambda key, dtype=dtype: function(key, (6, 5), dtype))(key)
            assert (kernel.shape, kernel.dtype) == ((6, 5), dtype)
            # compiled or not: at most the rounding of a fused product, or of QR
            np.testing.assert_allclose(kernel, function(key, (6, 5), dtype), atol=20 * jnp.finfo(dtype).eps)


def test_constants(key):
    np.testing.assert_array_equal(drawn("constant:value=0.25", key, (3, 2)), np.full((3, 2), 0.25))
    assert not drawn("zeros", key, (3, 2)).any()


def test_get_is_cached():
    assert initializers.get("he_normal:slope=0.1") is initializers.get("he_normal:slope=0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("he_norm", "did you mean he_normal"),
        ("he_normal:mode=fan", "mode must be fan_in or fan_out, got fan"),
        ("sparse:sparsity=1.5", r"sparsity must be a number in \[0, 1\]"),
        ("gaussian:std=1", "unknown option of initialiser gaussian 'std'"),
        ("orthogonal:gain=0", "gain must be a number > 0"),
        ("zeros:value=1", "zeros has no options"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(InputError, match=message):
        initializers.get(text)
