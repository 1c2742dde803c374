"""One tensor's verdict: the author's gradient against the oracle's, on the tensor's own scale."""

from dataclasses import dataclass, replace

import numpy as np

from fcnet.gradcheck.examination import kinks
from fcnet.gradcheck.examination.oracles import AUTODIFF, COMPLEX, DIFFERENCES, Oracle
from fcnet.gradcheck.record import SEED, Estimate, TensorReport, Verdict, WorstEntry

# Formulas are judged in float64, where mistakes keep no digits and rounding loses none to speak of. What differs by
# less than eight roundings of float32 could not be noticed in training: the 10⁻⁸ inside log(p + 10⁻⁸) is of that kind.
AGREEMENT = 8 * 2.0**-23
# Where a function computes in float32 whatever it is given: half of its digits.
NARROW_AGREEMENT = 2.0**-11.5
# A gradient is "zero but for rounding" below this share of what a gradient of this loss could be; a loss that rounds
# to 2⁻⁵³ and is differentiated by differences keeps no more.
ZERO = 1e-9
ROUNDS = 8


@dataclass(frozen=True)
class Judged:
    """A report with the estimate as kinks and shorter steps left it."""

    report: TensorReport
    estimate: Estimate


def unexamined(name: str, shape: tuple[int, ...], tolerance: float) -> TensorReport:
    """The report on a tensor whose gradient is missing or has a shape that says nothing: wrong."""
    return TensorReport(name, shape, "wrong", None, tolerance, None, None, None, 0, 0, "")


def _norm(values: np.ndarray) -> float:
    return float(np.linalg.norm(values))


def _settled(name: str, found: np.ndarray, estimate: Estimate, oracle: Oracle, tolerance: float) -> Estimate:
    """The estimate with its kinks, and with derivatives of shorter steps where the author's differ from it."""
    exact = estimate.source != DIFFERENCES
    for _ in range(ROUNDS):
        known = ~np.isnan(estimate.value) & ~estimate.kinks & np.isfinite(found)
        difference = np.where(known, np.abs(found - estimate.value), 0.0)
        top = max(_norm(found[known]), _norm(estimate.value[known]))
        suspects = difference > tolerance * top / np.sqrt(max(1, found.size)) + 2 * estimate.error
        if not suspects.any():
            break
        seen = kinks.settle(
            lambda direction: oracle.line(name, direction),
            found,
            estimate.value,
            suspects,
            oracle.scale.sizes[name],
            oracle.scale.noise,
            exact,
        )
        value, error = estimate.value.copy(), estimate.error.copy()
        better = False
        for flat, slope in seen.slopes.items():
            index = np.unravel_index(flat, found.shape)
            if abs(slope.value - found[index]) < difference[index]:
                value[index], error[index], better = slope.value, slope.error, True
        estimate = replace(estimate, value=value, error=error, kinks=estimate.kinks | seen.kinks)
        if not better and not seen.kinks.any():
            break
    return estimate


def _moved(name: str, estimate: Estimate, worst: np.ndarray, oracle: Oracle) -> float:
    """How much the gradient itself, the author's and the oracle's, moves when parameters move by their rounding.

    A gradient that cancels to nearly 0, as a bias's in front of batch norm, moves by its whole size, and nobody's
    can be nearer than that; a gradient that is merely small keeps its digits.
    """
    random = np.random.default_rng((SEED, 2))
    noise = max(oracle.scale.noise / max(abs(oracle.scale.loss), 1e-300), float(np.finfo(np.float64).eps))
    moves = [0.0]
    for _ in range(2):
        start = {
            key: value * (1 + 4 * min(noise, 1e-6) * random.standard_normal(value.shape))
            for key, value in oracle.start.items()
        }
        reading = oracle.subject.reading(start)
        if name in reading.gradients:
            moves.append(_norm(np.nan_to_num(reading.gradients[name] - oracle.gradients[name])))
        other = replace(oracle, start=start)
        if estimate.source == AUTODIFF:
            again = oracle.subject.autodiff(start)
            moves.append(_norm(again[name] - estimate.value) if again else 0.0)
        if estimate.source == COMPLEX:
            moved = []
            for flat in worst:
                index = np.unravel_index(int(flat), estimate.value.shape)
                direction = np.zeros(estimate.value.shape)
                # imaginary parts round otherwise when they are of another size
                size = oracle.scale.sizes[name] * random.uniform(0.5, 1)
                direction[index] = size
                slope = other.by_complex_step(name, direction).value / size
                moved.append(slope - estimate.value[index])
            moves.append(_norm(np.array(moved)) * np.sqrt(estimate.value.size / max(1, len(moved))))
    return 4 * float(max(moves))


def judge(name: str, found: np.ndarray, estimate: Estimate, oracle: Oracle, largest: float, tolerance: float) -> Judged:
    """Right where ‖g − r‖ ≤ tol · max(‖g‖, ‖r‖) + ‖error‖ over the entries that are known and no kinks.

    Args:
        largest: the largest norm of all tensors' estimates.
        tolerance: tol, ``AGREEMENT`` or ``NARROW_AGREEMENT``.
    """
    # what a gradient of this loss could be: the share of that which is called 0
    zero = ZERO * max(largest, abs(oracle.scale.loss) / oracle.scale.sizes[name])

    def measured(at: Estimate) -> tuple[np.ndarray, np.ndarray, float, float, float]:
        known = ~np.isnan(at.value) & ~at.kinks
        difference = np.where(known, found - at.value, 0.0)
        top = max(_norm(found[known]), _norm(at.value[known]))
        return known, difference, _norm(difference), top, _norm(at.error[known])

    known, difference, apart, top, error = measured(estimate)
    if not apart <= tolerance * top + error:
        # rounding first: kinks are looked for at what is more than that
        order = np.argsort(-np.abs(np.nan_to_num(difference)), axis=None)[:4]
        error += min(_moved(name, estimate, order, oracle), zero)
    slack = 0.0
    if not apart <= tolerance * top + error and np.isfinite(found).all():
        slack = error - measured(estimate)[-1]
        estimate = _settled(name, found, estimate, oracle, tolerance)
        known, difference, apart, top, error = measured(estimate)
        error += slack
    verdict: Verdict = "right"
    if not known.any() and not estimate.kinks.any():
        verdict = "undecided" if np.isfinite(found).all() and found.size else "right"
    elif not apart <= tolerance * top + error:
        verdict = "wrong"
    elif error > top > 0 and error > zero:
        verdict = "undecided"
    elif estimate.kinks.any():
        verdict = "kink"
    if not np.isfinite(found).all():
        verdict = "wrong"
    report = TensorReport(
        name=name,
        shape=found.shape,
        verdict=verdict,
        relative_error=(apart / top if top else 0.0) if np.isfinite(apart) else None,
        tolerance=float(tolerance + (error / top if top else 0.0)),
        cosine=_cosine(found[known], estimate.value[known]),
        norm_ratio=_ratio(found[known], estimate.value[known]),
        worst=_worst(found, estimate, difference),
        checked=int((~np.isnan(estimate.value)).sum()),
        kinks=int(estimate.kinks.sum()),
        source=estimate.source,
    )
    return Judged(report, estimate)


def _cosine(one: np.ndarray, two: np.ndarray) -> float | None:
    sizes = _norm(one), _norm(two)
    if not all(sizes) or not np.isfinite(sizes).all():
        return None
    return float((one / sizes[0] * (two / sizes[1])).sum())


def _ratio(one: np.ndarray, two: np.ndarray) -> float | None:
    found, expected = _norm(one), _norm(two)
    return found / expected if found and expected and np.isfinite(found) else None


def _worst(found: np.ndarray, estimate: Estimate, difference: np.ndarray) -> WorstEntry | None:
    if not found.size:
        return None
    off = np.where(np.isfinite(found), np.abs(difference), np.inf)
    index = tuple(int(place) for place in np.unravel_index(int(np.argmax(off)), found.shape))
    return WorstEntry(index, float(found[index]), float(estimate.value[index]))
