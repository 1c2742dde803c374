"""IDX files: the real MNIST where it is there, small written ones everywhere, and every way they can be broken."""

import gzip

import numpy as np
import pytest

from fcnet.data import idx
from fcnet.errors import InputError


def pack(array):
    header = b"\x00\x00\x08" + bytes([array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path, random):
    arrays = {
        idx.IMAGES: random.integers(0, 256, (30, 4, 5)),
        idx.LABELS: np.arange(30) % 3,
        idx.TEST_IMAGES: random.integers(0, 256, (6, 4, 5)),
        idx.TEST_LABELS: np.arange(6) % 3,
    }
    for name, array in arrays.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(pack(array), mtime=0))
    return tmp_path


def test_reads_what_was_written(folder):
    source = idx.load(folder)
    assert source.rows.x.shape == (30, 20)
    assert source.rows.x.dtype == np.uint8
    assert source.image_shape == (4, 5)
    assert len(source.features) == 20
    assert source.classes == ("0", "1", "2")
    np.testing.assert_array_equal(source.official_test.y, np.arange(6) % 3)


def test_also_without_gzip(folder):
    packed = folder / f"{idx.LABELS}.gz"
    (folder / idx.LABELS).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert len(idx.load(folder).rows.y) == 30


def break_file(folder, name, change):
    path = folder / f"{name}.gz"
    path.write_bytes(change(path.read_bytes()))


def repack(array):
    return lambda _: gzip.compress(pack(array))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (idx.IMAGES, lambda b: b[: len(b) // 2], "train-images-idx3-ubyte.gz is damaged"),
        (idx.IMAGES, lambda b: b[:50] + bytes([b[50] ^ 255]) + b[51:], "is damaged"),
        (idx.IMAGES, lambda b: b"", "is empty"),
        (idx.IMAGES, lambda b: b"not gzip at all", "is damaged"),
        (idx.IMAGES, lambda b: gzip.compress(b"\x89PNG"), "is not an IDX file"),
        (idx.IMAGES, lambda b: gzip.compress(gzip.decompress(b)[:9]), "ends inside its header"),
        (idx.IMAGES, lambda b: gzip.compress(gzip.decompress(b)[:-3]), "holds 597 values where its header says 600"),
        (idx.LABELS, repack(np.zeros(29)), "30 images but 29 labels"),
        (idx.TEST_IMAGES, repack(np.zeros((6, 5, 5))), "training and test images differ in size"),
        (idx.IMAGES, repack(np.zeros((30, 20))), "expected images of rows × columns"),
    ],
)
def test_broken_files(name, change, message, folder):
    break_file(folder, name, change)
    with pytest.raises(InputError, match=message):
        idx.load(folder)


def test_a_missing_file(folder):
    (folder / f"{idx.LABELS}.gz").unlink()
    with pytest.raises(InputError, match=r"expected the four IDX files train-images-idx3-ubyte.gz"):
        idx.load(folder)


def test_files_under_a_published_name_must_be_the_published_ones(folder):
    with pytest.raises(InputError, match=r"uncompressed md5 is [0-9a-f]{32}, mnist has 6bbc9ace"):
        idx.load(folder, "mnist")


@pytest.mark.parametrize(("name", "first"), [("mnist", 5), ("fashion-mnist", 9)])
def test_the_real_sets(name, first, shared_data):
    source = idx.load(shared_data / name)
    assert source.name == name.replace("-", "_")
    assert source.rows.x.shape == (60_000, 784)
    assert len(source.official_test.y) == 10_000
    assert source.rows.y[0] == first
    np.testing.assert_array_equal(np.unique(source.rows.y), np.arange(10))


def test_one_altered_label_of_the_real_set_is_noticed(shared_data, tmp_path):
    for path in (shared_data / "mnist").glob("*.gz"):
        (tmp_path / path.name).symlink_to(path)
    labels = gzip.decompress((tmp_path / f"{idx.LABELS}.gz").read_bytes())
    (tmp_path / f"{idx.LABELS}.gz").unlink()
    (tmp_path / f"{idx.LABELS}.gz").write_bytes(gzip.compress(labels[:-1] + bytes([(labels[-1] + 1) % 10])))
    with pytest.raises(InputError, match="train-labels-idx1-ubyte: uncompressed md5 is"):
        idx.load(tmp_path)
