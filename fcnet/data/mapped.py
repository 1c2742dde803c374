"""Arrays that stay on disk: memory-mapped, read where and when rows are asked for.

Large arrays are kept unpacked in an archive (``.npz``, not compressed) beside the files that they were read from, so
that one pass over those is enough. Zip's own checksums tell whether the archive is whole; a note in it, what it was
made of.
"""

import math
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from fcnet.errors import require
from fcnet.files import write_with

# Larger arrays are left on disk; smaller ones are read into memory at once.
MOST_BYTES_IN_MEMORY = 2**30
# What is read at a time where all rows are gone through in their order.
BYTES_AT_A_TIME = 2**26


class Selection:
    """Some rows of an array on disk, in an order of their own: read when they are indexed, and only those.

    ``stored``: (rows, …) the array; ``numbers``: (n,) which of its rows these are.
    """

    def __init__(self, stored: np.ndarray, numbers: np.ndarray) -> None:
        self.stored, self.numbers = stored, numbers
        self.shape, self.dtype, self.ndim = (len(numbers), *stored.shape[1:]), stored.dtype, stored.ndim
        self.nbytes = len(numbers) * int(stored[:1].nbytes)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """These rows, in memory."""
        return np.asarray(self.stored[self.numbers[rows]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All rows, in memory: what NumPy and JAX ask for where they need a whole array."""
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)


def select(x: np.ndarray | Selection, numbers: np.ndarray) -> np.ndarray | Selection:
    """The rows ``numbers`` of x: read later where x is on disk, a copy where it is in memory."""
    if isinstance(x, Selection):
        return Selection(x.stored, x.numbers[numbers])
    return Selection(x, numbers) if isinstance(x, np.memmap) else x[numbers]


def stored_in(x: np.ndarray | Selection) -> np.memmap | None:
    """The mapped array that the rows of x are read from; None where they are in memory."""
    stored = x.stored if isinstance(x, Selection) else x
    return stored if isinstance(stored, np.memmap) else None


def require_whole(x: np.ndarray | Selection) -> None:
    """The file behind x, if any, must be as large as it was: reading what is gone would end the process.

    Raises:
        InputError: it has vanished or was cut.
    """
    stored = stored_in(x)
    if stored is None or stored.filename is None:
        return
    path = Path(stored.filename)
    bytes_now = path.stat().st_size if path.is_file() else -1
    require(bytes_now >= 0, f"{path} has vanished while its rows were read: put it back and go on")
    end = stored.offset + stored.nbytes
    require(bytes_now >= end, f"{path} was cut to {bytes_now:,} bytes while its rows were read: restore it and go on")


def rows_at_a_time(x: np.ndarray | Selection, most_bytes: int | None = None) -> int:
    """How many rows of x take ``most_bytes``; at least 1."""
    row_bytes = max(1, x.nbytes // max(1, len(x)))
    return max(1, (BYTES_AT_A_TIME if most_bytes is None else most_bytes) // row_bytes)


def pieces(x: np.ndarray | Selection) -> Iterator[tuple[int, np.ndarray]]:
    """All rows of x in their order, a piece in memory at a time, each with the number of its first row."""
    step = rows_at_a_time(x)
    for start in range(0, max(1, len(x)), step):
        require_whole(x)
        yield start, np.asarray(x[start : start + step])


class Content(NamedTuple):
    """An array that is made piece by piece: its shape and dtype, and its values in their order."""

    shape: tuple[int, ...]
    dtype: np.dtype
    pieces: Iterable[np.ndarray]

    @property
    def bytes(self) -> int:
        """How large it is."""
        return math.prod(self.shape) * self.dtype.itemsize

    def in_memory(self) -> np.ndarray:
        """All of it."""
        return np.concatenate([piece.reshape(-1) for piece in self.pieces]).reshape(self.shape)


def write(path: Path, arrays: dict[str, Content], note: bytes = b"") -> None:
    """An archive of these arrays, never more than a piece of them in memory.

    Raises:
        InputError: the folder cannot be written, or has no room.
    """

    def fill(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = note
            for name, content in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    header = {"descr": npy.dtype_to_descr(content.dtype), "fortran_order": False}
                    npy.write_array_header_1_0(member, header | {"shape": content.shape})
                    for piece in content.pieces:
                        member.write(np.ascontiguousarray(piece, content.dtype).data)

    write_with(path, fill)


def read(path: Path) -> tuple[dict[str, np.ndarray], bytes] | None:
    """The arrays of an archive, the large ones mapped, and its note; None where it is not there or not whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
            members = {member.filename.removesuffix(".npy"): member for member in archive.filelist}
            return {name: _member(path, archive, member) for name, member in members.items()}, archive.comment
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as opened:
        if member.file_size <= MOST_BYTES_IN_MEMORY:
            return npy.read_array(opened, allow_pickle=False)
        npy.read_magic(opened)
        shape, _, dtype = npy.read_array_header_1_0(opened)
        inside = opened.tell()
    return np.memmap(path, dtype, "r", _start(path, member) + inside, shape)


def _start(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin: after its own header of 30 bytes, name and extra field."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return member.header_offset + 30 + name + extra
