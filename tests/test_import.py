"""``import fcnet`` stays light: what only some commands need is imported by those."""

import subprocess
import sys

HEAVY = (
    "tensorflow",
    "tensorflow_datasets",
    "matplotlib",
    "sklearn",
    "scipy.stats",
    "pyarrow",
    "orbax",
    "skops",
    "pandas",
)


def test_heavy_libraries_are_not_imported():
    code = f"import sys, fcnet; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
