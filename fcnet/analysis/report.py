"""How a network does on each part of its data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from fcnet import metrics
from fcnet.analysis import intervals
from fcnet.analysis.intervals import Interval
from fcnet.contracts import CLASSIFICATION, ModelState, Params
from fcnet.data import Rows, mapped
from fcnet.losses import get as get_loss
from fcnet.objective import ObjectiveSpec

__all__ = ["Interval", "PartReport", "report"]


@dataclass(frozen=True)
class PartReport:
    """One part: rows, mean loss and score (accuracy or R²) with their 95 % intervals.

    ``outputs``: (rows, classes) what the network gave, or (rows, k) the numbers it predicts.
    """

    rows: int
    loss: Interval
    score: Interval
    outputs: np.ndarray

    def summary(self) -> dict[str, Any]:
        """Rows, loss and score as plain numbers for JSON; ends that cannot be given are None."""

        def plain(interval: Interval) -> dict[str, float | None]:
            return {name: value if np.isfinite(value) else None for name, value in interval._asdict().items()}

        return {"rows": self.rows, "loss": plain(self.loss), "score": plain(self.score)}


def answerer(spec: ObjectiveSpec) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """A compiled (params, state, x, y) ↦ (outputs or predicted numbers, loss of each row)."""
    loss = get_loss(spec.loss)

    @jax.jit
    def answer(params: Params, state: ModelState, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs = metrics.outputs_of(spec, params, state, x)
        losses = metrics.per_example_loss(spec, outputs, y)
        return outputs if loss.task == CLASSIFICATION else loss.predict(outputs), losses

    return answer


def report(spec: ObjectiveSpec, params: Params, state: ModelState, parts: dict[str, Rows]) -> dict[str, PartReport]:
    """Evaluate a network on every part, large ones piece by piece; the statistics are in float64 whatever its dtype."""
    answer = answerer(spec)
    reports = {}
    for name, rows in parts.items():
        answers = [
            [np.asarray(array) for array in answer(params, state, x, rows.y[start : start + len(x)])]
            for start, x in mapped.pieces(rows.x)
        ]
        outputs, losses = (np.concatenate(column) for column in zip(*answers, strict=True))
        if get_loss(spec.loss).task == CLASSIFICATION:
            labels = rows.y if rows.y.ndim == 1 else rows.y.argmax(axis=1)
            score = intervals.share(int((outputs.argmax(axis=1) == labels).sum()), len(labels))
        else:
            score = intervals.r2(outputs.astype(np.float64), rows.y.astype(np.float64))
        reports[name] = PartReport(len(rows.y), intervals.mean(losses.astype(np.float64)), score, outputs)
    return reports
