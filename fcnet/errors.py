"""What went wrong, said in one line: what, where, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something the caller gave cannot be used; the message is one line for a person to act on.

    The command line prints it to stderr and exits with code 2; from Python it is an ordinary ``ValueError``.
    """


class UnwritableError(InputError):
    """A file or folder cannot be written: a full disk, or one that is not for us to write."""


class Interrupted(Exception):  # noqa: N818 - not an error: the run can go on
    """A run was stopped by a signal and saved; ``code`` is what the process should exit with."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not in the catalogue, with the nearest names that are.

    Args:
        kind: what the name should be, in the user's words ("activation").
        name: what was given.
        known: every name that would have been accepted.
    """
    names = sorted(known)
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return InputError(f"unknown {kind} {name!r}: {hint}known: {', '.join(names)}")


def require(condition: bool, message: str) -> None:
    """Raise ``InputError(message)`` unless ``condition`` holds."""
    if not condition:
        raise InputError(message)
