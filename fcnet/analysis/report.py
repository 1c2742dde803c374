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
from fcnet.data import Rows
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
    """Evaluate a network on every part; the statistics are in float64 whatever the network's dtype."""
    answer = answerer(spec)
    reports = {}
    for name, rows in parts.items():
        outputs, losses = (np.asarray(array, np.float64) for array in answer(params, state, rows.x, rows.y))
        if get_loss(spec.loss).task == CLASSIFICATION:
            labels = rows.y if rows.y.ndim == 1 else rows.y.argmax(axis=1)
            score = intervals.share(int((outputs.argmax(axis=1) == labels).sum()), len(labels))
        else:
            score = intervals.r2(outputs, np.asarray(rows.y, np.float64))
        reports[name] = PartReport(len(rows.y), intervals.mean(losses), score, outputs)
    return reports
