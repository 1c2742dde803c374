"""Losses in PyTorch's own form, of several inputs: by hand against autodiff, and CTC against all alignments."""

from itertools import product
from math import log

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import losses

ROWS, K = 12, 4


def numbers(random, count):
    return [3 * random.normal(size=(ROWS, K)) for _ in range(count)]


def log_probabilities(random):
    return np.log(random.dirichlet(np.ones(K), ROWS))


def frames_and_labels(random):
    logits = 2 * random.normal(size=(ROWS, 6, K))
    labels = random.integers(1, K, (ROWS, 3))
    labels[0] = labels[0, 0]
    frames, lengths = random.integers(3, 7, ROWS), random.integers(0, 3, ROWS)
    # repetitions need a blank between them; nothing in nothing; too many labels
    frames[:3], lengths[:3] = (6, 0, 2), (3, 0, 3)
    return logits, labels, frames, lengths


# text ↦ its inputs, and which of them have a gradient
INPUTS = {
    "gaussian_nll": (lambda r: (*numbers(r, 2), r.uniform(0, 2, (ROWS, K))), (0, 2)),
    "gaussian_nll:full=true,eps=0.8": (lambda r: (*numbers(r, 2), r.uniform(0, 2, (ROWS, K))), (0, 2)),
    "kl_divergence": (lambda r: (log_probabilities(r), np.eye(K)[r.integers(0, K, ROWS)]), (0,)),
    "kl_divergence:log_target=true": (lambda r: (log_probabilities(r), log_probabilities(r)), (0,)),
    "margin_ranking:margin=0.5": (lambda r: (*numbers(r, 2), r.choice([-1.0, 1.0], (ROWS, K))), (0, 1)),
    "hinge_embedding": (lambda r: (*numbers(r, 1), r.choice([-1.0, 1.0], (ROWS, K))), (0,)),
    "cosine_embedding:margin=-0.2": (lambda r: (*numbers(r, 2), r.choice([-1.0, 1.0], ROWS)), (0, 1)),
    "triplet_margin": (lambda r: numbers(r, 3), (0, 1, 2)),
    "triplet_margin:p=1,swap=true": (lambda r: numbers(r, 3), (0, 1, 2)),
    "triplet_margin:p=3,margin=5": (lambda r: numbers(r, 3), (0, 1, 2)),
    "triplet_distance:distance=manhattan": (lambda r: numbers(r, 3), (0, 1, 2)),
    "triplet_distance:distance=squared,swap=true": (lambda r: numbers(r, 3), (0, 1, 2)),
    "triplet_distance:distance=cosine,swap=true": (lambda r: numbers(r, 3), (0, 1, 2)),
    "ctc": (frames_and_labels, (0,)),
    "ctc:zero_infinity=true": (frames_and_labels, (0,)),
}


def test_every_loss_of_several_inputs_is_here():
    assert {text.partition(":")[0] for text in INPUTS} == {
        name for name, loss in losses.LOSSES.items() if loss.of_inputs is not None
    }


@pytest.mark.parametrize("text", INPUTS)
def test_by_hand_meets_autodiff(text, random):
    loss, (draw, differentiable) = losses.get(text), INPUTS[text]
    inputs = list(draw(random))
    value, pullback = loss.of_inputs_by_hand(*inputs)
    upstream = random.normal(size=value.shape)

    def of(*chosen):
        filled = [jnp.asarray(array) for array in inputs]
        for place, array in zip(differentiable, chosen, strict=True):
            filled[place] = array
        return loss.of_inputs(*filled)

    with jax.enable_x64(True):
        expected, autodiff = jax.vjp(of, *(jnp.asarray(inputs[place]) for place in differentiable))
        gradients = autodiff(jnp.asarray(upstream))
        in_jax, jax_pullback = loss.of_inputs_by_hand(*(jnp.asarray(array) for array in inputs))
        jax_gradients = jax_pullback(jnp.asarray(upstream))
    # sums of about ten numbers of size 10
    close = {"rtol": 1e-12, "atol": 3e-14}
    np.testing.assert_allclose(value, expected, **close)
    np.testing.assert_allclose(in_jax, expected, **close)
    for by_hand, other, gradient in zip(pullback(upstream), jax_gradients, gradients, strict=True):
        np.testing.assert_allclose(by_hand, gradient, **close)
        np.testing.assert_allclose(other, gradient, **close)


@pytest.mark.parametrize("text", INPUTS)
def test_inputs_that_are_no_numbers_are_not_hidden(text, random):
    loss, (draw, differentiable) = losses.get(text), INPUTS[text]
    inputs = [jnp.asarray(array) for array in draw(random)]
    spoilt = [jnp.full_like(array, jnp.nan) if place in differentiable else array for place, array in enumerate(inputs)]
    in_jax, by_hand = jax.jit(lambda *given: (loss.of_inputs(*given), loss.of_inputs_by_hand(*given)[0]))(*spoilt)
    assert np.isnan(in_jax).any()
    # the same entries, among them those of y = −1
    np.testing.assert_array_equal(np.isnan(by_hand), np.isnan(in_jax))


def read(alignment, blank):
    """What an alignment says: without repetitions, then without blanks."""
    kept = [name for place, name in enumerate(alignment) if place == 0 or name != alignment[place - 1]]
    return [name for name in kept if name != blank]


@pytest.mark.parametrize("labels", [[1], [1, 2], [1, 1], []])
@pytest.mark.parametrize("blank", [0, 3])
def test_ctc_is_the_sum_over_all_alignments(labels, blank, random):
    logits = random.normal(size=(1, 4, 4))
    probability = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)
    alignments = [path for path in product(range(4), repeat=4) if read(path, blank) == labels]
    of_path = [np.prod([probability[t, name] for t, name in enumerate(path)]) for path in alignments]
    # the posterior by counting: how probable each class is at each frame, given the labels
    posterior = np.zeros((4, 4))
    for path, weight in zip(alignments, of_path, strict=True):
        for t, name in enumerate(path):
            posterior[t, name] += weight / sum(of_path)
    padded = np.array([labels + [2] * (3 - len(labels))])
    loss = losses.get("ctc").of_inputs_by_hand
    value, pullback = loss(logits, padded, np.array([4]), np.array([len(labels)]), blank=blank)
    # sums of at most 256 products of four probabilities
    np.testing.assert_allclose(value, [-log(sum(of_path))], rtol=1e-13)
    np.testing.assert_allclose(pullback(np.ones(1))[0][0], probability - posterior, rtol=1e-11, atol=1e-14)


def test_ctc_frames_beyond_the_length_do_not_count(random):
    loss, labels = losses.get("ctc").of_inputs_by_hand, np.array([[1, 2]])
    logits = random.normal(size=(1, 7, 3))
    long_value, long_pullback = loss(logits, labels, np.array([5]), np.array([2]))
    value, pullback = loss(logits[:, :5], labels, np.array([5]), np.array([2]))
    np.testing.assert_array_equal(long_value, value)
    np.testing.assert_array_equal(long_pullback(np.ones(1))[0][:, :5], pullback(np.ones(1))[0])
    assert not long_pullback(np.ones(1))[0][:, 5:].any()


@pytest.mark.parametrize(("text", "value"), [("ctc", np.inf), ("ctc:zero_infinity=true", 0.0)])
def test_ctc_with_too_few_frames(text, value):
    # two equal labels need three frames
    logits, labels, lengths = jnp.zeros((1, 2, 3)), jnp.array([[1, 1]]), (jnp.array([2]), jnp.array([2]))
    loss = losses.get(text)
    by_hand, pullback = loss.of_inputs_by_hand(logits, labels, *lengths)
    in_jax, autodiff = jax.vjp(lambda z: loss.of_inputs(z, labels, *lengths), logits)
    assert by_hand[0] == in_jax[0] == value
    assert not np.asarray(pullback(jnp.ones(1))[0]).any()
    assert not np.asarray(autodiff(jnp.ones(1))[0]).any()


def test_ctc_of_many_certain_frames_in_bfloat16():
    # every frame is sure of the blank, so that each label costs 2·10⁴: no bound on log-likelihoods may cut that short
    logits = jnp.full((1, 100, 3), -1e4, jnp.bfloat16).at[:, :, 0].set(1e4)
    labels, lengths = jnp.array([[1, 2, 1, 2, 1, 2]]), (jnp.array([100]), jnp.array([6]))
    loss = losses.get("ctc")
    value, pullback = loss.of_inputs_by_hand(logits, labels, *lengths)
    in_jax, autodiff = jax.vjp(lambda z: loss.of_inputs(z, labels, *lengths), logits)
    # 8 bits
    np.testing.assert_allclose(np.asarray(jnp.stack([value, in_jax]), np.float32), 12e4, rtol=2**-8)
    for gradient in (pullback(jnp.ones(1, jnp.bfloat16))[0], autodiff(jnp.ones(1, jnp.bfloat16))[0]):
        assert np.isfinite(np.asarray(gradient, np.float32)).all()


def test_any_distance_makes_a_triplet_loss(random):
    anchor, positive, negative = (jnp.asarray(points, jnp.float32) for points in numbers(random, 3))
    own = losses.triplet_margin_with_distance(
        anchor, positive, negative, distance=lambda a, b: jnp.sum(jnp.square(a - b), axis=-1), margin=0.5, swap=True
    )
    known = losses.get("triplet_distance:distance=squared,margin=0.5,swap=true")
    np.testing.assert_array_equal(own, known.of_inputs(anchor, positive, negative))
    furthest = losses.triplet_margin_with_distance(
        anchor, positive, negative, distance=lambda a, b: jnp.max(jnp.abs(a - b), axis=-1)
    )
    expected = 1 + np.abs(anchor - positive).max(axis=1) - np.abs(anchor - negative).max(axis=1)
    np.testing.assert_allclose(furthest, np.maximum(expected, 0), rtol=1e-5, atol=1e-6)


def test_points_at_one_place():
    # a distance of 0 has slope 0, by hand and by autodiff
    here = jnp.ones((1, 3))
    for text in ("triplet_margin:eps=0", "triplet_margin:eps=0,p=1", "triplet_margin:eps=0,p=3"):
        loss = losses.get(text)
        value, pullback = loss.of_inputs_by_hand(here, here, here)
        in_jax, autodiff = jax.vjp(loss.of_inputs, here, here, here)
        assert value[0] == in_jax[0] == 1
        for gradient in (*pullback(jnp.ones(1)), *autodiff(jnp.ones(1))):
            assert not np.asarray(gradient).any()
