"""The score of a sweep over its two chief axes, or over its only one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.plots.style import BLUE, GREY, ORANGE, figure, save, styled
from fcnet.plots.sweep_axes import Colours, SweepAxis, name_ticks

# More cells than this have colours only.
MOST_NUMBERS_IN_CELLS = 150


@styled
def score_map(
    x: SweepAxis, y: SweepAxis, score: np.ndarray, diverged: np.ndarray, *, label: str, title: str, path: Path
) -> None:
    """The mean score over two axes: cells where both have few values, else a point for each setting.

    Args:
        score: (settings,) means, the leader's first, NaN where all members diverged.
        diverged: (settings,) shares of members that did.
        label: of the score, with its unit.
    """
    if x.is_scale or y.is_scale:
        _points(x, y, score, label=label, title=title, path=path)
    else:
        _cells(x, y, score, diverged, label=label, title=title, path=path)


def _cells(
    x: SweepAxis, y: SweepAxis, score: np.ndarray, diverged: np.ndarray, *, label: str, title: str, path: Path
) -> None:
    columns, rows = len(x.levels), len(y.levels)
    place = y.places().astype(int), x.places().astype(int)
    means, lost = _mean_by(score, place, (rows, columns)), _mean_by(diverged, place, (rows, columns))
    colours = Colours(means)
    drawn, (panel,) = figure(float(np.clip(3.5 + 0.85 * columns, 6.5, 13)), float(np.clip(2.2 + 0.6 * rows, 4, 10)))
    panel.set_facecolor("#DDDDDD")
    panel.imshow(np.ma.masked_invalid(means), cmap=colours.map, norm=colours.norm, aspect="auto", origin="lower")
    panel.grid(visible=False)
    name_ticks(panel, "x", x)
    name_ticks(panel, "y", y)
    if max(len(name) for name in x.names()) * columns > 60:
        panel.tick_params(axis="x", rotation=45)
    if rows * columns <= MOST_NUMBERS_IN_CELLS:
        _numbers(panel, means, lost, colours)
    whole = np.where(lost > 0, np.nan, means)  # who diverged does not lead
    best = np.unravel_index(np.nanargmax(whole if np.isfinite(whole).any() else means), means.shape)
    _outline(panel, best)
    _hatch(panel, np.isnan(means) & (lost > 0))
    drawn.legend(loc="outside lower right", ncols=2)
    colours.bar(drawn, panel, label)
    panel.set_title(title)
    save(drawn, path)


def _mean_by(values: np.ndarray, place: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    known = np.isfinite(values)
    chosen = tuple(part[known] for part in place)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, chosen, values[known])
    np.add.at(counts, chosen, 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _outline(panel: Any, cell: Any) -> None:
    from matplotlib.patches import Rectangle

    corner = (cell[1] - 0.5, cell[0] - 0.5)
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": ORANGE, "linewidth": 3, "clip_on": False, "zorder": 5}
    panel.add_patch(Rectangle(corner, 1, 1, label="best", **look))


def _hatch(panel: Any, cells: np.ndarray) -> None:
    """Cells that have no score, because all of their members diverged."""
    from matplotlib.patches import Rectangle

    look: dict[str, Any] = {"facecolor": "#DDDDDD", "edgecolor": "#AAAAAA", "hatch": "//", "linewidth": 0}
    for number, (row, column) in enumerate(np.argwhere(cells)):
        label = "" if number else "all diverged"
        panel.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, label=label, **look))


def _numbers(panel: Any, means: np.ndarray, lost: np.ndarray, colours: Colours) -> None:
    """Each cell's score, and under it the share of its members that diverged."""
    spread = float(np.nanmax(means) - np.nanmin(means))
    digits = int(np.clip(2 - np.floor(np.log10(spread)), 1, 3)) if spread > 0 else 2
    for (row, column), value in np.ndenumerate(means):
        share = lost[row, column]
        if np.isnan(share):  # no such setting
            continue
        text = "" if np.isnan(value) else f"{value:.{digits}f}"
        if share > 0:
            text += f"\n{100 * share:.0f} % diverged" if text else "diverged"
        dark = np.isfinite(value) and colours.norm(value) > 0.55
        size = 8 if share > 0 and text[0] != "d" else 10
        panel.text(column, row, text, ha="center", va="center", color="white" if dark else "black", fontsize=size)


def _points(x: SweepAxis, y: SweepAxis, score: np.ndarray, *, label: str, title: str, path: Path) -> None:
    colours = Colours(score)
    drawn, (panel,) = figure(8.5, 6)
    name_ticks(panel, "x", x)
    name_ticks(panel, "y", y)
    known = np.isfinite(score)
    across, up = x.places(), y.places()
    order = np.flatnonzero(known)[::-1]  # the best on top
    ink = colours.of(score[order])
    panel.scatter(across[order], up[order], s=60, color=ink, edgecolors="#888888", linewidths=0.5)
    if not known.all():
        panel.scatter(across[~known], up[~known], s=50, marker="x", color=GREY, label="diverged")
    panel.scatter(across[0], up[0], s=160, facecolors="none", edgecolors=ORANGE, linewidths=3, label="best")
    drawn.legend(loc="outside lower right", ncols=2)
    colours.bar(drawn, panel, label)
    panel.set_title(title)
    save(drawn, path)


@styled
def score_line(
    axis: SweepAxis, scores: Mapping[str, np.ndarray], diverged: np.ndarray, *, label: str, title: str, path: Path
) -> None:
    """The score over the only axis that varies, with 95 % intervals.

    Args:
        scores: part ↦ (settings, 3) mean, low and high, NaN where all members diverged.
        diverged: (settings,) shares of members that did.
    """
    drawn, (panel,) = figure(8.5, 5)
    name_ticks(panel, "x", axis)
    order = np.argsort(axis.places())
    places, is_named = axis.places()[order], isinstance(axis.levels[0], str)
    shown = {part: np.where(np.isfinite(values[order]), values[order], np.nan) for part, values in scores.items()}
    looks = ((BLUE, "-", -0.05), (ORANGE, "--", 0.05))
    for (part, values), (color, dashes, shift) in zip(shown.items(), looks, strict=False):
        mean, low, high = values.T
        if is_named or np.isfinite(mean).sum() == 1:  # a single one makes no band
            ends = np.array([mean - low, high - mean])
            panel.errorbar(places + shift, mean, ends, fmt="o", color=color, capsize=5, label=part)
        else:
            panel.plot(places, mean, color=color, linestyle=dashes, marker="o", label=part)
            panel.fill_between(places, low, high, color=color, alpha=0.18, linewidth=0)
    if axis.is_scale:
        known = np.concatenate([values[:, 0] for values in shown.values()])
        # those without a mean have a place, too, which the lines leave out
        panel.update_datalim(np.column_stack([places, np.full(len(places), known[np.isfinite(known)][0])]))
        panel.autoscale_view()
    else:
        panel.set_xlim(-0.5, len(axis.levels) - 0.5)
    _look_at_means(panel, np.concatenate(list(shown.values())))
    _mark_diverged(panel, places, diverged[order], has_shares=not axis.is_scale)
    panel.set_ylabel(label)
    panel.set_title(title)
    drawn.legend(loc="outside lower center", ncols=3)
    save(drawn, path)


def _look_at_means(panel: Any, values: np.ndarray) -> None:
    """Intervals of two members can be so long that the means would be one line: those are cut."""
    mean, low, high = (column[np.isfinite(column)] for column in values.T)
    least, most = float(mean.min()), float(mean.max())
    span = most - least or 1.0
    bottom, top = min([least, *low]), max([most, *high])
    panel.set_ylim(max(bottom, least - 1.5 * span) - 0.12 * span, min(top, most + 1.5 * span) + 0.05 * span)


def _mark_diverged(panel: Any, places: np.ndarray, diverged: np.ndarray, *, has_shares: bool) -> None:
    some = diverged > 0
    if not some.any():
        return
    across = panel.get_xaxis_transform()
    look = {"marker": "x", "color": "black", "transform": across, "zorder": 3}
    panel.scatter(
        places[some], np.full(some.sum(), 0.03), label=f"{'share' if has_shares else 'some'} diverged", **look
    )
    if not has_shares:  # they would run into each other
        return
    for place, share in zip(places[some], diverged[some], strict=True):
        said = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "fontsize": 10}
        panel.annotate(f"{100 * share:.0f} %", (place, 0.03), xycoords=across, **said)
