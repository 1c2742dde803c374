"""Arrays that stay on disk: archives read back bit for bit or not at all, and nothing that loads a large one whole."""

import gzip
import json
import os

import numpy as np
import pytest

from fcnet import provenance
from fcnet.cli import run
from fcnet.data import Dataset, DataSpec, Rows, checks, idx, load, mapped
from fcnet.errors import InputError
from fcnet.streaming import blocks

ROWS, TEST_ROWS = 400, 40


def pack(array):
    header = b"\x00\x00\x08" + bytes([array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path, random):
    path = tmp_path / "images"
    path.mkdir()
    labels = {idx.LABELS: np.arange(ROWS) % 3, idx.TEST_LABELS: np.arange(TEST_ROWS) % 3}
    arrays = labels | {
        name: random.integers(0, 100, (len(y), 4, 5)) + 70 * y[:, None, None]
        for name, y in ((idx.IMAGES, labels[idx.LABELS]), (idx.TEST_IMAGES, labels[idx.TEST_LABELS]))
    }
    for name, array in arrays.items():
        (path / f"{name}.gz").write_bytes(gzip.compress(pack(array), mtime=0))
    return path


@pytest.fixture
def large(monkeypatch):
    """The training images (8,000 bytes) are too large for the memory, and a piece is 50 rows."""
    monkeypatch.setattr(mapped, "MOST_BYTES_IN_MEMORY", 2000)
    monkeypatch.setattr(mapped, "BYTES_AT_A_TIME", 1000)


def test_a_selection_is_those_rows(tmp_path, random):
    whole = random.normal(size=(30, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", whole)
    stored, numbers = np.load(tmp_path / "x.npy", mmap_mode="r"), np.array([7, 3, 29, 3])
    chosen = mapped.select(stored, numbers)
    assert isinstance(chosen, mapped.Selection)
    assert (chosen.shape, chosen.dtype, chosen.ndim, chosen.nbytes, len(chosen)) == ((4, 4), np.float32, 2, 64, 4)
    np.testing.assert_array_equal(chosen, whole[numbers])
    np.testing.assert_array_equal(chosen[1:3], whole[[3, 29]])
    np.testing.assert_array_equal(chosen[np.array([3, 0])], whole[[3, 7]])
    assert type(chosen[:2]) is np.ndarray
    np.testing.assert_array_equal(mapped.select(chosen, np.array([2, 0])), whole[[29, 7]])
    assert np.asarray(chosen, np.float64).dtype == np.float64
    assert type(mapped.select(whole, numbers)) is np.ndarray


def test_pieces_are_all_rows_in_order(monkeypatch, random):
    x = random.normal(size=(10, 2))
    monkeypatch.setattr(mapped, "BYTES_AT_A_TIME", 3 * 16)
    got = list(mapped.pieces(x))
    assert [start for start, _ in got] == [0, 3, 6, 9]
    np.testing.assert_array_equal(np.concatenate([piece for _, piece in got]), x)
    # a row is the least, and no row is a piece, too
    monkeypatch.setattr(mapped, "BYTES_AT_A_TIME", 1)
    assert len(list(mapped.pieces(x))) == 10
    assert [piece.shape for _, piece in mapped.pieces(x[:0])] == [(0, 2)]


def test_an_archive_is_read_back_in_part_from_disk(tmp_path, random, large):
    x, y = random.normal(size=(100, 6)), np.arange(100, dtype=np.int32)
    contents = {
        "x": mapped.Content(x.shape, x.dtype, [x[:40], x[40:]]),
        "y": mapped.Content(y.shape, y.dtype, [y]),
    }
    mapped.write(tmp_path / "a.npz", contents, b"made of this")
    found, note = mapped.read(tmp_path / "a.npz")
    assert note == b"made of this"
    assert isinstance(found["x"], np.memmap)
    assert type(found["y"]) is np.ndarray
    np.testing.assert_array_equal(found["x"], x)
    np.testing.assert_array_equal(found["y"], y)
    with np.load(tmp_path / "a.npz") as numpys:  # NumPy's own reader agrees
        np.testing.assert_array_equal(numpys["x"], x)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize(
    "change",
    [lambda b: b[:-100], lambda b: b[:300], lambda b: b"", lambda b: b[:900] + bytes([b[900] ^ 1]) + b[901:]],
    ids=["end cut off", "cut", "empty", "one bit"],
)
def test_a_damaged_archive_is_no_archive(change, tmp_path, random, large):
    x = random.normal(size=(100, 6))
    path = tmp_path / "a.npz"
    mapped.write(path, {"x": mapped.Content(x.shape, x.dtype, [x])})
    assert mapped.read(path) is not None
    path.write_bytes(change(path.read_bytes()))
    assert mapped.read(path) is None
    assert mapped.read(tmp_path / "other.npz") is None


def images_of(folder):
    with gzip.open(folder / f"{idx.IMAGES}.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(ROWS, 20)


def test_large_idx_files_are_unpacked_once(folder, large, monkeypatch):
    expected = images_of(folder)
    source = idx.load(folder)
    assert isinstance(source.rows.x, np.memmap)
    assert type(source.official_test.x) is np.ndarray
    np.testing.assert_array_equal(source.rows.x, expected)
    archive = folder / f"{idx.IMAGES}.npz"
    written = archive.stat().st_mtime_ns
    np.testing.assert_array_equal(idx.load(folder).rows.x, expected)
    assert archive.stat().st_mtime_ns == written
    # a damaged archive, and one of another file, are made anew
    archive.write_bytes(archive.read_bytes()[:-50])
    np.testing.assert_array_equal(idx.load(folder).rows.x, expected)
    packed = folder / f"{idx.IMAGES}.gz"
    packed.write_bytes(gzip.compress(pack(255 - expected.reshape(ROWS, 4, 5))))
    os.utime(packed, ns=(written, written + 10**9))
    np.testing.assert_array_equal(idx.load(folder).rows.x, 255 - expected)


def test_large_idx_files_without_gzip_are_mapped_as_they_are(folder, large):
    packed, expected = folder / f"{idx.IMAGES}.gz", images_of(folder)
    (folder / idx.IMAGES).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    source = idx.load(folder)
    assert isinstance(source.rows.x, np.memmap)
    np.testing.assert_array_equal(source.rows.x, expected)
    assert not (folder / f"{idx.IMAGES}.npz").exists()
    (folder / idx.IMAGES).write_bytes((folder / idx.IMAGES).read_bytes()[:-3])
    with pytest.raises(InputError, match="holds 7997 values where its header says 8000"):
        idx.load(folder)


def test_checksums_of_large_files_are_those_of_small_ones(folder, large, monkeypatch):
    from_disk = idx._open(folder / f"{idx.IMAGES}.gz")[1]
    again = idx._open(folder / f"{idx.IMAGES}.gz")[1]
    monkeypatch.undo()
    assert from_disk == again == idx._open(folder / f"{idx.IMAGES}.gz")[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[: len(b) // 2], "train-images-idx3-ubyte.gz is damaged"),
        (lambda b: b[:500] + bytes([b[500] ^ 255]) + b[501:], "train-images-idx3-ubyte.gz is damaged"),
        (lambda b: gzip.compress(gzip.decompress(b)[:-3]), "holds 7997 values where its header says 8000"),
        (lambda b: gzip.compress(gzip.decompress(b) + b"more"), "holds 8004 values where its header says 8000"),
    ],
)
def test_large_files_that_are_broken(change, message, folder, large):
    path = folder / f"{idx.IMAGES}.gz"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        idx.load(folder)
    assert not list(folder.glob("*.npz"))


def test_a_folder_that_has_no_room(folder, large, monkeypatch):
    def full(self, *args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zipfile._ZipWriteFile.write", full)
    with pytest.raises(InputError, match=r"cannot write .*train-images-idx3-ubyte.npz: No space left on device"):
        idx.load(folder)


def test_a_split_of_rows_on_disk_is_that_of_rows_in_memory(folder, large, monkeypatch):
    from_disk = load(DataSpec(str(folder)))
    assert isinstance(from_disk.train.x, mapped.Selection)
    monkeypatch.setattr(mapped, "MOST_BYTES_IN_MEMORY", 10**9)
    in_memory = load(DataSpec(str(folder)))
    assert type(in_memory.train.x) is np.ndarray
    assert from_disk.description == in_memory.description
    for name, rows in in_memory.parts.items():
        np.testing.assert_array_equal(from_disk.parts[name].x, rows.x)
        np.testing.assert_array_equal(from_disk.parts[name].y, rows.y)
    # one fingerprint, in pieces of 50 rows or in one
    fingerprint = provenance.data_fingerprint(from_disk)
    monkeypatch.setattr(mapped, "BYTES_AT_A_TIME", 10**9)
    assert provenance.data_fingerprint(in_memory) == fingerprint
    changed = in_memory.train.x.copy()
    changed[-1, -1] ^= 1
    other = Dataset(in_memory.description, Rows(changed, in_memory.train.y), in_memory.validation, in_memory.test)
    assert provenance.data_fingerprint(other) != fingerprint


def test_numbers_are_checked_piece_by_piece(large):
    x = np.zeros((400, 2), np.float32)
    checks.check_numbers(x, ("a", "b"), "numbers")
    x[333, 1] = np.inf
    with pytest.raises(InputError, match="numbers: row 334, column 'b' is inf: mend or remove it"):
        checks.check_numbers(x, ("a", "b"), "numbers")


FLAGS = ["--hidden", "8", "--epochs", "3", "--patience", "0"]


def test_a_run_never_reads_all_rows_at_once(folder, large, tmp_path, monkeypatch, capsys):
    """Training, evaluating and predicting on a device and in a memory that hold a part of the rows."""
    # in memory: what is expected
    monkeypatch.setattr(mapped, "MOST_BYTES_IN_MEMORY", 10**9)
    assert run(["train", "--data", str(folder), *FLAGS, "--out", str(tmp_path / "whole"), "--quiet"]) == 0
    monkeypatch.setattr(mapped, "MOST_BYTES_IN_MEMORY", 2000)
    # 4,000 bytes for rows: blocks of at most 1,000, and 60 validation rows of 24 bytes beside them
    monkeypatch.setattr("fcnet.devices.device_bytes", lambda device: 8000)
    most = [0]
    getitem = mapped.Selection.__getitem__

    def measured(self, rows):
        got = getitem(self, rows)
        most[0] = max(most[0], got.nbytes)
        return got

    monkeypatch.setattr(mapped.Selection, "__getitem__", measured)
    assert run(["train", "--data", str(folder), *FLAGS, "--out", str(tmp_path / "parts")]) == 0
    assert "they are too large for the device's memory" in capsys.readouterr().out
    # of 340 rows: no more than the 128 on which the gradients are checked
    assert most[0] == 128 * 20
    assert blocks.layout(load(DataSpec(str(folder))).train, 32, 1000)[0][0] == 1
    results = [json.loads((tmp_path / name / "results.json").read_text())["parts"] for name in ("whole", "parts")]
    for part in ("train", "validation", "test"):
        assert results[0][part]["rows"] == results[1][part]["rows"]
        # the same parameters; answers of pieces of another number of rows may round differently
        for what in ("loss", "score"):
            np.testing.assert_allclose(results[1][part][what]["value"], results[0][part][what]["value"], rtol=1e-5)
    assert (tmp_path / "whole" / "metrics.csv").read_bytes() == (tmp_path / "parts" / "metrics.csv").read_bytes()
    assert run(["evaluate", str(tmp_path / "parts")]) == 0
    assert most[0] == 128 * 20
    np.save(tmp_path / "many.npy", images_of(folder))
    words = [str(tmp_path / "parts"), str(tmp_path / "many.npy"), "--out", str(tmp_path / "answers.csv")]
    assert run(["predict", *words]) == 0
    assert "400 predictions written" in capsys.readouterr().out
