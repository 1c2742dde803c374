"""Where PyTorch 2.13 is installed (``pip install '.[parity]'``): the golden data are still what it computes."""

import numpy as np
import pytest
from ledger import golden, initializers, rows
from ledger.make_golden import compute

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install '.[parity]'")
GOLDEN, VERSION = golden.load()
pytestmark = pytest.mark.skipif(
    torch.__version__.split("+")[0] != VERSION, reason=f"the golden data are PyTorch {VERSION}'s"
)


@pytest.mark.parametrize("case", rows.cases(), ids=lambda case: case.key)
def test_row(case):
    stored, now = GOLDEN[case.key], compute(case)
    for before, after in zip(stored, now, strict=True):
        assert set(before) == set(after)
        for name, value in after.items():
            # another processor may sum in another order
            np.testing.assert_allclose(before[name], value, rtol=1e-13, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("text", sorted(initializers.TORCH))
def test_moments(text):
    reference = initializers.reference(text, torch)
    stored = initializers.Moments(*GOLDEN[initializers.key_of(text)][1]["moments"])
    for name in ("mean", "variance", "kurtosis", "zeros"):
        assert getattr(reference, name) == pytest.approx(getattr(stored, name), rel=1e-9, abs=1e-12)
