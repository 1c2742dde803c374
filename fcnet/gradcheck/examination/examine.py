"""The gradients of a subject against an oracle, at its parameters and beside them."""

import contextlib
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from fcnet.gradcheck.examination.answers import Reading
from fcnet.gradcheck.examination.calls import Refused
from fcnet.gradcheck.examination.oracles import Oracle, doubts, estimates, scale_of
from fcnet.gradcheck.examination.sampling import natural_sizes
from fcnet.gradcheck.examination.subject import Subject
from fcnet.gradcheck.examination.verdict import AGREEMENT, NARROW_AGREEMENT, Judged, judge
from fcnet.gradcheck.record import SEED, Problem

TOO_FEW_DIGITS = "computes in 16 bits whatever it is given, too few digits to judge: examine it in float32 or wider"


class Examined(NamedTuple):
    """The subject as it could be examined, its gradients there, verdicts, the agreement asked for, and remarks.

    ``beside``: all was right at the parameters given, and this is 1 % away from them.
    """

    subject: Subject
    reading: Reading
    judged: dict[str, Judged]
    tolerance: float
    remarks: list[str]
    beside: bool = False


class UnusedError(Exception):
    """The function does not look at its parameters."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def examine(subject: Subject, budget: int, deadline: float) -> Examined:
    """In float64 if it runs there, at its parameters, and where those leave doubts also 1 % away from them.

    Args:
        budget: evaluations of the loss that may be spent on single entries where there is no autodiff.
        deadline: of ``time.monotonic``; what is not sampled by then is left out.

    Raises:
        Refused: it cannot be called, or computes with too few digits.
        UnusedError: it does not look at its parameters.
    """
    remarks: list[str] = []
    try:
        fatal = subject.reading(subject.start).fatal
    except Refused as refused:
        fatal, remarks = True, [f"in float64 it {refused.problem.message}"]
    if fatal:
        subject = subject.narrowed()
        if any(value.dtype.itemsize < 4 for value in subject.params.values()):
            raise Refused(Problem("dtype", TOO_FEW_DIGITS))
        remarks.append("it does not run in float64: it is examined as it was given, with fewer digits")
    beside = _beside(subject)
    half = False
    with contextlib.suppress(Refused):
        # gradients that are kept from an earlier call shall be of other parameters
        half = subject.wide and _is_half(beside.reading(beside.start))
    if half:
        raise Refused(Problem("dtype", TOO_FEW_DIGITS))
    start = subject.reading(subject.start)
    if any(np.any(value) for value in start.gradients.values()):
        with contextlib.suppress(Refused):
            if beside.reading(beside.start).loss == start.loss and _far(subject) == start.loss:
                text = "has a loss that no parameter changes: does it use the params that it is given?"
                raise UnusedError(Problem("not_gradients", text))
    there = _examine_at(subject, budget, deadline, remarks)
    if all(item.report.verdict in ("right", "kink") for item in there.judged.values()):
        # what was kept from the first call of all is right where that was, and nowhere else
        with contextlib.suppress(Refused):
            if doubts(_oracle(beside, beside.reading(beside.start), deadline, [])):
                elsewhere = _examine_at(beside, budget, deadline, [])
                if any(item.report.verdict == "wrong" for item in elsewhere.judged.values()):
                    remarks.append("right at the parameters given, wrong 1 % away from them: this is of there")
                    return elsewhere._replace(remarks=remarks, beside=True)
    return there


def _far(subject: Subject) -> float:
    """The loss where every parameter is moved by its own size, in case it bends only there."""
    sizes, random = natural_sizes(subject.start), np.random.default_rng((SEED, 6))
    moved = {name: value + sizes[name] * random.standard_normal(value.shape) for name, value in subject.start.items()}
    return subject.reading(moved).loss


def _beside(subject: Subject) -> Subject:
    """The subject 1 % away."""
    sizes, random = natural_sizes(subject.start), np.random.default_rng((SEED, 5))
    # no two entries by the same: what is all zeros, or all alike, hides mistakes in front of it
    moved = {
        name: (value + 0.01 * sizes[name] * random.standard_normal(value.shape)).astype(value.dtype)
        for name, value in subject.params.items()
    }
    return replace(subject, params=moved)


def _oracle(subject: Subject, reading: Reading, deadline: float, remarks: list[str]) -> Oracle:
    start = subject.start
    return Oracle(subject, start, scale_of(subject, start), reading.gradients, deadline, remarks)


def _examine_at(subject: Subject, budget: int, deadline: float, remarks: list[str]) -> Examined:
    reading = subject.reading(subject.start)
    oracle = _oracle(subject, reading, deadline, remarks)
    narrow = not subject.wide or _is_narrow(reading, oracle.scale.noise)
    if narrow and subject.wide:
        remarks.append("it computes in float32 whatever it is given: differences below its rounding are not seen")
    tolerance = NARROW_AGREEMENT if narrow else AGREEMENT
    found = estimates(oracle, budget)
    largest = max((float(np.linalg.norm(np.nan_to_num(item.value))) for item in found.values()), default=0.0)
    judged = {
        name: judge(name, reading.gradients[name], item, oracle, largest, tolerance) for name, item in found.items()
    }
    return Examined(subject, reading, judged, tolerance, remarks)


def _is_narrow(reading: Reading, noise: float) -> bool:
    """Whether all that was answered to float64 fits into float32, and the loss is noisier than float64 is."""
    answered = [np.array(reading.loss), *reading.gradients.values()]
    fits = all(bool((value == value.astype(np.float32)).all()) for value in answered)
    return fits and noise > 1e-11 * abs(reading.loss)


def _is_half(reading: Reading) -> bool:
    """Whether all that was answered to float64, at parameters that are no round numbers, fits into 16 bits."""
    values = np.concatenate([np.reshape(value, -1) for value in (np.array(reading.loss), *reading.gradients.values())])
    some = values[(values != 0) & np.isfinite(values)]
    return some.size >= 8 and any(
        bool((some == some.astype(dtype).astype(np.float64)).all()) for dtype in (np.float16, jnp.bfloat16)
    )
