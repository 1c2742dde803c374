"""Ctrl-C and termination signals: a run that is stopped can go on, and says how."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fcnet.errors import Interrupted


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
