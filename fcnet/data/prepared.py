"""Sets by their TensorFlow Datasets name, prepared once into a local folder and read from there, without TensorFlow."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.contracts import CLASSIFICATION
from fcnet.data import idx, mapped, tables
from fcnet.data.dataset import Rows, Source
from fcnet.errors import InputError, require

# Where the authors publish the IDX files of the two sets whose own preparation would need TensorFlow.
IDX_URLS = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}
CACHE_NAME = "fcnet-cache.npz"


def is_known(name: str) -> bool:
    """Whether TensorFlow Datasets has a set of this name; looks at its registry, not at the network."""
    import tensorflow_datasets as tfds

    try:
        tfds.builder_cls(name)
    except Exception:  # the registry raises its own errors, and a set's module any ImportError, when it is looked up
        return False
    return True


def folder_of(name: str, data_dir: Path) -> Path | None:
    """The folder of the newest prepared version of ``name`` under ``data_dir``, or None."""
    # a set with configurations lies one level deeper
    found = [*data_dir.glob(f"{name}/*/dataset_info.json"), *data_dir.glob(f"{name}/*/*/dataset_info.json")]
    return max(found, key=lambda info: _version(info.parent.name)).parent if found else None


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in name.split("."))


def load(name: str, folder: Path, target: str | None, task: str | None, drop: tuple[str, ...]) -> Source:
    """A prepared set: images or rows with one label each, or a table whose ``target`` is named.

    Raises:
        InputError: it was prepared in a format that needs TensorFlow, or is neither images nor a table.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(folder)
    info = builder.info
    require("train" in info.splits, f"{folder}: has no 'train' split, only {', '.join(info.splits)}")
    keys = info.supervised_keys
    x_feature = info.features[keys[0]] if keys and len(keys) == 2 else None
    label = info.features[keys[1]] if keys and len(keys) == 2 else None
    is_image = isinstance(x_feature, tfds.features.Image)
    if is_image and isinstance(label, tfds.features.ClassLabel) and target in (None, keys[1]):
        return _images(name, folder, builder, keys, tuple(label.names))
    table = tables.from_columns(_columns(builder), folder, target or (keys[1] if keys else None), task, drop)
    return replace(table, name=name, origin=_origin(builder))


def _origin(builder: Any) -> str:
    return f"TensorFlow Datasets, {builder.info.full_name}, prepared in {builder.data_dir}"


def _examples(builder: Any, split: str) -> Iterator[dict[str, Any]]:
    try:
        return iter(builder.as_data_source(split))
    except NotImplementedError:  # what a record format that needs TensorFlow raises
        raise InputError(
            f"{builder.data_dir} is in a format that needs TensorFlow: prepare it with file_format='array_record'"
        ) from None


def _images(name: str, folder: Path, builder: Any, keys: tuple[str, str], classes: tuple[str, ...]) -> Source:
    arrays = _cached(folder, builder, keys)
    shape = arrays["train_x"].shape[1:]
    flat = {
        split: Rows(arrays[f"{split}_x"].reshape(len(arrays[f"{split}_x"]), -1), arrays[f"{split}_y"])
        for split in ("train", "test")
        if f"{split}_x" in arrays
    }
    image_shape = shape[:2] if shape[-1] == 1 else shape
    features = tuple("pixel_" + "_".join(map(str, place)) for place in np.ndindex(image_shape))
    return Source(
        name,
        CLASSIFICATION,
        flat["train"],
        features,
        _origin(builder),
        classes,
        keys[1],
        flat.get("test"),
        image_shape=image_shape,
        input_scale=1 / 255,
    )


def _cached(folder: Path, builder: Any, keys: tuple[str, str]) -> dict[str, np.ndarray]:
    cache = folder / CACHE_NAME
    found = mapped.read(cache)
    if found is None:  # not there yet, or torn: it is only a cache
        try:
            mapped.write(cache, _decoded(builder, keys))
        except InputError:
            contents = _decoded(builder, keys)
            fits = sum(content.bytes for content in contents.values()) <= mapped.MOST_BYTES_IN_MEMORY
            if not fits:
                raise
            # a folder that cannot be written is read again next time
            return {name: content.in_memory() for name, content in contents.items()}
        found = mapped.read(cache)
    require(found is not None, f"{cache} cannot be read back: is its disk full?")
    assert found is not None
    return found[0]


def _decoded(builder: Any, keys: tuple[str, str]) -> dict[str, mapped.Content]:
    """Images and labels of each part, to be gone through in this order: an image at a time, its label on the way."""
    contents = {}
    for split in ("train", "test"):
        if split in builder.info.splits:
            images, labels = _images_then_labels(_examples(builder, split), keys)
            rows, first = builder.info.splits[split].num_examples, next(images)
            contents[f"{split}_x"] = mapped.Content((rows, *first.shape), first.dtype, chain([first], images))
            contents[f"{split}_y"] = mapped.Content((rows,), np.dtype(np.int32), labels)
    return contents


def _images_then_labels(
    examples: Iterator[dict[str, Any]], keys: tuple[str, str]
) -> tuple[Iterator[np.ndarray], Iterator[np.ndarray]]:
    seen: list[int] = []

    def images() -> Iterator[np.ndarray]:
        for example in examples:
            seen.append(example[keys[1]])
            yield example[keys[0]]

    def labels() -> Iterator[np.ndarray]:
        yield np.array(seen, np.int32)

    return images(), labels()


def _columns(builder: Any) -> list[tables.Column]:
    features = builder.info.features
    rows = [_flat(features, example) for split in builder.info.splits for example in _examples(builder, split)]
    require(bool(rows), f"{builder.data_dir}: no rows")
    columns = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        is_text = any(isinstance(value, str) for value in values)
        columns.append(tables.Column(name, np.array(values, dtype=object if is_text else np.float64), not is_text))
    return columns


def _flat(features: Any, example: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Scalars of an example by name: nested features as a/b, entries of a vector as a_0, a_1; class labels as text."""
    import tensorflow_datasets as tfds

    flat: dict[str, Any] = {}
    for key, value in example.items():
        name, feature = prefix + key, features[key]
        if isinstance(value, dict):
            flat |= _flat(feature, value, f"{name}/")
        elif isinstance(feature, tfds.features.ClassLabel):
            flat[name] = feature.int2str(int(value)) if value >= 0 else None  # TFDS marks a hidden label with −1
        elif isinstance(value, bytes | str):
            flat[name] = value.decode() if isinstance(value, bytes) else value
        elif np.ndim(value) == 0:
            flat[name] = float(value)
        elif np.ndim(value) == 1:
            flat |= {f"{name}_{index}": float(entry) for index, entry in enumerate(value)}
        else:
            raise InputError(f"feature {name!r} has shape {np.shape(value)}: neither an image set nor a table")
    return flat


def prepare(name: str, data_dir: Path, idx_folder: Path | None = None) -> Path:
    """Prepare ``name`` under ``data_dir`` in the array_record format; returns its folder.

    Args:
        idx_folder: where the four IDX files of mnist or fashion_mnist lie; without it they, or whatever the set
            needs, are downloaded.

    Raises:
        InputError: the set is prepared already, no network, or its preparation needs TensorFlow.
    """
    import tensorflow_datasets as tfds

    there = folder_of(name, data_dir)
    require(there is None, f"{name} is prepared already, in {there}: remove that folder to prepare it again")
    require(idx_folder is None or name in idx.MD5, f"--idx is for {' and '.join(idx.MD5)}, not for {name}")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of every attempt that TFDS makes
    settings = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        if name in idx.MD5:
            builder = _idx_builder(name, data_dir, idx_folder)
        else:
            builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
        builder.download_and_prepare(download_config=settings, file_format="array_record")
    except (OSError, tfds.download.DownloadError) as failed:
        reason = " ".join(str(failed).split())[:120]
        raise InputError(
            f"{name} could not be prepared in {data_dir} ({type(failed).__name__}: {reason}): try again with network, "
            "or copy a folder that was prepared elsewhere there"
        ) from None
    except ImportError as missing:
        raise InputError(
            f"preparing {name} needs {missing.name}: prepare it where that is installed, with "
            f"file_format='array_record', and copy the folder to {data_dir / name}"
        ) from None
    return Path(builder.data_dir)


def _idx_builder(name: str, data_dir: Path, idx_folder: Path | None) -> Any:
    import tensorflow_datasets as tfds
    from PIL import Image

    def png(pixels: np.ndarray) -> BytesIO:
        # already encoded, because TFDS would call TensorFlow to do it
        packed = BytesIO()
        Image.fromarray(pixels).save(packed, format="PNG")
        packed.seek(0)
        return packed

    class FromIdx(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]  # TFDS is untyped
        """The set from its IDX files, under the name and with the features that TFDS gives it."""

        VERSION = tfds.core.Version("3.0.1")

        def _info(self) -> Any:
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Image(shape=(28, 28, 1)),
                        "label": tfds.features.ClassLabel(names=list(idx.CLASSES[name])),
                    }
                ),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            folder = idx_folder
            if folder is None:
                fetched = dl_manager.download({part: f"{IDX_URLS[name]}{part}.gz" for part in idx.FILE_NAMES})
                folder = Path(self.data_dir).parent / "idx"
                folder.mkdir(parents=True, exist_ok=True)
                for part, path in fetched.items():
                    (folder / f"{part}.gz").write_bytes(Path(path).read_bytes())
            source = idx.load(folder, name)
            assert source.official_test is not None
            return {
                "train": self._generate_examples(source.rows),
                "test": self._generate_examples(source.official_test),
            }

        def _generate_examples(self, rows: Rows) -> Iterator[tuple[int, dict[str, Any]]]:
            for number, (pixels, label) in enumerate(zip(np.asarray(rows.x).reshape(-1, 28, 28), rows.y, strict=True)):
                yield number, {"image": png(pixels), "label": int(label)}

    FromIdx.name = name
    return FromIdx(data_dir=data_dir, file_format="array_record")
