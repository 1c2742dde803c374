"""Derivatives along a line from values alone: noise, steps, extrapolation, and an honest error."""

from collections.abc import Callable
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

# t ↦ L(θ + t v): a unit of t moves by the natural size of what is moved
Line = Callable[[float], float]

# Moré & Wild's table of differences: of this order, at steps that rounding to float32 notices, and in which a smooth
# loss changes in the fourth difference by far less than it rounds.
ORDER, TINY = 4, 2e-6


class Derivative(NamedTuple):
    """dL/dt at t = 0, and how far off it may be."""

    value: float
    error: float


def noise(line: Line) -> float:
    """ε_L, the standard deviation of what rounding adds to a loss: at least half an ulp of its value.

        ε_L = √(mean (Δ⁴L)² / (8! / 4!²))

    The fourth differences of values at equal tiny steps contain rounding alone, of which Δᵏ adds up C(2k, k) variances.

    Source: Moré and Wild 2011, Estimating computational noise, SIAM J. Sci. Comput. 33.
    """
    values = np.array([line(TINY * step) for step in range(-ORDER, ORDER + 1)])
    least = float(np.finfo(np.float64).eps) * float(np.abs(values).max())
    fourth = np.diff(values, ORDER)
    measured = float(np.sqrt(np.mean(fourth**2) / 70))  # C(8, 4)
    return max(least, measured) if isfinite(measured) else inf


def best_step(noise: float, loss: float) -> float:
    """h = (ε_L / |L|)^(1/5): where the fourth-order truncation h⁴ of ``derivative`` meets rounding's ε_L / h."""
    return float(np.clip((noise / max(abs(loss), 1e-300)) ** 0.2, 1e-4, 0.1))


def derivative(line: Line, step: float, noise: float, enough: float, attempts: int = 2) -> Derivative:
    """dL/dt at 0 from central differences at h and h/2, extrapolated to h = 0.

        D(h) = (L(h) − L(−h)) / 2h,   D = (4 D(h/2) − D(h)) / 3,   error |D − D(h/2)| + 3 ε_L / h

    D's own truncation is smaller than that difference by another h²: the error is on the safe side. Where it is more
    than ``enough``, other steps are tried: longer ones where rounding is the larger part of it, else shorter ones,
    which leave a kink behind. Four evaluations an attempt.

    Source: Richardson's extrapolation; Ridders 1982, Accurate computation of F′(x), Adv. Eng. Software 4.
    """
    best = Derivative(0.0, inf)
    for _ in range(attempts):
        wide = (line(step) - line(-step)) / (2 * step)
        near = (line(step / 2) - line(-step / 2)) / step
        value, rounding = (4 * near - wide) / 3, 3 * noise / step
        truncation = abs(value - near)
        if isfinite(value) and truncation + rounding < best.error:
            best = Derivative(value, truncation + rounding)
        if best.error <= max(enough, 1e-7 * abs(best.value)):
            break
        step = min(32 * step, 0.3) if truncation <= rounding else step / 64
    return best


class Sides(NamedTuple):
    """(L(h) − L(0)) / h, (L(0) − L(−h)) / h, and what rounding leaves unsure in each."""

    right: float
    left: float
    error: float

    @property
    def gap(self) -> float:
        """How far the two are apart: 0 for a smooth loss as h → 0."""
        return abs(self.right - self.left)


def sides(line: Line, difference: float, noise: float) -> tuple[Sides, Sides] | None:
    """One-sided differences at the smallest step that still tells apart what differs by ``difference``, and at 8 times.

    There rounding's 2 ε_L / h is a twentieth of the difference. None where that step would be no small one.
    """
    step = max(40 * noise / difference, 1e-10) if difference > 0 else inf
    if step > 1e-2:
        return None
    at = line(0.0)
    near, far = (Sides((line(h) - at) / h, (at - line(-h)) / h, 2 * noise / h) for h in (step, 8 * step))
    return near, far
