"""What is random in a step: drawn once, each layer from its own stream, absent where it is not asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.contracts import HParams
from fcnet.errors import InputError
from fcnet.noise import LayerNoise, Noise, draw, rates
from fcnet.spec import MLPSpec

SPEC = MLPSpec(5, 2, (300, 300))


def test_nothing_is_drawn_that_is_not_asked_for(key):
    assert draw(SPEC, HParams(0.1), 7, key) == Noise(None, (LayerNoise(), LayerNoise()))


def test_masks_have_their_rates_and_differ_between_layers(key):
    hparams = HParams(0.1, dropout=(0.2, 0.5))
    first, second = draw(SPEC, hparams, 200, key).layers
    for drawn, rate in ((first, 0.2), (second, 0.5)):
        assert set(np.unique(drawn.multiplier)) == {0.0, np.float32(1 / (1 - rate))}
        share = float((drawn.multiplier == 0).mean())
        assert abs(share - rate) < 5 * np.sqrt(rate * (1 - rate) / drawn.multiplier.size)
    same, again = draw(SPEC, HParams(0.1, dropout=0.5), 200, key).layers
    assert not jnp.array_equal(same.multiplier, again.multiplier)
    np.testing.assert_array_equal(second.multiplier, again.multiplier)


def test_gaussian_noise_comes_before_dropout(key):
    spec = MLPSpec(5, 2, (4000,))
    noise = draw(spec, HParams(0.1, input_noise=0.5, hidden_noise=2.0), 50, key)
    for array, deviation in ((noise.inputs, 0.5), (noise.layers[0].addend, 2.0)):
        array = np.asarray(array, np.float64)
        # five standard errors of a standard deviation and of a mean
        assert abs(array.std() - deviation) < 5 * deviation / np.sqrt(2 * array.size)
        assert abs(array.mean()) < 5 * deviation / np.sqrt(array.size)
    both = draw(spec, HParams(0.1, hidden_noise=2.0, dropout=0.3), 50, key).layers[0]
    assert not np.asarray(both.addend)[np.asarray(both.multiplier) == 0].any()


def test_kinds(key):
    connect = draw(
        MLPSpec(5, 2, (3,), dropout="connect", activation="maxout:pieces=4"), HParams(0.1, dropout=0.5), 7, key
    )
    assert connect.layers[0].kernel.shape == (5, 12)
    assert connect.layers[0].multiplier is None
    classic = draw(MLPSpec(5, 2, (3,), dropout="classic"), HParams(0.1, dropout=0.25), 7, key).layers[0]
    assert set(np.unique(classic.multiplier)) <= {0.0, 1.0}
    assert classic.keep == 0.75
    assert draw(MLPSpec(5, 2, (3,), activation="rrelu"), HParams(0.1), 7, key).layers[0].slopes.shape == (7, 3)


@pytest.mark.parametrize("kind", ["inverted", "classic", "alpha", "connect"])
def test_rates_are_traced(kind, key):
    spec = MLPSpec(5, 2, (8,), dropout=kind, dtype="bfloat16")
    run = jax.jit(lambda rate: draw(spec, HParams(0.1, dropout=rate, hidden_noise=rate), 6, key))
    some, more = run(jnp.float32(0.1)), run(jnp.float32(0.8))
    assert run._cache_size() == 1
    assert not all(jnp.array_equal(a, b) for a, b in zip(jax.tree.leaves(some), jax.tree.leaves(more), strict=True))


def test_one_rate_for_all_or_one_for_each():
    assert rates(SPEC, HParams(0.1, dropout=0.5)) == (0.5, 0.5)
    assert rates(SPEC, HParams(0.1)) == (None, None)
    with pytest.raises(InputError, match="dropout has 3 rates, but there are 2 hidden layers"):
        rates(SPEC, HParams(0.1, dropout=(0.1, 0.2, 0.3)))


def test_all_draws_of_a_step_come_from_one_split(key):
    spec = MLPSpec(5, 2, (8, 8), ("rrelu", "relu"))
    hparams = HParams(0.1, dropout=0.2, input_noise=0.1, hidden_noise=0.1)
    program = str(jax.make_jaxpr(lambda key: draw(spec, hparams, 6, key))(key))
    assert program.count("random_split") == 1
    assert "random_fold_in" not in program
