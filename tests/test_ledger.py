"""Every row of the ledger: PyTorch's numbers, to rounding, in value and in both gradients, in both types."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from ledger import golden, rows
from ledger import initializers as moments
from ledger.case import TOLERANCES, error

from fcnet import activations, initializers, losses, optimizers
from fcnet.layers import LAYERS

CASES = rows.cases()
GOLDEN, TORCH = golden.load()


def marks(case, dtype, number):
    # every row in float64, which leaves no room for mistakes, and every sixth in float32 in the quick suite
    slow = [pytest.mark.slow] if dtype == "float32" and number % 6 else []
    # in a hurry, XLA rounds mish's slope at 18 ε
    return slow + ([pytest.mark.optimised] if (case.kind, dtype) == ("activation", "float32") else [])


@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        pytest.param(
            case,
            dtype,
            id=f"{case.key}-{dtype}",
            marks=marks(case, dtype, number),
        )
        for dtype in ("float64", "float32")
        for number, case in enumerate(CASES)
    ],
)
def test_row(case, dtype):
    row = rows.judge(case, *GOLDEN[case.key], dtype)
    unexpected = {name: value for name, value in row.beyond.items() if name not in case.differs}
    assert not unexpected
    if dtype == "float64":  # a reason that is no longer needed must go
        assert set(row.beyond) == set(case.differs)


@pytest.mark.parametrize("text", sorted(moments.TORCH))
def test_moments_of_initialisers(text):
    reference = moments.Moments(*GOLDEN[moments.key_of(text)][1]["moments"])
    entries = moments.SHAPE[0] * moments.SHAPE[1]
    assert max(moments.ours(text, jax.random.key(0)).apart(reference, entries).values()) <= moments.MOST_ERRORS


def test_every_component_that_pytorch_has_is_there():
    seen = {(case.kind, case.name.partition(":")[0]) for case in CASES}
    seen |= {("initialiser", text.partition(":")[0]) for text in moments.TORCH}
    kinds = {
        "activation": activations.ACTIVATIONS,
        "loss": losses.LOSSES,
        "initialiser": initializers.INITIALIZERS,
        "optimiser": optimizers.OPTIMIZERS,
        "schedule": optimizers.SCHEDULES,
    }
    wanted = {(kind, name) for kind, entries in kinds.items() for name, entry in entries.items() if entry.torch}
    assert wanted <= seen
    layers = {name for kind, name in seen if kind in ("norm", "dropout", "layer")}
    assert {name for name, entry in LAYERS.items() if entry.torch} == layers


def test_golden_data_are_those_of_the_rows():
    assert set(GOLDEN) == {case.key for case in CASES} | {moments.key_of(text) for text in moments.TORCH}
    assert re.fullmatch(r"2\.13\.\d+", TORCH)
    assert len({case.key for case in CASES}) == len(CASES)


def test_golden_data_survive_the_disk(tmp_path):
    golden.save(GOLDEN, TORCH, tmp_path / "golden.npz")
    assert (tmp_path / "golden.npz").read_bytes() == golden.PATH.read_bytes()


def test_the_error_measures_what_it_says():
    reference = np.array([2.0, 0.5, 1e-3])
    assert error(reference, reference) == 0
    assert error([2.002, 0.5, 1e-3], reference) == pytest.approx(1e-3)  # relative above 1
    assert error([2.0, 0.5, 2e-3], reference) == pytest.approx(1e-3)  # absolute below
    assert error([1e-6, 2e-6], np.array([1e-6, 1e-6])) == pytest.approx(1)  # in the array's own unit
    assert error([1e4, 1.1], np.array([1e4, 1.0]), mixes=True) == pytest.approx(1e-5)
    assert error([np.inf, 1.0], np.array([np.inf, 1.0])) == 0
    assert error([0.0, 1.0], np.array([np.nan, 1.0])) == np.inf
    assert error([np.nan], np.array([1.0])) == np.inf
    assert error([-np.inf], np.array([np.inf])) == np.inf
    with pytest.raises(ValueError, match="shape"):
        error([1.0], np.array([1.0, 2.0]))


def test_the_page_is_that_of_the_rows():
    page = (Path(__file__).parents[1] / "PARITY.md").read_text(encoding="utf-8")
    shown = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    rows_shown = [cells for cells in shown if len(cells) == 9]
    expected = [(f"`{case.name}`" + (" †" if case.differs else ""), case.what, f"`{case.torch}`") for case in CASES]
    # the page goes kind by kind
    assert sorted(tuple(cell.strip() for cell in cells[:3]) for cells in rows_shown) == sorted(expected)
    for cells in rows_shown:
        if "†" not in cells[0]:
            errors = [float(cell) if cell != "–" else 0.0 for cell in cells[3:]]
            assert max(errors[:3]) <= TOLERANCES["float64"]
            assert max(errors[3:]) <= TOLERANCES["float32"]
    for case in CASES:
        for why in case.differs.values():
            assert why in page
    assert f"PyTorch {TORCH} in" in page
    assert f"{len(CASES) + len(moments.TORCH)} rows" in page
