"""One guarded call of someone's function: time limit, prints, warnings, and exceptions told in one line."""

import contextlib
import io
import linecache
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from fcnet.gradcheck.record import Problem


class TimeUp(BaseException):
    """The time limit is over. No ``Exception``, so that the author's own ``except Exception`` lets it pass."""


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """A call that gave nothing to examine, and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """``TimeUp`` after ``seconds``, on the main thread of a Unix process; elsewhere there is no limit.

    The timer fires again every second, for code that catches everything.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: Any) -> None:
        raise TimeUp

    handler = signal.signal(signal.SIGALRM, ring)
    before = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, handler)


class Counter(io.TextIOBase):
    """Standard output that counts and forgets."""

    characters = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Count ``text``."""
        self.characters += len(text)
        return len(text)


@contextlib.contextmanager
def quiet() -> Iterator[tuple[Counter, list[warnings.WarningMessage]]]:
    """Prints are counted, warnings kept, floating-point errors silent: what matters of them shows in the numbers.

    A warning that imaginary parts are dropped is an error: a complex step must not lose what it measures.
    """
    counter = Counter()
    with (
        contextlib.redirect_stdout(counter),
        contextlib.redirect_stderr(counter),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("default")
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        yield counter, caught


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Products of float32 in float32 on every device, where GPUs would round their factors to fewer digits."""
    torch = sys.modules.get("torch")
    before = None
    # PyTorch refuses to tell where the newer fp32_precision was set; that stays as its owner has it
    with contextlib.suppress(RuntimeError, AttributeError):
        before = torch.get_float32_matmul_precision() if torch is not None else None
    if torch is not None and before is not None:
        torch.set_float32_matmul_precision("highest")
    try:
        with jax.default_matmul_precision("highest"):
            yield
    finally:
        if torch is not None and before is not None:
            torch.set_float32_matmul_precision(before)


def one_line(error: BaseException) -> str:
    """An exception's type and message in one line of at most 240 characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:240]}" if text else type(error).__name__


def where(function: Callable[..., Any], error: BaseException) -> str:
    """' in line 12: "z = x @ W"': the author's own line that an exception came from; "" where there is none."""
    while True:
        if isinstance(function, partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    # an object that can be called has its code in its class
    code = getattr(function, "__code__", None) or getattr(vars(type(function)).get("__call__"), "__code__", None)
    lines = [
        frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.filename == code.co_filename
    ]
    if not lines:
        return ""
    text = (lines[-1].line or linecache.getline(lines[-1].filename, lines[-1].lineno or 0)).strip()
    return f' in line {lines[-1].lineno}: "{text}"' if text else f" in line {lines[-1].lineno}"


@dataclass(frozen=True)
class Talk:
    """What a function said beside its answer: printed characters, and warnings in one line each."""

    printed: int
    warned: tuple[str, ...]


def call(function: Callable[..., Any], params: Any, batch: tuple[Any, ...], seconds: float) -> tuple[Any, Talk]:
    """``function(params, *batch)`` and what it said.

    Raises:
        Refused: it raised something or took longer than ``seconds``.
    """
    try:
        with quiet() as (counter, caught), full_precision(), time_limit(seconds):
            answer = function(params, *batch)
    except TimeUp:
        message = f"did not end within {seconds:g} seconds: look for a loop without an end, or give it less data"
        raise Refused(Problem("loops", message)) from None
    except (Exception, SystemExit) as error:
        raise Refused(Problem("raises", f"raises {one_line(error)}{where(function, error)}")) from None
    warned = dict.fromkeys(f"{item.category.__name__}: {' '.join(str(item.message).split())}" for item in caught)
    return answer, Talk(counter.characters, tuple(warned))
