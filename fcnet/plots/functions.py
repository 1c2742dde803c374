"""Networks so small that what they compute can be drawn whole."""

from pathlib import Path

import numpy as np

from fcnet.plots.style import BLUE, GREEN, GREY, ORANGE, figure, save, styled


@styled
def decision_surfaces(
    surfaces: dict[str, np.ndarray], ends: tuple[float, float], points: np.ndarray, labels: np.ndarray, *, path: Path
) -> None:
    """What networks of two inputs answer over a square, beside the points they were to separate.

    Args:
        surfaces: title ↦ (grid, grid) outputs, rows along the second input, each meant to be 0 or 1.
        ends: of the square, the same for both inputs.
        points: (rows, 2); ``labels``: (rows,) 0 or 1.
    """
    drawn, axes = figure(5.2 * len(surfaces) + 1, 4.8, len(surfaces))
    image = None
    for panel, (title, surface) in zip(axes, surfaces.items(), strict=True):
        image = panel.imshow(surface, origin="lower", extent=(*ends, *ends), cmap="PuOr", vmin=0, vmax=1)
        grid = np.linspace(*ends, len(surface))
        if surface.min() < 0.5 < surface.max():
            panel.contour(grid, grid, surface, levels=[0.5], colors="black", linewidths=1.5)
        for label, marker, name in ((0, "o", "0"), (1, "s", "1")):
            chosen = points[labels == label]
            panel.scatter(*chosen.T, s=140, marker=marker, color="white", edgecolors="black", label=f"target {name}")
        panel.grid(visible=False)
        panel.set_title(title)
        ticks = np.linspace(*ends, 5)
        panel.set_xticks(ticks)
        panel.set_yticks(ticks)
        panel.set_xlabel("x₁")
        panel.set_ylabel("x₂")
    axes[0].legend(loc="center", frameon=True)
    drawn.colorbar(image, ax=axes, label="output (black line: ½)", shrink=0.9)
    save(drawn, path)


@styled
def line_fit(
    x: np.ndarray,
    y: np.ndarray,
    lines: dict[str, tuple[float, float]],
    *,
    names: tuple[str, str],
    title: str,
    path: Path,
) -> None:
    """Points and straight lines through them.

    Args:
        x: (rows,), and ``y`` likewise.
        lines: label ↦ (slope, intercept).
        names: of the two axes, with units where they have any.
    """
    drawn, (panel,) = figure(7, 5)
    panel.scatter(x, y, s=24, color=GREY, alpha=0.7, edgecolors="none", label=f"{len(x)} samples")
    ends = np.array([x.min(), x.max()])
    for (label, (slope, intercept)), color, style in zip(
        lines.items(), (BLUE, ORANGE, GREEN), ("-", "--", ":"), strict=False
    ):
        panel.plot(ends, slope * ends + intercept, color=color, linestyle=style, label=label)
    panel.set_xlabel(names[0])
    panel.set_ylabel(names[1])
    panel.set_title(title)
    panel.legend()
    save(drawn, path)
