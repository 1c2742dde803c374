"""Where the gradients of a network are wrong."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fcnet.plots.style import GREEN, GREY, ORANGE, figure, save, styled

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
