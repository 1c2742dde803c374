"""Where joined processes wait for each other: who is missing is known by number, and nobody waits for who has left.

All of it is numbers in the key-value store of ``jax.distributed``: a meeting is a folder there, and who comes writes
its number into it.
"""

import os
import selectors
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import jax
from jax.sharding import Mesh

from fcnet.devices.announcements import STDOUT, without_announcement
from fcnet.devices.rollcall import named
from fcnet.errors import InputError

# How long process 0, whose end would be everyone's, waits at its exit for the others to leave before it.
SECONDS_TO_LEAVE = 10.0
# How long a process that trains with others waits where these may be busy, such as process 0 with a checkpoint.
SECONDS_TO_AGREE = 600.0
# Waiting looks again after these pauses, doubled from one look to the next.
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.002, 0.2
# Between a process saying that it leaves, and its leaving.
LAST_WORDS_SECONDS = 1.0

# Where it is noted who does not come any more, and why.
LEFT = "fcnet/left"
ENDED, LATE = 0, 1

_times_met: Counter[str] = Counter()


def barrier(name: str, *, seconds: float = 60, look: Callable[[], None] = lambda: None) -> None:
    """Wait until every process has come here; at once where there is only one.

    Args:
        name: of what they wait for, for the error; all must come to the same barriers in the same order.
        look: called again and again meanwhile; it may raise to end the waiting.

    Raises:
        InputError: processes that did not come within ``seconds``, or ended before, by number.
    """
    _gather(name, 0, seconds, look)


def of_the_first(name: str, value: int, *, seconds: float = 60) -> int:
    """The ``value`` of process 0, whatever it is here; a ``barrier``."""
    return _gather(name, value, seconds)[0]


def agree(value: int, mesh: Mesh | None) -> int:
    """The largest ``value`` of the processes that ``mesh`` spans; ``value`` itself where that is only this one.

    Raises:
        InputError: a process that ended, or did not come for ``SECONDS_TO_AGREE``.
    """
    if mesh is None or not mesh.is_multi_process:
        return value
    return max(_gather("the next epochs", value, SECONDS_TO_AGREE))


@contextmanager
def together(mesh: Mesh | None) -> Iterator[None]:
    """Around what the processes of ``mesh`` compute together: the loss of one of them is told in one line.

    Raises:
        InputError: another process ended meanwhile.
    """
    if mesh is None or not mesh.is_multi_process:
        yield
        return
    try:
        with without_announcement(STDOUT):
            yield
    except (jax.errors.JaxRuntimeError, ValueError) as failed:
        raise InputError(
            f"another process ended in the middle of training ({str(failed).splitlines()[0]}): start all of them "
            "again, with --resume where there is a checkpoint"
        ) from None


def _runtime() -> Any:
    # jax.distributed's: its key-value store has no public name; orbax uses it likewise
    from jax._src import distributed

    return distributed.global_state


def _gather(name: str, value: int, seconds: float, look: Callable[[], None] = lambda: None) -> list[int]:
    """Every process's ``value``, by its number."""
    client, count, index = _runtime().client, _runtime().num_processes, _runtime().process_id
    if client is None:
        return [value]
    _times_met[name] += 1
    folder = f"fcnet/met/{name}/{_times_met[name]}"
    try:
        client.key_value_set(f"{folder}/{index}", str(value))
        came = _wait_for(client, folder, count, name, seconds, look)
        if _times_met[name] > 1:  # everyone is past the meeting before this one
            client.key_value_delete(f"fcnet/met/{name}/{_times_met[name] - 1}/{index}")
    except jax.errors.JaxRuntimeError:
        raise InputError(
            f"process 0 of {count} is gone, and with it where the others meet; waited for: {name}"
        ) from None
    return [came[process] for process in range(count)]


def _wait_for(
    client: Any, folder: str, count: int, name: str, seconds: float, look: Callable[[], None]
) -> dict[int, int]:
    deadline, pause = time.monotonic() + seconds, SHORTEST_PAUSE_SECONDS
    while True:
        left = _read(client, LEFT)  # before who came: one that comes and leaves in between has come
        came = _read(client, folder)
        if len(came) == count:
            return came
        missing = sorted(set(range(count)) - set(came))
        ended = [process for process in missing if left.get(process) == ENDED]
        if ended:
            raise InputError(f"{named(ended)} of {count} ended before the others at: {name}; see what it printed")
        if time.monotonic() >= deadline or set(missing) & set(left):
            for process in missing:  # nobody is to wait for it again
                client.key_value_set(f"{LEFT}/{process}", str(LATE), allow_overwrite=True)
            raise InputError(f"{named(missing)} of {count} did not come within {seconds:g} s to: {name}")
        look()
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _read(client: Any, folder: str) -> dict[int, int]:
    return {int(key.rsplit("/", 1)[1]): int(value) for key, value in client.key_value_dir_get(folder)}


def watch(peers: dict[int, socket.socket]) -> None:
    """In process 0: note for all, from a thread, whoever ends without saying so; see ``rollcall``."""
    client = _runtime().client

    def note() -> None:
        with selectors.DefaultSelector() as selector, suppress(jax.errors.JaxRuntimeError):
            for process, connection in peers.items():
                selector.register(connection, selectors.EVENT_READ, process)
            while selector.get_map():
                for key, _ in selector.select():
                    selector.unregister(key.fileobj)
                    peers[key.data].close()
                    client.key_value_set(f"{LEFT}/{key.data}", str(ENDED), allow_overwrite=True)

    if peers:
        threading.Thread(target=note, name="who ends", daemon=True).start()


def leave(index: int, count: int) -> None:
    """At exit: say so, and as process 0 be the last."""
    client = _runtime().client
    try:
        client.key_value_set(f"{LEFT}/{index}", str(ENDED), allow_overwrite=True)
        deadline = time.monotonic() + SECONDS_TO_LEAVE
        while index == 0 and time.monotonic() < deadline:
            if len(_read(client, LEFT)) == count:
                time.sleep(LAST_WORDS_SECONDS)
                break
            time.sleep(LONGEST_PAUSE_SECONDS)
        jax.distributed.shutdown()
    except jax.errors.JaxRuntimeError:
        # process 0 is gone: C++ would end this process with a stack trace for not being able to take leave of it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)
