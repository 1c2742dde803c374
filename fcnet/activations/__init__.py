"""Activations: each a record of the function, its derivation by hand, its formula and its kinks.

Reading order: ``record`` (what an activation is), ``smooth`` and ``piecewise`` (elementwise), ``rowwise`` (units
meet), ``learned`` (with parameters of their own).
"""

from functools import cache

from fcnet.activations.learned import LEARNED
from fcnet.activations.piecewise import PIECEWISE
from fcnet.activations.record import Activation
from fcnet.activations.rowwise import ROWWISE
from fcnet.activations.smooth import SMOOTH
from fcnet.catalogue import choose, filled

__all__ = ["ACTIVATIONS", "Activation", "get"]

ACTIVATIONS: dict[str, Activation] = SMOOTH | PIECEWISE | ROWWISE | LEARNED


@cache
def get(text: str) -> Activation:
    """The activation that ``text`` names, its options filled in: "relu", "leaky_relu:slope=0.2".

    Raises:
        InputError: no such activation, option or value; the nearest ones are listed.
    """
    record, options = choose("activation", text, ACTIVATIONS)
    return filled(record, options, "function", "by_hand", "local", "kinks", "pieces", "learned", "draw")
