"""PyTorch's numbers on disk: one flat float64 array and an index of what lies where; nothing is pickled."""

import json
from pathlib import Path

import numpy as np

from fcnet.files import write_with
from ledger.case import Arrays

PATH = Path(__file__).parent / "golden.npz"
# {case key: (inputs, PyTorch's results)}
Golden = dict[str, tuple[Arrays, Arrays]]


def save(golden: Golden, torch_version: str, path: Path = PATH) -> None:
    """Write all cases; equal ones give equal bytes."""
    index, numbers, place = {}, [], 0
    for key, parts in sorted(golden.items()):
        entry: list[dict[str, tuple[int, tuple[int, ...]]]] = []
        for part in parts:
            shapes = {}
            for name, array in part.items():
                shapes[name] = (place, array.shape)
                numbers.append(np.asarray(array, np.float64).reshape(-1))
                place += array.size
            entry.append(shapes)
        index[key] = entry
    text = json.dumps({"torch": torch_version, "cases": index}, ensure_ascii=False).encode()

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, numbers=np.concatenate(numbers), index=np.frombuffer(text, np.uint8))

    write_with(path, write)


def load(path: Path = PATH) -> tuple[Golden, str]:
    """All cases by key, and the version of PyTorch they come from."""
    with np.load(path, allow_pickle=False) as stored:
        numbers, index = stored["numbers"], json.loads(stored["index"].tobytes())

    def read(shapes: dict[str, tuple[int, list[int]]]) -> Arrays:
        sizes = {name: int(np.prod(shape)) for name, (_, shape) in shapes.items()}
        return {name: numbers[place : place + sizes[name]].reshape(shape) for name, (place, shape) in shapes.items()}

    cases = {key: (read(inputs), read(results)) for key, (inputs, results) in index["cases"].items()}
    return cases, index["torch"]
