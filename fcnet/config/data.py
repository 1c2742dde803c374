"""The flags of the data."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from fcnet.config.groups import DATA
from fcnet.config.words import UNLISTED, DataName, Ends, Names, Switch
from fcnet.data import DataSpec
from fcnet.data.generated import Draw
from fcnet.data.resolve import is_named, is_path
from fcnet.data.splits import SplitSpec


@DATA
@dataclass(frozen=True)
class DataConfig:
    """Which data, and how it is split."""

    data: Annotated[DataName, UNLISTED] = "digits"
    """A set's name (digits, iris, wine, breast_cancer, diabetes; xor, line, moons, spirals, function; mnist,
    fashion_mnist or any TensorFlow Datasets name), a folder of IDX files, or a CSV or Parquet file."""
    target: str | None = None
    """Tables: the column to predict."""
    task: Literal["classification", "regression"] | None = None
    """Tables: what the target is, where the column itself leaves it open."""
    drop: Names = ()
    """Tables: columns to leave out."""
    sample_weight: str | None = None
    """Tables: the column that says how much a row counts in training; it is no feature."""
    data_dir: str | None = None
    """Where prepared sets and IDX files are kept. [default: $FCNET_DATA_DIR or ~/.cache/fcnet/data]"""
    download: Switch = False
    """Fetch a TensorFlow Datasets set that is not there yet."""
    validation: float = 0.15
    """Fraction of the rows that chooses the epoch to keep; 0 for none."""
    test: float = 0.2
    """Fraction of the rows that is kept for judging, where the set has no test part of its own; 0 for none."""
    split_seed: int = 0
    """Seed of the split and of generated sets, apart from --seed."""
    folds: int = 0
    """k-fold cross-validation: judge on one of this many folds instead of --test."""
    fold: int = 0
    """Which fold, from 0; from k on the folds of another shuffle (repeated k-fold)."""
    samples: int = 500
    """Generated sets: rows."""
    noise: float | None = None
    """Generated sets: how noisy; each set has its own default."""
    function: str = "sin"
    """The generated set "function": which one (sin, cos, abs, square, cube, exp, sinc, step)."""
    interval: Ends = (-3.0, 3.0)
    """The generated set "function": where."""

    def __post_init__(self) -> None:
        self.spec()

    def with_absolute_paths(self) -> "DataConfig":
        """The same whatever folder a later command is called from."""
        data = str(Path(self.data).absolute()) if is_path(self.data) and not is_named(self.data) else self.data
        return replace(self, data=data, data_dir=None if self.data_dir is None else str(Path(self.data_dir).absolute()))

    def spec(self) -> DataSpec:
        """The same for the data room, which checks it."""
        split = SplitSpec(self.validation, self.test, self.split_seed, self.folds, self.fold)
        draw = Draw(self.samples, self.noise, self.split_seed, self.function, self.interval)
        return DataSpec(
            self.data,
            self.target,
            self.task,
            self.drop,
            self.data_dir,
            self.download,
            split,
            draw,
            sample_weight=self.sample_weight,
        )
