"""Activations and their derivatives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.analysis.profiles import Profile
from fcnet.plots.style import BLUE, GREY, ORANGE, figure, save, styled


def _draw_profile(panel: Any, profile: Profile) -> None:
    panel.axhline(0, color=GREY, linewidth=0.8)
    panel.axvline(0, color=GREY, linewidth=0.8)
    panel.plot(profile.z, profile.value, color=BLUE, label="f(z)")
    panel.plot(profile.z, profile.derivative, color=ORANGE, linestyle="--", label="f′(z)")
    if len(profile.marks):
        panel.scatter(*profile.marks.T, s=22, color=ORANGE, zorder=3, label="f′ taken at a kink")
    shown = np.concatenate([profile.value, profile.derivative])
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    panel.set_ylim(max(low, -6.5) - 0.25, min(high, 6.5) + 0.25)


@styled
def activation_gallery(profiles: Sequence[Profile], *, title: str, path: Path) -> None:
    """Every activation with its derivative, one small panel each."""
    columns = min(6, len(profiles))
    rows = -(-len(profiles) // columns)
    blank, panels = figure(2.9 * columns, 2.35 * rows + 0.8, columns, rows)
    for panel, profile in zip(panels, profiles, strict=False):
        _draw_profile(panel, profile)
        panel.set_title(profile.name, fontsize=12)
        if profile.caption:
            panel.set_xlabel(profile.caption, fontsize=9)
    for panel in panels[len(profiles) :]:
        panel.set_visible(False)
    lines = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    blank.legend(lines.values(), lines.keys(), loc="outside upper right", ncols=3, fontsize=12)
    blank.suptitle(title, fontsize=16, fontweight="bold", x=0.01, ha="left")
    save(blank, path)


@styled
def activation(profile: Profile, *, formula: str, path: Path) -> None:
    """One activation with its derivative."""
    drawn, (panel,) = figure(7, 4.6)
    _draw_profile(panel, profile)
    panel.set_title(f"{profile.name}\n{formula}", fontsize=12)
    panel.set_xlabel(f"z ({profile.caption})" if profile.caption else "z")
    panel.set_ylabel("f(z), f′(z)")
    panel.legend()
    save(drawn, path)
