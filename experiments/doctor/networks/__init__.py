"""Correct networks with their backward passes, written as anyone would, without fcnet.

Each file has ``example(random) -> (params, x, y, *more)`` and ``loss_and_grads(params, x, y, *more) -> (loss, grads)``.
"""
