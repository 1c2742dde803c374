"""fcnet prepare: a TensorFlow Datasets set, prepared once into a local folder."""

from pathlib import Path

from fcnet.console import Reporter
from fcnet.data import prepared
from fcnet.errors import InputError


def prepare(name: str, data_dir: Path, idx_folder: Path | None) -> Path:
    """Prepare ``name`` in ``data_dir``, from IDX files or by downloading.

    Raises:
        InputError: see ``data.prepared.prepare``.
    """
    if idx_folder is None and not prepared.is_known(name):
        raise InputError(f"unknown set {name!r}: see the catalogue of TensorFlow Datasets")
    folder = prepared.prepare(name, data_dir, idx_folder)
    Reporter().result(f"{name} is prepared in {folder}; use it with --data {name} --data-dir {data_dir}")
    return folder
