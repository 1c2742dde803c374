"""Sets in the TFDS format, really prepared and read back without TensorFlow."""

import gzip
import hashlib
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from fcnet.data import DataSpec, idx, load, mapped, prepared
from fcnet.errors import InputError


class Flowers(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A table of the kinds of columns that TFDS has."""

    VERSION = tfds.core.Version("1.2.0")
    name = "flowers"

    def _info(self):
        features = {
            "size": np.float32,
            "petals": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "soil": tfds.features.Text(),
            "colour": tfds.features.ClassLabel(names=["red", "blue"]),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(40):
            yield (
                number,
                {
                    "size": number / 10,
                    "petals": np.array([number, -number], np.float32),
                    "soil": "sand" if number % 3 else "clay",
                    "colour": number % 2,
                },
            )


@pytest.fixture
def drawn_mnist(tmp_path, random, monkeypatch):
    """IDX files of MNIST's shape but drawn, with their own checksums published for the test."""
    folder = tmp_path / "idx"
    folder.mkdir()
    arrays = {
        idx.IMAGES: random.integers(0, 256, (120, 28, 28)),
        idx.LABELS: np.arange(120) % 10,
        idx.TEST_IMAGES: random.integers(0, 256, (30, 28, 28)),
        idx.TEST_LABELS: np.arange(30) % 10,
    }
    sums = {}
    for name, array in arrays.items():
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        content = b"\x00\x00\x08" + bytes([array.ndim]) + sizes + array.astype(np.uint8).tobytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        sums[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(idx.MD5, "mnist", sums)
    return folder


def test_prepared_once_and_used_from_there(drawn_mnist, tmp_path):
    from_idx = idx.load(drawn_mnist)
    folder = prepared.prepare("mnist", tmp_path / "data", drawn_mnist)
    assert folder.is_relative_to(tmp_path / "data" / "mnist")
    assert tfds.builder("mnist", data_dir=tmp_path / "data").info.splits["train"].num_examples == 120
    for _ in range(2):  # decoded, then from the cache
        source = prepared.load("mnist", folder, None, None, ())
        np.testing.assert_array_equal(np.sort(source.rows.x.sum(axis=1)), np.sort(from_idx.rows.x.sum(axis=1)))
        assert len(source.official_test.y) == 30
        assert (folder / prepared.CACHE_NAME).is_file()
    dataset = load(DataSpec("mnist", data_dir=str(tmp_path / "data")))
    assert dataset.description.origin.startswith("TensorFlow Datasets, mnist/")
    assert dataset.description.classes == tuple("0123456789")
    cache = folder / prepared.CACHE_NAME
    for torn in (b"torn", cache.read_bytes()[:-100], cache.read_bytes()[:30000]):
        cache.write_bytes(torn)
        assert len(prepared.load("mnist", folder, None, None, ()).rows.y) == 120
    with pytest.raises(InputError, match="mnist is prepared already, in"):
        prepared.prepare("mnist", tmp_path / "data", drawn_mnist)
    assert "tensorflow" not in sys.modules


def test_a_table(tmp_path):
    Flowers(data_dir=tmp_path, file_format="array_record").download_and_prepare(file_format="array_record")
    dataset = load(DataSpec("flowers", data_dir=str(tmp_path), target="colour"))
    data = dataset.description
    assert data.name == "flowers"
    assert data.features == ("petals_0", "petals_1", "size", "soil")
    assert data.classes == ("blue", "red")
    assert data.inputs == 5
    numbers = load(DataSpec("flowers", data_dir=str(tmp_path), target="size"))
    assert numbers.description.task == "regression"
    with pytest.raises(InputError, match="say which column to predict with --target"):
        load(DataSpec("flowers", data_dir=str(tmp_path)))


def test_the_newest_version_is_taken(tmp_path):
    for version in ("1.9.0", "1.10.0"):
        (tmp_path / "thing" / version).mkdir(parents=True)
        (tmp_path / "thing" / version / "dataset_info.json").write_text("{}")
    assert prepared.folder_of("thing", tmp_path).name == "1.10.0"
    assert prepared.folder_of("other", tmp_path) is None


def test_refusals(tmp_path, drawn_mnist):
    with pytest.raises(InputError, match="--idx is for mnist and fashion_mnist, not for cifar10"):
        prepared.prepare("cifar10", tmp_path, drawn_mnist)
    assert prepared.is_known("cifar10")
    assert not prepared.is_known("digitz")


def test_large_sets_are_decoded_into_a_file_and_mapped(drawn_mnist, tmp_path, monkeypatch):
    folder = prepared.prepare("mnist", tmp_path / "data", drawn_mnist)
    in_memory = prepared.load("mnist", folder, None, None, ())
    assert type(in_memory.rows.x) is np.ndarray
    (folder / prepared.CACHE_NAME).unlink()
    # 120 training images of 784 bytes are, 30 test images are not
    monkeypatch.setattr(mapped, "MOST_BYTES_IN_MEMORY", 50_000)
    for _ in range(2):
        source = prepared.load("mnist", folder, None, None, ())
        assert isinstance(source.rows.x, np.memmap)
        assert type(source.official_test.x) is np.ndarray
        for found, expected in ((source.rows, in_memory.rows), (source.official_test, in_memory.official_test)):
            np.testing.assert_array_equal(found.x, expected.x)
            np.testing.assert_array_equal(found.y, expected.y)
    assert isinstance(load(DataSpec("mnist", data_dir=str(tmp_path / "data"))).train.x, mapped.Selection)


def test_a_folder_that_cannot_be_written(drawn_mnist, tmp_path, monkeypatch):
    folder = prepared.prepare("mnist", tmp_path / "data", drawn_mnist)
    expected = prepared.load("mnist", folder, None, None, ())
    (folder / prepared.CACHE_NAME).unlink()

    def refused(path, arrays):
        raise InputError(f"cannot write {path}: Read-only file system")

    monkeypatch.setattr(mapped, "write", refused)
    source = prepared.load("mnist", folder, None, None, ())
    np.testing.assert_array_equal(source.rows.x, expected.rows.x)
    np.testing.assert_array_equal(source.rows.y, expected.rows.y)
    assert not (folder / prepared.CACHE_NAME).exists()
    monkeypatch.setattr(mapped, "MOST_BYTES_IN_MEMORY", 50_000)
    with pytest.raises(InputError, match="Read-only file system"):
        prepared.load("mnist", folder, None, None, ())
