"""Backpropagation by hand: the same ``GradFn`` as autodiff gives, derived layer by layer.

Reading order: ``forward`` (the network with a cache), ``backward`` (the chain rule through that cache), ``gradients``
(both, with loss and penalties, as a ``GradFn``), ``engines`` (the same lines on NumPy and PyTorch inside a run); then
``per_example``, and ``second_order`` with the arithmetic of ``duals``. No autodiff and no Flax anywhere in this room.
"""

from fcnet.backprop.engines import Engine, manual_on
from fcnet.backprop.gradients import Point, by_hand, input_gradient, manual, passed, quiet
from fcnet.backprop.per_example import per_example
from fcnet.backprop.second_order import gauss_newton_vector, hessian_vector

__all__ = [
    "Engine",
    "Point",
    "by_hand",
    "gauss_newton_vector",
    "hessian_vector",
    "input_gradient",
    "manual",
    "manual_on",
    "passed",
    "per_example",
    "quiet",
]
