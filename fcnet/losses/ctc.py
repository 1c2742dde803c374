"""Connectionist temporal classification: the likelihood of a label sequence, however its labels fall on the frames.

An alignment names a class or the blank for each frame; reading it without repetitions and then without blanks gives the
labels. The loss sums over all alignments by walking the labels with blanks between them, see ``alignments``.

As the loss of a classifier: one frame whose blank has logit 0, and the class as the only label.
"""

import jax
import jax.numpy as jnp

from fcnet.arrays import AnyArray, log_softmax, namespace, widened
from fcnet.catalogue import Option, table
from fcnet.contracts import CLASSIFICATION
from fcnet.losses.alignments import (
    backward_scores,
    before_any_frame,
    counted_frames,
    forward_scores,
    log_sum,
    only,
    walk,
    where_it_ends,
)
from fcnet.losses.record import InputsPullback, Loss, Pullback, softmax_of


def ctc_of_inputs(
    logits: jax.Array,
    labels: jax.Array,
    frame_lengths: jax.Array,
    label_lengths: jax.Array,
    *,
    blank: int = 0,
    zero_infinity: bool = False,
) -> jax.Array:
    """−log Σ over alignments π of the labels Π_t softmax(zₜ)_π(t).

    Args:
        logits: (batch, frames, classes), the blank among the classes.
        labels: (batch, length) int, none of them the blank; beyond a row's length any class may stand.
        frame_lengths, label_lengths: (batch,) int: how many frames and labels of a row count.
        blank: the index of the blank.
        zero_infinity: answer 0 instead of ∞ where the frames do not suffice for the labels.

    Returns:
        (batch,); computed in float32 for narrower types. ∞ where no alignment is possible, with a slope of 0.

    Source: Graves et al. 2006, Connectionist temporal classification.
    """
    # optax's takes −1e5 for log 0, which long rows reach, and mixes float32 into float64
    batch, frames, _ = logits.shape
    states, may_skip = walk(labels, blank)
    log_probabilities = jax.nn.log_softmax(widened(logits))
    index = jnp.broadcast_to(states[:, None, :], (batch, frames, states.shape[1]))
    emitted = jnp.take_along_axis(log_probabilities, index, axis=2)
    nothing = jnp.full((batch, 2), -jnp.inf, emitted.dtype)

    def step(alpha: jax.Array, frame: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        emission, counts = frame
        padded = jnp.concatenate([nothing, alpha], axis=1)
        arriving = jnp.stack([alpha, padded[:, 1:-1], jnp.where(may_skip, padded[:, :-2], -jnp.inf)])
        return jnp.where(counts[:, None], _log_sum_in_jax(arriving) + emission, alpha), None

    counted = counted_frames(logits, frame_lengths)
    alpha, _ = jax.lax.scan(step, before_any_frame(emitted[:, 0, :]), (jnp.swapaxes(emitted, 0, 1), counted.T))
    log_likelihood = _log_sum_in_jax(jnp.where(where_it_ends(states, label_lengths), alpha, -jnp.inf).T)
    impossible = jnp.asarray(0.0 if zero_infinity else jnp.inf, emitted.dtype)
    return jnp.where(log_likelihood == -jnp.inf, impossible, -log_likelihood).astype(logits.dtype)


def _log_sum_in_jax(terms: jax.Array) -> jax.Array:
    """log Σ exp over the first axis, with slope 0 where all terms are −∞."""
    largest = jax.lax.stop_gradient(jnp.max(terms, axis=0))
    largest = jnp.where(largest == -jnp.inf, 0.0, largest)
    total = jnp.sum(jnp.exp(terms - largest[None]), axis=0)
    return jnp.where(total == 0, -jnp.inf, largest + jnp.log(jnp.where(total == 0, 1.0, total)))


def _ctc_of_inputs(
    logits: AnyArray,
    labels: AnyArray,
    frame_lengths: AnyArray,
    label_lengths: AnyArray,
    *,
    blank: int = 0,
    zero_infinity: bool = False,
) -> tuple[AnyArray, InputsPullback]:
    xp = namespace(logits)
    states, may_skip = walk(labels, blank)
    log_probabilities = log_softmax(widened(logits))
    counted, last = counted_frames(logits, frame_lengths), where_it_ends(states, label_lengths)
    index = xp.broadcast_to(states[:, None, :], (*logits.shape[:2], states.shape[1]))
    emitted = xp.take_along_axis(log_probabilities, index, axis=2)

    alphas = forward_scores(emitted, counted, may_skip)
    betas = backward_scores(emitted, counted, may_skip, last)
    log_likelihood = log_sum([only(last, alphas[-1])[:, state] for state in range(states.shape[1])])
    possible = log_likelihood != -xp.inf
    impossible = xp.full_like(log_likelihood, 0.0 if zero_infinity else xp.inf)

    classes = xp.reshape(xp.arange(logits.shape[2], dtype=states.dtype), (1, 1, -1))
    of_class = xp.astype(states[:, :, None] == classes, emitted.dtype)
    slopes = []
    for t in range(logits.shape[1]):
        # the probability of each state at frame t, given the labels
        joint = alphas[t + 1] + betas[t]
        most = xp.max(joint, axis=1, keepdims=True)
        occupied = xp.exp(joint - xp.where(most == -xp.inf, xp.zeros_like(most), most))
        total = xp.sum(occupied, axis=1, keepdims=True)
        posterior = occupied / xp.where(total == 0, xp.ones_like(total), total)
        by_class = xp.sum(posterior[:, :, None] * of_class, axis=1)
        learns = counted[:, t][:, None] & possible[:, None]
        slope = xp.exp(log_probabilities[:, t, :]) - by_class
        slopes.append(xp.where(learns, slope, xp.zeros_like(slope)))
    slope = xp.astype(xp.stack(slopes, axis=1), logits.dtype)

    value = xp.astype(xp.where(possible, -log_likelihood, impossible), logits.dtype)
    return value, lambda upstream: (upstream[:, None, None] * slope,)


def ctc(outputs: jax.Array, targets: jax.Array, *, zero_infinity: bool) -> jax.Array:
    """−log softmax([0 | z])_y, the loss of one frame: outputs and one-hot targets (batch, classes) ↦ (batch,)."""
    return ctc_of_inputs(*_one_frame(outputs, targets), zero_infinity=zero_infinity)


def _ctc(outputs: AnyArray, targets: AnyArray, *, zero_infinity: bool) -> tuple[AnyArray, Pullback]:
    value, pullback = _ctc_of_inputs(*_one_frame(outputs, targets), zero_infinity=zero_infinity)
    return value, lambda upstream: pullback(upstream)[0][:, 0, 1:]


def _one_frame(outputs: AnyArray, targets: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
    xp = namespace(outputs)
    logits = xp.concat([xp.zeros_like(outputs[:, :1]), outputs], axis=1)[:, None, :]
    labels = xp.argmax(targets, axis=1) + 1
    return logits, labels[:, None], xp.ones_like(labels), xp.ones_like(labels)


CTC = table(
    Loss(
        name="ctc",
        task=CLASSIFICATION,
        function=ctc,
        by_hand=_ctc,
        formula="−log Σ over alignments π of the labels Π_t softmax(zₜ)_π(t); of a row: −log softmax([0 | z])_y",
        derivative_formula="softmax(zₜ) − the probability of each class at frame t, given the labels",
        targets="one_hot",
        predict=softmax_of,
        of_inputs=ctc_of_inputs,
        of_inputs_by_hand=_ctc_of_inputs,
        options={"zero_infinity": Option(False, "0 instead of ∞ where there are too few frames for the labels")},
        torch="torch.nn.CTCLoss",
        differs="takes logits (batch, frames, classes), not log-probabilities; a row too short for its labels has "
        "slope 0, where PyTorch gives NaN",
        source="Graves et al. 2006, Connectionist temporal classification",
    ),
)
