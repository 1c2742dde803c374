"""95 % intervals for what is measured on a finite number of rows. The statistics are SciPy's."""

from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 1000
# of how often each row is in each resample: what is in memory at once
ENTRIES_AT_A_TIME = 2**24


class Interval(NamedTuple):
    """An estimate and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def share(hits: int, rows: int) -> Interval:
    """A proportion with Wilson's score interval, which stays inside [0, 1] and is right near its ends.

    Source: Wilson 1927, Probable inference, the law of succession, and statistical inference.
    """
    from scipy.stats import binomtest

    ends = binomtest(hits, rows).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(hits / rows, float(ends.low), float(ends.high))


def standard_errors(count: int) -> float:
    """Half the interval of a mean of ``count`` values, in standard errors: Student's t of count − 1 degrees of freedom.

    12.7 for two values, 4.3 for three, 1.96 for very many.
    """
    from scipy.stats import t

    return float(t.ppf(0.5 + CONFIDENCE / 2, count - 1))


def mean(values: np.ndarray) -> Interval:
    """The mean of (rows,) values ± Student's t times the standard error; no width can be given for one row."""
    rows, value = len(values), float(np.mean(values))
    if rows < 2:
        return Interval(value, float("-inf"), float("inf"))
    half = float(standard_errors(rows) * np.std(values, ddof=1) / np.sqrt(rows))
    return Interval(value, value - half, value + half)


def r2(predicted: np.ndarray, true: np.ndarray, *, seed: int = 0) -> Interval:
    """R² of (rows, k) predictions with a percentile bootstrap over rows (1,000 resamples, seeded).

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, §13.
    """
    rows = len(true)
    residual = np.square(true - predicted).sum(axis=1)
    # a resample has its own mean: its spread is Σ y² − (Σ y)² / rows
    squares = np.square(true).sum(axis=1)

    def of(counts: np.ndarray) -> np.ndarray:
        spread = counts @ squares - sum((counts @ true[:, column]) ** 2 for column in range(true.shape[1])) / rows
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1 - (counts @ residual) / spread

    value = float(of(np.ones((1, rows)))[0])
    if rows < 3:  # resamples of so few rows say nothing
        return Interval(value, float("-inf"), float("inf"))
    random, at_a_time = np.random.default_rng(seed), max(1, ENTRIES_AT_A_TIME // rows)
    sizes = [min(at_a_time, RESAMPLES - done) for done in range(0, RESAMPLES, at_a_time)]
    drawn = (random.multinomial(rows, np.full(rows, 1 / rows), size=size) for size in sizes)
    resampled = np.concatenate([of(counts.astype(float)) for counts in drawn])
    resampled = resampled[np.isfinite(resampled)]
    if not len(resampled):
        return Interval(value, float("-inf"), float("inf"))
    low, high = np.percentile(resampled, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return Interval(value, float(low), float(high))
