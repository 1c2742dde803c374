"""The mistakes of the backpropagation exercise, acted out: what each function would answer."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fcnet.gradcheck.exercise import solution as right
from fcnet.gradcheck.exercise.parts import Case, Part, answers_of, close

Array = Any
# of one function, case by case: {answer: array}
Answers = list[dict[str, Array]]


def _matmul_mean(upstream: Array, cache: Any) -> tuple[Array, Array]:
    towards_x, kernel = right.matmul_backward(upstream, cache)
    return towards_x, kernel / len(upstream)


def _loss_of(shift: int) -> Callable[..., Array]:
    def backward(upstream: Array, cache: Any) -> Array:
        log_p, labels = cache
        return right.loss_backward(upstream, (log_p, (labels + shift) % log_p.shape[1]))

    return backward


def _loss_without_upstream(upstream: Array, cache: Any) -> Array:
    return right.loss_backward(1.0, cache)


def _through_softmax(upstream: Array, cache: Any) -> Array:
    log_p, labels = cache
    return upstream * (np.exp(log_p) - right.one_hot(labels, log_p.shape[1])) / len(labels)


def _network(
    *, mask: bool = True, before_mask: bool = False, diagonal: bool = False, shift: int = 0
) -> Callable[..., Any]:
    """The network's gradients with one thing done wrong."""

    def loss_and_grads(params: dict[str, Array], x: Array, labels: Array) -> tuple[Array, dict[str, Array]]:
        loss = right.network_loss_and_grads(params, x, labels)[0]
        z1 = x @ params["W1"] + params["b1"]
        a1 = np.maximum(z1, 0)
        p = right.softmax_forward(a1 @ params["W2"] + params["b2"])[0]
        wanted = right.one_hot((labels + shift) % p.shape[1], p.shape[1])
        delta2 = (p - wanted) / len(x)
        if diagonal:
            delta2 = -wanted * (1 - p) / len(x)
        delta1 = (delta2 @ params["W2"].T) * ((z1 > 0) if mask else 1.0)
        kernel2 = (z1 if before_mask else a1).T @ delta2
        return loss, {"W1": x.T @ delta1, "b1": delta1.sum(axis=0), "W2": kernel2, "b2": delta2.sum(axis=0)}

    return loss_and_grads


# function ↦ (mistake's name, what would be answered), the most likely first
ACTED_OUT: dict[str, tuple[tuple[str, Callable[..., Any]], ...]] = {
    "matmul_backward": (
        ("swapped", lambda upstream, cache: right.matmul_backward(upstream, cache)[::-1]),
        ("extra_mean", _matmul_mean),
    ),
    "relu_backward": (
        ("derivative_missing", lambda upstream, z: upstream),
        ("upstream_missing", lambda upstream, z: 1.0 * (z > 0)),
        ("derivative_of_another", lambda upstream, z: upstream * (z <= 0)),
        ("derivative_of_another", lambda upstream, z: upstream * np.maximum(z, 0)),
    ),
    "softmax_backward": (
        ("softmax_off_diagonal", lambda upstream, a: upstream * a * (1 - a)),
        ("softmax_off_diagonal", lambda upstream, a: upstream * a),
        ("derivative_missing", lambda upstream, a: upstream),
        ("upstream_missing", lambda upstream, a: a * (1 - a)),
    ),
    "log_backward": (
        ("derivative_missing", lambda upstream, p: upstream),
        ("upstream_missing", lambda upstream, p: 1 / p),
        ("derivative_at_activation", lambda upstream, p: upstream / np.log(p)),
    ),
    "loss_backward": (
        ("upstream_missing", _loss_without_upstream),
        ("label_off_by_one", _loss_of(1)),
        ("label_off_by_one", _loss_of(-1)),
        ("loss_gradient", _through_softmax),
    ),
    "network_loss_and_grads": (
        ("derivative_missing", _network(mask=False)),
        ("cache_of_another_layer", _network(before_mask=True)),
        ("softmax_off_diagonal", _network(diagonal=True)),
        ("label_off_by_one", _network(shift=1)),
        ("label_off_by_one", _network(shift=-1)),
    ),
}


def act_out(part: Part, cases: list[Case]) -> Iterator[tuple[str, Answers]]:
    """Each mistake's name, and the answers it would give in every case."""
    for name, function in ACTED_OUT.get(part.name, ()):
        yield name, [answers_of(part.name, function(*case.inputs), case.answers) for case in cases]


def of_pattern(answer: str, found: list[Array], expected: list[Array], cases: list[Case]) -> str:
    """The mistake that a plain relation of found and expected arrays tells, in every case; "" where there is none.

    Args:
        answer: its name; biases are called b….
        found: the file's arrays, one for each case, and ``expected`` likewise.
    """
    is_bias = answer.startswith("b")

    def holds(change: Callable[[Array, int], Array]) -> bool:
        changed = [change(array, n) for array, n in zip(expected, (case.rows for case in cases), strict=True)]
        # a change that changes nothing explains nothing
        differs = any(not close(one, other) for one, other in zip(changed, expected, strict=True))
        return differs and all(close(one, other) for one, other in zip(found, changed, strict=True))

    if is_bias and all(
        np.ndim(f) == 2 and np.shape(f)[1:] == np.shape(e) for f, e in zip(found, expected, strict=True)
    ):
        return "bias_not_summed"
    relations: tuple[tuple[str, Callable[[Array, int], Array]], ...] = (
        ("missing", lambda array, n: 0 * array),
        ("sign", lambda array, n: -array),
        ("bias_averaged" if is_bias else "extra_mean", lambda array, n: array / n),
        ("missing_mean", lambda array, n: array * n),
        ("doubled", lambda array, n: 2 * array),
        ("halved", lambda array, n: array / 2),
        ("transposed", lambda array, n: np.transpose(array)),
    )
    return next((name for name, change in relations if holds(change)), "")
