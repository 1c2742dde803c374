"""What C++ announces at every start, past ``sys.stdout`` and ``sys.stderr``, and nobody needs to read."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

# On stderr that a process may outlive another, which is what is asked for; on stdout that processes reached each other.
STDOUT, STDERR = 1, 2
ANNOUNCED = {STDERR: b"Using experimental recoverable task feature", STDOUT: b"[Gloo] Rank"}


@contextmanager
def without_announcement(stream: int) -> Iterator[None]:
    """Let the announcement not reach file ``stream``; every other line does, in the end."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(stream)
    with TemporaryFile() as lines:
        os.dup2(lines.fileno(), stream)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, stream)
            os.close(kept)
            lines.seek(0)
            os.write(stream, b"".join(line for line in lines if ANNOUNCED[stream] not in line))
