"""What stops a run – Ctrl-C, termination, a full disk – and how it goes on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fcnet.errors import InputError, Interrupted, UnwritableError


@contextmanager
def finish_chunk_on_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying of them, so that a chunk can be finished and saved."""
    received: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        if received:  # twice is meant
            raise KeyboardInterrupt
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def how_to_go_on(command: str, path: Path) -> str:
    """What resumes the run or sweep in ``path``."""
    return f"go on with: fcnet {command} --resume {path}"


@contextmanager
def stoppable(message: str) -> Iterator[None]:
    """Ctrl-C anywhere in here ends in this message."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(message, 128 + signal.SIGINT) from None


@contextmanager
def resumable(command: str, path: Path) -> Iterator[None]:
    """Around a run or sweep that trains in ``path``: Ctrl-C and a full disk end in a line that says how to go on."""
    go_on = how_to_go_on(command, path)
    with stoppable(f"stopped; {go_on}"):
        try:
            yield
        except UnwritableError as failed:
            raise InputError(f"{failed}; make room and {go_on}") from None
