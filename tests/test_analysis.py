"""Intervals against published numbers and against their own promise: they cover the truth as often as they say."""

import jax
import numpy as np
import pytest

from fcnet import metrics, models
from fcnet.analysis import intervals, report
from fcnet.data import Rows, mapped
from fcnet.models import MLPSpec
from fcnet.objective import ObjectiveSpec


def test_wilson_as_published():
    # Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3
    for hits, rows, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        found = intervals.share(hits, rows)
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)
        assert found.value == hits / rows


def test_mean_as_student_has_it():
    found = intervals.mean(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    # t of 4 degrees of freedom is 2.776; the standard error is √(2.5 / 5)
    assert found.value == 3
    assert found.high - 3 == pytest.approx(2.776445 * np.sqrt(0.5), rel=1e-6)
    assert intervals.mean(np.array([1.0])).high == np.inf


def test_r2_bootstrap_covers_and_is_seeded(random):
    y = random.normal(size=(300, 1))
    predicted = y + 0.5 * random.normal(size=y.shape)
    found = intervals.r2(predicted, y)
    assert found == intervals.r2(predicted, y)
    assert found.value == pytest.approx(1 - np.square(y - predicted).sum() / np.square(y - y.mean()).sum())
    assert found.low < found.value < found.high
    assert 0.02 < found.high - found.low < 0.15
    many = [intervals.r2(t + 0.5 * e, t) for t, e in random.normal(size=(200, 2, 100, 1))]
    covered = np.mean([low <= 0.75 <= high for _, low, high in many])
    assert 0.85 <= covered <= 1.0  # 95 % promised; the percentile bootstrap is a little short at 100 rows


def test_report_agrees_with_the_metrics(key, random):
    spec = ObjectiveSpec(MLPSpec(4, 3, (5,)), "cross_entropy")
    params, _ = models.init(spec.model, key)
    rows = Rows(random.normal(size=(40, 4)).astype(np.float32), random.integers(0, 3, 40).astype(np.int32))
    part = report(spec, params, {}, {"test": rows})["test"]
    expected = jax.jit(lambda p: metrics.evaluate(spec, p, {}, rows.x, rows.y))(params)
    assert part.rows == 40
    assert part.loss.value == pytest.approx(float(expected.loss), rel=1e-6)
    assert part.score.value == pytest.approx(float(expected.score), rel=1e-6)
    assert part.summary()["score"]["low"] == part.score.low


def test_resamples_in_groups_are_the_same_resamples(random, monkeypatch):
    true = random.normal(size=(60, 2))
    predicted = true + random.normal(size=(60, 2)) / 3
    at_once = intervals.r2(predicted, true)
    monkeypatch.setattr(intervals, "ENTRIES_AT_A_TIME", 60 * 7)
    # the same draws, in products of another shape: ε = 2.2e-16, 60 terms
    np.testing.assert_allclose(intervals.r2(predicted, true), at_once, rtol=60 * 2.3e-16)


def test_a_part_in_pieces_is_the_part(monkeypatch, key):
    spec = ObjectiveSpec(MLPSpec(4, 3, (5,)), "cross_entropy")
    params, state = models.init(spec.model, key)
    x = np.linspace(-2, 2, 120, dtype=np.float32).reshape(30, 4)
    parts = {"rows": Rows(x, np.arange(30, dtype=np.int32) % 3)}
    whole = report(spec, params, state, parts)["rows"]
    monkeypatch.setattr(mapped, "BYTES_AT_A_TIME", 7 * 16)
    pieces = report(spec, params, state, parts)["rows"]
    # a product of another number of rows may round otherwise
    np.testing.assert_allclose(pieces.outputs, whole.outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pieces.loss, whole.loss, rtol=1e-5)
    assert pieces.score == whole.score
