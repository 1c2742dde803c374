"""Backpropagation by hand: the same ``GradFn`` as autodiff gives, derived layer by layer.

Reading order: ``forward`` (the network with a cache), ``backward`` (the chain rule through that cache),
``gradients`` (both, with loss and penalties, as a ``GradFn``). No autodiff and no Flax anywhere in this room.
"""

from fcnet.backprop.gradients import manual

__all__ = ["manual"]
