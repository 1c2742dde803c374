"""The backpropagation exercise: its functions, their points, and the inputs that they are graded on.

The inputs come from a seed that depends on nothing in the file, so that the same file always gets the same points.
That is enough: expected answers are computed by the grader's process alone and never meet the file, and a formula
that is wrong agrees with the right one at numbers in general position with probability 0.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fcnet.gradcheck.exercise import solution
from fcnet.gradcheck.exercise.parts import Case, Inputs, Part

SEED = 20261121
# (batch, fan_in, units): non-square, a batch of 1, a width of 1 on either side, and square, where a transpose fits too
SHAPES = ((6, 5, 3), (1, 4, 2), (5, 1, 4), (3, 4, 1), (4, 4, 4))
# (batch, fan_in, units, classes) of the network: with one class there would be nothing to learn
NETWORK_SHAPES = ((6, 5, 4, 3), (1, 3, 5, 2), (5, 1, 4, 3), (4, 3, 1, 2), (4, 4, 4, 4))
# exp of this overflows in float64, and so in any narrower type
LARGE = 1000.0


def cases_of(part: Part, seed: int) -> list[Case]:
    """The cases of one function, the same whichever others are graded."""
    return part.cases(np.random.default_rng([seed, list(PARTS).index(part.name)]))


def _matmul(random: np.random.Generator) -> list[Inputs]:
    return [(random.normal(size=(n, i)), random.normal(size=(i, k))) for n, i, k in SHAPES]


def _rows(random: np.random.Generator) -> list[Inputs]:
    return [(random.normal(size=(n, k)),) for n, _, k in SHAPES]


def _probabilities(random: np.random.Generator) -> list[Inputs]:
    return [(random.uniform(0.05, 0.9, (n, k)),) for n, _, k in SHAPES]


def _log_probabilities(random: np.random.Generator) -> list[Inputs]:
    return [(np.log(random.uniform(0.05, 0.9, (n, k))), random.integers(0, k, n)) for n, _, k in SHAPES]


def _forward(inputs: Callable[[np.random.Generator], list[Inputs]]) -> Callable[[np.random.Generator], list[Case]]:
    return lambda random: [Case(given, ("output",), len(given[0])) for given in inputs(random)]


def _softmax_forward(random: np.random.Generator) -> list[Case]:
    large = [Case((random.normal(size=(n, k)) * LARGE,), ("output for large z",), n) for n, _, k in SHAPES]
    return _forward(_rows)(random) + large


def _backward(
    inputs: Callable[[np.random.Generator], list[Inputs]], forward: Callable[..., Any], *answers: str
) -> Callable[[np.random.Generator], list[Case]]:
    """Calls of a backward with the right cache, whatever the file's own forward does, and a random upstream."""

    def cases(random: np.random.Generator) -> list[Case]:
        found = []
        for given in inputs(random):
            output, cache = forward(*given)
            found.append(Case((random.normal(size=np.shape(output)), cache), answers, len(given[0])))
        return found

    return cases


def _network(random: np.random.Generator) -> list[Case]:
    cases = []
    for n, i, k, c in NETWORK_SHAPES:
        shapes = {"W1": (i, k), "b1": (k,), "W2": (k, c), "b2": (c,)}
        params = {name: random.normal(size=shape) for name, shape in shapes.items()}
        # so that ReLU lets at least one unit of the narrowest network through
        params["b1"] = np.abs(params["b1"])
        cases.append(Case((params, random.normal(size=(n, i)), random.integers(0, c, n)), ("loss", *shapes), n))
    return cases


PARTS = {
    part.name: part
    for part in (
        Part("matmul_forward", "matmul", 4, solution.matmul_forward, _forward(_matmul)),
        Part(
            "matmul_backward",
            "matmul",
            14,
            solution.matmul_backward,
            _backward(_matmul, solution.matmul_forward, "gradient towards x", "gradient towards kernel"),
        ),
        Part("relu_forward", "relu", 4, solution.relu_forward, _forward(_rows)),
        Part(
            "relu_backward",
            "relu",
            10,
            solution.relu_backward,
            _backward(_rows, solution.relu_forward, "gradient towards z"),
        ),
        Part("softmax_forward", "softmax", 6, solution.softmax_forward, _softmax_forward),
        Part(
            "softmax_backward",
            "softmax",
            16,
            solution.softmax_backward,
            _backward(_rows, solution.softmax_forward, "gradient towards z"),
        ),
        Part("log_forward", "log", 3, solution.log_forward, _forward(_probabilities)),
        Part(
            "log_backward",
            "log",
            8,
            solution.log_backward,
            _backward(_probabilities, solution.log_forward, "gradient towards p"),
        ),
        Part("loss_forward", "loss", 5, solution.loss_forward, _forward(_log_probabilities)),
        Part(
            "loss_backward",
            "loss",
            10,
            solution.loss_backward,
            _backward(_log_probabilities, solution.loss_forward, "gradient towards log_p"),
        ),
        Part("network_loss_and_grads", "network", 20, solution.network_loss_and_grads, _network),
    )
}
