"""Mistakes made in the text of hand-written networks, and whether the diagnosis names them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fcnet.gradcheck.diagnosis.diagnose import diagnose
from fcnet.gradcheck.diagnosis.mistakes import MISTAKES
from fcnet.gradcheck.record import Estimate, Evidence

from .gradcheck_networks import COLUMNS, MUTANTS, SOURCES, TANH, compiled, edited, mutant, twin


def evidence_of(
    function: Callable[..., tuple[float, dict[str, np.ndarray]]],
    params: dict[str, np.ndarray],
    batch: tuple[Any, ...],
    expected: dict[str, np.ndarray],
    *,
    share: float = 1.0,
) -> Evidence:
    """What ``check`` would hand over; ``share``: of the entries that the oracles were asked for."""
    found = function(params, *batch)[1]
    random = np.random.default_rng(0)
    reference, wrong = {}, []
    for name, right in expected.items():
        asked = random.random(right.shape) < share if right.size > 20 else np.ones(right.shape, bool)
        reference[name] = Estimate(
            np.where(asked, right, np.nan), np.zeros(right.shape), np.zeros(right.shape, bool), "test"
        )
        size = max(np.linalg.norm(right), np.linalg.norm(found[name]))
        # a bias that a norm cancels is 0 but for rounding
        if np.linalg.norm(found[name] - right) > 1e-7 * size + 1e-14:
            wrong.append(name)
    tolerance = dict.fromkeys(expected, 1e-9)
    return Evidence(params, batch, found, reference, tuple(wrong), tolerance, lambda p: function(p, *batch))


@pytest.mark.parametrize("network", SOURCES)
def test_the_networks_are_right_before_they_are_edited(network):
    params, batch, grads, _ = twin(network)
    function = compiled(SOURCES[network])
    random = np.random.default_rng(5)
    for name, value in params.items():
        along = random.standard_normal(value.shape)
        step = 1e-5
        up, down = (function({**params, name: value + sign * step * along}, *batch)[0] for sign in (1, -1))
        # central differences: step² from the third derivative, and 1e-16 / step from rounding
        np.testing.assert_allclose(np.sum(grads[name] * along), (up - down) / (2 * step), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("one", MUTANTS, ids=str)
def test_a_mistake_in_the_text_is_named(one):
    params, batch, expected, loss = twin(one.network)
    function = edited(one)
    assert function(params, *batch)[0] == loss
    evidence = evidence_of(function, params, batch, expected)
    assert evidence.wrong
    causes = diagnose(evidence)
    assert causes, "no cause was found"
    assert causes[0].mistake == one.mistake, causes
    assert set(evidence.wrong) == {name for cause in causes for name in cause.tensors}
    assert all(cause.derivation == MISTAKES[cause.mistake].derivation for cause in causes)


@pytest.mark.parametrize("one", [one for one in MUTANTS if one.network in ("columns", "dropout")], ids=str)
def test_a_sample_of_the_reference_is_enough(one):
    params, batch, expected, _ = twin(one.network)
    full = diagnose(evidence_of(edited(one), params, batch, expected))
    sampled = evidence_of(edited(one), params, batch, expected, share=0.4)
    assert [cause.mistake for cause in diagnose(sampled)] == [cause.mistake for cause in full]


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (
            ("db2 = d2.sum(axis=0)", "db2 = d2.mean(axis=0)", "dh * (1 - h**2)", "dh"),
            {"bias_averaged": {"b2"}, "derivative_missing": {"W1", "b1"}},
        ),
        (
            ("(q - target) / n", "q - target", "db1 = d1.sum(axis=0)", "db1 = d1[2]"),
            {"missing_mean": {"W1", "W2", "b2"}, "bias_not_summed": {"b1"}},
        ),
        (
            ("(q - target) / n", "(target - q) / n", "(1 - h**2)", "(h > 0)"),
            {"sign": {"W2", "b2"}, "derivative_of_another": {"W1", "b1"}},
        ),
    ],
)
def test_two_mistakes_are_told_apart(edits, expected):
    params, batch, right, _ = twin("tanh")
    causes = diagnose(evidence_of(edited(mutant("tanh", "two", *edits)), params, batch, right))
    found = {cause.mistake: set(cause.tensors) for cause in causes}
    assert {mistake: found.get(mistake) for mistake in expected} == expected


# No activation of the catalogue: what remains are patterns.
SINE = TANH.replace("np.tanh(z1)", "np.sin(3 * z1)").replace("(1 - h**2)", "3 * np.cos(3 * z1)")


@pytest.mark.slow  # each one is looked for in the whole catalogue first
@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("(q - target) / n", "q - target", "missing_mean"),
        ("db1 = d1.sum(axis=0)", "db1 = d1.mean(axis=0)", "bias_averaged"),
        ("dW2 = h.T @ d2", "dW2 = -h.T @ d2", "sign"),
        ("    return loss", "    dW2[:, 3] = 0.0\n    return loss", "one_class"),
        ("    return loss", '    db1 = db1 + 0.01 * p["b1"]\n    return loss', "penalty_on_biases"),
    ],
)
def test_patterns_show_where_the_network_is_not_recognised(old, new, mistake):
    assert SINE.count(old) == 1
    params, batch, _, _ = twin("tanh")
    expected = compiled(SINE)(params, *batch)[1]
    causes = diagnose(evidence_of(compiled(SINE.replace(old, new)), params, batch, expected))
    assert causes[0].mistake == mistake


def test_gradients_that_no_mistake_explains_have_no_cause():
    params, batch, expected, _ = twin("tanh")
    right = compiled(TANH)
    noise = {name: np.random.default_rng(1).standard_normal(value.shape) for name, value in params.items()}

    def function(p, *batch):
        # depends on the parameters, so that it is not taken for a gradient of an earlier call
        return right(p, *batch)[0], {name: noise[name] * np.cos(value) for name, value in p.items()}

    assert diagnose(evidence_of(function, params, batch, expected)) == ()


def test_nothing_wrong_has_no_cause():
    params, batch, expected, _ = twin("columns")
    assert diagnose(evidence_of(compiled(COLUMNS), params, batch, expected)) == ()


@pytest.mark.parametrize("adds_up", [True, False])
def test_what_is_kept_between_calls(adds_up):
    right, kept = compiled(TANH), {}
    params, batch, expected, _ = twin("tanh")

    def function(p, *batch):
        loss, grads = right(p, *batch)
        kept["W1"] = kept.get("W1", 0) + grads["W1"] if adds_up else kept.get("W1", grads["W1"])
        return loss, grads | {"W1": kept["W1"]}

    function({name: value + 0.1 for name, value in params.items()}, *batch)
    causes = diagnose(evidence_of(function, params, batch, expected))
    assert [(cause.mistake, cause.tensors) for cause in causes] == [("stale", ("W1",))]


def test_single_precision_is_judged_by_its_own_rounding():
    def narrow(p, *batch):
        one = mutant("batch_norm", "norm_mean_path", " + dmean / n", "")
        loss, grads = edited(one)(*({name: value.astype(np.float32) for name, value in p.items()}, *batch))
        return float(loss), {name: value.astype(np.float64) for name, value in grads.items()}

    params, (x, y), expected, _ = twin("batch_norm")
    evidence = evidence_of(narrow, params, (x.astype(np.float32), y), expected)
    # what rounding does to the others, in float32, is no mistake
    causes = diagnose(replace(evidence, wrong=("W1",), tolerance=dict.fromkeys(params, 1e-4)))
    assert causes[0].mistake == "norm_mean_path"


def test_a_cause_says_where_and_with_which_numbers():
    one = mutant("tanh", "missing_mean", "(q - target) / n", "q - target")
    params, batch, expected, _ = twin("tanh")
    cause = diagnose(evidence_of(edited(one), params, batch, expected))[0]
    assert cause.where == "the loss"
    assert "12 ×" in cause.explanation
    assert "12 rows" in cause.explanation
