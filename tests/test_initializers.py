"""Each scheme gives the variance it states."""

import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import initializers
from fcnet.errors import InputError


@pytest.mark.parametrize("name", sorted(initializers.INITIALIZERS))
@pytest.mark.parametrize("shape", [(300, 200), (100, 600)])
def test_variance_is_what_is_stated(name, shape, key):
    scheme = initializers.get(name)
    kernel = np.asarray(scheme.function(key, shape, jnp.float32), np.float64)
    expected = scheme.variance(*shape)
    # the variance of a sample variance is at most 2 σ⁴ / n for these distributions: five standard errors
    error = 5 * expected * np.sqrt(2 / kernel.size)
    assert abs(kernel.var() - expected) <= error
    assert abs(kernel.mean()) <= 5 * np.sqrt(expected / kernel.size)


def test_lecture_uniform_stays_in_its_interval(key):
    kernel = np.asarray(initializers.get("lecture_uniform").function(key, (80, 500), jnp.float32))
    limit = np.sqrt(5 / 80)
    assert limit * 0.999 < np.abs(kernel).max() <= limit


def test_unknown_name():
    with pytest.raises(InputError, match="did you mean he_normal"):
        initializers.get("he_norm")
