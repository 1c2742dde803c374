"""Checks of gradients against an oracle: which tensor differs, by how much, and which mistake explains it.

``check`` examines anyone's function of (params, *batch); ``compare`` sets two trees of gradients side by side.
Reading order: ``record`` (the types), ``examination`` (whether it is right), ``diagnosis`` (why it is not), ``check``
(both); ``layers``, ``files``, ``sandbox`` and ``exercise`` (layers alone, someone's file, in a process of its own, for
points); ``own`` (fcnet's own backward pass).
"""

from fcnet.gradcheck.check import check
from fcnet.gradcheck.compare import Comparison, TensorComparison, compare, compare_manual_with_autodiff, tolerance
from fcnet.gradcheck.diagnosis.mistakes import MISTAKES, Mistake
from fcnet.gradcheck.layers import check_layer
from fcnet.gradcheck.plain import as_json
from fcnet.gradcheck.record import (
    Cause,
    Claims,
    Estimate,
    Evidence,
    LossAndGrads,
    Problem,
    Report,
    TensorReport,
    Tensors,
    WorstEntry,
)

__all__ = [
    "MISTAKES",
    "Cause",
    "Claims",
    "Comparison",
    "Estimate",
    "Evidence",
    "LossAndGrads",
    "Mistake",
    "Problem",
    "Report",
    "TensorComparison",
    "TensorReport",
    "Tensors",
    "WorstEntry",
    "as_json",
    "check",
    "check_layer",
    "compare",
    "compare_manual_with_autodiff",
    "tolerance",
]
