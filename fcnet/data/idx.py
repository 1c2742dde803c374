"""MNIST's own file format: IDX arrays in gzip files, checked against the published checksums.

Files too large for the memory are unpacked once, into an archive beside them (see ``mapped``), and read from there.
"""

import gzip
import hashlib
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fcnet.contracts import CLASSIFICATION
from fcnet.data import mapped
from fcnet.data.dataset import Rows, Source
from fcnet.errors import InputError, require

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILE_NAMES = (IMAGES, LABELS, TEST_IMAGES, TEST_LABELS)
LONGEST_HEADER = 4 + 4 * 255

# md5 of the *uncompressed* files: gzip may pack the same bytes differently.
MD5 = {
    "mnist": dict(
        zip(
            FILE_NAMES,
            (
                "6bbc9ace898e44ae57da46a324031adb",
                "a25bea736e30d166cdddb491f175f624",
                "2646ac647ad5339dbf082846283269ea",
                "27ae3e4e09519cfbb04c329615203637",
            ),
            strict=True,
        )
    ),
    "fashion_mnist": dict(
        zip(
            FILE_NAMES,
            (
                "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                "9018921c3c673c538a1fc5bad174d6f9",
                "8181f5470baa50b63fa0f6fddb340f0a",
                "15d484375f8d13e6eb1aabb0c3f46965",
            ),
            strict=True,
        )
    ),
}
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
}


def find(folder: Path) -> dict[str, Path]:
    """The files of a set in ``folder``, by their IDX names; empty unless all four are there (with or without .gz)."""
    found = {}
    for name in FILE_NAMES:
        for path in (folder / f"{name}.gz", folder / name):
            if path.is_file():
                found[name] = path
                break
    return found if len(found) == len(FILE_NAMES) else {}


def read_bytes(path: Path) -> bytes:
    """The uncompressed content of an IDX file.

    Raises:
        InputError: it is empty, truncated, or its gzip checksum does not hold.
    """
    packed = path.read_bytes()
    require(len(packed) > 0, f"{path} is empty: fetch the file again")
    if path.suffix != ".gz":
        return packed
    with _whole(path):
        return gzip.decompress(packed)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as broken:
        raise InputError(f"{path} is damaged ({broken}): fetch the file again") from None


def header(content: bytes, path: Path) -> tuple[tuple[int, ...], int]:
    """The shape of the array, and how many bytes come before its values.

    Raises:
        InputError: another format, or fewer bytes than a header has.
    """
    require(content[:3] == b"\x00\x00\x08" and len(content) > 3, f"{path} is not an IDX file of 8-bit numbers")
    ndim = content[3]
    size = 4 + 4 * ndim
    require(len(content) >= size, f"{path} ends inside its header: fetch the file again")
    return tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(ndim)), size


def parse(content: bytes, path: Path) -> np.ndarray:
    """The uint8 array of an IDX file: magic number 0 0 8 ndim, then ndim big-endian sizes, then the bytes.

    Raises:
        InputError: another format, or fewer or more bytes than the header says.
    """
    shape, start = header(content, path)
    _require_values(len(content) - start, shape, path)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _require_values(got: int, shape: tuple[int, ...], path: Path) -> None:
    expected = math.prod(shape)
    require(got == expected, f"{path} holds {got} values where its header says {expected}: fetch the file again")


def _open(path: Path) -> tuple[np.ndarray, str]:
    """The array of an IDX file, on disk where it is large, and the md5 of the file unpacked."""
    with _whole(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        first = file.read(LONGEST_HEADER)
    shape, start = header(first, path) if first else ((), 0)
    if math.prod(shape) <= mapped.MOST_BYTES_IN_MEMORY:
        content = read_bytes(path)
        return parse(content, path), hashlib.md5(content, usedforsecurity=False).hexdigest()
    if path.suffix == ".gz":
        return _unpacked(path, shape, start)
    _require_values(path.stat().st_size - start, shape, path)
    with path.open("rb") as file:
        total = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return np.memmap(path, np.uint8, "r", start, shape), total.hexdigest()


def _unpacked(path: Path, shape: tuple[int, ...], start: int) -> tuple[np.ndarray, str]:
    """The values of a large gzip file from the archive beside it, made anew where it is not that of this very file."""
    archive, packed = path.with_suffix(".npz"), path.stat()
    note = f"{path.name}, {packed.st_size} bytes, modified at {packed.st_mtime_ns} ns".encode()
    found = mapped.read(archive)
    if found is None or found[1] != note:
        total = hashlib.md5(usedforsecurity=False)

        def values() -> Iterator[np.ndarray]:
            got = 0
            with _whole(path), gzip.open(path) as file:
                total.update(file.read(start))
                while piece := file.read(mapped.BYTES_AT_A_TIME):
                    total.update(piece)
                    got += len(piece)
                    yield np.frombuffer(piece, np.uint8)
            _require_values(got, shape, path)

        def checksum() -> Iterator[np.ndarray]:
            yield np.frombuffer(total.digest(), np.uint8)

        byte = np.dtype(np.uint8)
        contents = {"values": mapped.Content(shape, byte, values()), "md5": mapped.Content((16,), byte, checksum())}
        mapped.write(archive, contents, note)
        found = mapped.read(archive)
    require(found is not None, f"{archive} cannot be read back: is its disk full?")
    assert found is not None
    return found[0]["values"], found[0]["md5"].tobytes().hex()


def identify(sums: dict[str, str], folder: Path, expected: str | None = None) -> str | None:
    """Which published set the files are, by the md5 of each; None for a set that is not published here.

    Raises:
        InputError: some files are those of a published set (or of the one ``expected``) and others are not.
    """
    for published, known in MD5.items():
        wrong = [name for name in FILE_NAMES if sums[name] != known[name]]
        if not wrong:
            return published
        if published == expected or len(wrong) < len(FILE_NAMES):
            raise InputError(
                f"{folder / wrong[0]}: uncompressed md5 is {sums[wrong[0]]}, {published} has {known[wrong[0]]}: "
                "fetch the file again"
            )
    return None


def load(folder: Path, expected: str | None = None) -> Source:
    """The set in ``folder``: four IDX files named as MNIST's are.

    Args:
        expected: the name of the published set that it must be, or None for any.

    Raises:
        InputError: files missing, damaged or altered, or images and labels of different number.
    """
    files = find(folder)
    require(bool(files), f"{folder}: expected the four IDX files {', '.join(f'{name}.gz' for name in FILE_NAMES)}")
    opened = {name: _open(path) for name, path in files.items()}
    published = identify({name: total for name, (_, total) in opened.items()}, folder, expected)
    arrays = {name: array for name, (array, _) in opened.items()}
    train = _rows(arrays[IMAGES], arrays[LABELS], folder / IMAGES)
    test = _rows(arrays[TEST_IMAGES], arrays[TEST_LABELS], folder / TEST_IMAGES)
    image_shape = arrays[IMAGES].shape[1:]
    require(arrays[TEST_IMAGES].shape[1:] == image_shape, f"{folder}: training and test images differ in size")
    classes = CLASSES.get(published or "") or tuple(str(label) for label in range(int(train.y.max()) + 1))
    features = tuple(f"pixel_{row}_{column}" for row in range(image_shape[0]) for column in range(image_shape[1]))
    return Source(
        name=published or folder.name,
        task=CLASSIFICATION,
        rows=train,
        official_test=test,
        features=features,
        origin=f"IDX files in {folder}" + (", checksums as published" if published else ""),
        classes=classes,
        target="label",
        image_shape=image_shape,
        input_scale=1 / 255,
    )


def _rows(images: np.ndarray, labels: np.ndarray, path: Path) -> Rows:
    require(images.ndim == 3 and labels.ndim == 1, f"{path}: expected images of rows × columns with one label each")
    require(len(images) == len(labels), f"{path}: {len(images)} images but {len(labels)} labels")
    require(len(images) > 0, f"{path} holds no images")
    return Rows(images.reshape(len(images), -1), labels.astype(np.int32))
