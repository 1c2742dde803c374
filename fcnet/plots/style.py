"""The look of every figure, drawn without pyplot: no window, no global state."""

import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np

from fcnet.files import write_with

# Okabe & Ito's palette, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
STYLE: dict[Any, Any] = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "axes.axisbelow": True,
    # the white ground keeps lines from crossing the words
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "lines.linewidth": 2,
}

P = ParamSpec("P")


def styled(draw: Callable[P, None]) -> Callable[P, None]:
    """Let ``draw`` draw in the house style, and matplotlib be imported only then."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> None:
        import matplotlib as mpl

        with mpl.rc_context(STYLE):
            draw(*args, **kwargs)

    return drawn


def figure(width: float, height: float, panels: int = 1, rows: int = 1) -> tuple[Any, list[Any]]:
    """An empty figure of ``width`` × ``height`` inches with ``panels`` axes side by side, in ``rows`` rows."""
    from matplotlib.figure import Figure

    blank = Figure(figsize=(width, height), layout="constrained")
    return blank, list(np.ravel(blank.subplots(rows, panels)))


def save(drawn: Any, path: Path) -> None:
    """Write a figure as PNG at 150 dots per inch."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a name in a script that the font does not have
        write_with(path, lambda temporary: drawn.savefig(temporary, dpi=150, facecolor="white"))
