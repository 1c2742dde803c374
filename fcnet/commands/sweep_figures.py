"""A sweep's results as figures: which axes, which settings, which epochs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet import plots
from fcnet.analysis.explained import quantile_groups, share_explained
from fcnet.metrics import SCORE_TITLES
from fcnet.plots import SettingCurves, SweepAxis
from fcnet.sweeps.axes import Axis
from fcnet.sweeps.cells import as_cell
from fcnet.sweeps.leaders import Board, Standing
from fcnet.sweeps.results import SweepResults

# Beyond this many distinct numbers an axis is a scale; up to it every value has a place and a name of its own.
MOST_LEVELS = 16
# Settings whose curves have a colour of their own, and a grey line.
MOST_COLOURED, MOST_GREY = 3, 40


def cell_text(value: Any) -> str:
    """A value of an axis as people read it."""
    return value if isinstance(value, str) else f"{value:.4g}"


def values_text(values: dict[str, Any]) -> str:
    """learning rate 0.1, weight decay 0.001."""
    named = (f"{name.replace('_', ' ')} {cell_text(value)}" for name, value in values.items())
    return ", ".join(named) or "the only setting"


def varying(results: SweepResults, board: Board) -> list[Axis]:
    """The axes that have more than one value among the settings."""
    return [axis for axis in results.axes if len({one.values[axis.name] for one in board.standings}) > 1]


def draw(results: SweepResults, board: Board, folder: Path) -> list[Path]:
    """Write heatmap.png and parallel.png where something varies, and curves.png.

    Returns:
        The figures that were written.
    """
    axes = [_swept(axis, board.standings) for axis in varying(results, board)]
    score = _percent(results, np.array([one.score.value for one in board.standings]))
    drawn = []
    if axes and np.isfinite(score).any():
        drawn.append(_draw_map(results, board, axes, score, folder / "heatmap.png"))
        label = f"{board.by} {_score_label(results)}"
        title = f"{_name(results)}: from hyper-parameters to {board.by} {SCORE_TITLES[results.score]}"
        plots.parallel(axes, score, label=label, title=title, path=folder / "parallel.png")
        drawn.append(folder / "parallel.png")
    return [*drawn, _draw_curves(results, board, folder / "curves.png")]


def _name(results: SweepResults) -> str:
    return Path(results.config.train.data.data).stem


def _percent(results: SweepResults, values: np.ndarray) -> np.ndarray:
    return 100 * values if results.score == "accuracy" else values


def _score_label(results: SweepResults) -> str:
    return SCORE_TITLES[results.score] + (" (%)" if results.score == "accuracy" else "")


# the map


def _swept(axis: Axis, standings: Sequence[Standing]) -> SweepAxis:
    cells = tuple(one.values[axis.name] for one in standings)
    there = set(cells)
    named = tuple(cell for cell in (as_cell(axis, value) for value in axis.values) if cell in there)
    is_text = isinstance(cells[0], str)
    levels = named if is_text else tuple(sorted(there))
    is_scale = axis.is_random or (not is_text and len(levels) > MOST_LEVELS)
    return SweepAxis(axis.name.replace("_", " "), cells, levels, is_scale=is_scale, is_log="log" in axis.kind)


def chief_axes(axes: Sequence[SweepAxis], score: np.ndarray) -> tuple[SweepAxis, SweepAxis]:
    """The two axes that explain most of the score's variance; a diverged setting counts as the worst.

    Args:
        axes: two or more; of those that are scales, groups of neighbours are compared.
        score: (settings,), NaN where all members diverged.
    """
    filled = np.where(np.isfinite(score), score, np.nanmin(score))
    groups = max(2, int(np.sqrt(len(score))))

    def share(axis: SweepAxis) -> float:
        places = axis.places()
        return share_explained(filled, quantile_groups(places, groups) if axis.is_scale else places)

    first, second = sorted(axes, key=share, reverse=True)[:2]
    return first, second


def _lost(board: Board) -> np.ndarray:
    counts = [(one.statuses.get("diverged", 0), sum(one.statuses.values())) for one in board.standings]
    return np.array([diverged / members for diverged, members in counts])


def _draw_map(results: SweepResults, board: Board, axes: Sequence[SweepAxis], score: np.ndarray, path: Path) -> Path:
    what = f"{_name(results)}: {board.by} {SCORE_TITLES[results.score]}"
    label = f"mean {board.by} {_score_label(results)}"
    if len(axes) == 1:
        scores: dict[str, np.ndarray] = {board.by: np.array([one.score for one in board.standings])}
        if board.by != "test" and np.isfinite([one.test.value for one in board.standings]).any():
            scores["test"] = np.array([one.test for one in board.standings])
        shown = {part: _percent(results, values) for part, values in scores.items()}
        title = f"{_name(results)}: {SCORE_TITLES[results.score]} by {axes[0].title}, with 95 % intervals"
        plots.score_line(axes[0], shown, _lost(board), label=_score_label(results), title=title, path=path)
        return path
    x, y = chief_axes(axes, score)
    others = [axis.title for axis in axes if axis not in (x, y)]
    each = "each point a setting" if x.is_scale or y.is_scale else f"mean over {', '.join(others)}" if others else ""
    title = "\n".join([what, *filter(None, [each])])
    plots.score_map(x, y, score, _lost(board), label=label, title=title, path=path)
    return path


# the curves


def _draw_curves(results: SweepResults, board: Board, path: Path) -> Path:
    curves = _Curves(results)
    names = {axis.name for axis in varying(results, board)}
    found = [curves.of(one, names) for one in board.standings[: MOST_COLOURED + MOST_GREY]]
    known = [setting for setting in found if setting is not None]
    many = len(board.standings) > 1
    members = max(sum(one.statuses.values()) for one in board.standings)
    over = "median and 10–90 % of the members" if members > 1 else "one member each"
    plots.sweep_curves(
        known[:MOST_COLOURED],
        known[MOST_COLOURED:],
        score_label=f"validation {_score_label(results)}",
        loss_label="validation loss" if curves.has_validation else "training loss",
        title=f"{_name(results)}: {'the best settings' if many else 'all members'}, {over}",
        path=path,
    )
    return path


class _Curves:
    """The curves of a sweep, by setting."""

    def __init__(self, results: SweepResults) -> None:
        self.results = results
        names = ("member", "epoch", "train_loss", "validation_loss", "validation_score")
        self.columns = {name: results.curves[name].to_numpy() for name in names}
        self.has_validation = bool(np.isfinite(self.columns["validation_loss"]).any())
        self.setting, self.member = results.column("setting"), results.column("member")
        self.counts = results.column("status") != "diverged"

    def of(self, standing: Standing, names: set[str]) -> SettingCurves | None:
        """One setting's; None where all its members diverged or none has an epoch."""
        members = self.member[(self.setting == standing.setting) & self.counts]
        starts = np.searchsorted(self.columns["member"], members)
        ends = np.searchsorted(self.columns["member"], members, side="right")
        rows = [slice(start, end) for start, end in zip(starts, ends, strict=True) if end > start]
        if not rows:
            return None
        loss = self._quantiles("validation_loss" if self.has_validation else "train_loss", rows)
        score = _percent(self.results, self._quantiles("validation_score", rows))
        label = values_text({name: value for name, value in standing.values.items() if name in names})
        return SettingCurves(label, loss, score)

    def _quantiles(self, name: str, rows: Sequence[slice]) -> np.ndarray:
        """(epochs, 3) median, 10 % and 90 % quantile, as long as half of the members train."""
        column, epoch = self.columns[name], self.columns["epoch"]
        table = np.full((len(rows), max(int(epoch[own.stop - 1]) for own in rows)), np.nan)
        for line, own in zip(table, rows, strict=True):
            line[epoch[own] - 1] = column[own]
        half = np.isfinite(table).sum(axis=0) * 2 >= len(rows)
        shown = table[:, half]
        return np.nanquantile(shown, [0.5, 0.1, 0.9], axis=0).T
