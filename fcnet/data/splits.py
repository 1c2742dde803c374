"""Which rows train, which choose, which judge. The shuffling and stratifying is scikit-learn's."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from fcnet.contracts import CLASSIFICATION
from fcnet.data.dataset import Source
from fcnet.errors import InputError, require


@dataclass(frozen=True)
class SplitSpec:
    """How a source is split.

    ``validation``, ``test``: fractions of all rows in [0, 1); 0 leaves the part out. Where the authors of a set keep
        a test part of their own, that one is used.
    ``seed``: of the shuffle, apart from the seed of training.
    ``folds``: k ≥ 2 makes one of k folds the test part instead; ``fold`` says which, counted from 0. Numbers from k
        on continue with the folds of another shuffle (repeated k-fold).

    Raises:
        InputError: a fraction outside [0, 1), nothing left to train on, or a fold that cannot be.
    """

    validation: float = 0.15
    test: float = 0.2
    seed: int = 0
    folds: int = 0
    fold: int = 0

    def __post_init__(self) -> None:
        for name, fraction in (("validation", self.validation), ("test", self.test)):
            require(0 <= fraction < 1, f"{name} must be a fraction in [0, 1), got {fraction}")
        require(
            self.validation + self.test < 1, f"validation {self.validation} + test {self.test} leave no row to train"
        )
        # the validation part is drawn with the next seed, and scikit-learn takes 32 bits
        require(0 <= self.seed < 2**32 - 1, f"--split-seed must be in [0, 2³² − 1), got {self.seed}")
        require(self.folds == 0 or self.folds >= 2, f"folds must be 0 (off) or at least 2, got {self.folds}")
        require(self.fold >= 0, f"fold is counted from 0, got {self.fold}")
        require(self.folds > 0 or self.fold == 0, f"fold {self.fold} needs --folds")


class Parts(NamedTuple):
    """Row numbers of each part; ``test`` is None where the source's own test part is meant."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray | None


def folds(
    rows: int, folds: int, *, repeats: int = 1, seed: int = 0, labels: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(train, test) row numbers of k-fold cross-validation, repeated with new shuffles; stratified by ``labels``.

    Raises:
        InputError: more folds than rows, or than rows of some class.
    """
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    require(2 <= folds <= rows, f"folds must be between 2 and the number of rows, {rows}, got {folds}")
    if labels is None:
        yield from RepeatedKFold(n_splits=folds, n_repeats=repeats, random_state=seed).split(np.zeros(rows))
        return
    smallest = int(np.bincount(labels)[np.unique(labels)].min())
    require(folds <= smallest, f"{folds} folds need {folds} rows of every class, the smallest has {smallest}")
    stratified = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    yield from stratified.split(np.zeros(rows), labels)


def split(source: Source, spec: SplitSpec) -> Parts:
    """The row numbers of each part of ``source.rows``, stratified by class for classification.

    Raises:
        InputError: a part that would have no row of some class, or no row at all.
    """
    rows = len(source.rows.y)
    labels = source.rows.y if source.task == CLASSIFICATION else None
    everything = np.arange(rows)
    if spec.folds:
        repeats = spec.fold // spec.folds + 1
        pairs = folds(rows, spec.folds, repeats=repeats, seed=spec.seed, labels=labels)
        rest, test = next(islice(pairs, spec.fold, None))
    elif source.official_test is not None:
        rest, test = everything, None
    else:
        rest, test = _hold_out(everything, round(spec.test * rows), source, spec.seed)
    # the same number of rows validates, whether or not the test part was cut from these rows before
    train, validation = _hold_out(rest, round(spec.validation * rows), source, spec.seed + 1)
    parts = Parts(np.sort(train), np.sort(validation), None if test is None else np.sort(test))
    _require_every_class(source, parts)
    return parts


def _hold_out(rows: np.ndarray, held_out: int, source: Source, seed: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.model_selection import train_test_split

    if held_out == 0:
        return rows, rows[:0]
    require(held_out < len(rows), f"{source.name} has {len(rows)} rows, too few to hold out {held_out} of them")
    labels = source.rows.y[rows] if source.task == CLASSIFICATION else None
    try:
        kept, held = train_test_split(rows, test_size=held_out, random_state=seed, stratify=labels)
    except ValueError:  # scikit-learn's: a class with one row, or fewer rows to hold out than classes
        counts = np.bincount(source.rows.y[rows], minlength=len(source.classes))
        rarest = int(counts.argmin())
        raise InputError(
            f"{source.name}: holding out {held_out} of {len(rows)} rows leaves some part without a class "
            f"(class {source.classes[rarest]!r} has {counts[rarest]} rows): use larger parts, more rows, or 0"
        ) from None
    return kept, held


def _require_every_class(source: Source, parts: Parts) -> None:
    if source.task != CLASSIFICATION:
        return
    for name, rows in parts._asdict().items():
        if rows is None or len(rows) == 0:
            continue
        absent = np.setdiff1d(np.arange(len(source.classes)), source.rows.y[rows])
        require(
            len(absent) == 0,
            f"{source.name}: class {source.classes[absent[0]]!r} has no row in the {name} part: use another "
            "--split-seed, larger parts, or 0 to leave a part out"
            if len(absent)
            else "",
        )
