"""All rows of the ledger, and what comes out when fcnet computes one."""

from dataclasses import dataclass

import jax
import numpy as np

from ledger import activations, layers, losses, losses_of_inputs, optimizers
from ledger.case import TOLERANCES, Arrays, Case, error


def cases() -> list[Case]:
    """Every row, kind by kind, each with a key of its own."""
    return [*activations.cases(), *layers.cases(), *losses.cases(), *losses_of_inputs.cases(), *optimizers.cases()]


@dataclass(frozen=True)
class Row:
    """A case judged in one dtype: the error of each result, by autodiff and by hand.

    ``errors``: {"value": …, "∂z": …} by autodiff; ``by_hand``: likewise, {} where nothing is differentiated.
    """

    case: Case
    dtype: str
    errors: dict[str, float]
    by_hand: dict[str, float]

    @property
    def beyond(self) -> dict[str, float]:
        """The results that are further from PyTorch's than rounding explains."""
        found = [(name, value) for part in (self.errors, self.by_hand) for name, value in part.items()]
        return {name: value for name, value in found if not value <= TOLERANCES[self.dtype]}


def judge(case: Case, inputs: Arrays, reference: Arrays, dtype: str) -> Row:
    """Compute a case in ``dtype`` and measure its distance from the reference."""

    def errors(by_hand: bool) -> dict[str, float]:
        narrow = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in inputs.items()}
        with jax.enable_x64(dtype == "float64"):
            ours = case.ours(narrow, by_hand)
            missing = set(reference) ^ set(ours)
            if missing:
                raise ValueError(f"{case.key}: {sorted(missing)} on one side only")
            return {name: error(np.asarray(ours[name]), reference[name], mixes=case.mixes) for name in reference}

    return Row(case, dtype, errors(False), errors(True) if case.has_gradients else {})
