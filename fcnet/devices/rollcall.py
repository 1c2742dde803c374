"""Who is there, before JAX is asked to join them.

``jax.distributed`` ends the whole process with a stack trace when a peer is late, and does not say which. So process 0
first calls the roll on the very address that it will use as coordinator: every other process says its number, and all
learn in the same moment that everyone came, or who did not. The connections stay open as long as their processes live,
so that process 0 notices when one is killed.
"""

import socket
import time
from contextlib import suppress

from fcnet.errors import InputError, require

# What a process says, what it wants to hear, and how long that may be.
GREETING, READY = "fcnet process", "ready"
LONGEST_LINE = 4096
PAUSE_SECONDS = 0.2


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, [v6-address]:PORT included.

    Raises:
        InputError: there is no host, or no port from 1 to 65535.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    ok = bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 2**16
    require(ok, f"--coordinator must be HOST:PORT, the address of process 0 such as node1:1234, got {address}")
    return host, int(port)


def call(address: str, processes: int, process: int, seconds: float) -> dict[int, socket.socket]:
    """Return when all ``processes`` have met at ``address``; ``process`` is the number of this one.

    Returns:
        In process 0 the connection to every other process, which is readable when that one has ended.

    Raises:
        InputError: somebody did not come within ``seconds``, two came with one number, or they disagree on how many
            they are.
    """
    host, port = parse_address(address)
    deadline = time.monotonic() + seconds
    if process == 0:
        return _listen(port, address, processes, deadline, seconds)
    # open until this process ends, whatever ends it
    _answer(host, port, address, processes, process, deadline, seconds).detach()
    return {}


def _server(port: int, address: str) -> socket.socket:
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, backlog=1024, dualstack_ipv6=both)
    except OSError as failed:
        raise InputError(
            f"process 0 cannot listen on port {port} of --coordinator {address} ({failed.strerror}): choose another"
        ) from None


def _listen(port: int, address: str, processes: int, deadline: float, seconds: float) -> dict[int, socket.socket]:
    came: dict[int, socket.socket] = {}
    verdict = ""
    with _server(port, address) as server:
        while len(came) < processes - 1 and not verdict:
            server.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                verdict = _greet(server.accept()[0], processes, came)
            except TimeoutError:
                missing = sorted(set(range(1, processes)) - set(came))
                verdict = (
                    f"{named(missing)} of {processes} did not come to process 0 at {address} within {seconds:g} s: "
                    "start every process with the same --coordinator and --processes"
                )
    for connection in came.values():
        with suppress(OSError):  # it has gone again: that shows at the first meeting
            connection.sendall(f"{verdict or READY}\n".encode())
        if verdict:
            connection.close()
    require(not verdict, verdict)
    return came


def _greet(connection: socket.socket, processes: int, came: dict[int, socket.socket]) -> str:
    """Note who came; a sentence if that cannot be, "" otherwise. What is no greeting of ours is turned away."""
    connection.settimeout(1.0)
    try:
        words = connection.recv(LONGEST_LINE).decode("ascii", "replace").split()
    except OSError:
        words = []
    if " ".join(words[:2]) != GREETING or len(words) != 5 or not (words[2].isdigit() and words[4].isdigit()):
        connection.close()
        return ""
    process, believed = int(words[2]), int(words[4])
    twice = process in came or process == 0
    came[process if not twice else -1 - len(came)] = connection  # it, too, is told the verdict
    if believed != processes:
        return f"process {process} was started with --processes {believed}, process 0 with {processes}"
    return f"two processes came as --process {process}: give each its own number" if twice else ""


def _answer(
    host: str, port: int, address: str, processes: int, process: int, deadline: float, seconds: float
) -> socket.socket:
    why = "nobody answers there"
    while (left := deadline - time.monotonic()) > 0:
        try:
            connection = socket.create_connection((host, port), timeout=left)
        except OSError as failed:
            why = "there is no host of that name" if isinstance(failed, socket.gaierror) else "nobody answers there"
        else:
            # process 0 gives its verdict at its own deadline, which may be later than ours
            verdict = _verdict(connection, f"{GREETING} {process} of {processes}\n", seconds + left)
            if verdict == READY:
                return connection
            connection.close()
            require(not verdict, verdict)
            why = "what answers there is not process 0 of fcnet"
        time.sleep(min(PAUSE_SECONDS, max(0.0, deadline - time.monotonic())))
    raise InputError(
        f"process {process} of {processes} waited {seconds:g} s for process 0 at {address}: {why}; start every process "
        "with the same --coordinator and --processes"
    )


def _verdict(connection: socket.socket, greeting: str, seconds: float) -> str:
    try:
        connection.settimeout(seconds)
        connection.sendall(greeting.encode())
        return connection.recv(LONGEST_LINE).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def named(processes: list[int]) -> str:
    """Processes 1, 3."""
    return f"process{'es' * (len(processes) > 1)} {', '.join(map(str, processes))}"
