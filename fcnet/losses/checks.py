"""What must hold of targets, outputs and class weights before a loss sees them; on the host, in NumPy."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from fcnet.errors import require
from fcnet.losses.record import Loss

# Each row's sum of k numbers is off by about k roundings; some slack for how they were computed.
_ROUNDINGS = 8


def check_targets(loss: Loss, targets: Any, what: str) -> None:
    """Targets (batch, k) as ``loss.targets`` wants them; bfloat16 and float32 rows may miss a sum of 1 by rounding.

    Args:
        what: where they come from, for the message ("the training part").

    Raises:
        InputError: naming the first row (counted from 1) and what is wrong with it.
    """
    values, slack = _rows(targets, what, "targets")
    _refuse(~np.isfinite(values), values, f"{what}: the target is not a finite number")
    needs = f"{loss.name} needs {_MEANING[loss.targets]}"
    if loss.targets in ("probabilities", "memberships", "one_hot"):
        _refuse((values < -slack) | (values > 1 + slack), values, f"{what}: {needs}")
    if loss.targets == "counts":
        _refuse(values < 0, values, f"{what}: {needs}")
    if loss.targets == "one_hot":
        _refuse((values != 0) & (values != 1), values, f"{what}: {needs}")
    if loss.targets in ("probabilities", "one_hot"):
        _refuse_sums(values, slack, f"{what}: {needs}")


def check_outputs(loss: Loss, outputs: Any, what: str) -> None:
    """Outputs (batch, k′) as ``loss.outputs`` wants them: numbers, and for some losses (log-)probabilities.

    Raises:
        InputError: naming the first row (counted from 1) and what is wrong with it.
    """
    values, slack = _rows(outputs, what, "outputs")
    if loss.outputs == "probabilities":
        needs = f"{what}: {loss.name} needs outputs in [0, 1], such as a sigmoid's"
        _refuse(~((values >= 0) & (values <= 1)), values, needs)
    elif loss.outputs == "log_probabilities":
        needs = f"{what}: {loss.name} needs outputs that are log-probabilities, such as a log_softmax's"
        _refuse(~(values <= slack), values, needs)
        _refuse_sums(np.exp(values), slack, needs)
    elif loss.outputs == "rates":
        _refuse(~(values > 0), values, f"{what}: {loss.name} needs outputs > 0, such as a softplus's")
    else:
        _refuse(~np.isfinite(values), values, f"{what}: the output is not a finite number")


def check_class_weights(weights: Sequence[float], classes: int) -> None:
    """One weight a class: finite, not negative, and not all 0.

    Raises:
        InputError: naming the first class (counted from 0) whose weight is not allowed.
    """
    values = np.asarray(weights, dtype=np.float64)
    require(
        values.shape == (classes,),
        f"class weights must be {classes} numbers, one for each class, got {values.size}",
    )
    bad = ~(np.isfinite(values) & (values >= 0))
    first = int(bad.argmax()) if bad.any() else 0
    require(not bad.any(), f"class weights must be finite and ≥ 0, got {values[first]:g} for class {first}")
    require(bool(values.any()), "class weights must not all be 0")


_MEANING = {
    "numbers": "finite numbers",
    "counts": "counts ≥ 0",
    "memberships": "memberships in [0, 1]",
    "probabilities": "probabilities in [0, 1] that sum to 1",
    "one_hot": "a single 1 among 0s",
}


def _rows(array: Any, what: str, name: str) -> tuple[np.ndarray, float]:
    """The array in float64, and how far rounding in its own type may carry a row's sum."""
    given = np.asarray(array)
    require(given.ndim == 2, f"{what}: {name} must have shape (rows, columns), got {given.shape}")
    slack = _ROUNDINGS * given.shape[1] * float(jnp.finfo(given.dtype).eps) if given.dtype.kind not in "biu" else 0.0
    return given.astype(np.float64), slack


def _refuse(bad: np.ndarray, values: np.ndarray, needs: str) -> None:
    if bad.any():
        row, column = np.argwhere(bad)[0]
        require(False, f"{needs}, row {row + 1} has {values[row, column]:g}")


def _refuse_sums(values: np.ndarray, slack: float, needs: str) -> None:
    sums = values.sum(axis=1)
    bad = ~(np.abs(sums - 1) <= slack)
    require(not bad.any(), f"{needs}, row {int(bad.argmax()) + 1} sums to {sums[bad.argmax()]:g}")
