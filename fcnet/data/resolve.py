"""From a name or a path to a ``Dataset``: find, check, split, encode.

A name is looked for in this order, and a named set is never silently replaced by another: bundled with scikit-learn,
generated, prepared by TensorFlow Datasets in the data folder, IDX files in the data folder. Nothing is downloaded
unless asked for.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fcnet.contracts import CLASSIFICATION, REGRESSION
from fcnet.data import bundled as bundled_sets
from fcnet.data import checks, encoding, idx, mapped, prepared, tables
from fcnet.data import generated as generated_sets
from fcnet.data.dataset import Dataset, Description, Rows, Source, present
from fcnet.data.splits import SplitSpec, split
from fcnet.errors import InputError, require, unknown

NAMED_TASKS = (CLASSIFICATION, REGRESSION)


def default_data_dir() -> Path:
    """Where sets are kept unless said otherwise: ``FCNET_DATA_DIR``, else ``~/.cache/fcnet/data``."""
    return Path(os.environ.get("FCNET_DATA_DIR") or Path.home() / ".cache" / "fcnet" / "data")


@dataclass(frozen=True)
class DataSpec:
    """Which data, and how it is drawn and split.

    ``data``: a bundled set, a generated one, a TFDS name, a folder of IDX files, or a CSV or Parquet file.
    ``target``, ``task``, ``drop``: for tables: what to predict, as what, and which columns to leave out.
    ``data_dir``: the folder of prepared sets and IDX files; None means ``default_data_dir()``.
    ``download``: fetch a TFDS set that is not there yet.
    ``sample_weight``: for tables: the column that says how much a row counts in training.
    ``standardise_target``: bring the numbers to predict to mean 0 and variance 1, where the source is measurements.
    """

    data: str = "digits"
    target: str | None = None
    task: str | None = None
    drop: tuple[str, ...] = ()
    data_dir: str | None = None
    download: bool = False
    split: SplitSpec = SplitSpec()
    draw: generated_sets.Draw = generated_sets.Draw()
    standardise_target: bool = True
    sample_weight: str | None = None

    def __post_init__(self) -> None:
        require(bool(self.data), "data must name a set, a folder or a file")
        if self.task is not None and self.task not in NAMED_TASKS:
            raise unknown("task", self.task, NAMED_TASKS)


def is_named(name: str) -> bool:
    """Whether --data means a bundled or generated set, even where a file has the same name."""
    return name in bundled_sets.BUNDLED or name in generated_sets.GENERATED


def is_path(name: str) -> bool:
    """Whether --data means a file or folder; "glue/cola" is a TFDS name unless there is such a folder."""
    if tables.is_table(Path(name)) or Path(name).exists():
        return True
    return "/" in name and not prepared.is_known(name)


def find(spec: DataSpec) -> Source:
    """The source that ``spec.data`` means.

    Raises:
        InputError: nothing is there under that name or path; the message says where it was looked for.
    """
    name, data_dir = spec.data, Path(spec.data_dir) if spec.data_dir else default_data_dir()
    if name in bundled_sets.BUNDLED:
        return bundled_sets.load(name)
    if name in generated_sets.GENERATED:
        return generated_sets.load(name, spec.draw)
    if is_path(name):
        return _from_path(Path(name), spec)
    folder = prepared.folder_of(name, data_dir)
    if folder is not None:
        return prepared.load(name, folder, spec.target, spec.task, spec.drop)
    for candidate in (data_dir / name, data_dir / name.replace("_", "-")):
        if idx.find(candidate):
            return idx.load(candidate, name if name in idx.MD5 else None)
    ours = [*bundled_sets.BUNDLED, *generated_sets.GENERATED, *idx.MD5]
    if not prepared.is_known(name) or (name not in ours and name.lower() in ours):
        raise unknown("data", name, ours)
    if spec.download:
        return prepared.load(name, prepared.prepare(name, data_dir), spec.target, spec.task, spec.drop)
    by_hand = "put its four IDX .gz files" if name in idx.MD5 else "copy the folder of a prepared set"
    raise InputError(
        f"{name} is not here yet: looked in {data_dir / name} for a prepared set or IDX files; "
        f"either add --download, or {by_hand} there (--data-dir names another folder)"
    )


def _from_path(path: Path, spec: DataSpec) -> Source:
    require(
        path.exists(),
        f"{path} does not exist: --data takes a set's name, a folder of IDX files, or a CSV or Parquet file",
    )
    if path.is_dir():
        return idx.load(path)
    require(tables.is_table(path), f"{path}: expected a file ending in {', '.join(tables.SUFFIXES)}")
    return tables.load(path, spec.target, spec.task, spec.drop, spec.sample_weight)


def load(spec: DataSpec) -> Dataset:
    """Find, check, split and encode.

    Raises:
        InputError: see ``find``, ``checks.check_source`` and ``splits.split``.
    """
    source = find(spec)
    checks.check_source(source)
    parts = split(source, spec.split)
    fitted = encoding.encoder(source)
    if fitted is not None:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused when it is encoded
            fitted.fit(source.rows.x[parts.train])
    shift, scale = _target_scale(source, source.rows.y[parts.train]) if spec.standardise_target else (0.0, 1.0)

    def rows(x: np.ndarray | mapped.Selection, y: np.ndarray, weight: np.ndarray | None = None) -> Rows | None:
        if len(y) == 0:
            return None
        encoded = encoding.encode(fitted, x, source.features, source.name)
        if source.task == CLASSIFICATION:
            return Rows(encoded, y, weight)
        with np.errstate(over="ignore"):
            numbers = ((y - shift) / scale).astype(np.float32)
        large = ~np.isfinite(numbers).all(axis=1)
        value = y[large][:1].sum()
        require(
            not large.any(), f"{source.name}: the target {source.target!r} is too large to be standardised: {value:g}"
        )
        return Rows(encoded, numbers, weight)

    def part(numbers: np.ndarray) -> Rows | None:
        x, y, weight = source.rows
        return rows(mapped.select(x, numbers), y[numbers], None if weight is None else weight[numbers])

    train = part(parts.train)
    require(train is not None, f"{source.name}: no rows left to train on")
    assert train is not None
    if parts.test is not None:
        test = part(parts.test)
    else:
        test = None if source.official_test is None else rows(*source.official_test)
    validation = part(parts.validation)
    description = Description(
        name=source.name,
        task=source.task,
        origin=source.origin,
        rows={name: len(found.y) for name, found in present(train, validation, test).items()},
        features=source.features,
        classes=source.classes,
        target=source.target,
        inputs=train.x.shape[1],
        outputs=len(source.classes) if source.task == CLASSIFICATION else train.y.shape[1],
        input_scale=source.input_scale,
        image_shape=source.image_shape,
        target_shift=shift,
        target_scale=scale,
        target_mean=0.0 if source.classes else float(train.y.mean()),
        class_counts=tuple(np.bincount(train.y, minlength=len(source.classes)).tolist()) if source.classes else (),
    )
    return Dataset(description, train, validation, test, fitted)


def _target_scale(source: Source, train_y: np.ndarray) -> tuple[float, float]:
    if source.task == CLASSIFICATION or not source.standardise_target:
        return 0.0, 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        scale = float(train_y.std())
    require(np.isfinite(scale), f"{source.name}: the target {source.target!r} is too large to be standardised")
    require(scale > 0, f"{source.name}: the target {source.target!r} is constant in the training part")
    return float(train_y.mean()), scale
