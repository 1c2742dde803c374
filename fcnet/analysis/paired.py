"""Means and paired differences over seeds and folds, with 95 % intervals.

Runs that share a fold share its rows, runs that share a seed their first weights and the order of their batches:
n seeds × k folds are fewer than n k independent runs. The bootstrap here draws whole seeds and whole folds.

Sources: Cameron, Gelbach & Miller 2011, Robust inference with multiway clustering, for what two crossed factors add up
to; Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 12, for Student's t with a bootstrapped standard
error, and Hesterberg 2015, What teachers should know about the bootstrap, for its factor √(n / (n − 1)): with few seeds
or folds percentiles would give too short intervals.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from fcnet.analysis import intervals
from fcnet.analysis.intervals import Interval

RESAMPLES = 4000

# A run by what it may share with others: its seed and its fold.
Pair = tuple[int, int]


def mean(values: Mapping[Pair, float], *, seed: int = 0) -> Interval:
    """The mean over runs: with only seeds or only folds ± Student's t, where both vary see ``bootstrap_mean``."""
    table = _table(values)
    if min(table.shape) == 1:
        return intervals.mean(np.array(list(values.values())))
    return bootstrap_mean(table, seed=seed)


def difference(values: Mapping[Pair, float], others: Mapping[Pair, float], *, seed: int = 0) -> Interval | None:
    """The mean of value − other over the runs that share seed and fold, see ``bootstrap_mean``; None if none do."""
    shared = {pair: value - others[pair] for pair, value in values.items() if pair in others}
    return bootstrap_mean(_table(shared), seed=seed) if shared else None


def _table(values: Mapping[Pair, float]) -> np.ndarray:
    """(seeds, folds), NaN where there is no such run."""
    seeds = {seed: row for row, seed in enumerate(dict.fromkeys(seed for seed, _ in values))}
    folds = {fold: column for column, fold in enumerate(dict.fromkeys(fold for _, fold in values))}
    table = np.full((len(seeds), len(folds)), np.nan)
    for (seed, fold), value in values.items():
        table[seeds[seed], folds[fold]] = value
    return table


def bootstrap_mean(table: np.ndarray, *, seed: int = 0) -> Interval:
    """The mean of a (seeds, folds) table, NaN where a run is missing, ± t s.

        s² = max(s_seeds² + s_folds² − s_runs², s_seeds², s_folds²)

    Each s is the standard error of the mean when that is what is drawn with replacement, 4,000 times. What seeds and
    folds have in common would count twice, so drawing single runs is taken off again. Student's t has n − 1 degrees of
    freedom, with n the number of seeds or of folds, whichever is smaller of those that vary. With seeds alone or folds
    alone this is the bootstrap of runs, and with one run there is no width.
    """
    value, there = float(np.nanmean(table)), np.isfinite(table)
    levels = [size for size in table.shape if size > 1]
    if not levels:
        return Interval(value, float("-inf"), float("inf"))
    off = np.where(there, table - value, 0.0)
    by_seed, by_fold = (_variance(off.sum(axis), there.sum(axis), seed) for axis in (1, 0))
    by_run = _variance(off[there], np.ones(there.sum()), seed)
    variance = max(by_seed + by_fold - by_run, by_seed, by_fold)
    half = float(intervals.standard_errors(min(levels)) * np.sqrt(variance))
    return Interval(value, value - half, value + half)


def _variance(sums: np.ndarray, counts: np.ndarray, seed: int) -> float:
    """Of Σ sums / Σ counts when their (n,) pairs are drawn with replacement; 0 for n = 1."""
    n = len(sums)
    if n < 2:
        return 0.0
    drawn = _draws(n, seed)
    return float(np.var((drawn @ sums) / (drawn @ counts)) * n / (n - 1))


@lru_cache(maxsize=8)
def _draws(n: int, seed: int) -> np.ndarray:
    """How often each of n is drawn in n draws, (RESAMPLES, n): the same for all settings of a sweep."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)
