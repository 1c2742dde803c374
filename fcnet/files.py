"""Files appear whole or not at all: written under a temporary name, then renamed."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fcnet.errors import InputError, UnwritableError


def make_folder(path: Path) -> None:
    """Make the folder ``path`` and those above it, where they are not there yet.

    Raises:
        UnwritableError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise UnwritableError(f"cannot make the folder {path}: {failed.strerror or failed}") from None


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Call ``write`` with a temporary path beside ``path``, then rename the result to ``path``.

    The temporary name keeps the suffix, by which writers choose their format.

    Raises:
        UnwritableError: the folder cannot be written.
    """
    temporary = path.with_name(f".partial-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as failed:
        raise UnwritableError(f"cannot write {path}: {failed.strerror or failed}") from None
    finally:
        with suppress(OSError):  # what stopped the writing may stop this too
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` in UTF-8."""
    write_with(path, lambda temporary: _write(temporary, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON; NaN and infinity are refused, because JSON has neither."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        InputError: the file is not there or is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{path} is not there") from None
    except ValueError:
        raise InputError(f"{path} is damaged: it is not JSON") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged: it is not a JSON object")
    return value
