"""What ``fcnet train`` leaves in the run folder while it trains: metrics first, then the checkpoint they belong to."""

import time

import numpy as np

from fcnet import checkpoint, metrics, runs
from fcnet.fitting import Progress
from fcnet.runs import RunFolder
from fcnet.train import History, RunSpec

# A checkpoint takes 0.1 s: at most this often, and at the end.
SECONDS_BETWEEN_SAVES = 2.0


class Recorder:
    """Hears how the training goes, and saves it now and then."""

    def __init__(self, folder: RunFolder, spec: RunSpec, earlier: History) -> None:
        self.folder, self.spec = folder, spec
        stored = folder.read()
        self.identity, self.seconds = stored["identity"], stored.get("train_seconds", 0.0)
        self.history = earlier
        self.saved_at = time.monotonic()

    def __call__(self, told: Progress) -> None:
        """Remember what a chunk brought."""
        self.seconds += told.seconds
        joined = (np.concatenate(columns) for columns in zip(self.history, told.history, strict=True))
        self.history = History(*joined)
        self.state = told.state
        if time.monotonic() - self.saved_at >= SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Save what was heard last."""
        runs.write_metrics(self.folder, self.history, metrics.score_name(self.spec.loss))
        checkpoint.save(self.folder.checkpoints, int(self.state.epoch), self.state, self.identity)
        self.folder.update(train_seconds=round(self.seconds, 3))
        self.saved_at = time.monotonic()
