"""What the figures of a sweep share: an axis of the sweep as an axis of a figure, and the colours of scores."""

from typing import Any, Literal, NamedTuple

import numpy as np

# Of the colours and of the heights, what scores far below the better half get together.
SHARE_OF_WORST = 0.25


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


class Colours:
    """Darker is better, from the worst score to the best.

    Scores far below the better half would take the shades from all others: they share at most ``SHARE_OF_WORST``.
    """

    def __init__(self, score: np.ndarray) -> None:
        import matplotlib as mpl
        from matplotlib.colors import FuncNorm, LinearSegmentedColormap

        finite = score[np.isfinite(score)]
        low, high, middle = float(finite.min()), float(finite.max()), float(np.median(finite))
        high = high if high > low else low + 1
        turn = high - 3 * (high - middle)
        even = (turn - low) / (high - low)
        self.is_bent = SHARE_OF_WORST < even < 1
        self.low, self.turn, self.high = low, turn if self.is_bent else low, high
        at, shares = ([low, turn, high], [0, SHARE_OF_WORST, 1]) if self.is_bent else ([low, high], [0, 1])
        shades = mpl.colormaps["YlGnBu"](np.linspace(0.18, 1, 256))  # its lightest is lost on white
        self.map = LinearSegmentedColormap.from_list("scores", list(shades))
        functions = (lambda value: np.interp(value, at, shares), lambda share: np.interp(share, shares, at))
        self.norm = FuncNorm(functions, low, high)

    def of(self, score: np.ndarray) -> np.ndarray:
        """(settings, 4) RGBA."""
        return self.map(self.norm(score))

    def heights(self, score: np.ndarray) -> np.ndarray:
        """Where scores are on the scale, (settings,) from 0 for the worst to 1, NaN where there is none."""
        return np.ma.filled(self.norm(score), np.nan)

    def ticks(self) -> dict[float, str]:
        """Round scores on the scale as people read them; where it is bent, the worst one, too."""
        from matplotlib.ticker import MaxNLocator

        values = MaxNLocator(6).tick_values(self.turn, self.high)
        found = {float(value): f"{value:.4g}" for value in values if self.turn <= value <= self.high}
        return {self.low: f"{self.low:.3g}"} | found if self.is_bent else found

    def bar(self, drawn: Any, panels: Any, label: str) -> None:
        """The colour bar."""
        from matplotlib.cm import ScalarMappable

        bar = drawn.colorbar(ScalarMappable(self.norm, self.map), ax=panels, label=label)
        bar.set_ticks(list(self.ticks()), labels=list(self.ticks().values()))
        bar.minorticks_off()
