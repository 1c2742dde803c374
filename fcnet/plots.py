"""Results as figures. The only file that imports matplotlib, and without pyplot: no window, no global state."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np

from fcnet.analysis.profiles import Profile
from fcnet.files import write_with
from fcnet.metrics import SCORE_TITLES

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
# Beyond this many classes a confusion matrix shows colours only, and names only every few classes.
MOST_NUMBERS = 20


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


@styled
def curves(
    train_loss: np.ndarray,
    validation_loss: np.ndarray,
    validation_score: np.ndarray,
    *,
    score_name: str,
    loss_label: str,
    best_epoch: int,
    title: str,
    path: Path,
) -> None:
    """Loss and validation score per epoch, with the epoch whose parameters were kept.

    Args:
        train_loss: (epochs,) and likewise the others; NaN where there was no validation.
        score_name: "accuracy" or "r2".
        loss_label: of the loss axis, with its unit.
        best_epoch: counted from 1; 0 where there is none.
    """
    has_validation = bool(np.isfinite(validation_loss).any())
    drawn, axes = figure(11 if has_validation else 6, 4.2, 2 if has_validation else 1)
    epochs = np.arange(1, len(train_loss) + 1)
    marker = "o" if len(epochs) < 3 else None
    axes[0].plot(epochs, train_loss, color=BLUE, marker=marker, label="training, mean of the epoch")
    if has_validation:
        axes[0].plot(epochs, validation_loss, color=ORANGE, linestyle="--", marker=marker, label="validation")
        percent = 100 if score_name == "accuracy" else 1
        axes[1].plot(
            epochs, percent * validation_score, color=ORANGE, linestyle="--", marker=marker, label="validation"
        )
        axes[1].set_title(f"Validation {SCORE_TITLES[score_name]}")
        axes[1].set_ylabel(SCORE_TITLES[score_name] + (" (%)" if score_name == "accuracy" else ""))
    positive = train_loss[np.isfinite(train_loss)]
    if len(positive) and (positive > 0).all() and positive.max() > 20 * positive.min():
        axes[0].set_yscale("log")
    axes[0].set_title("Loss")
    axes[0].set_ylabel(loss_label)
    for panel in axes:
        panel.set_xlabel("epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
        if has_validation and best_epoch:
            panel.axvline(best_epoch, color=GREY, linestyle=":", label=f"kept: epoch {best_epoch}")
        panel.legend()
    drawn.suptitle(title, fontsize=14)
    save(drawn, path)


@styled
def confusion(predicted: np.ndarray, true: np.ndarray, classes: tuple[str, ...], *, title: str, path: Path) -> None:
    """True class by predicted class: counts as numbers, the share of each true class as colour.

    Args:
        predicted: (rows,) class indices, and ``true`` likewise.
        classes: their names.
    """
    size = len(classes)
    counts = np.zeros((size, size), int)
    np.add.at(counts, (true, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(2.5 + 0.5 * size, 5, 12))
    drawn, (panel,) = figure(side + 1, side)
    image = panel.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    panel.grid(visible=False)
    every = -(-size // MOST_NUMBERS)
    longest = max(len(name) for name in classes)
    panel.set_xticks(range(0, size, every), classes[::every], rotation=90 if longest > 3 else 0)
    panel.set_yticks(range(0, size, every), classes[::every])
    panel.set_xlabel("predicted class")
    panel.set_ylabel("true class")
    if size <= MOST_NUMBERS:
        for row, column in np.argwhere(counts):
            ink = "white" if shares[row, column] > 0.6 else "black"
            panel.text(column, row, str(counts[row, column]), ha="center", va="center", color=ink, fontsize=10)
    drawn.colorbar(image, ax=panel, label="share of the true class (%)", shrink=0.8)
    panel.set_title(title)
    save(drawn, path)


@styled
def predicted_against_true(predicted: np.ndarray, true: np.ndarray, *, target: str, title: str, path: Path) -> None:
    """Each row as a point, in the target's own units, with the line on which predictions are right.

    Args:
        predicted: (rows,), and ``true`` likewise.
        target: what is predicted, for the axes.
    """
    drawn, (panel,) = figure(6.2, 6)
    ends = [min(predicted.min(), true.min()), max(predicted.max(), true.max())]
    panel.plot(ends, ends, color=GREY, linestyle=":", label="prediction = truth")
    size = float(np.clip(4000 / len(true), 5, 36))
    panel.scatter(true, predicted, s=size, alpha=0.6, color=BLUE, edgecolors="none", label=f"{len(true):,} rows")
    panel.set_aspect("equal", adjustable="datalim")
    panel.set_xlabel(f"true {target}")
    panel.set_ylabel(f"predicted {target}")
    panel.legend(loc="upper left", markerscale=6 / size**0.5)
    panel.set_title(title)
    save(drawn, path)


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


# Entries of a tensor that share a cell of the picture, so that a single wrong entry of a big matrix is seen.
MOST_CELLS = 200


@styled
def error_map(errors: Mapping[str, np.ndarray], verdicts: Mapping[str, str], *, title: str, path: Path) -> None:
    """The error of every entry of every gradient: white where it is right, grey where it was not examined.

    Args:
        errors: tensor ↦ (found − expected) / the tensor's largest |expected|, NaN where unexamined, any shape; vectors
            are drawn as one row, and of what has more dimensions the last are laid side by side.
        verdicts: tensor ↦ "right", "wrong", …
    """
    cells = {name: _coarse(np.atleast_1d(error)) for name, error in errors.items()}
    largest = max((float(np.abs(cell[np.isfinite(cell)]).max(initial=0.0)) for cell in cells.values()), default=0.0)
    # below a thousandth nothing but rounding is there to be seen
    limit = float(np.clip(largest, 1e-3, 2.0))
    columns = min(4, len(cells))
    rows = -(-len(cells) // columns)
    drawn, panels = figure(3.4 * columns + 1.6, 2.7 * rows + 0.9, columns, rows)
    image = None
    for panel, (name, cell) in zip(panels, cells.items(), strict=False):
        panel.set_facecolor("#BBBBBB")
        image = panel.imshow(
            np.ma.masked_where(np.isnan(cell), np.clip(cell, -2 * limit, 2 * limit)),
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            aspect="auto",
            interpolation="nearest",
        )
        panel.grid(visible=False)
        ink = {"wrong": ORANGE, "right": GREEN}.get(verdicts.get(name, ""), GREY)
        # a dollar in someone's name would start a formula
        said = f"{name}: {verdicts.get(name, 'unexamined')}".replace("$", r"\$")
        panel.set_title(said, fontsize=11, color=ink)
        shape = errors[name].shape
        panel.set_xlabel(f"column ({shape[-1] if shape else 1})", fontsize=10)
        panel.set_ylabel(f"row ({shape[0] if len(shape) > 1 else 1})", fontsize=10)
        panel.set_xticks([])
        panel.set_yticks([])
    for panel in panels[len(cells) :]:
        panel.set_visible(False)
    drawn.colorbar(image, ax=panels, label="(found − expected) / largest |expected|", shrink=0.9, extend="both")
    drawn.suptitle(title.replace("$", r"\$"), fontsize=14)
    save(drawn, path)


def _coarse(error: np.ndarray) -> np.ndarray:
    """A matrix of at most ``MOST_CELLS`` a side; each cell has the entry that is furthest off, NaN if none is known."""
    matrix = error.reshape(error.shape[0] if error.ndim > 1 else 1, -1)
    blocks = [-(-size // MOST_CELLS) for size in matrix.shape]
    filled = [(0, -size % block) for size, block in zip(matrix.shape, blocks, strict=True)]
    padded = np.pad(matrix, filled, constant_values=np.nan)
    height, width = (size // block for size, block in zip(padded.shape, blocks, strict=True))
    parts = padded.reshape(height, blocks[0], width, blocks[1]).swapaxes(1, 2).reshape(height, width, -1)
    # infinity is a find, unlike NaN, which was not looked at
    sizes = np.where(np.isnan(parts), -1.0, np.abs(parts))
    return np.take_along_axis(parts, sizes.argmax(axis=-1)[..., None], axis=-1)[..., 0]
