"""Let PyTorch compute the golden data of the ledger.

Command  pip install torch==2.13.0 && python experiments/ledger/make_golden.py
Time     about 10 seconds on 2 CPU cores.

Everything is computed in float64 from inputs that float32 holds exactly. The data are committed, so that the tests need
no PyTorch; ``tests/test_ledger_torch.py`` checks that they are still what it computes.
"""

import sys
from dataclasses import astuple
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from ledger import golden, initializers, rows
from ledger.case import Arrays, Case


def compute(case: Case) -> tuple[Arrays, Arrays]:
    """Inputs and PyTorch's results of one case."""
    import torch

    inputs = case.inputs()
    results = case.reference(inputs, torch)
    return inputs, results


def everything() -> golden.Golden:
    """All golden data, as PyTorch computes them now."""
    import torch

    found = {case.key: compute(case) for case in rows.cases()}
    for text in initializers.TORCH:
        moments = astuple(initializers.reference(text, torch))
        found[initializers.key_of(text)] = ({}, {"moments": np.array(moments)})
    return found


def main() -> None:
    """Compute every case and write golden.npz."""
    import torch

    found = everything()
    golden.save(found, torch.__version__.split("+")[0])
    print(f"{len(found)} cases by PyTorch {torch.__version__}: {golden.PATH} ({golden.PATH.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
