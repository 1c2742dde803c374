"""A gradient that is a constant times what it should be: which constant of the problem that is."""

from dataclasses import dataclass

import numpy as np

# Constants are solved for from thousands of digits that agree; this leaves room for float32's.
SAME = 1e-5
# However unsure the oracle: a fit that leaves more than this explains nothing.
LOOSEST = 1e-2


@dataclass(frozen=True)
class Finding:
    """A mistake and the numbers that speak for it."""

    mistake: str
    detail: str


def same(one: float, other: float) -> bool:
    """Whether two factors are equal but for rounding."""
    return abs(one - other) <= SAME * abs(other)


def factor_between(found: np.ndarray, expected: np.ndarray, tolerance: float) -> float | None:
    """c where found = c · expected, entry by entry; None where there is no such c, or c is 1 or 0."""
    size = float(np.vdot(expected, expected))
    if size == 0:
        return None
    c = float(np.vdot(expected, found)) / size
    misses = float(np.linalg.norm(found - c * expected))
    fits = misses <= min(tolerance, LOOSEST) * float(np.linalg.norm(found)) and found.size > 1
    return c if fits and not same(c, 1.0) and c != 0 else None


def named(c: float, rows: int, outputs: int, *, summed: bool) -> tuple[Finding, ...]:
    """What a factor may come from, likeliest first.

    Args:
        c: found / expected, not 1.
        rows, outputs: of the batch. summed: whether the tensor is a bias or the like, a plain sum over the rows.
    """
    times = f"found {c:.6g} × the expected gradient in every entry"
    size = abs(c)
    turned = (Finding("sign", times),) if c < 0 else ()
    if same(size, 1.0):
        return turned
    known: list[tuple[float, str, str]] = []
    if rows > 1:
        if summed:
            known.append((1 / rows, "bias_averaged", f"the batch has {rows} rows"))
        known += [
            (float(rows), "missing_mean", f"the batch has {rows} rows"),
            (1 / rows, "extra_mean", f"the batch has {rows} rows"),
        ]
        if not summed:
            known.append((float(rows), "wrong_reduction", f"a sum over {rows} rows"))
    known += [(2.0, "doubled", "a factor 2"), (0.5, "halved", "a factor ½")]
    if outputs > 1:
        known += [
            (float(rows * outputs), "wrong_reduction", f"{rows} rows × {outputs} outputs"),
            (1 / (rows * outputs), "wrong_reduction", f"{rows} rows × {outputs} outputs"),
            (float(outputs), "wrong_reduction", f"there are {outputs} outputs"),
            (1 / outputs, "wrong_reduction", f"there are {outputs} outputs"),
        ]
    if rows > 2:
        known += [
            (rows / (rows - 1), "wrong_reduction", f"{rows} rows divided by {rows - 1}"),
            (float(rows) ** 2, "missing_mean", f"{rows} rows, squared"),
            (1 / float(rows) ** 2, "extra_mean", f"{rows} rows, squared"),
        ]
    fits = [Finding(mistake, f"{times}: {why}") for value, mistake, why in known if same(size, value)]
    if not fits:
        for value, mistake, why in known:
            for other, second, also in known:
                if {second} <= {"doubled", "halved"} and mistake != second and same(size, value * other):
                    fits += [Finding(mistake, f"{times}: {why}"), Finding(second, f"{times}: {also}")]
    return (*turned, *(fits or (() if turned and same(size, 1.0) else (Finding("factor", times),))))
