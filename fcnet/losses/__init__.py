"""Losses, unreduced: each a record of the function, its derivation by hand, its formula and its kinks.

Reading order: ``record`` (what a loss is); ``regression`` and ``likelihoods`` (of numbers); ``targets``,
``classification`` and ``probabilities`` (of classes); ``margins``, ``embeddings``, ``distances``, ``triplets``,
``alignments`` and ``ctc`` (that rank, compare or align); ``checks``.
"""

from dataclasses import replace
from functools import cache

from fcnet.catalogue import choose, filled
from fcnet.losses.checks import check_class_weights, check_outputs, check_targets
from fcnet.losses.classification import CROSS_ENTROPIES
from fcnet.losses.ctc import CTC
from fcnet.losses.embeddings import EMBEDDINGS
from fcnet.losses.likelihoods import LIKELIHOODS
from fcnet.losses.margins import MARGINS
from fcnet.losses.probabilities import OF_PROBABILITIES
from fcnet.losses.record import Loss
from fcnet.losses.regression import ERRORS
from fcnet.losses.targets import entropy, probability_targets, smoothed
from fcnet.losses.triplets import TRIPLETS, triplet_margin_with_distance

__all__ = [
    "LOSSES",
    "Loss",
    "check_class_weights",
    "check_outputs",
    "check_targets",
    "entropy",
    "get",
    "probability_targets",
    "smoothed",
    "triplet_margin_with_distance",
]

LOSSES: dict[str, Loss] = (
    ERRORS | LIKELIHOODS | CROSS_ENTROPIES | OF_PROBABILITIES | MARGINS | EMBEDDINGS | TRIPLETS | CTC
)


@cache
def get(text: str) -> Loss:
    """The loss that ``text`` names, its options filled in: "mse", "huber:delta=2".

    Raises:
        InputError: no such loss, option or value; the nearest ones are listed.
    """
    record, options = choose("loss", text, LOSSES)
    loss = filled(record, options, "function", "by_hand", "predict", "of_inputs", "of_inputs_by_hand")
    return replace(loss, outputs=record.outputs(**options)) if callable(record.outputs) else loss
