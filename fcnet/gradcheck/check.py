"""Is this function's gradient right? The whole examination, from the function to a report."""

import time
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

import jax.numpy as jnp
import numpy as np

from fcnet.contracts import Batch
from fcnet.errors import require
from fcnet.gradcheck.diagnosis.diagnose import diagnose
from fcnet.gradcheck.diagnosis.mistakes import MISTAKES
from fcnet.gradcheck.examination import contract, trees
from fcnet.gradcheck.examination.answers import Reading, checked_params
from fcnet.gradcheck.examination.calls import Refused, TimeUp, full_precision, one_line, quiet, time_limit
from fcnet.gradcheck.examination.examine import UnusedError, examine
from fcnet.gradcheck.examination.subject import Subject
from fcnet.gradcheck.examination.verdict import Judged, unexamined
from fcnet.gradcheck.record import (
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
        batch: (x, y, *more), a tuple or a list. Floating-point arrays are examined in float64; all else passes through
            untouched.
        claims: what is known of the network; it helps the diagnosis alone.
        seconds: how long one call, then the whole examination, and then the diagnosis may take, see ``time_limit``.
        budget: evaluations of the loss that may be spent on single entries where there is no autodiff.

    Raises:
        InputError: ``function`` cannot be called, ``params`` holds no floating-point array, ``batch`` is no tuple, or
            ``seconds`` is not positive.
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
            seen_at = examine(subject, budget, time.monotonic() + seconds / 2)
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
    if not seen_at.beside:  # elsewhere they are other gradients
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


def _kept(wrong: tuple[str, ...], causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """What no other mistake explains of gradients that are right at the first call, and only there."""
    names = tuple(name for name in wrong if not any(name in cause.tensors for cause in causes))
    text = "right where it was called first, wrong 1 % away: something of the first call is kept and used again"
    return (Cause("stale", names, ", ".join(names), text, MISTAKES["stale"].derivation),) if names else ()


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
