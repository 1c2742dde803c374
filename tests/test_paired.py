"""Intervals over seeds and folds: Student's where runs are independent, honest where they are not."""

import numpy as np
import pytest
from scipy import stats

from fcnet.analysis import paired
from fcnet.analysis.explained import quantile_groups, share_explained


def as_values(table):
    return {(seed, fold): value for (seed, fold), value in np.ndenumerate(table)}


def test_one_factor_is_students_paired_interval(random):
    ours, theirs = random.normal(size=(2, 12))
    found = paired.difference(as_values(ours[:, None]), as_values(theirs[:, None]))
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert found.value == pytest.approx(np.mean(ours - theirs))
    # the standard error of a standard deviation over 4,000 draws is 1.1 %; five of them
    assert found.high - found.value == pytest.approx(expected.high - found.value, rel=0.056)
    assert found.low + found.high == pytest.approx(2 * found.value)


def test_mean_over_seeds_or_folds_is_students(random):
    values = random.normal(size=9)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    for table in (values[:, None], values[None]):
        found = paired.mean(as_values(table))
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("shape", "seeds", "folds", "runs"),
    [
        ((16, 5), 0, 1, 0.3),
        pytest.param((16, 5), 0, 0, 1, marks=pytest.mark.slow),
        pytest.param((16, 5), 1, 1, 1, marks=pytest.mark.slow),
        ((5, 3), 0, 1, 1),
        ((3, 1), 0, 0, 1),
    ],
)
def test_intervals_hold_the_truth(random, shape, seeds, folds, runs):
    rounds, inside, naive = 160, 0, 0
    for number in range(rounds):
        table = seeds * random.normal(size=(shape[0], 1)) + folds * random.normal(size=(1, shape[1]))
        table = table + runs * random.normal(size=shape)
        found = paired.bootstrap_mean(table, seed=number % 4)
        inside += found.low <= 0 <= found.high
        ends = stats.ttest_1samp(table.ravel(), 0).confidence_interval(0.95)
        naive += ends.low <= 0 <= ends.high
    # 95 % less four standard errors of a share over so many rounds
    assert inside / rounds > 0.95 - 4 * np.sqrt(0.95 * 0.05 / rounds)
    if folds:  # what taking all runs as independent would have given
        assert naive < 0.85 * rounds


def test_crossed_variance_is_that_of_two_way_clusters(random):
    table = random.normal(size=(6, 1)) + random.normal(size=(1, 7)) + random.normal(size=(6, 7))
    by_seed = table.mean(axis=1).var(ddof=1) / 6
    by_fold = table.mean(axis=0).var(ddof=1) / 7
    by_run = table.var(ddof=1) / 42
    half = stats.t.ppf(0.975, 5) * np.sqrt(max(by_seed + by_fold - by_run, by_seed, by_fold))
    found = paired.bootstrap_mean(table)
    assert found.high - found.value == pytest.approx(half, rel=0.06)


def test_runs_that_are_missing(random):
    table = random.normal(size=(6, 4))
    values = as_values(table)
    del values[2, 1], values[5, 3]
    found = paired.mean(values)
    assert found.value == pytest.approx(np.mean(list(values.values())))
    assert found.low < found.value < found.high
    others = {pair: value + 1 for pair, value in as_values(table).items()}
    shared = paired.difference(values, others)
    assert shared == pytest.approx((-1, -1, -1))
    assert paired.difference(values, {(99, 0): 1.0}) is None


def test_one_run_has_no_width():
    assert paired.mean({(0, 0): 0.5}) == (0.5, -np.inf, np.inf)
    assert paired.difference({(0, 0): 0.5}, {(0, 0): 0.25}) == (0.25, -np.inf, np.inf)


def test_the_same_seed_draws_the_same(random):
    table = random.normal(size=(5, 4))
    assert paired.bootstrap_mean(table, seed=3) == paired.bootstrap_mean(table, seed=3)
    assert paired.bootstrap_mean(table, seed=3) != paired.bootstrap_mean(table, seed=4)


def test_share_explained(random):
    groups = np.repeat(np.arange(4), 25)
    noise = random.normal(size=100)
    assert share_explained(groups.astype(float), groups) == pytest.approx(1)
    assert share_explained(np.ones(100), groups) == 0
    # F = (η² / (g − 1)) / ((1 − η²) / (n − g)) of SciPy's one-way analysis of variance
    values = groups + noise
    f = stats.f_oneway(*(values[groups == group] for group in range(4))).statistic
    share = 3 * f / (3 * f + 96)
    assert share_explained(values, groups) == pytest.approx(1 - (1 - share) * 99 / 96)
    chance = [share_explained(random.normal(size=100), groups) for _ in range(200)]
    assert abs(np.mean(chance)) < 4 * np.std(chance) / np.sqrt(200)


def test_quantile_groups():
    assert quantile_groups(np.array([5.0, 1.0, 3.0, 4.0, 2.0, 0.0]), 3).tolist() == [2, 0, 1, 2, 1, 0]
