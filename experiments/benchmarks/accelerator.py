"""One large accelerator: the sweeps' tables, a thousand MNIST networks at once, and how much of the device they use.

Goal     1,024 networks 784-512-256-10, batch 128, float32 and bfloat16: at least as fast as PyTorch's torch.func with
         CUDA graphs; of 64 small and 16 large networks and of more and more members the table, without a goal.
Command  python experiments/benchmarks/accelerator.py --data FOLDER   (the folder with MNIST's IDX files; PyTorch's part
         needs a PyTorch for the device)
Time     about 15 minutes on one data-centre GPU. --networks 4 --rows 2000 --counts 4 8 runs on a processor.

Two rates say what is left. Matrix rate: the operations of the matrix products over the time of everything, as a share
of what one large square product of the same type reaches. Memory rate: the bytes that the optimiser has to move
(parameter, gradient and velocity read, parameter and velocity written) over the time of everything, as a share of what
a plain pass over a large array reaches. Both are lower bounds of the use that is made of the device.
"""

import time
from collections.abc import Callable
from typing import Annotated, Any

import contestants
import jax
import jax.numpy as jnp
from cyclopts import Parameter
from peers import everyone
from peers.problem import Problem
from record import goal, write
from sweep_speed import HIDDEN_LARGE, HIDDEN_SMALL, problem, title
from turns import Timings, in_turns

from fcnet.cli import script

DTYPES = ("float32", "bfloat16")
# Parameters and velocity are float32 whatever the products are.
STORED_BYTES = 4


def operations(given: Problem) -> int:
    """Additions and multiplications of one network's epoch in a W, aᵀ δ and, but for the first layer, δ Wᵀ."""
    sizes = [fan_in * fan_out for fan_in, fan_out in given.layers]
    return 2 * len(given.y) * (3 * sum(sizes) - sizes[0])


def optimizer_bytes(given: Problem) -> int:
    """What momentum SGD moves in one network's epoch: three reads and two writes of each parameter in every step."""
    parameters = sum((fan_in + 1) * fan_out for fan_in, fan_out in given.layers)
    return -(-len(given.y) // given.batch_size) * 5 * STORED_BYTES * parameters


def fastest_call(function: Callable[[jax.Array], jax.Array], x: jax.Array, repeats: int = 10) -> float:
    """Seconds of the fastest of some calls of the compiled function."""
    ready, took = jax.jit(function), []
    jax.block_until_ready(ready(x))
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(ready(x))
        took.append(time.perf_counter() - started)
    return min(took)


def peak_operations(dtype: str, size: int) -> float:
    """Operations a second of a product of two (size, size) matrices."""
    x = jnp.ones((size, size), dtype)
    return 2 * size**3 / fastest_call(lambda x: x @ x, x)


def peak_bytes(size: int) -> float:
    """Bytes a second of x + 1 over (size, size) float32 numbers: each is read once and written once."""
    x = jnp.ones((size, size), jnp.float32)
    return 2 * x.nbytes / fastest_call(lambda x: x + 1, x)


def use(given: Problem, took: Timings, matrix_peak: float, memory_peak: float) -> dict[str, dict[str, float]]:
    """Shares of both peaks, printed and by contestant."""
    found = {}
    for name, seconds in took.medians.items():
        matrix, memory = operations(given) / seconds, optimizer_bytes(given) / seconds
        found[name] = {
            "operations a second": matrix,
            "share of the matrix peak": matrix / matrix_peak,
            "bytes a second": memory,
            "share of the memory peak": memory / memory_peak,
        }
        print(
            f"  {name:<58} {matrix / 1e12:.3g} Tflop/s, {matrix / matrix_peak:.1%} of the peak; "
            f"{memory / 1e9:.3g} GB/s, {memory / memory_peak:.1%} of the peak"
        )
    return found


def main(
    *,
    data_set: Annotated[str, Parameter(name="--data")] = "mnist",
    networks: int = 1024,
    rounds: int = 5,
    rows: int = 60_000,
    counts: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (64, 256, 1024, 4096),
    square: int | None = None,
    compiled: bool = False,
) -> bool:
    """Measure every table on the first device.

    Args:
        data_set: "mnist" for a prepared set, a folder of IDX files, or any other set of classes.
        networks: How many large ones train at once; the smaller tables have at most 64 and 16.
        rounds: Timings of each contestant; medians are compared.
        rows: Of each data set at most.
        counts: Members of ever larger sweeps of small networks.
        square: Side of the matrices that the peaks are measured with. [default: 8192, on a processor 1024]
        compiled: Also what torch.compile makes of PyTorch's.
    """
    device = jax.devices()[0]
    square = square or (1024 if device.platform == "cpu" else 8192)
    digits = problem("digits", HIDDEN_SMALL, 32, min(1792, rows))
    large = problem(data_set, HIDDEN_LARGE, 128, rows)
    tables: dict[str, Any] = {}

    def table(given: Problem, count: int, dtype: str) -> Timings:
        own = contestants.ways(given, count, devices=[device], dtype=dtype)
        others = everyone.on_accelerator(given, count, compiled=compiled, dtype=dtype)
        text = f"{title(given, count)}, {dtype}"
        took = in_turns(text, own | others, rounds)
        matrix_peak = peak_operations(dtype, square)
        print(f"  peaks: {matrix_peak / 1e12:.3g} Tflop/s and {memory_peak / 1e9:.4g} GB/s")
        tables[text] = {
            "milliseconds": took.milliseconds,
            "use": use(given, took, matrix_peak, memory_peak),
            "peaks": {"operations a second": matrix_peak, "bytes a second": memory_peak},
        }
        return took

    memory_peak, goals = peak_bytes(square), []
    table(digits, min(64, networks), "float32")
    table(large, min(16, networks), "float32")
    for dtype in DTYPES:
        took = table(large, networks, dtype)
        if others := [name for name in took.medians if not name.startswith("fcnet")]:
            best, own = took.fastest(own=False)[1], took.fastest(own=True)[1]
            text = f"speed of fcnet / the best of {len(others)} forms of PyTorch, {networks} networks, {dtype}"
            goals.append(goal(text, best / own, 1.0, at_least=True))
    name, sweeps = contestants.many_members(digits, counts)
    tables["members"] = {"milliseconds": in_turns(name, sweeps, rounds).milliseconds}
    write("accelerator", goals, tables=tables, versions=everyone.versions())
    return all(found["reached"] for found in goals)


if __name__ == "__main__":
    script(main)
