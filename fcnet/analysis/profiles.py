"""What an activation looks like along a line: its value, its derivative by hand, and where it breaks."""

from typing import NamedTuple

import numpy as np

from fcnet import activations
from fcnet.activations import Activation

# Activations in which pre-activations meet are followed along a line z · direction + start of the first unit's row.
LINES: dict[str, tuple[tuple[float, ...], tuple[float, ...], str]] = {
    "softmax": ((1, 0, 0), (0, 0, 0), "first of three units, the others at 0"),
    "log_softmax": ((1, 0, 0), (0, 0, 0), "first of three units, the others at 0"),
    "glu": ((0, 1), (1, 0), "value 1, gate z"),
}


def line(activation: Activation) -> tuple[np.ndarray, np.ndarray, str]:
    """Direction, start, and what they mean; one z for most activations."""
    if activation.name == "maxout":
        # slopes from 1 down to −½
        return np.linspace(1, -0.5, activation.pieces()), np.zeros(activation.pieces()), "of pieces z … −z/2"
    towards, origin, caption = LINES.get(activation.name, ((1.0,), (0.0,), ""))
    return np.array(towards), np.array(origin), caption


class Profile(NamedTuple):
    """One activation over ``z``: (points,) values and derivatives, NaN between two sides of a break.

    ``marks``: (breaks, 2), each break and the derivative taken there. ``caption``: what z is, where it is not plain.
    """

    name: str
    z: np.ndarray
    value: np.ndarray
    derivative: np.ndarray
    marks: np.ndarray
    caption: str


def profile(text: str, points: int = 401) -> Profile:
    """Follow the activation that ``text`` names, in evaluation and with what it learns at its start.

    z goes from −4 to 4, or a little beyond the outermost kinks where those are farther out.

    Raises:
        InputError: no such activation.
    """
    activation = activations.get(text)
    direction, start, caption = line(activation)
    if activation.draw is not None:
        caption = "in evaluation: the mean slope"
    if activation.learned is not None:
        caption = "as it starts, before it learns"
    inside = [0.0] if activation.name == "maxout" else list(activation.kinks())
    ends = min([-4.0, *(1.25 * kink for kink in inside)]), max([4.0, *(1.25 * kink for kink in inside)])
    grid = np.sort(np.concatenate([np.linspace(*ends, points), *([kink - 1e-9, kink + 1e-9] for kink in inside)]))
    grid = grid[~np.isin(grid, inside)]
    value, derivative = _along(activation, grid, direction, start)
    at_kinks = np.array(inside)
    marks = np.stack([at_kinks, _along(activation, at_kinks, direction, start)[1]], axis=1)
    gaps = np.searchsorted(grid, inside)
    z, value, derivative = (np.insert(array, gaps, np.nan) for array in (grid, value, derivative))
    return Profile(text, z, value, derivative, marks, caption)


def _along(
    activation: Activation, z: np.ndarray, direction: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Value of the first unit and its derivative along the line, from the hand-written derivation."""
    rows = np.outer(z, direction) + start
    learned = {} if activation.learned is None else activation.learned(1)
    value, pullback = activation.by_hand(rows, **learned)
    upstream = np.zeros_like(value)
    upstream[:, 0] = 1.0
    return value[:, 0], pullback(upstream)[0] @ direction
