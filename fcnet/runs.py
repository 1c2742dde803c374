"""The run folder: what a run leaves on disk, and reading it back.

run.json       config, data, provenance, gradient check and status
metrics.csv    one row per epoch
checkpoints/   the state to go on from (see ``checkpoint``)
encoder.skops  how a table's columns become numbers (tables only)
results.json   the final table
*.png          figures
"""

import csv
import dataclasses
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from fcnet import checkpoint, provenance
from fcnet.config import TrainConfig
from fcnet.data import Dataset, Description, encoding
from fcnet.errors import InputError, require
from fcnet.files import read_json, write_json, write_text
from fcnet.train import History, RunState, abstract_state

RUN_FILE, SWEEP_FILE = "run.json", "sweep.json"
RUNS = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Where the states are."""
        return self.path / "checkpoints"

    @property
    def encoder(self) -> Path:
        """The fitted transformer of a table's columns."""
        return self.path / "encoder.skops"

    @property
    def metrics(self) -> Path:
        """One row per epoch."""
        return self.path / "metrics.csv"

    def read(self) -> dict[str, Any]:
        """The content of run.json.

        Raises:
            InputError: this is not the folder of a run, or the file is damaged.
        """
        require(self.path.is_dir(), f"{self.path} is not there: give the folder of a run, such as those in {RUNS}/")
        require((self.path / RUN_FILE).is_file(), f"{self.path} is not the folder of a run: it has no {RUN_FILE}")
        stored = read_json(self.path / RUN_FILE)
        absent = [name for name in ("status", "config", "data", "identity") if name not in stored]
        where = self.path / RUN_FILE
        require(not absent, f"{where} is not a run of this version of fcnet: it has no {' and no '.join(absent)}")
        return stored

    def update(self, **changes: Any) -> None:
        """Rewrite run.json with these fields changed."""
        write_json(self.path / RUN_FILE, self.read() | changes)

    def config(self) -> TrainConfig:
        """What the run was asked to do."""
        return TrainConfig.from_json(self.read()["config"], str(self.path / RUN_FILE))

    def description(self) -> Description:
        """What the run was trained on."""
        stored = self.read()["data"]
        fields: dict[str, Any] = {name: tuple(got) if isinstance(got, list) else got for name, got in stored.items()}
        try:
            return Description(**fields)
        except TypeError as broken:
            raise InputError(f"{self.path / RUN_FILE} is not a run of this version of fcnet: {broken}") from None

    def require_unchanged(self) -> None:
        """What run.json says of the run must be what the run began with.

        Raises:
            InputError: the config was edited since.
        """
        same = provenance.fingerprint(self.read()["config"]) == self.read()["identity"].get("config")
        require(same, f"{self.path / RUN_FILE} was changed since the run began: undo that, or start again")


def default_path(name: str) -> Path:
    """runs/NAME-YYYYMMDD-HHMMSS, with a number behind it where that is taken."""
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    numbered = (RUNS / (stem if number == 1 else f"{stem}-{number}") for number in range(1, 10_000))
    return next(path for path in numbered if not path.exists())


def create(path: Path) -> RunFolder:
    """An empty folder for a new run.

    Raises:
        InputError: something is there already, or the folder cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise InputError(f"cannot make the folder {path} ({failed.strerror}): name another with --out") from None
    require_free(path)
    return RunFolder(path)


def require_free(path: Path) -> None:
    """What is there already is never overwritten.

    Raises:
        InputError: files in ``path``, or a file of that name.
    """
    try:
        occupied = path.exists() and any(path.iterdir())
    except OSError as failed:
        raise InputError(f"cannot use the folder {path} ({failed.strerror}): name another with --out") from None
    is_begun = any((path / name).exists() for name in (RUN_FILE, SWEEP_FILE)) if occupied else False
    what = f"another run: go on with --resume {path}, or" if is_begun else "other files:"
    require(not occupied, f"{path} holds {what} name another folder with --out")


def require_same_data(folder: RunFolder, dataset: Dataset) -> None:
    """The data of a run that goes on, or is judged again, must be those it began with, bit for bit.

    Raises:
        InputError: they have changed.
    """
    same = provenance.data_fingerprint(dataset) == folder.read()["identity"].get("data")
    name = dataset.description.name
    require(same, f"{name} is no longer the data that {folder.path} began with: start again")


def begin(folder: RunFolder, config: TrainConfig, dataset: Dataset) -> None:
    """Write what is known before the first step."""
    record = {
        "status": "started",
        "config": config.to_json(),
        "data": dataclasses.asdict(dataset.description),
        "identity": {
            # what a checkpoint must belong to
            "config": provenance.fingerprint(config.to_json()),
            "data": provenance.data_fingerprint(dataset),
        },
        "provenance": provenance.collect(),
    }
    write_json(folder.path / RUN_FILE, record)
    if dataset.encoder is not None:
        encoding.save(dataset.encoder, folder.encoder)


def write_metrics(folder: RunFolder, history: History, score_name: str) -> None:
    """All epochs so far as CSV: floats with every digit that distinguishes them, empty where nothing was validated."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", "train_loss", "validation_loss", f"validation_{score_name}"])
    for epoch, row in enumerate(zip(*history, strict=True), start=1):
        writer.writerow([epoch, *("" if np.isnan(value) else str(value) for value in row)])
    write_text(folder.metrics, text.getvalue())


def read_metrics(folder: RunFolder, epochs: int, dtype: Any) -> History:
    """The first ``epochs`` rows of metrics.csv, as written.

    Raises:
        InputError: fewer rows than that, or not numbers.
    """
    if epochs == 0:  # a run stopped before its first checkpoint
        return History(*np.empty((3, 0), dtype))
    try:
        with folder.metrics.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1 : epochs + 1]
        columns = np.array([[float(cell or "nan") for cell in row[1:]] for row in rows], dtype).reshape(-1, 3)
    except (OSError, ValueError) as broken:
        raise InputError(f"{folder.metrics} is damaged ({type(broken).__name__}): start the run again") from None
    require(len(columns) == epochs, f"{folder.metrics} has {len(columns)} epochs, the checkpoint {epochs}: start again")
    return History(*columns.T)


def load_state(folder: RunFolder) -> RunState:
    """The newest state of the run.

    Raises:
        InputError: run.json was changed, or see ``checkpoint.load``.
    """
    folder.require_unchanged()
    config, data = folder.config(), folder.description()
    like = abstract_state(config.run_spec(data), config.hparams(data), data.rows["train"])
    return checkpoint.load(folder.checkpoints, like, folder.read()["identity"])
