"""What the gradient is: by the library's own autodiff, by a complex step, or by central differences.

Autodiff and the complex step are trusted only after differences along a random direction of each tensor have agreed,
beside the parameters: a function may hide its derivative from either (``custom_vjp``, ``stop_gradient``, ``abs`` of a
complex number).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fcnet.gradcheck.examination import differences, sampling
from fcnet.gradcheck.examination.calls import Refused
from fcnet.gradcheck.examination.differences import Derivative, Line
from fcnet.gradcheck.examination.kinks import look
from fcnet.gradcheck.examination.subject import Subject
from fcnet.gradcheck.record import SEED, Estimate, Tensors

AUTODIFF, COMPLEX, DIFFERENCES = "autodiff", "complex step", "central differences"
# Evaluations of the loss that one entry costs: a complex one takes four to five times as long as a real one; of
# differences there are four, and some entries need a second attempt.
COST = 5
# A complex step squared vanishes beside 1; nothing is subtracted, so it can be as small as that.
COMPLEX_STEP = 1e-20
# Differences along a direction and an exact oracle agree to half the digits of float64, or the differences' own error.
HALF_THE_DIGITS = float(np.sqrt(np.finfo(np.float64).eps))
# Wrong entries outside a sample that are hunted down, one by one.
HUNTED = 3
# Entries of each tensor that are looked at however late it is.
ALWAYS = 32


class Scale(NamedTuple):
    """``loss`` and its ``noise`` at the parameters, the ``step`` they allow, and each tensor's natural ``sizes``."""

    loss: float
    noise: float
    step: float
    sizes: Mapping[str, float]


@dataclass
class Oracle:
    """The derivatives of one subject's loss at its parameters, by direction or by entry."""

    subject: Subject
    start: Tensors
    scale: Scale
    gradients: Tensors
    deadline: float
    remarks: list[str] = field(default_factory=list)

    def line(self, name: str, direction: np.ndarray) -> Line:
        """t ↦ L(θ + t v), v within one tensor."""
        at = self.start[name]
        return lambda t: self.subject.loss({**self.start, name: at + t * direction})

    def by_differences(self, name: str, direction: np.ndarray, attempts: int = 2) -> Derivative:
        """⟨∇L, v⟩ by central differences; the error sought is a ten-millionth of the author's own."""
        own = float(np.linalg.norm(np.nan_to_num(self.gradients[name]) * direction)) if name in self.gradients else 0.0
        line = self.line(name, direction)
        return differences.derivative(line, self.scale.step, self.scale.noise, 1e-7 * own, attempts)

    def by_complex_step(self, name: str, direction: np.ndarray) -> Derivative:
        """⟨∇L, v⟩ = Im L(θ + i h v) / h.

        Source: Squire and Trapp 1998, Using complex variables to estimate derivatives of real functions, SIAM Review.
        """
        moved = {key: value.astype(np.complex128) for key, value in self.start.items()}
        moved[name] += 1j * COMPLEX_STEP * direction
        value = complex(self.subject.loss(moved)).imag / COMPLEX_STEP
        return Derivative(value, 4 * float(np.finfo(np.float64).eps) * abs(value))

    def confirms(self, name: str, expected: float, direction: np.ndarray) -> bool | None:
        """Whether differences along a direction agree with ⟨r, v⟩; None where their own error hides it."""
        if not np.isfinite(expected):
            return False
        found = self.by_differences(name, direction, attempts=3)
        if abs(found.value - expected) <= HALF_THE_DIGITS * abs(expected) + 4 * found.error:
            return True if 8 * found.error < abs(expected) else None
        # a kink may lie within the steps; at far smaller ones there is none
        _, slope = look(self.line(name, direction), expected, found.value, self.scale.noise, exact=False)
        return slope is not None and abs(slope.value - expected) <= 4 * slope.error


def doubts(oracle: Oracle) -> bool:
    """Whether differences along a random direction of any tensor contradict the author's gradient."""
    random = np.random.default_rng((SEED, 4))
    for name, gradient in oracle.gradients.items():
        direction = oracle.scale.sizes[name] * sampling.direction(gradient.shape, random)
        if oracle.confirms(name, float((gradient * direction).sum()), direction) is False:
            return True
    return False


def scale_of(subject: Subject, start: Tensors) -> Scale:
    """The loss, its noise along three random directions (the median: one may cross a kink), and the step they allow."""
    random, sizes = np.random.default_rng((SEED, 0)), sampling.natural_sizes(start)
    measured = []
    for _ in range(3):
        directions = {name: sizes[name] * sampling.direction(value.shape, random) for name, value in start.items()}

        def line(t: float, directions: Tensors = directions) -> float:
            return subject.loss({name: value + t * directions[name] for name, value in start.items()})

        measured.append(differences.noise(line))
    loss, noise = subject.loss(start), float(np.median(measured))
    return Scale(loss, noise, differences.best_step(noise, loss), sizes)


def _generic(oracle: Oracle, random: np.random.Generator) -> Oracle:
    """The oracle a hundredth away from its parameters, where nothing is exactly 0 or tied by design."""
    sizes = oracle.scale.sizes
    moved = {
        name: value + 0.01 * sizes[name] * random.standard_normal(value.shape) for name, value in oracle.start.items()
    }
    try:
        finite = np.isfinite(oracle.subject.loss(moved))
    except Refused:
        finite = False
    return replace(oracle, start=moved) if finite else oracle


def _by_autodiff(oracle: Oracle, generic: Oracle, random: np.random.Generator) -> dict[str, Estimate]:
    found, elsewhere = oracle.subject.autodiff(oracle.start), oracle.subject.autodiff(generic.start)
    estimates: dict[str, Estimate] = {}
    if found is None or elsewhere is None:
        return estimates
    for name, value in found.items():
        direction = oracle.scale.sizes[name] * sampling.direction(value.shape, random)
        expected = float((elsewhere[name] * direction).sum())
        if np.isfinite(value).all() and generic.confirms(name, expected, direction) is not False:
            error = np.finfo(np.float64).eps * np.abs(value)
            estimates[name] = Estimate(value, error, np.zeros(value.shape, bool), AUTODIFF)
        else:
            oracle.remarks.append(f"autodiff and differences disagree on {name}: differences are used")
    return estimates


def _takes_complex(generic: Oracle, names: list[str], random: np.random.Generator) -> set[str]:
    """Tensors whose complex step differences confirm, and those too small for differences to tell if all others do."""
    seen: dict[str, bool | None] = {}
    for name in names:
        direction = generic.scale.sizes[name] * sampling.direction(generic.start[name].shape, random)
        try:
            expected = generic.by_complex_step(name, direction).value
        except Exception:  # the author's code may refuse complex numbers in any way
            return set()
        seen[name] = generic.confirms(name, expected, direction)
    confirmed = {name for name, answer in seen.items() if answer}
    hidden = {name for name, answer in seen.items() if answer is None}
    return confirmed | hidden if confirmed and len(confirmed | hidden) == len(seen) else confirmed


def _entries(oracle: Oracle, name: str, chosen: np.ndarray, source: str) -> Estimate:
    shape, size = oracle.start[name].shape, oracle.scale.sizes[name]
    value: np.ndarray = np.full(shape, np.nan)
    error: np.ndarray = np.zeros(shape)
    by = oracle.by_complex_step if source == COMPLEX else oracle.by_differences
    # in an order that meets all parts of the tensor early, should time run out
    for place, flat in enumerate(np.random.default_rng((SEED, 3)).permutation(chosen)):
        if place >= ALWAYS and time.monotonic() > oracle.deadline:
            oracle.remarks.append("there was no time for more entries: allow more seconds")
            break
        index = np.unravel_index(int(flat), shape)
        direction = np.zeros(shape)
        direction[index] = size
        found = by(name, direction)
        if np.isfinite(found.error):
            value[index], error[index] = found.value / size, found.error / size
    return Estimate(value, error, np.zeros(shape, bool), source)


def _hunt(oracle: Oracle, name: str, estimate: Estimate, random: np.random.Generator) -> None:
    """Directions over what the sample left out; where they differ from the author's, the entry is found by halving."""
    by: Callable[[str, np.ndarray], Derivative]
    by = oracle.by_complex_step if estimate.source == COMPLEX else oracle.by_differences
    author, size = np.nan_to_num(oracle.gradients[name]), oracle.scale.sizes[name]

    def excess(places: np.ndarray) -> float:
        flat = np.zeros(author.size)
        flat[places] = size * sampling.direction(places.shape, random)
        direction = flat.reshape(author.shape)
        found, own = by(name, direction), direction * author
        return abs(float(own.sum()) - found.value) - 1e-6 * float(np.linalg.norm(own)) - 4 * found.error

    for attempt in range(HUNTED):
        places = np.flatnonzero(np.isnan(estimate.value))
        late = attempt > 0 and time.monotonic() > oracle.deadline
        if not places.size or late or excess(places) <= 0:
            return
        while places.size > 1:
            halves = np.array_split(places, 2)
            places = max(halves, key=excess)
        single = _entries(oracle, name, places, estimate.source)
        np.copyto(estimate.value, single.value, where=~np.isnan(single.value))
        np.copyto(estimate.error, single.error, where=~np.isnan(single.value))


def estimates(oracle: Oracle, budget: int) -> dict[str, Estimate]:
    """The derivative towards every tensor that the author gave a gradient for.

    Args:
        budget: how many evaluations of the loss the entries may take; the largest tensors are sampled, see ``choose``.
    """
    random = np.random.default_rng((SEED, 1))
    generic = _generic(oracle, random)
    found = _by_autodiff(oracle, generic, random)
    rest = [name for name in oracle.gradients if name not in found]
    is_numpy = oracle.subject.library == "numpy" and oracle.subject.wide
    analytic = _takes_complex(generic, rest, random) if is_numpy else set()
    source = {name: COMPLEX if name in analytic else DIFFERENCES for name in rest}
    shapes = {name: oracle.start[name].shape for name in rest}
    counts = sampling.shares(shapes, max(len(rest), budget // COST))
    # the smallest first: should time run out, it does so among entries of which there are many
    for name in sorted(rest, key=lambda name: oracle.start[name].size):
        gradient = oracle.gradients[name]
        chosen = sampling.choose(gradient, counts[name], random)
        found[name] = _entries(oracle, name, chosen, source[name])
        known = ~np.isnan(found[name].value)
        differing = np.abs(np.where(known, found[name].value - gradient, 0.0))
        if not known.all() and (differing <= 1e-6 * np.abs(gradient).max() + 4 * found[name].error).all():
            _hunt(oracle, name, found[name], random)
        checked = int((~np.isnan(found[name].value)).sum())
        if checked < gradient.size:
            oracle.remarks.append(f"{checked} of {gradient.size} entries of {name} were checked, by {source[name]}")
    return {name: found[name] for name in oracle.gradients}
