"""From evidence to causes: by acting mistakes out in a recognised network, and by what each tensor alone shows."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from fcnet.gradcheck.diagnosis.case import MOST_MISTAKES, MOST_NAMES, Case, cause_of, listed, verified
from fcnet.gradcheck.diagnosis.factors import Finding
from fcnet.gradcheck.diagnosis.network import Layer
from fcnet.gradcheck.diagnosis.patterns import Compared, exchanged, looks_summed, of_tensor
from fcnet.gradcheck.diagnosis.recognise import recognise
from fcnet.gradcheck.diagnosis.reenact import stage
from fcnet.gradcheck.diagnosis.stale import stale
from fcnet.gradcheck.record import Cause, Evidence


def _compared_all(case: Case, evidence: Evidence) -> dict[str, Compared]:
    return {name: _compared_in(case, evidence, name) for name in case.scene.gradients}


def _compared_in(case: Case, evidence: Evidence, name: str) -> Compared:
    """A tensor beside our own gradient with all planted mistakes, in its author's orientation."""
    scene = case.scene
    layer: Layer = next(layer for layer in scene.network.layers if name in layer.names)
    is_kernel = name == layer.kernel
    expected = scene.gradients[name]
    turned = expected.T if is_kernel and layer.transposed else expected
    form = scene.network.form
    touched = is_kernel or form.penalises_all
    return Compared(
        name,
        np.asarray(evidence.params[name], np.float64),
        np.asarray(evidence.gradients[name], np.float64),
        turned.reshape(evidence.params[name].shape),
        case.tolerance,
        summed=not is_kernel,
        units_first=layer.transposed if is_kernel else None,
        strengths=(form.l1, form.l2) if touched else (0.0, 0.0),
    )


def _compared(evidence: Evidence, name: str) -> Compared:
    estimate = evidence.reference[name]
    expected = np.where(np.asarray(estimate.kinks, bool), np.nan, np.asarray(estimate.value, np.float64))
    tolerance = max(1e-6, 10 * evidence.tolerance.get(name, 0.0))
    value, found = (np.asarray(tree[name], np.float64) for tree in (evidence.params, evidence.gradients))
    return Compared(name, value, found, expected, tolerance, looks_summed(name, value.shape))


def _shape_of(evidence: Evidence) -> tuple[int, int]:
    """Rows and outputs of the batch, as far as x and y tell."""
    y = np.asarray(evidence.batch[1]) if len(evidence.batch) > 1 else np.zeros(1)
    x = np.asarray(evidence.batch[0]) if evidence.batch else np.zeros(1)
    shared = [size for size in x.shape[:2] if size in y.shape[:2]]
    rows = shared[0] if shared else (x.shape[0] if x.ndim else 1)
    others = [size for size in y.shape[:2] if size != rows]
    return rows, others[0] if others else 1


def _by_pattern(tensors: Mapping[str, Compared], wrong: set[str], rows: int, outputs: int) -> Iterator[Cause]:
    """One cause for each mistake that tensors show alone, with all tensors that show it."""
    left = [name for name in tensors if name in wrong]
    for names, finding in exchanged(tensors):
        if any(name in left for name in names):
            wrongly = tuple(name for name in names if name in wrong)
            left = [name for name in left if name not in wrongly]
            yield cause_of(finding.mistake, wrongly, listed(wrongly), finding.detail)
    shown: dict[tuple[str, ...], list[tuple[str, tuple[Finding, ...]]]] = {}
    for name in left:
        findings = of_tensor(tensors[name], rows, outputs)
        if findings:
            key = tuple(dict.fromkeys(finding.mistake for finding in findings))
            shown.setdefault(key, []).append((name, findings))
    for mistakes, members in _merged(shown).items():
        names = tuple(name for name, _ in members)
        for mistake in mistakes[:MOST_NAMES]:
            detail = next(f.detail for f in members[0][1] if f.mistake == mistake)
            alike = "" if len(names) == 1 else f" (so in {listed(names)})"
            yield cause_of(mistake, names, listed(names), f"{detail}{alike}")


def _merged(
    shown: dict[tuple[str, ...], list[tuple[str, tuple[Finding, ...]]]],
) -> dict[tuple[str, ...], list[tuple[str, tuple[Finding, ...]]]]:
    """Kernels and biases alike 1/N: divided once too often at the loss rather than two mistakes."""
    by_bias = [key for key in shown if key[0] == "bias_averaged"]
    by_kernel = [key for key in shown if key[0] == "extra_mean"]
    if by_bias and by_kernel:
        shown[by_kernel[0]] += shown.pop(by_bias[0])
    return shown


def _joined(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """One cause for a mistake made in several places."""
    joined: dict[str, Cause] = {}
    for one in causes:
        before = joined.get(one.mistake)
        if before is None:
            joined[one.mistake] = one
            continue
        tensors = tuple(dict.fromkeys((*before.tensors, *one.tensors)))
        where = before.where if one.where in before.where else f"{before.where}; {one.where}"
        explanation = (
            before.explanation if one.tensors == before.tensors else f"{before.explanation}; {one.explanation}"
        )
        joined[one.mistake] = Cause(one.mistake, tensors, where, explanation, one.derivation)
    return tuple(joined.values())


def diagnose(evidence: Evidence) -> tuple[Cause, ...]:
    """The mistakes that explain the wrong tensors, the one nearest to the loss first; () where none fits.

    Where two mistakes would give the same gradients both are named, the more specific first.
    """
    if not evidence.wrong:
        return ()
    with np.errstate(all="ignore"):
        return _diagnose(evidence)


def _diagnose(evidence: Evidence) -> tuple[Cause, ...]:
    kept = stale(evidence)
    remembered = {name for name, finding in kept.items() if "differ" in finding.detail}
    causes = [cause_of("stale", (name,), name, kept[name].detail) for name in evidence.wrong if name in remembered]
    wrong = [name for name in evidence.wrong if name not in remembered]
    network = recognise(evidence) if wrong else None
    scene = None if network is None else stage(network, evidence)
    if scene is not None and network is not None and verified(scene, evidence):
        finite = all(np.all(np.isfinite(value)) for value in scene.found.values())
        case = Case(scene, wrong)
        case.note_plain(_compared_all(case, evidence))
        while finite and case.unexplained and len(case.causes) < MOST_MISTAKES and case.plant_one():
            pass
        tensors = _compared_all(case, evidence)
        rest = {name for name in wrong if name in case.unexplained}
        patterns = tuple(_by_pattern(tensors, rest, network.rows, network.targets.shape[1]))
        causes += [*case.causes, *patterns]
    elif wrong:
        tensors = {name: _compared(evidence, name) for name in evidence.params}
        causes += _by_pattern(tensors, set(wrong), *_shape_of(evidence))
    explained = {name for cause in causes for name in cause.tensors}
    constant = [name for name in wrong if name in kept and name not in explained]
    causes += [cause_of("stale", (name,), name, kept[name].detail) for name in constant]
    return _joined(causes)
