"""What training was like, and how the network's answers compare with the truth."""

from pathlib import Path

import numpy as np

from fcnet.metrics import SCORE_TITLES
from fcnet.plots.style import BLUE, GREY, ORANGE, figure, save, styled

# Beyond this many classes a confusion matrix shows colours only, and names only every few classes.
MOST_NUMBERS = 20


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
