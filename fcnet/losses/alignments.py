"""Walks over the labels of a sequence, ⌀ l₁ ⌀ l₂ ⌀ … ⌀, and their likelihoods, in the array API and in logarithms.

Each frame stays at its state, moves on by one, or by two over a blank between different labels. Nothing is written in
place, so that the same lines run on NumPy and on JAX. Source: Graves et al. 2006, section 4.1.
"""

from fcnet.arrays import AnyArray, namespace


def walk(labels: AnyArray, blank: int) -> tuple[AnyArray, AnyArray]:
    """The states ⌀ l₁ ⌀ l₂ … ⌀ as classes, and where the blank before may be left out; both (batch, 2 length + 1)."""
    xp = namespace(labels)
    batch, length = labels.shape
    blanks = xp.full_like(labels, blank)
    states = xp.reshape(xp.stack([labels, blanks], axis=2), (batch, 2 * length))
    first = xp.full((batch, 1), blank, dtype=labels.dtype)
    states = xp.concat([first, states], axis=1)
    two_before = xp.concat([first, first, states], axis=1)[:, :-2]
    return states, (states != blank) & (states != two_before)


def counted_frames(logits: AnyArray, frame_lengths: AnyArray) -> AnyArray:
    """Which frames are within their row's length: (batch, frames)."""
    xp = namespace(logits)
    frames = xp.arange(logits.shape[1], dtype=frame_lengths.dtype)
    return xp.reshape(frames, (1, -1)) < xp.reshape(frame_lengths, (-1, 1))


def where_it_ends(states: AnyArray, label_lengths: AnyArray) -> AnyArray:
    """Where the walk may end: at a row's last label or the blank after it, (batch, states)."""
    xp = namespace(states)
    position = xp.reshape(xp.arange(states.shape[1], dtype=label_lengths.dtype), (1, -1))
    end = 2 * xp.reshape(label_lengths, (-1, 1))
    return (position == end) | (position == end - 1)


def before_any_frame(state_scores: AnyArray) -> AnyArray:
    """log α before any frame: as if at the first blank, from where the first frame stays or moves on by one.

    Any array of the states' shape (batch, states) ↦ the same shape.
    """
    xp = namespace(state_scores)
    at_first = xp.arange(state_scores.shape[1]) == 0
    return only(xp.broadcast_to(at_first[None, :], state_scores.shape), xp.zeros_like(state_scores))


def forward_scores(emitted: AnyArray, counted: AnyArray, may_skip: AnyArray) -> list[AnyArray]:
    """log αₜ(s): the likelihood of the first t frames ending in state s, for t = 0, 1, …; each (batch, states)."""
    xp = namespace(emitted)
    alphas = [before_any_frame(emitted[:, 0, :])]
    for t in range(emitted.shape[1]):
        alpha = alphas[-1]
        by_two = only(may_skip, moved(alpha, 2))
        arriving = log_sum([alpha, moved(alpha, 1), by_two]) + emitted[:, t, :]
        alphas.append(xp.where(counted[:, t][:, None], arriving, alpha))
    return alphas


def backward_scores(emitted: AnyArray, counted: AnyArray, may_skip: AnyArray, last: AnyArray) -> list[AnyArray]:
    """log βₜ(s): the likelihood of the frames after t, given state s at t, for t = 1, 2, …; each (batch, states)."""
    xp = namespace(emitted)
    betas = [only(last, xp.zeros_like(emitted[:, 0, :]))]
    for t in range(emitted.shape[1] - 1, 0, -1):
        coming = betas[0] + emitted[:, t, :]
        by_two = moved(only(may_skip, coming), -2)
        leaving = log_sum([coming, moved(coming, -1), by_two])
        betas.insert(0, xp.where(counted[:, t][:, None], leaving, betas[0]))
    return betas


def only(where: AnyArray, log_values: AnyArray) -> AnyArray:
    """The values where the condition holds, −∞ elsewhere; both of one shape."""
    xp = namespace(log_values)
    return xp.where(where, log_values, xp.full_like(log_values, -xp.inf))


def moved(log_values: AnyArray, by: int) -> AnyArray:
    """Columns moved right by ``by`` states, left where it is negative; −∞ comes in."""
    xp = namespace(log_values)
    nothing = xp.full((log_values.shape[0], abs(by)), -xp.inf, dtype=log_values.dtype)
    if by > 0:
        return xp.concat([nothing, log_values], axis=1)[:, :-by]
    return xp.concat([log_values, nothing], axis=1)[:, -by:]


def log_sum(terms: list[AnyArray]) -> AnyArray:
    """log Σ exp of the terms, −∞ where all of them are."""
    xp = namespace(terms[0])
    stacked = xp.stack(terms, axis=0)
    largest = xp.max(stacked, axis=0)
    shift = xp.where(largest == -xp.inf, xp.zeros_like(largest), largest)
    total = xp.sum(xp.exp(stacked - shift[None]), axis=0)
    return xp.where(total == 0, largest, shift + xp.log(xp.where(total == 0, xp.ones_like(total), total)))
