"""How much of what varies a grouping explains."""

import numpy as np


def share_explained(values: np.ndarray, groups: np.ndarray) -> float:
    """ε² = 1 − (SS_within / (n − g)) / (SS_total / (n − 1)): 0 is expected of a grouping by chance, 1 is the most.

    Args:
        values: (n,) finite.
        groups: (n,) of g < n different labels.

    Source: Kelley 1935, An unbiased correlation ratio measure.
    """
    _, group = np.unique(groups, return_inverse=True)
    count = np.bincount(group)
    mean = np.bincount(group, values) / count
    within, total = float(np.sum(np.square(values - mean[group]))), float(np.sum(np.square(values - values.mean())))
    if total == 0:
        return 0.0
    return 1 - within / (len(values) - len(count)) * (len(values) - 1) / total


def quantile_groups(values: np.ndarray, groups: int) -> np.ndarray:
    """(n,) labels of ``groups`` groups of neighbours, about equally many in each."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable") * groups // len(values)
