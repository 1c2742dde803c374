"""fcnet sweep show: the leader board of a sweep, what became of its members, and its figures."""

import json as json_text
from collections import Counter
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.analysis import Interval
from fcnet.commands.sweep_board import print_board
from fcnet.commands.sweep_figures import draw, values_text
from fcnet.console import Reporter
from fcnet.errors import require
from fcnet.sweeps import leaders
from fcnet.sweeps.leaders import Board, By, is_certain
from fcnet.sweeps.results import SweepResults, read
from fcnet.sweeps.tables import MEMBERS_FILE

# Diverged members that are named one by one.
MOST_NAMED = 3
ENDINGS = ("finished", "stopped early", "diverged", "dropped", "in training")


def show(run: Path, *, by: By = "validation", top: int = 10, json: bool = False, figures: bool = True) -> None:
    """Print the leader board of the sweep in ``run``, whole or so far, and draw its figures there.

    Args:
        by: the part whose scores rank the settings; "test" also where there is no validation.
        top: settings on the board; with ``json`` all are told.
        json: print one JSON object instead.

    Raises:
        InputError: not the folder of a sweep, nobody is through yet, or a file is damaged.
    """
    require(top >= 1, f"--top must be at least 1, got {top}")
    results = read(run)
    board = leaders.board(results, by) if leaders.ranking_part(results, by) else None
    reporter = Reporter()
    if json:
        drawn = draw(results, board, run) if figures and board is not None else []
        told = _summary(run, results, board, drawn)
        reporter.result(json_text.dumps(told, ensure_ascii=False, allow_nan=False))
        return
    _print_members(reporter, results)
    if board is None:
        reporter.fact("ranking", "none: no member has a validation or test score")
        return
    if board.by != by:
        reporter.fact("ranking", f"by the {board.by} score, because there is no {by} part")
    reporter.result()
    print_board(reporter, results, board, top)
    reporter.result()
    if figures:  # what was found is told, whether or not they can be written
        reporter.fact("figures", " · ".join(str(path) for path in draw(results, board, run)))
    best = results.member(leaders.best_member(results, board.by))
    reporter.fact("next", f"fcnet train --from {run} --best (member {best.number:,}, seed {best.seed})")


def _counts(results: SweepResults) -> dict[str, int]:
    """Members by how they ended, those still to come among them; those of a search come as it proposes them."""
    known = Counter("in training" if one == "waiting" else one for one in results.column("status").tolist())
    settings = len(np.unique(results.column("setting")))
    expected = settings * results.config.members_of_setting
    if not (results.is_complete or results.config.search):
        expected = results.config.number_of_members
    known["in training"] += max(expected - results.members.num_rows, 0)
    return {status: known[status] for status in ENDINGS if known[status]}


def _print_members(reporter: Reporter, results: SweepResults) -> None:
    counts = _counts(results)
    so_far = "" if results.is_complete else "so far: "
    reporter.fact("sweep", results.config.describe())
    reporter.fact("members", so_far + ", ".join(f"{count:,} {status}" for status, count in counts.items()))
    for told in _diverged(results)[:MOST_NAMED]:
        reporter.fact("diverged", f"member {told['member']:,} ({_place(told)}): {told['cause']}")
    more = counts.get("diverged", 0) - MOST_NAMED
    if more > 0:
        reporter.fact("", f"… and {more:,} more: see the column cause of {MEMBERS_FILE}")


def _diverged(results: SweepResults) -> list[dict[str, Any]]:
    rows = np.flatnonzero(results.column("status") == "diverged")
    names = [axis.name for axis in results.axes]
    found = results.members.take(rows).select(["member", "setting", "seed", "fold", *names, "cause"]).to_pylist()
    for row in found:
        row["values"] = {name: row.pop(name) for name in names}
    return found


def _place(told: dict[str, Any]) -> str:
    fold = {} if told["fold"] is None else {"fold": told["fold"]}
    return values_text(told["values"] | {"seed": told["seed"]} | fold)


# as JSON, which knows neither NaN nor infinity


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def _interval(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None or not isfinite(interval.value):
        return None
    return {name: _number(value) for name, value in interval._asdict().items()}


def _summary(run: Path, results: SweepResults, board: Board | None, drawn: list[Path]) -> dict[str, Any]:
    standings = [] if board is None else board.standings
    return {
        "sweep": str(run),
        "complete": results.is_complete,
        "task": results.task,
        "score": results.score,
        "by": None if board is None else board.by,
        "members": _counts(results),
        "best_member": None if board is None else leaders.best_member(results, board.by),
        "settings": [
            {
                "rank": one.rank,
                "setting": one.setting,
                "values": one.values,
                "members": one.statuses,
                "score": _interval(one.score),
                "loss": _interval(one.loss),
                "test_score": _interval(one.test),
                "to_the_leader": _interval(one.difference),
                "certain": None if one.difference is None else is_certain(one.difference),
            }
            for one in standings
        ],
        "diverged": _diverged(results),
        "figures": [str(path) for path in drawn],
    }
