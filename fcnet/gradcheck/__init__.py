"""Checks of gradients against an oracle: which tensor differs, and by how much."""

from fcnet.gradcheck.compare import Comparison, TensorComparison, compare, compare_manual_with_autodiff, tolerance

__all__ = ["Comparison", "TensorComparison", "compare", "compare_manual_with_autodiff", "tolerance"]
