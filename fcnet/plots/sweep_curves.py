"""How the best settings of a sweep learned, epoch by epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcnet.plots.style import figure, save, styled

# Okabe & Ito's palette again, without the yellow, and a dash for each, so that no line is told by its colour alone.
LINES = (
    ("#0072B2", "-"),
    ("#D55E00", "--"),
    ("#009E73", "-."),
    ("#CC79A7", ":"),
    ("#56B4E9", (0, (5, 1, 1, 1, 1, 1))),
    ("#E69F00", (0, (8, 2))),
)


class SettingCurves(NamedTuple):
    """One setting: ``loss`` and ``score`` are (epochs, 3): median, 10 % and 90 % quantile over its members."""

    label: str
    loss: np.ndarray
    score: np.ndarray


@styled
def sweep_curves(
    best: Sequence[SettingCurves],
    others: Sequence[SettingCurves],
    *,
    score_label: str,
    loss_label: str,
    title: str,
    path: Path,
) -> None:
    """Score and loss of the best settings with their bands; the medians of others in grey.

    Args:
        best: at most as many as ``LINES``; ``others``: in grey. Without validation there is no score.
    """
    has_score = any(len(setting.score) for setting in best)
    names = {"score": score_label, "loss": loss_label} if has_score else {"loss": loss_label}
    width = 13 if len(names) > 1 else 9
    drawn, panels = figure(width, 5.4, len(names))
    for panel, (name, label) in zip(panels, names.items(), strict=True):
        for number, setting in enumerate(others):
            median = getattr(setting, name)[:, 0]
            epochs = np.arange(1, len(median) + 1)
            panel.plot(epochs, median, color="#CCCCCC", linewidth=0.8, label="" if number else "other settings")
        for setting, (color, dashes) in reversed(list(zip(best, LINES, strict=False))):
            median, low, high = getattr(setting, name).T
            epochs = np.arange(1, len(median) + 1)
            marker = "o" if len(epochs) < 3 else None
            panel.fill_between(epochs, low, high, color=color, alpha=0.15, linewidth=0)
            panel.plot(epochs, median, color=color, linestyle=dashes, marker=marker, label=setting.label)
        panel.set_xlabel("epoch")
        panel.set_ylabel(label)
        panel.set_title(label.split(" (")[0].capitalize())
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.set_xlim(left=1)
        _look_at(panel, [getattr(setting, name) for setting in best], is_loss=name == "loss")
    found = dict(zip(*reversed(panels[0].get_legend_handles_labels()), strict=True))
    said = [setting.label for setting in best] + ["other settings"] * bool(others)
    # a letter of the legend is about a tenth of an inch wide, a line with its gaps eight letters
    columns = int(np.clip(10 * width // (max(map(len, said)) + 8), 1, len(said)))
    drawn.legend([found[name] for name in said], said, loc="outside lower center", ncols=columns)
    drawn.suptitle(title, fontsize=14, fontweight="bold", x=0.01, ha="left")
    save(drawn, path)


def _look_at(panel: Any, curves: Sequence[np.ndarray], *, is_loss: bool) -> None:
    """Let the best settings after the first fifth of their epochs fill the panel."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    shown = np.concatenate([curve[len(curve) // 5 :].ravel() for curve in curves])
    shown = shown[np.isfinite(shown)]
    low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0.0, 0.0)
    if is_loss and low > 0 and high > 5 * low:
        panel.set_yscale("log")
        panel.set_ylim(low / 1.2, high * 1.2)
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
    elif high > low:
        panel.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
