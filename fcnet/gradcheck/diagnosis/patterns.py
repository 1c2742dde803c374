"""What a wrong gradient looks like beside the right one, tensor by tensor, with no knowledge of the network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fcnet.gradcheck.diagnosis.factors import LOOSEST, Finding, factor_between, named
from fcnet.gradcheck.diagnosis.structure import is_vector

# Entries are as they should be when this near, on the scale of the tensor's largest.
SAME_ENTRY = 1e-6
# "Single" entries: at most so many, and at most this share.
FEW, SHARE = 3, 0.1


@dataclass(frozen=True)
class Compared:
    """One tensor in its author's orientation; ``expected`` is NaN where it is not known.

    ``summed``: whether it is a bias or the like. ``units_first``: whether units are its first axis, None if unknown.
    ``strengths``: (l1, l2) of the penalty that the loss has on this tensor, None if unknown.
    """

    name: str
    value: np.ndarray
    found: np.ndarray
    expected: np.ndarray
    tolerance: float
    summed: bool
    units_first: bool | None = None
    strengths: tuple[float, float] | None = None

    @property
    def known(self) -> np.ndarray:
        """Where ``expected`` is."""
        return np.isfinite(self.expected)


def looks_summed(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor is a bias or the like, by its shape and name."""
    return bool(is_vector(name, shape))


def _close(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    size = max(float(np.linalg.norm(one)), float(np.linalg.norm(other)))
    return float(np.linalg.norm(one - other)) <= tolerance * size


def _missing(tensor: Compared) -> Iterator[Finding]:
    if not np.any(tensor.found):
        scale = float(np.max(np.abs(tensor.expected[tensor.known]), initial=0.0))
        yield Finding("missing", f"every entry of {tensor.name} is 0, entries of up to {scale:.3g} are expected")


def _factor(tensor: Compared, rows: int, outputs: int) -> Iterator[Finding]:
    known = tensor.known
    found, expected = tensor.found[known], tensor.expected[known]
    c = factor_between(found, expected, tensor.tolerance)
    if c is not None:
        yield from named(c, rows, outputs, summed=tensor.summed)
    elif found.size == 1 and expected[0] != 0 and found[0] != 0:
        # a single number is always a multiple: only telling ones count
        yield from (
            one for one in named(float(found[0] / expected[0]), rows, outputs, summed=True) if one.mistake != "factor"
        )


def _turned(tensor: Compared) -> Iterator[Finding]:
    if tensor.found.ndim != 2 or 1 in tensor.found.shape:
        return
    shape = tensor.found.shape
    variants = [(tensor.found.T.reshape(shape), "reshaped from its transpose")]
    if shape[0] == shape[1]:
        variants = [(tensor.found.T, "the transpose of what is expected")]
    # found.T reshaped undoes only a square's transpose; of others it is expected.T that was reshaped
    else:
        variants = [(tensor.found.reshape(shape[::-1]).T, "reshaped instead of transposed")]
    for candidate, words in variants:
        if _close(candidate[tensor.known], tensor.expected[tensor.known], tensor.tolerance):
            yield Finding("transposed", f"{tensor.name} is {words}")


def _penalty(tensor: Compared) -> Iterator[Finding]:
    """found − expected = c θ, or c sign(θ): what is there of a penalty's gradient, too much or too little."""
    known = tensor.known
    off = tensor.found[known] - tensor.expected[known]
    value = tensor.value[known]
    if off.size < 2:
        return
    if tensor.strengths is not None and all(tensor.strengths):
        l1, l2 = tensor.strengths
        both = l1 * np.sign(value) + l2 * value
        c = float(np.vdot(both, off)) / float(np.vdot(both, both))
        if _close(off, c * both, min(1e3 * tensor.tolerance, LOOSEST)):
            yield _of_strength(1 + c, f"found − expected is {c:.4g} × the penalty's own gradient in {tensor.name}")
            return
    for place, (direction, words) in enumerate(((np.sign(value), "sign(θ)"), (value, "θ"))):
        size = float(np.vdot(direction, direction))
        c = float(np.vdot(direction, off)) / size if size else 0.0
        if c == 0 or not _close(off, c * direction, min(1e3 * tensor.tolerance, LOOSEST)):
            continue
        said = f"found − expected is {c:.4g} {words} in every entry of {tensor.name}"
        strength = None if tensor.strengths is None else tensor.strengths[place]
        if tensor.summed:
            yield Finding("penalty_on_biases", said)
        elif strength is None:
            names = ("penalty_missing", "penalty_halved") if c < 0 else ("penalty_doubled",)
            yield from (Finding(name, said) for name in names)
        elif strength == 0:
            yield Finding("penalty_not_in_loss", f"{said}, and the loss has no such penalty")
        else:
            yield _of_strength(1 + c / strength, said)
        return


def _of_strength(times: float, said: str) -> Finding:
    """A penalty's gradient that is there ``times`` times."""
    near = {0.0: "penalty_missing", 2.0: "penalty_doubled", 0.5: "penalty_halved"}
    mistake = next((name for k, name in near.items() if abs(times - k) < 1e-4), "penalty_factor")
    shown = 0.0 if abs(times) < 1e-6 else times
    return Finding(mistake, f"{said}: the penalty's gradient is there {shown:.4g} times")


def _clipped(tensor: Compared) -> Iterator[Finding]:
    largest = float(np.max(np.abs(tensor.found), initial=0.0))
    expected, found = tensor.expected[tensor.known], tensor.found[tensor.known]
    wrong = np.abs(found - expected) > SAME_ENTRY * np.max(np.abs(expected), initial=0.0)
    at_limit = np.abs(np.abs(found) - largest) <= 1e-12 * largest
    if np.count_nonzero(wrong) > 1 and np.all(at_limit[wrong] & (np.abs(expected[wrong]) > largest)):
        yield Finding("clipped", f"entries of {tensor.name} stop at ±{largest:.4g}")


def _places(tensor: Compared) -> Iterator[Finding]:
    """One column, one row, or single entries."""
    scale = float(np.max(np.abs(tensor.expected[tensor.known]), initial=0.0))
    off = np.where(tensor.known, np.abs(tensor.found - np.where(tensor.known, tensor.expected, 0)), 0)
    wrong = off > max(SAME_ENTRY, tensor.tolerance) * scale
    count, size = int(np.count_nonzero(wrong)), int(np.count_nonzero(tensor.known))
    if count == 0 or count == size:
        return
    if wrong.ndim == 2 and count > 1:
        for axis in (1, 0) if not tensor.units_first else (0, 1):
            lines = np.flatnonzero(wrong.any(axis=1 - axis))
            if lines.size == 1 and wrong.shape[axis] > 1 and not tensor.summed:
                word = "column" if axis else "row"
                of_units = tensor.units_first is None or axis == (0 if tensor.units_first else 1)
                detail = f"only {word} {lines[0]} (counted from 0) of {tensor.name} is wrong"
                yield Finding("one_class" if of_units else "one_entry", detail)
                return
    few = count <= max(FEW, SHARE * size) and count < size / 2
    diagonal = wrong.ndim == 2 and bool(np.all(wrong == (np.eye(*wrong.shape) > 0)))
    if few or diagonal or count == 1:
        index = ", ".join(map(str, np.argwhere(wrong)[0]))
        detail = f"{count} of {size} entries of {tensor.name} are wrong, the first at [{index}]"
        yield Finding("one_entry", detail)
        if wrong.size == max(wrong.shape, default=0) and count == 1:
            yield Finding("one_class", detail)


def of_tensor(tensor: Compared, rows: int, outputs: int) -> tuple[Finding, ...]:
    """Everything that one tensor alone shows, the more specific first; () where nothing fits."""
    if not np.all(np.isfinite(tensor.found)) or not np.any(tensor.known):
        return ()
    found = tuple(_missing(tensor))
    if found:
        return found
    for look in (lambda one: _factor(one, rows, outputs), _turned, _penalty, _clipped, _places):
        found = tuple(look(tensor))
        if found:
            return found
    return ()


def exchanged(tensors: Mapping[str, Compared]) -> Iterator[tuple[tuple[str, ...], Finding]]:
    """Tensors that have another's gradient: pairs, or one alone."""
    done: set[str] = set()
    for name, one in tensors.items():
        for other, there in tensors.items():
            if other == name or name in done or one.found.size != there.expected.size:
                continue
            if not _same_entries(one.found, there) or not np.any(one.found):
                continue
            both = _same_entries(there.found, one)
            names = (name, other) if both else (name,)
            done.update(names)
            detail = f"{name} and {other} are exchanged" if both else f"{name} has the gradient of {other}"
            yield names, Finding("swapped", detail)


def _same_entries(found: np.ndarray, there: Compared) -> bool:
    if found.size == 1:
        return False
    known = there.known.ravel()
    if not known.any():
        return False
    return _close(found.ravel()[known], there.expected.ravel()[known], there.tolerance) or (
        found.ndim == 2
        and found.shape == there.expected.shape[::-1]
        and _close(found.T.ravel()[known], there.expected.ravel()[known], there.tolerance)
    )
