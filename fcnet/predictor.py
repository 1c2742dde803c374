"""A trained network from its run folder, ready to answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fcnet import devices, models
from fcnet.contracts import CLASSIFICATION, ModelState, Params
from fcnet.data import Description, checks, encoding, idx, mapped, tables
from fcnet.errors import InputError, require
from fcnet.losses import get as get_loss
from fcnet.objective import ObjectiveSpec
from fcnet.runs import RunFolder, load_state
from fcnet.train import RunSpec


@dataclass(frozen=True)
class Predictor:
    """A network and what its answers mean.

    ``params``: the best parameters of the run; ``state``: what the network carries beside them.
    ``data``: what it was trained on.
    ``encoder``: from a table's columns to x, None where x is used as stored.
    """

    spec: RunSpec
    params: Params
    state: ModelState
    data: Description
    encoder: Any

    @property
    def objective(self) -> ObjectiveSpec:
        """Network and loss."""
        return self.spec.objective

    def predict(self, params: Params, x: jax.Array | np.ndarray) -> jax.Array:
        """A pure function: probabilities (rows, classes), or predictions (rows, k) in the target's own units.

        Softmax for cross-entropy, a sigmoid per class for binary cross-entropy, and so on: see ``Loss.predict``.
        Numbers have the network's dtype:
        float32 keeps 7 digits of a target far from 0, ``answers`` all that the network has to say.

        Args:
            params: such as ``self.params``.
            x: (rows, inputs), as stored for images and generated points, else as ``encode`` gives it.
        """
        answers = get_loss(self.spec.loss).predict(models.apply(self.spec.model, params, x, self.state))
        if self.data.task != CLASSIFICATION:
            return answers * self.data.target_scale + self.data.target_shift
        return answers

    def answers(self, x: np.ndarray) -> np.ndarray:
        """Like ``predict`` with the best parameters, in float64 on the host; rows on disk are read piece by piece."""
        return np.concatenate([self._answers(piece) for _, piece in mapped.pieces(x)])

    def _answers(self, x: np.ndarray) -> np.ndarray:
        if self.data.task == CLASSIFICATION:
            return np.asarray(self.predict(self.params, x), np.float64)
        outputs = models.apply(self.spec.model, self.params, x, self.state)
        answers = np.asarray(get_loss(self.spec.loss).predict(outputs), np.float64)
        return answers * self.data.target_scale + self.data.target_shift

    def encode(self, columns: np.ndarray, what: str = "x") -> np.ndarray:
        """Raw columns (rows, features), in the order of ``data.features``, as the x that ``predict`` takes.

        Raises:
            InputError: a number too large to be standardised; ``what`` names the columns' source in it.
        """
        return np.asarray(encoding.encode(self.encoder, columns, self.data.features, what))

    def read(self, path: Path) -> np.ndarray:
        """The x of every row in a file: a table with the features as columns, an IDX file of images, or ``.npy``.

        Raises:
            InputError: a file of another kind, columns missing, values missing or infinite, another number of pixels.
        """
        require(path.is_file(), f"{path} is not a file: give a table (CSV, Parquet), an IDX file of images, or .npy")
        if tables.is_table(path):
            raw = self.stack(self.columns(path), path)
        elif path.suffix == ".npy":
            raw = _load_npy(path)
        else:
            raw = _rows(idx.parse(idx.read_bytes(path), path))
        width, expected = raw.shape[-1] if raw.ndim == 2 else 0, len(self.data.features)
        require(width == expected, f"{path}: expected rows of {expected} numbers, got an array of shape {raw.shape}")
        require(len(raw) > 0, f"{path} has no rows")
        if self.encoder is None:
            checks.check_numbers(raw, self.data.features, str(path))
        elif not tables.is_table(path):
            text = [name for name in self.data.features if name not in self._numeric]
            require(not text, f"{path}: a table is needed, because column {text[0] if text else ''!r} is text")
            infinite = np.isinf(raw).any(axis=1)
            require(not infinite.any(), f"{path}: row {int(infinite.argmax()) + 1} is infinite: mend or remove it")
        return self.encode(raw, str(path))

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

    def stack(self, columns: dict[str, tables.Column], path: Path) -> np.ndarray:
        """The features among ``columns`` as (rows, features), in the order of training.

        Raises:
            InputError: a feature missing, of the other kind than in training, or infinite.
        """
        absent = [name for name in self.data.features if name not in columns]
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        require(not absent, f"{path} has no column {absent[0] if absent else ''!r}{more}, which the network needs")
        numeric = self._numeric
        for name in self.data.features:
            column = columns[name]
            was = "numeric" if name in numeric else "text"
            require(
                column.is_numeric == (name in numeric), f"{path}: column {name!r} is not {was}, as it was in training"
            )
            if not column.is_numeric:
                continue
            infinite = np.isinf(column.values)
            row = int(infinite.argmax()) + 1
            require(not infinite.any(), f"{path}: row {row}, column {name!r} is infinite: mend or remove it")
        return tables.stack([columns[name] for name in self.data.features])


def _load_npy(path: Path) -> np.ndarray:
    try:
        large = path.stat().st_size > mapped.MOST_BYTES_IN_MEMORY
        loaded: np.ndarray = np.load(path, mmap_mode="r" if large else None, allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise InputError(f"{path} is not a NumPy file of numbers, or it is damaged") from None
    require(loaded.dtype.kind in "fiub", f"{path} holds {loaded.dtype}, expected numbers")
    return _rows(loaded)


def _rows(array: np.ndarray) -> np.ndarray:
    """Images or other arrays as one row each; an array without rows as it is."""
    return array.reshape(len(array), -1) if array.ndim > 1 and array.size else array


def load(run: str | Path) -> Predictor:
    """The network with the best parameters of a run.

    Raises:
        InputError: not a run folder, no checkpoint yet, or a damaged one.
    """
    folder = RunFolder(Path(run))
    data = folder.description()
    spec = folder.config().run_spec(data)
    devices.use_precision(spec.model.dtype)
    best = load_state(folder).best
    return Predictor(
        spec, best.params, best.model_state, data, encoding.restore(folder.encoder) if folder.encoder.exists() else None
    )
