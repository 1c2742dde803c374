"""Is this function's gradient right? The whole examination, from the function to a report."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from math import isfinite
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from fcnet.contracts import Batch
from fcnet.errors import require
from fcnet.gradcheck.diagnosis.diagnose import diagnose
from fcnet.gradcheck.diagnosis.mistakes import MISTAKES
from fcnet.gradcheck.examination import contract, trees
from fcnet.gradcheck.examination.answers import Reading, checked_params
from fcnet.gradcheck.examination.calls import Refused, TimeUp, full_precision, one_line, quiet, time_limit
from fcnet.gradcheck.examination.oracles import Oracle, doubts, estimates, scale_of
from fcnet.gradcheck.examination.sampling import natural_sizes
from fcnet.gradcheck.examination.subject import Subject
from fcnet.gradcheck.examination.verdict import AGREEMENT, NARROW_AGREEMENT, Judged, judge, unexamined
from fcnet.gradcheck.record import (
    SEED,
    Cause,
    Claims,
    Estimate,
    Evidence,
    LossAndGrads,
    Problem,
    Report,
    TensorReport,
    Tensors,
)

# Evaluations of the loss that single entries may take: with them every row and column of a 784-128-10 network is met.
BUDGET = 6000
TOO_FEW_DIGITS = "computes in 16 bits whatever it is given, too few digits to judge: examine it in float32 or wider"
# Gradients in the dtype that was given may differ from those in float64 by rounding, which sums and cancellation make
# larger: by a thousand times its epsilon before anyone is told.
ROUNDING = 1000


def check(
    function: LossAndGrads,
    params: Any,
    batch: tuple[Any, ...],
    *,
    claims: Claims | None = None,
    seconds: float = 60.0,
    budget: int = BUDGET,
) -> Report:
    """Examine (params, *batch) ↦ (loss, gradients), written in NumPy, JAX or PyTorch.

    First what any such function must do (``contract``), then its gradients in float64 against an oracle, each tensor
    on its own scale (``oracles``, ``verdict``), then the mistakes that explain what is wrong (``diagnose``). The
    caller's arrays are never passed on: the function gets copies. The same call gives the same report.

    Args:
        params: a dict, list, tuple or named tuple of floating-point arrays, nested as you like, or one array.
        batch: (x, y, *more). Floating-point arrays are examined in float64; all else passes through untouched.
        claims: what is known of the network; it helps the diagnosis alone.
        seconds: how long one call, and then the whole examination, may take, see ``time_limit``.
        budget: evaluations of the loss that may be spent on single entries where there is no autodiff.

    Raises:
        InputError: ``params`` holds no floating-point array, or ``batch`` is no tuple.
    """
    require(callable(function), f"a function (params, *batch) ↦ (loss, gradients) is needed, not {function!r:.80}")
    require(isinstance(batch, tuple | list), f"the batch must be a tuple (x, y, ...), not a {type(batch).__name__}")
    require(seconds > 0, f"seconds must be positive, not {seconds}")
    data = trees.mapped(trees.copied, tuple(batch[:2] if isinstance(batch, Batch) and batch.weight is None else batch))
    given = checked_params(params)
    leaves = trees.parameters(params)
    library = next((kind for kind in map(trees.library, leaves.values()) if kind in {"jax", "torch"}), "numpy")
    seen = contract.examine(function, params, given, data, seconds)
    report = Report(
        problems=seen.problems,
        tensors=(),
        causes=seen.reading.causes,
        loss=seen.reading.loss if isfinite(seen.reading.loss) else None,
        dtype=trees.dtype_name(next(iter(leaves.values()))),
        library=library,
        errors={},
        remarks=seen.remarks,
    )
    if any(problem.fatal for problem in seen.problems):
        return report
    copies = any(problem.kind == "mutates" for problem in seen.problems)
    subject = Subject(function, params, given, trees.widened(data), data, library, copies=copies)
    try:
        with quiet(), full_precision(), time_limit(seconds):
            seen_at = _examine(subject, budget, time.monotonic() + seconds / 2)
    except TimeUp:
        text = f"the examination did not end within {seconds:g} seconds: allow more, or give it less data"
        return replace(report, problems=(*seen.problems, Problem("unfinished", text)))
    except (Refused, UnusedError) as refused:
        return replace(report, problems=(*seen.problems, refused.problem))
    subject, reading, judged, tolerance, told, _ = seen_at
    tensors, remarks = [], [*seen.remarks, *told]
    for name in given:
        if name not in judged:
            tensors.append(unexamined(name, given[name].shape, tolerance))
        elif name in seen.reading.bent:
            tensors.append(replace(judged[name].report, verdict="wrong"))
        else:
            tensors.append(judged[name].report)
    right = {tensor.name for tensor in tensors if tensor.verdict == "right"}
    remarks += _lost_digits({name: given[name] for name in given if name in right}, seen.reading, reading)
    evidence = _evidence(subject, reading, judged, tensors, claims or Claims())
    causes: tuple[Cause, ...] = ()
    if evidence.wrong:
        try:
            with quiet(), time_limit(seconds):
                causes = diagnose(evidence)
        except TimeUp:
            remarks.append(f"the diagnosis did not end within {seconds:g} seconds: allow more")
        except Exception as error:  # whatever someone's code does elsewhere, what was found stands
            remarks.append(f"the diagnosis ended early: {one_line(error)}")
    if seen_at.beside:
        causes = (*_kept(evidence.wrong, causes), *causes)
    known = {(cause.mistake, cause.tensors) for cause in report.causes}
    return replace(
        report,
        tensors=tuple(tensors),
        causes=(*report.causes, *(cause for cause in causes if (cause.mistake, cause.tensors) not in known)),
        errors={name: _errors(reading.gradients[name], item.estimate) for name, item in judged.items()},
        remarks=tuple(dict.fromkeys(remarks)),
    )


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


def _examine(subject: Subject, budget: int, deadline: float) -> Examined:
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
    with contextlib.suppress(Refused):
        # gradients that are kept from an earlier call shall be of other parameters
        if subject.wide and _is_half(beside.reading(beside.start)):
            remarks = [TOO_FEW_DIGITS]
    if remarks == [TOO_FEW_DIGITS]:
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


class UnusedError(Exception):
    """The function does not look at its parameters."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


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


def _kept(wrong: tuple[str, ...], causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """What no other mistake explains of gradients that are right at the first call, and only there."""
    names = tuple(name for name in wrong if not any(name in cause.tensors for cause in causes))
    text = "right where it was called first, wrong 1 % away: something of the first call is kept and used again"
    return (Cause("stale", names, ", ".join(names), text, MISTAKES["stale"].derivation),) if names else ()


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


def _lost_digits(given: Tensors, first: Reading, wide: Reading) -> list[str]:
    """Sentences on gradients that are right in float64, but far from it in the dtype that was given."""
    remarks = []
    norms = {name: float(np.linalg.norm(value)) for name, value in wide.gradients.items()}
    for name, parameter in given.items():
        epsilon = float(jnp.finfo(parameter.dtype).eps)
        apart = float(np.linalg.norm(first.gradients[name] - wide.gradients[name]))
        # what cancels to nearly 0 is held against a share of the largest gradient
        scale = max(norms[name], contract.CANCELS * max(norms.values()))
        if epsilon > 1e-15 and apart > ROUNDING * epsilon * scale:
            kept, whole = -np.log10(apart / scale), -np.log10(epsilon)
            remarks.append(
                f"in {parameter.dtype} the gradient of {name} keeps {max(0.0, kept):.1f} of {whole:.1f} digits, though "
                "its formula is right: look for small differences of large numbers"
            )
    return remarks


def _evidence(
    subject: Subject,
    reading: Reading,
    judged: Mapping[str, Judged],
    tensors: list[TensorReport],
    claims: Claims,
) -> Evidence:
    start = subject.start
    empty = {name: np.full(value.shape, np.nan) for name, value in start.items()}

    def function(at: Tensors) -> tuple[float, Tensors]:
        with quiet(), full_precision():
            there = subject.reading({name: np.asarray(at[name], np.float64) for name in start})
        return there.loss, {**empty, **there.gradients}

    reference = {
        name: judged[name].estimate if name in judged else Estimate(value, 0 * value, np.zeros(value.shape, bool), "")
        for name, value in empty.items()
    }
    wrong = (item.name for item in tensors if item.name in judged and judged[item.name].report.verdict == "wrong")
    return Evidence(
        params=start,
        batch=trees.mapped(lambda leaf: trees.to_numpy(leaf) if trees.library(leaf) else leaf, subject.batch),
        gradients={**empty, **reading.gradients},
        reference=reference,
        wrong=tuple(wrong),
        tolerance={item.name: item.tolerance for item in tensors},
        function=function,
        claims=claims,
    )


def _errors(found: np.ndarray, estimate: Estimate) -> np.ndarray:
    largest = float(np.abs(np.nan_to_num(estimate.value)).max(initial=0.0))
    return (found - estimate.value) / (largest or 1.0)


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain values: the fields' names as keys, arrays as nested lists, and None for what is no number."""
    return {"right": report.right, **_plain(asdict(report))}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not isfinite(value) else value
