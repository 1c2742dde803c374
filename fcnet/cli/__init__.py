"""The ``fcnet`` command: flags in, one call, an exit code out."""

from fcnet.cli import components, gradients, runs, sweeps  # noqa: F401 - they hang their commands on ``app``
from fcnet.cli.app import app
from fcnet.cli.entry import guarded, main, run, script

__all__ = ["app", "guarded", "main", "run", "script"]
