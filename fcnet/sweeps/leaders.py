"""The settings of a sweep in the order of their scores, and which member stands for each.

The best of many settings is partly the luckiest: the score that it was chosen by is too high on average, the more so
the more settings there are. The test score has no part in the choice and is free of that, as long as nobody chooses by
it. For the same reason some setting will seem worse than the leader where all are alike: an interval is of one
comparison, not of all.

Source: Cawley & Talbot 2010, On over-fitting in model selection and subsequent selection bias in performance
evaluation.
"""

from collections import Counter
from typing import Any, Literal, NamedTuple

import numpy as np

from fcnet.analysis import Interval, paired
from fcnet.errors import InputError, require
from fcnet.sweeps.results import SweepResults
from fcnet.sweeps.tables import DIVERGED, DROPPED, FINISHED, STOPPED_EARLY, WAITING

By = Literal["validation", "test"]
SCORES = {"validation": "best_validation_score", "test": "test_score"}
LOSSES = {"validation": "best_validation_loss", "test": "test_loss"}
NOWHERE = Interval(float("nan"), float("nan"), float("nan"))


class Standing(NamedTuple):
    """One setting on the board, over its members that did not diverge.

    ``rank``: from 1. ``values``: its cells by axis. ``statuses``: how many members ended how.
    ``score``, ``loss``: what it is ranked by; ``test``: its test score, NaN where there is none; means with 95 %
    intervals. ``difference``: of its score from the leader's over the seeds and folds that both have, negative where it
    is worse; None for the leader itself, or where they share none.
    """

    rank: int
    setting: int
    values: dict[str, Any]
    statuses: dict[str, int]
    score: Interval
    loss: Interval
    test: Interval
    difference: Interval | None


class Board(NamedTuple):
    """All settings, best first. ``by``: the part whose scores rank them."""

    by: By
    standings: list[Standing]


def is_certain(difference: Interval) -> bool:
    """Whether the interval excludes 0."""
    return difference.low > 0 or difference.high < 0


def ranking_part(results: SweepResults, by: By) -> By | None:
    """``by`` if there are such scores, else "test"; None where there are none either."""
    parts: tuple[By, ...] = (by, "test")
    return next((part for part in parts if np.isfinite(results.column(SCORES[part])).any()), None)


def _require_part(results: SweepResults, by: By) -> By:
    part = ranking_part(results, by)
    if part is None:
        raise InputError("no member has a validation or test score to be ranked by: sweep with --validation or --test")
    return part


class _Members:
    """The rows of one setting; ``columns``: of all members, by name."""

    def __init__(self, columns: dict[str, np.ndarray], rows: np.ndarray, expected: int) -> None:
        status = columns["status"][rows]
        kept = rows[status != DIVERGED]
        self.columns, self.rows, self.kept = columns, rows, kept
        self.pairs = list(zip(columns["seed"][kept].tolist(), columns["split"][kept].tolist(), strict=True))
        self.statuses = dict(Counter("in training" if one == WAITING else one for one in status.tolist()))
        if expected > len(rows):
            self.statuses["in training"] = self.statuses.get("in training", 0) + expected - len(rows)

    def values(self, name: str) -> dict[paired.Pair, float]:
        """Value by seed and split, without those that there are none of."""
        column = self.columns[name][self.kept].tolist()
        return {pair: value for pair, value in zip(self.pairs, column, strict=True) if not np.isnan(value)}

    def interval(self, name: str) -> Interval:
        values = self.values(name)
        if not np.isfinite(list(values.values())).all():  # R² where the truth is constant
            return Interval(float(np.mean(list(values.values()))), float("-inf"), float("inf"))
        return paired.mean(values) if values else NOWHERE

    def order(self, by: By) -> tuple[float, ...]:
        """Whole settings before those in training, dropped and diverged ones; then by score and loss."""
        statuses = self.statuses
        whole = {FINISHED, STOPPED_EARLY}.issuperset(statuses)
        standing = 3 if DIVERGED in statuses else 2 if DROPPED in statuses else 0 if whole else 1
        epochs = int(self.columns["epochs_run"][self.rows].max()) if standing == 2 else 0
        scores, losses = (list(self.values(names[by]).values()) for names in (SCORES, LOSSES))
        score = -float(np.mean(scores)) if scores else np.inf
        return standing, statuses.get(DIVERGED, 0), -epochs, score, float(np.mean(losses)) if losses else np.inf


def _ranked(results: SweepResults, by: By) -> dict[int, _Members]:
    """Settings by number, best first."""
    names = ["status", "seed", "epochs_run", "setting", *SCORES.values(), *LOSSES.values()]
    columns = {name: results.column(name) for name in names} | {"split": results.split}
    order = np.argsort(columns["setting"], kind="stable")
    numbers, starts = np.unique(columns["setting"][order], return_index=True)
    rows = np.split(order, starts[1:])
    expected = results.config.members_of_setting
    groups = {int(one): _Members(columns, own, expected) for one, own in zip(numbers, rows, strict=True)}
    return dict(sorted(groups.items(), key=lambda group: (*group[1].order(by), group[0])))


def board(results: SweepResults, by: By = "validation") -> Board:
    """Settings ranked by the mean of their members' best scores; ties go to the lower loss, then to the lower number.

    Settings with members that diverged come after all others, fewer of them first, and before those the ones that were
    dropped, the longest trained first. Without a validation part the test score ranks.

    Raises:
        InputError: neither validation nor test part.
    """
    by = _require_part(results, by)
    ranked = _ranked(results, by)
    best = next(iter(ranked.values())).values(SCORES[by])
    cells = {axis.name: results.members[axis.name].to_pylist() for axis in results.axes}

    def standing(rank: int, one: int, members: _Members) -> Standing:
        return Standing(
            rank=rank,
            setting=one,
            values={name: column[members.rows[0]] for name, column in cells.items()},
            statuses=members.statuses,
            score=members.interval(SCORES[by]),
            loss=members.interval(LOSSES[by]),
            test=members.interval("test_score"),
            difference=None if rank == 1 else _difference(members.values(SCORES[by]), best),
        )

    return Board(by, [standing(rank, *group) for rank, group in enumerate(ranked.items(), start=1)])


def _difference(values: dict[paired.Pair, float], best: dict[paired.Pair, float]) -> Interval | None:
    finite = np.isfinite([*values.values(), *best.values()]).all()
    return paired.difference(values, best) if finite else None


def best_member(results: SweepResults, by: By = "validation", setting: int | None = None) -> int:
    """The member with the best score of a setting, by default of the leader; ties go to the lower loss.

    Raises:
        InputError: no such setting, only diverged members, or nothing to rank by.
    """
    by = _require_part(results, by)
    ranked = _ranked(results, by)
    chosen = next(iter(ranked)) if setting is None else setting
    require(chosen in ranked, f"there is no setting {chosen}: they are numbered from 0 to {max(ranked)}")
    rows = ranked[chosen].kept
    require(len(rows) > 0, f"all members of setting {chosen} diverged: choose another")
    score, loss = (results.column(names[by])[rows] for names in (SCORES, LOSSES))
    score, loss = np.where(np.isnan(score), -np.inf, score), np.where(np.isnan(loss), np.inf, loss)
    return int(results.column("member")[rows[np.lexsort((rows, loss, -score))[0]]])
