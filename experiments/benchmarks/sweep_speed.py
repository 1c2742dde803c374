"""Many networks at once: fcnet's sweep beside the strongest forms of other libraries that were found.

Goal     64 networks 64-32-32-10, batch 32, digits, for each network and epoch: own batch orders ≥ 20 times as fast as
         the best peer, a shared order ≥ 35, exact ≥ 13. 16 networks 784-512-256-10, batch 128, MNIST: ≥ 1.5. One such
         network: at most 1.25 of the time of its matrix products alone. From 64 to 4,096 members the cost of each stays
         within 10 %; a second core-device makes ≥ 1.8 of the speed, a second process ≥ 1.7; a second sweep of the same
         shape compiles nothing.
Command  python experiments/benchmarks/sweep_speed.py --data FOLDER --rounds 3
         (the folder with MNIST's IDX files; the peers need pip install '.[benchmarks]')
Time     33 minutes on 2 CPU cores; 17 with --rows 20000.

All contestants of a table are timed in turns within one run; medians are compared, and the first round does not count.
Peers: PyTorch's plain loop with SGD(fused=True), alone, compiled and by one process a core; PyTorch's vmap(grad) over
stacked networks, plain, compiled and by one process a core; scikit-learn's MLPClassifier, alone and by one process a
core; Keras 3 on JAX; Flax's own loop. Those that are not installed are left out, with a line that says so.
"""

from collections.abc import Callable
from typing import Annotated, Any

import contestants
import jax
import numpy as np
from cyclopts import Parameter
from mnist_epoch import products
from peers import everyone
from peers.problem import Contestant, Problem
from record import goal, write
from turns import in_turns

from fcnet import DataSpec, data
from fcnet.cli import script
from fcnet.data.splits import SplitSpec

HIDDEN_SMALL, HIDDEN_LARGE = (32, 32), (512, 256)
TABLES = ("compilations", "small", "large", "one", "members", "scaling")
# Goals and details of one table.
Table = tuple[list[dict[str, Any]], dict[str, Any]]


def problem(name: str, hidden: tuple[int, ...], batch_size: int, rows: int) -> Problem:
    """The first ``rows`` training rows of a data set."""
    loaded = data.load(DataSpec(name, split=SplitSpec(validation=0, test=0)))
    described = loaded.description
    sizes = (described.inputs, *hidden, described.outputs)
    return Problem(loaded.train.x[:rows], loaded.train.y[:rows], sizes, batch_size, described.input_scale)


def title(given: Problem, networks: int) -> str:
    """What the table is about."""
    return f"{networks} networks {'-'.join(map(str, given.sizes))}, batch {given.batch_size}"


def small_networks(given: Problem, networks: int, rounds: int, *, compiled: bool) -> Table:
    """Each of fcnet's ways against everyone."""
    others = everyone.on_cores(given, networks, len(jax.devices()), compiled=compiled)
    took = in_turns(title(given, networks), contestants.ways(given, networks) | others, rounds)
    name, best = took.fastest(own=False)
    limits = {contestants.OWN_ORDERS: 20, contestants.SHARED_ORDER: 35, contestants.EXACT: 13}
    goals = [
        goal(f"speed of {way} / {name}, {title(given, networks)}", best / took.medians[way], limit, at_least=True)
        for way, limit in limits.items()
    ]
    return goals, {"best peer": name, "milliseconds": took.milliseconds}


def large_networks(given: Problem, networks: int, rounds: int, *, compiled: bool) -> Table:
    """The fastest of fcnet's ways against everyone."""
    others = everyone.on_cores(given, networks, len(jax.devices()), compiled=compiled)
    took = in_turns(title(given, networks), contestants.ways(given, networks) | others, rounds)
    (way, own), (name, best) = took.fastest(own=True), took.fastest(own=False)
    goals = [goal(f"speed of {way} / {name}, {title(given, networks)}", best / own, 1.5, at_least=True)]
    return goals, {"best peer": name, "milliseconds": took.milliseconds}


def one_network(given: Problem, rounds: int) -> Table:
    """One network against its matrix products through a tuned BLAS, whichever is faster."""
    steps = -(-len(given.y) // given.batch_size)

    def alone(epoch: Callable[[], None]) -> Contestant:
        def epochs(count: int) -> None:
            for _ in range(count):
                epoch()

        return Contestant(1, epochs, lambda: float("nan"))

    both = {
        "fcnet, one network": contestants.one(given),
        "products alone, NumPy": alone(products(steps, np.matmul, lambda m, n: np.ones((m, n), np.float32))),
    }
    if everyone.installed("torch"):
        import torch

        torch.set_num_threads(len(jax.devices()))
        both["products alone, PyTorch"] = alone(products(steps, torch.matmul, torch.ones))
    took = in_turns(title(given, 1), both, rounds)
    (_, own), (name, best) = took.fastest(own=True), took.fastest(own=False)
    goals = [goal("time of one network / its matrix products alone", own / best, 1.25, at_least=False)]
    return goals, {"best products": name, "milliseconds": took.milliseconds}


def many_members(given: Problem, counts: tuple[int, ...], rounds: int) -> Table:
    """What a member costs as they become more."""
    took = in_turns(*contestants.many_members(given, counts), rounds)
    first, *more = took.medians.values()
    text = f"highest cost of a member with up to {counts[-1]} / with {counts[0]}"
    return [goal(text, max(more) / first, 1.1, at_least=False)], {"milliseconds": took.milliseconds}


def more_devices(given: Problem, networks: int, rounds: int) -> Table:
    """The same sweep on one and two core-devices, and by one and two processes."""
    devices = jax.devices()
    if len(devices) < 2:
        print("one device only: scaling is not measured")
        return [], {}
    sides = {f"fcnet, devices: {n}": contestants.sweep(given, networks, devices=devices[:n]) for n in (1, 2)}
    sides |= {f"fcnet, processes: {n}": contestants.several_processes(given, networks, n) for n in (1, 2)}
    took = in_turns(f"{title(given, networks)}, on devices and processes", sides, rounds)
    one_to_two = {
        what: took.medians[f"fcnet, {what}: 1"] / took.medians[f"fcnet, {what}: 2"] for what in ("devices", "processes")
    }
    goals = [
        goal(f"speed with two {what} / with one", one_to_two[what], limit, at_least=True)
        for what, limit in (("devices", 1.8), ("processes", 1.7))
    ]
    return goals, {"milliseconds": took.milliseconds}


def compilations(given: Problem, networks: int) -> Table:
    """How often XLA compiles in a second sweep of the same shape with other values."""
    count = 0

    def heard(event: str, duration_secs: float, **_: Any) -> None:
        nonlocal count
        count += event == "/jax/core/compile/backend_compile_duration"

    def sweep(lowest: float, highest: float, first_seed: int) -> None:
        rates = np.geomspace(lowest, highest, networks).tolist()
        contestants.sweep(given, networks, learning_rates=rates, first_seed=first_seed).epochs(2)

    jax.monitoring.register_event_duration_secs_listener(heard)
    sweep(1e-3, 0.1, first_seed=0)
    first, count = count, 0
    sweep(1e-2, 0.3, first_seed=networks)
    return [goal("compilations of a second sweep of the same shape", count, 0, at_least=False)], {"first": first}


def main(
    *,
    data_set: Annotated[str, Parameter(name="--data")] = "mnist",
    rounds: int = 7,
    small: int = 64,
    large: int = 16,
    counts: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (64, 256, 1024, 4096),
    rows: int = 60_000,
    compiled: bool = True,
    tables: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = TABLES,
) -> bool:
    """Measure every table, or some of them.

    Args:
        data_set: "mnist" for a prepared set, or a folder of IDX files.
        rounds: Timings of each contestant; medians are compared.
        small: Networks on digits, a multiple of the cores.
        large: Networks on MNIST, likewise.
        counts: Members of ever larger sweeps.
        rows: Of each data set at most; fewer to see whether everything runs.
        tables: Which ones.
        compiled: Also what torch.compile makes of PyTorch's, which takes a minute each.
    """
    contestants.cores_as_devices()
    digits = problem("digits", HIDDEN_SMALL, 32, min(1792, rows))
    mnist = problem(data_set, HIDDEN_LARGE, 128, rows)
    measured = {
        "compilations": lambda: compilations(digits, small),
        "small": lambda: small_networks(digits, small, rounds, compiled=compiled),
        "large": lambda: large_networks(mnist, large, rounds, compiled=compiled),
        "one": lambda: one_network(mnist, rounds),
        "members": lambda: many_members(digits, counts, rounds),
        "scaling": lambda: more_devices(digits, small, rounds),
    }
    found = {name: measured[name]() for name in TABLES if name in tables}
    goals = [goal for reached, _ in found.values() for goal in reached]
    details = {name: table for name, (_, table) in found.items()}
    write("sweep_speed", goals, tables=details, versions=everyone.versions())
    return all(found["reached"] for found in goals)


if __name__ == "__main__":
    script(main)
