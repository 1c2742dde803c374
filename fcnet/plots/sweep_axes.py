"""What the figures of a sweep share: an axis of the sweep as an axis of a figure, and the colours of scores."""

from typing import Any, Literal, NamedTuple

import numpy as np


class SweepAxis(NamedTuple):
    """One axis of a sweep.

    ``title``: its name in words. ``cells``: (settings,) numbers or texts. ``levels``: the distinct ones in their order.
    ``is_scale``: values are placed by their size, not one beside the other; ``is_log``: on a logarithmic scale.
    """

    title: str
    cells: tuple[Any, ...]
    levels: tuple[Any, ...]
    is_scale: bool
    is_log: bool

    def places(self) -> np.ndarray:
        """Where each setting is on the axis, (settings,): its value on a scale, else the number of its level."""
        if self.is_scale:
            return np.array(self.cells, float)
        number = {level: place for place, level in enumerate(self.levels)}
        return np.array([number[cell] for cell in self.cells], float)

    def names(self) -> list[str]:
        """The levels as people read them: 0.0316, 64-32."""
        return [level if isinstance(level, str) else f"{level:.3g}" for level in self.levels]


def name_ticks(panel: Any, side: Literal["x", "y"], swept: SweepAxis) -> None:
    """Let a side of a matplotlib panel be the sweep's axis: named levels, or a scale."""
    looks: dict[str, Any] = {"label": swept.title}
    if not swept.is_scale:
        looks |= {"ticks": range(len(swept.levels)), "ticklabels": swept.names()}
    elif swept.is_log:
        looks["scale"] = "log"
    panel.set(**{side + what: value for what, value in looks.items()})


def shown_from(score: np.ndarray) -> float:
    """The score at which colours begin: those far below the better half would take the colours from all others."""
    finite = score[np.isfinite(score)]
    best, middle = float(finite.max()), float(np.median(finite))
    return max(float(finite.min()), best - 3 * (best - middle))


class Colours:
    """Darker is better; all scores below ``shown_from`` share the lightest colour."""

    def __init__(self, score: np.ndarray) -> None:
        import matplotlib as mpl
        from matplotlib.colors import LinearSegmentedColormap, Normalize

        shades = mpl.colormaps["YlGnBu"](np.linspace(0.18, 1, 256))  # its lightest is lost on white
        low, high = shown_from(score), float(np.nanmax(score))
        self.map = LinearSegmentedColormap.from_list("scores", list(shades))
        self.norm = Normalize(low, high if high > low else low + 1)
        self.is_cut = bool((score[np.isfinite(score)] < low).any())

    def of(self, score: np.ndarray) -> np.ndarray:
        """(settings, 4) RGBA."""
        return self.map(self.norm(score))

    def bar(self, drawn: Any, panels: Any, label: str) -> None:
        """The colour bar, with an arrow where lower scores are cut off."""
        from matplotlib.cm import ScalarMappable

        extend = "min" if self.is_cut else "neither"
        drawn.colorbar(ScalarMappable(self.norm, self.map), ax=panels, label=label, extend=extend)
