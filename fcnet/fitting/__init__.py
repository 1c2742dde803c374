"""One run from its data to its outcome: checked, compiled once, called and listened to."""

from fcnet.fitting.checks import check_fits
from fcnet.fitting.programs import CompiledRun, as_hparams, compile_run, fresh_state, on_device, shapes, stored_rows
from fcnet.fitting.run import DivergedError, Outcome, Progress, fit

__all__ = [
    "CompiledRun",
    "DivergedError",
    "Outcome",
    "Progress",
    "as_hparams",
    "check_fits",
    "compile_run",
    "fit",
    "fresh_state",
    "on_device",
    "shapes",
    "stored_rows",
]
