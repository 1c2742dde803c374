"""A trained network from its run folder, ready to answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet import models
from fcnet.contracts import Params
from fcnet.data import Description, checks, encoding, idx, tables
from fcnet.errors import InputError, require
from fcnet.losses import CLASSIFICATION
from fcnet.objective import ObjectiveSpec
from fcnet.runs import RunFolder, load_state
from fcnet.train import RunSpec


@dataclass(frozen=True)
class Predictor:
    """A network and what its answers mean.

    ``params``: the best parameters of the run. ``data``: what it was trained on.
    ``encoder``: from a table's columns to x, None where x is used as stored.
    """

    spec: RunSpec
    params: Params
    data: Description
    encoder: Any

    @property
    def objective(self) -> ObjectiveSpec:
        """Network and loss."""
        return self.spec.objective

    def predict(self, params: Params, x: jax.Array | np.ndarray) -> jax.Array:
        """A pure function: probabilities (rows, classes), or predictions (rows, k) in the target's own units.

        Softmax for cross-entropy, a sigmoid per class for binary cross-entropy.

        Args:
            params: such as ``self.params``.
            x: (rows, inputs), as stored for images and generated points, else as ``encode`` gives it.
        """
        outputs = models.apply(self.spec.model, params, jnp.asarray(x))
        if self.data.task != CLASSIFICATION:
            return outputs * self.data.target_scale + self.data.target_shift
        if self.spec.loss == "binary_cross_entropy":
            return jax.nn.sigmoid(outputs)
        return jax.nn.softmax(outputs, axis=-1)

    def encode(self, columns: np.ndarray) -> np.ndarray:
        """Raw columns (rows, features), in the order of ``features``, as the x that ``predict`` takes."""
        return encoding.encode(self.encoder, columns)

    def read(self, path: Path) -> np.ndarray:
        """The x of every row in a file: a table with the features as columns, an IDX file of images, or ``.npy``.

        Raises:
            InputError: a file of another kind, columns missing, values missing or infinite, another number of pixels.
        """
        require(path.is_file(), f"{path} is not a file: give a table (CSV, Parquet), an IDX file of images, or .npy")
        if tables.is_table(path):
            raw = self._features(self.columns(path), path)
        elif path.suffix == ".npy":
            raw = _load_npy(path)
        else:
            pixels = idx.parse(idx.read_bytes(path), path)
            raw = pixels.reshape(len(pixels), -1)
        width, expected = raw.shape[-1] if raw.ndim == 2 else 0, len(self.data.features)
        require(width == expected, f"{path}: expected rows of {expected} numbers, got an array of shape {raw.shape}")
        require(len(raw) > 0, f"{path} has no rows")
        if self.encoder is None:
            checks.check_numbers(raw, self.data.features, str(path))
        return self.encode(raw)

    def columns(self, path: Path) -> dict[str, tables.Column]:
        """The columns of a table by name, those that were categories in training read as text."""
        text = tuple(name for name in self.data.features if name not in self._numeric)
        return {column.name: column for column in tables.read(path, as_text=text)}

    @property
    def _numeric(self) -> set[str]:
        if self.encoder is None:
            return set(self.data.features)
        indices = {name: columns for name, _, columns in self.encoder.transformers_}.get("numbers", [])
        return {self.data.features[index] for index in indices}

    def _features(self, columns: dict[str, tables.Column], path: Path) -> np.ndarray:
        absent = [name for name in self.data.features if name not in columns]
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        require(not absent, f"{path} has no column {absent[0] if absent else ''!r}{more}, which the network needs")
        for name in sorted(self._numeric):
            column = columns[name]
            require(column.is_numeric, f"{path}: column {name!r} is not numeric, as it was in training")
            infinite = np.isinf(column.values)
            row = int(infinite.argmax()) + 1
            require(not infinite.any(), f"{path}: row {row}, column {name!r} is infinite: mend or remove it")
        return tables.stack([columns[name] for name in self.data.features])


def _load_npy(path: Path) -> np.ndarray:
    try:
        loaded: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise InputError(f"{path} is not a NumPy file of numbers, or it is damaged") from None
    require(loaded.dtype.kind in "fiub", f"{path} holds {loaded.dtype}, expected numbers")
    return loaded.reshape(len(loaded), -1) if loaded.ndim > 1 else loaded


def load(run: str | Path) -> Predictor:
    """The network with the best parameters of a run.

    Raises:
        InputError: not a run folder, no checkpoint yet, or a damaged one.
    """
    folder = RunFolder(Path(run))
    data = folder.description()
    spec = folder.config().run_spec(data)
    if spec.model.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    params = load_state(folder).best.params
    return Predictor(spec, params, data, encoding.restore(folder.encoder) if folder.encoder.exists() else None)
