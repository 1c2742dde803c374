"""What the parts of the gradient doctor hand each other. Nothing here computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

# Of all that the doctor draws: no author's example has it, so that nothing random agrees by being the same numbers.
SEED = 9176431
# {"layer_1/kernel": array, …}: the leaves of someone's parameter tree by their path, in its order, as NumPy arrays.
Tensors = Mapping[str, np.ndarray]
# (params, *batch) ↦ (loss, gradients): someone's code, in NumPy, JAX or PyTorch, on trees of its own arrays.
LossAndGrads = Callable[..., tuple[Any, Any]]
Verdict = Literal["right", "wrong", "kink", "undecided"]


@dataclass(frozen=True)
class Claims:
    """What its author says of a network, in the catalogue's names; None is for the doctor to find out.

    ``activation``: of the hidden layers, first to last. ``loss``, ``reduction``, ``label_smoothing``, ``l1``, ``l2``:
    see ``ObjectiveSpec`` and ``HParams``. ``norm``: of the hidden layers. ``dropout``: p, where masks are in the batch.
    """

    activation: str | tuple[str, ...] | None = None
    loss: str | None = None
    reduction: str | None = None
    label_smoothing: float | None = None
    l1: float | None = None
    l2: float | None = None
    norm: str | tuple[str, ...] | None = None
    dropout: float | None = None


@dataclass(frozen=True)
class Estimate:
    """What an oracle says of one tensor, all arrays of the tensor's shape.

    ``value``: the derivative, float64, NaN where it was not asked. ``error``: how far off it may be, ≥ 0.
    ``kinks``: True where the loss is not differentiable along that entry, and so nothing can be right or wrong.
    ``source``: "autodiff", "complex step" or "central differences".
    """

    value: np.ndarray
    error: np.ndarray
    kinks: np.ndarray
    source: str


@dataclass(frozen=True)
class Evidence:
    """All that a diagnosis starts from, in float64 NumPy (labels stay integers).

    ``batch``: (x, y, *more) as the function takes it. ``gradients``: what the function says.
    ``reference``: what the oracles say. ``wrong``: the tensors that differ, in the order of ``params``.
    ``tolerance``: {name: the relative difference that rounding and the oracle's own error explain}.
    ``function``: the function itself, at any parameters of that shape: name ↦ array in, loss and name ↦ array out.
    """

    params: Tensors
    batch: tuple[Any, ...]
    gradients: Tensors
    reference: Mapping[str, Estimate]
    wrong: tuple[str, ...]
    tolerance: Mapping[str, float]
    function: Callable[[Tensors], tuple[float, Tensors]]
    claims: Claims = Claims()


@dataclass(frozen=True)
class Cause:
    """One explanation of what was found.

    ``mistake``: its name in ``mistakes.MISTAKES``. ``tensors``: those it explains. ``where``: the layer or function it
    was made in, in the author's own names. ``explanation``: one sentence with the numbers that speak for it.
    ``derivation``: the line that should have been followed.
    """

    mistake: str
    tensors: tuple[str, ...]
    where: str
    explanation: str
    derivation: str


@dataclass(frozen=True)
class Problem:
    """A function that does not do what any gradient function must, before its numbers are looked at.

    ``kind``: "raises", "loops", "nondeterministic", "mutates", "prints", "shape", "missing", "extra", "not_finite",
        "aliased", "not_gradients", "dtype" or "unfinished". ``message``: one line: what, where, what to do.
    ``fatal``: whether nothing can be said of the gradients because of it.
    """

    kind: str
    message: str
    fatal: bool = True


@dataclass(frozen=True)
class WorstEntry:
    """The entry of a tensor that is furthest off on the tensor's own scale."""

    index: tuple[int, ...]
    found: float
    expected: float


@dataclass(frozen=True)
class TensorReport:
    """One tensor's examination.

    ``relative_error``: ‖g − r‖ / max(‖g‖, ‖r‖) over the entries that were checked and are no kinks.
    ``cosine``: of the angle between g and r. ``norm_ratio``: ‖g‖ / ‖r‖. Both None where a norm is 0.
    ``tolerance``: what rounding and the oracle's error explain. ``checked``, ``kinks``: how many entries.
    """

    name: str
    shape: tuple[int, ...]
    verdict: Verdict
    relative_error: float | None
    tolerance: float
    cosine: float | None
    norm_ratio: float | None
    worst: WorstEntry | None
    checked: int
    kinks: int
    source: str


@dataclass(frozen=True)
class Report:
    """The whole examination.

    ``errors``: {name: (g − r) / the largest |r| of the tensor, NaN where unchecked}, for a figure.
    """

    problems: tuple[Problem, ...]
    tensors: tuple[TensorReport, ...]
    causes: tuple[Cause, ...]
    loss: float | None
    dtype: str
    library: str
    errors: Tensors
    remarks: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether every tensor was examined and found right, or at a kink, and the function does all it must.

        What it prints is told, but harms no gradient.
        """
        harmless = all(problem.kind == "prints" for problem in self.problems)
        return harmless and all(tensor.verdict in ("right", "kink") for tensor in self.tensors)
