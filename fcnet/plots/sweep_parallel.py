"""Every setting of a sweep as one line across its axes to its score."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.plots.style import ORANGE, figure, save, styled
from fcnet.plots.sweep_axes import Colours, SweepAxis

# More lines than this cannot be told apart.
MOST_LINES = 150
# Share of the height over which lines through the same value are spread, so that they do not hide each other.
SPREAD = 0.035
CAPTION = "Lines through the same value are drawn a little apart, the better ones above."


@styled
def parallel(axes: Sequence[SweepAxis], score: np.ndarray, *, label: str, title: str, path: Path) -> None:
    """Parallel coordinates: a vertical line per axis, the score as the last one and as the colour.

    The best settings are drawn, and of the others every few in the order of their scores.

    Args:
        score: (settings,) means, the leader's first, NaN where all members diverged; those lines end below the score.
    """
    colours, chosen = Colours(score), _chosen(len(score))
    drawn, (panel,) = figure(float(np.clip(3 + 2.2 * len(axes), 7.5, 18)), 6)
    last = colours.heights(score)
    heights = np.column_stack([*(_spread(_height(axis), last)[chosen] for axis in axes), last[chosen]])
    across = np.linspace(0, len(axes), 40 * len(axes) + 1)
    alpha = float(np.clip(60 / len(chosen), 0.5, 0.9))
    for line, value in zip(heights, score[chosen], strict=True):
        if np.isnan(value):
            line[-1] = -0.08
            panel.plot(across, _smooth(line), color="#AAAAAA", linewidth=0.9, linestyle=":")
        else:
            panel.plot(across, _smooth(line), color=colours.of(value), linewidth=1.3, alpha=alpha)
    panel.plot(across, _smooth(heights[-1]), color=ORANGE, linewidth=3.5, label="best", zorder=4)
    _rulers(panel, axes, colours, label, diverged=bool(np.isnan(score).any()))
    panel.legend(loc="lower right", bbox_to_anchor=(1, 1.06), borderaxespad=0)
    few = len(chosen) < len(score)
    panel.set_title(title + (f", {len(chosen)} of {len(score):,} settings" if few else ""), pad=30)
    if any(len(set(axis.cells)) < len(axis.cells) for axis in axes):
        drawn.supxlabel(CAPTION, x=0.02, ha="left", fontsize=10)
    save(drawn, path)


def _chosen(settings: int) -> np.ndarray:
    """Which settings are drawn, the leader last and so on top."""
    if settings <= MOST_LINES:
        return np.arange(settings)[::-1]
    best = MOST_LINES // 3
    every = np.linspace(settings - 1, best, MOST_LINES - best).astype(int)
    return np.concatenate([every, np.arange(best)[::-1]])


def _height(axis: SweepAxis) -> np.ndarray:
    """Where each setting crosses the axis, from 0 at its least to 1."""
    places = axis.places()
    if axis.is_scale and axis.is_log:
        places = np.log(places)
    least, most = places.min(), places.max()
    return (places - least) / (most - least)


def _spread(heights: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The same with lines through one point apart, in the order of their scores."""
    spread = heights.astype(float)
    for height in np.unique(heights):
        here = np.flatnonzero(heights == height)
        order = here[np.argsort(last[here], kind="stable")]
        if len(here) > 1:
            spread[order] += np.linspace(-SPREAD, SPREAD, len(here))
    return spread


def _smooth(heights: np.ndarray) -> np.ndarray:
    """Through the heights at 0, 1, 2, …, level at each, so that the eye can follow a line across an axis."""
    at = np.linspace(0, len(heights) - 1, 40 * (len(heights) - 1) + 1)
    left = np.minimum(at.astype(int), len(heights) - 2)
    part = at - left
    eased = part * part * (3 - 2 * part)
    return heights[left] * (1 - eased) + heights[left + 1] * eased


def _rulers(panel: Any, axes: Sequence[SweepAxis], colours: Colours, label: str, *, diverged: bool) -> None:
    """The vertical lines with their names and values."""
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import LogLocator, MaxNLocator

    # a rim around the letters hides no line, as a box would
    rim = [withStroke(linewidth=3, foreground="white")]
    said = {"fontsize": 10, "ha": "right", "va": "center", "zorder": 5, "path_effects": rim}

    def tick(place: float, height: float, text: str) -> None:
        panel.plot([place - 0.02, place], [height, height], color="black", linewidth=1, zorder=4)
        panel.text(place - 0.035, height, text, **said)

    for place, axis in enumerate(axes):
        panel.axvline(place, color="black", linewidth=1, zorder=3)
        if not axis.is_scale:
            count = len(axis.levels)
            for number, name in enumerate(axis.names()):
                tick(place, number / max(count - 1, 1), name)
            continue
        low, high = min(axis.levels), max(axis.levels)
        values = (
            LogLocator(subs=(1.0, 3.0)).tick_values(low, high) if axis.is_log else MaxNLocator(5).tick_values(low, high)
        )
        for value in values[(values >= low) & (values <= high)]:
            share = np.log(value / low) / np.log(high / low) if axis.is_log else (value - low) / (high - low)
            tick(place, float(share), f"{value:.3g}")
    place = len(axes)
    panel.axvline(place, color="black", linewidth=1, zorder=3)
    for value, text in colours.ticks().items():
        panel.text(place + 0.035, float(colours.norm(value)), text, **(said | {"ha": "left"}))
    if diverged:
        panel.text(place + 0.035, -0.08, "diverged", **(said | {"ha": "left"}))
    panel.set_xticks(range(len(axes) + 1), [*(axis.title for axis in axes), label], fontweight="bold")
    panel.xaxis.tick_top()
    panel.tick_params(axis="x", length=0)
    panel.set_xlim(-0.35, len(axes) + 0.3)
    panel.set_ylim(-0.12 if diverged else -0.06, 1.06)
    panel.set_yticks([])
    panel.grid(visible=False)
    for side in ("left", "bottom"):
        panel.spines[side].set_visible(False)
