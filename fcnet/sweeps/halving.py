"""Successive halving: every setting gets a few epochs, the best one in η of them go on for η times as many.

A survivor goes on with its own run, whose learning-rate schedule spans all epochs from the first: what it becomes is
what it would have become alone. Only who is dropped depends on the others.

Source: Jamieson & Talwalkar 2016, Non-stochastic best arm identification and hyperparameter optimization; the choice of
rungs is that of one bracket of Li et al. 2018, Hyperband.
"""

import math
from collections.abc import Mapping

from fcnet.errors import require


def _check(eta: int) -> None:
    require(eta >= 2, f"--halving must be at least 2, one setting in so many goes on; got {eta}")


def rungs(epochs: int, eta: int, settings: int, smallest: int = 1) -> tuple[int, ...]:
    """The epochs after which settings are dropped, increasing, and last the epochs that the remaining ones reach.

        r_k = ⌊epochs / η^(c − k)⌋,  k = 0 … c,  with the largest c for which η^c ≤ settings and r_0 ≥ smallest

    Each stretch between two rungs then costs about as much as the first. c = 0 drops nobody.

    Args:
        epochs: of a whole run.
        eta: η, one setting in so many goes on.
        settings: how many there are at first.
        smallest: the fewest epochs that a setting may be judged by.

    Raises:
        InputError: η below 2, or a count below 1.
    """
    _check(eta)
    for name, count in (("epochs", epochs), ("settings", settings), ("the first rung", smallest)):
        require(count >= 1, f"halving: {name} must be at least 1, got {count}")
    cuts = 0
    while eta ** (cuts + 1) <= settings and epochs // eta ** (cuts + 1) >= smallest:
        cuts += 1
    return tuple(epochs // eta ** (cuts - k) for k in range(cuts + 1))


def survivors(scores: Mapping[int, float], eta: int) -> list[int]:
    """The ⌈n / η⌉ settings with the highest scores, in the order of their numbers.

    Ties go to the lower number; NaN, which a diverged setting has, comes last.

    Args:
        scores: the mean validation score so far of each setting, by its number.

    Raises:
        InputError: η below 2.
    """
    _check(eta)

    def place(number: int) -> tuple[bool, float, int]:
        score = scores[number]
        return math.isnan(score), 0.0 if math.isnan(score) else -score, number

    return sorted(sorted(scores, key=place)[: -(-len(scores) // eta)])
