"""Every activation and loss beside jax.nn's and optax's own form: value and gradient, compiled, on one batch.

Goal     no function of fcnet's costs more than 1.05 of the time of the library's; the derivation by hand beside it.
Command  python experiments/benchmarks/catalogue_speed.py
Time     about 2 minutes on 2 CPU cores.

Each pair is timed in turns within one process, and the median of each side is compared. Where XLA compiles both sides
to the very same program there is nothing to time, and the table says so.
"""

import re
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from record import goal, write

from fcnet import activations, losses
from fcnet.cli import script

ROWS, UNITS, CLASSES = 2048, 256, 16
# A timing lasts at least this long, so that the clock and the call itself do not matter.
SECONDS_A_TIMING = 0.01

Function = Callable[..., jax.Array]
JAX_NN: dict[str, Function] = {
    "identity": jax.nn.identity,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "celu": jax.nn.celu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jax.nn.tanh,
    "softplus": jax.nn.softplus,
    "log_sigmoid": jax.nn.log_sigmoid,
    "silu": jax.nn.silu,
    "mish": jax.nn.mish,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "gelu_tanh": lambda z: jax.nn.gelu(z, approximate=True),
    "softsign": jax.nn.soft_sign,
    "relu6": jax.nn.relu6,
    "hardtanh": jax.nn.hard_tanh,
    "hardsigmoid": jax.nn.hard_sigmoid,
    "hardswish": jax.nn.hard_swish,
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
    "glu": jax.nn.glu,
}
OPTAX: dict[str, Function] = {
    "mse": optax.squared_error,
    "half_mse": optax.l2_loss,
    "mae": lambda z, y: jnp.abs(z - y),
    "smooth_l1": optax.huber_loss,
    "huber:delta=2": lambda z, y: optax.huber_loss(z, y, delta=2.0),
    "cross_entropy": optax.softmax_cross_entropy,
    "binary_cross_entropy": optax.sigmoid_binary_cross_entropy,
    "kl_divergence": optax.kl_divergence,
}
Program = Callable[..., tuple[jax.Array, jax.Array]]


def by_autodiff(function: Function) -> Program:
    """z, upstream, the rest ↦ value and ∂L/∂z."""

    def run(z: jax.Array, upstream: jax.Array, *rest: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, pull = jax.vjp(lambda z: function(z, *rest), z)
        weights = upstream if value.ndim == upstream.ndim else upstream[:, 0]
        return value, pull(weights[..., : value.shape[-1]] if value.ndim == upstream.ndim else weights)[0]

    return run


def by_hand(function: Callable[..., tuple[Any, Callable[..., Any]]]) -> Program:
    """The same from a hand-written pullback."""

    def run(z: jax.Array, upstream: jax.Array, *rest: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, pullback = function(z, *rest)
        weights = upstream if value.ndim == upstream.ndim else upstream[:, 0]
        found = pullback(weights[..., : value.shape[-1]] if value.ndim == upstream.ndim else weights)
        return value, found[0] if isinstance(found, tuple) else found

    return run


def compiled(program: Program, arguments: tuple[jax.Array, ...]) -> tuple[Callable[..., Any], str]:
    """The compiled program and its text without names and places in the source."""
    ready = jax.jit(program).lower(*arguments).compile()
    text = re.sub(r", metadata=\{[^}]*\}", "", str(ready.as_text()))
    return ready, re.sub(r"(HloModule [^,]*|%[\w.-]+|ENTRY \S+)", "", text)


def seconds_of(ready: Callable[..., Any], arguments: tuple[jax.Array, ...], calls: int) -> float:
    """Seconds that one of ``calls`` calls takes."""
    started = time.perf_counter()
    for _ in range(calls):
        out = ready(*arguments)
    jax.block_until_ready(out)
    return (time.perf_counter() - started) / calls


def ratio(ours: Program, theirs: Program, arguments: tuple[jax.Array, ...], rounds: int) -> tuple[float, float, bool]:
    """Median time of ours over that of theirs, their microseconds, and whether both are the same program."""
    (mine, my_text), (other, other_text) = (compiled(program, arguments) for program in (ours, theirs))
    calls = max(int(SECONDS_A_TIMING / max(seconds_of(other, arguments, 3), 1e-7)), 1)
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for samples, ready in zip(took, (mine, other), strict=True):
            samples.append(seconds_of(ready, arguments, calls))
    same = my_text == other_text
    mine_median, other_median = (float(np.median(samples)) for samples in took)
    return 1.0 if same else mine_median / other_median, other_median * 1e6, same


def pairs() -> list[tuple[str, str, Program, Program, Program, tuple[jax.Array, ...]]]:
    """Kind, name, ours, ours by hand, the library's, arguments."""
    random = np.random.default_rng(0)

    def numbers(*shape: int) -> jax.Array:
        return jnp.asarray(random.normal(size=shape), jnp.float32)

    found: list[tuple[str, str, Program, Program, Program, tuple[jax.Array, ...]]] = []
    for name, function in JAX_NN.items():
        record = activations.get(name)
        arguments: tuple[jax.Array, ...] = (numbers(ROWS, UNITS), numbers(ROWS, UNITS))
        found.append(
            (
                "activation",
                name,
                by_autodiff(record.function),
                by_hand(record.by_hand),
                by_autodiff(function),
                arguments,
            )
        )
    for name, function in OPTAX.items():
        loss = losses.get(name)
        outputs, targets = numbers(ROWS * 8, CLASSES), numbers(ROWS * 8, CLASSES)
        if loss.targets in ("probabilities", "memberships"):
            targets = jax.nn.softmax(targets)
        if loss.outputs == "log_probabilities":
            outputs = jax.nn.log_softmax(outputs)
        arguments = (outputs, numbers(ROWS * 8, CLASSES), targets)
        found.append(
            ("loss", name, by_autodiff(loss.function), by_hand(loss.by_hand), by_autodiff(function), arguments)
        )
    return found


def main(*, rounds: int = 101) -> bool:
    """Time every pair in turns.

    Args:
        rounds: Timings of each side; medians are compared.
    """
    table: dict[str, dict[str, Any]] = {}
    print(f"{'':<30} {'theirs':>10} {'ours':>14} {'by hand':>14}")
    for kind, name, ours, hand, theirs, arguments in pairs():
        row: dict[str, Any] = {}
        for side, program in (("ours", ours), ("by hand", hand)):
            value, microseconds, same = ratio(program, theirs, arguments, rounds)
            row |= {side: round(value, 3), "microseconds": round(microseconds, 1), f"{side}, same program": same}
        table[f"{kind} {name}"] = row
        cells = ["same program" if row[f"{side}, same program"] else f"{row[side]:.2f}" for side in ("ours", "by hand")]
        print(f"{kind + ' ' + name:<30} {row['microseconds']:>7.0f} µs {cells[0]:>14} {cells[1]:>14}")
    worst = {side: max(row[side] for row in table.values()) for side in ("ours", "by hand")}
    print(f"slowest derivation by hand: {worst['by hand']:.2f} of the library's")
    goals = [goal("slowest function of fcnet / the library's own", worst["ours"], 1.05, at_least=False)]
    write("catalogue_speed", goals, ratios=table)
    return all(found["reached"] for found in goals)


if __name__ == "__main__":
    script(main)
