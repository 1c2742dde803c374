"""Gradients that depend on what was asked before: kept from an earlier call, or added up over calls."""

import numpy as np

from fcnet.gradcheck.diagnosis.factors import Finding
from fcnet.gradcheck.record import SEED, Evidence, Tensors

# How far the parameters are moved, on the scale of each tensor: enough that every gradient changes.
MOVE = 0.3


def _moved(params: Tensors) -> dict[str, np.ndarray]:
    random = np.random.default_rng((SEED, 1))
    moved = {}
    for name, value in params.items():
        size = float(np.sqrt(np.mean(np.square(value)))) if value.size else 0.0
        moved[name] = value + MOVE * (size or 1.0) * random.standard_normal(value.shape)
    return moved


def stale(evidence: Evidence) -> dict[str, Finding]:
    """{tensor: why} of the wrong tensors whose gradient belongs to an earlier call, or to all calls together.

    The function is asked elsewhere, then twice at the parameters given: what differs between these two remembers. So
    does what is the same here and elsewhere, to the last bit and not 0.
    """
    copied = ({name: value.copy() for name, value in evidence.params.items()} for _ in range(2))
    try:
        elsewhere, first, second = (evidence.function(point)[1] for point in (_moved(evidence.params), *copied))
    except Exception:  # someone else's code may raise anything away from the parameters it was made for
        return {}
    found = {}
    for name in evidence.wrong:
        there, one, two = (np.asarray(grads[name]) for grads in (elsewhere, first, second))
        size = float(np.linalg.norm(two))
        if there.shape != one.shape or size == 0 or not np.all(np.isfinite(two)):
            continue
        apart = float(np.linalg.norm(one - two)) / size
        # far above any reordering of sums
        if apart > 1e-6:
            detail = f"two calls at the same parameters differ by {apart:.2g} in {name}"
            found[name] = Finding("stale", detail)
        elif np.array_equal(there, one):
            detail = f"{name} has the same gradient at other parameters, to the last bit"
            found[name] = Finding("stale", detail)
    return found
