"""What a worker lays on itself before someone's file runs in it: limits, and an end with its parent."""

import os
import signal
import sys
import threading
from contextlib import suppress
from math import ceil

if sys.platform != "win32":  # which has no limits of this kind: there only the parent's clock holds
    import resource

# What a file may write to disk, prints included.
MOST_BYTES = 2**28


def end_with_parent() -> None:
    """Close standard input for the author, and end this process with its children when whoever holds the pipe is gone.

    The parent kills its worker itself; this is for a parent that was killed.
    """
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        while os.read(pipe, 1):
            pass
        if sys.platform != "win32" and os.getpgrp() == os.getpid():  # a group of its own, as ``sandbox`` makes it
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def limit_memory(memory_gib: float) -> None:
    """Bound the data of this process, the files it may write, and leave no core file.

    The bound is on RLIMIT_DATA, which counts writable private memory. RLIMIT_AS would count what is only reserved:
    JAX reserves 1.5 GB of addresses with 0.2 GB of data in them.
    """
    if sys.platform == "win32":
        return
    for what, most in (
        (resource.RLIMIT_DATA, int(memory_gib * 2**30)),
        (resource.RLIMIT_FSIZE, MOST_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):  # a system may not know one of them: the parent's clock holds everywhere
            resource.setrlimit(what, (most, hard))


def allow_processor_time(seconds: float) -> None:
    """From now on ``seconds`` on every core, in case that nobody is left to watch the clock."""
    if sys.platform == "win32":
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = ceil(used.ru_utime + used.ru_stime + seconds * (os.cpu_count() or 1)) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))
