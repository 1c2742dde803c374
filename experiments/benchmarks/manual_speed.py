"""Backpropagation by hand beside ``jax.value_and_grad``: time and memory of a step.

Goal     by hand a step takes at most 1.05 of the time of autodiff's, and no more memory.
Command  python experiments/benchmarks/manual_speed.py
Time     about 3 minutes on 2 CPU cores.

Both sides are one compiled program of many steps of plain gradient descent on the same rows and the same draws of
dropout; they are timed in turns within one process, and medians are compared. Memory is what XLA plans for the
temporaries of that program; for a gradient compiled alone, which XLA may lay out otherwise, the results have it, too.
Beside them: the same lines by hand on NumPy and on PyTorch, called from Python.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from record import goal, write

from fcnet import backprop, models, noise, objective
from fcnet.cli import script
from fcnet.contracts import Batch, GradFn, HParams, ModelState, Params
from fcnet.objective import ObjectiveSpec
from fcnet.spec import MLPSpec

LEARNING_RATE = 0.01


class Case(NamedTuple):
    """A network, the rows of a step, and the steps of one timing."""

    spec: MLPSpec
    rows: int
    steps: int
    dropout: float | None


CASES = {
    "784-512-256-10 relu, batch 128": Case(MLPSpec(784, 10, (512, 256)), 128, 50, None),
    "784-512-256-10 relu, dropout 0.2, batch 128": Case(MLPSpec(784, 10, (512, 256)), 128, 50, 0.2),
    "784-512-256-10 gelu, batch norm, batch 128": Case(
        MLPSpec(784, 10, (512, 256), "gelu", norm="batch"), 128, 50, None
    ),
    "64-32-32-10 relu, batch 32": Case(MLPSpec(64, 10, (32, 32)), 32, 1000, None),
    "64-32-32-10 tanh, layer norm, batch 32": Case(MLPSpec(64, 10, (32, 32), "tanh", norm="layer"), 32, 1000, None),
    "16-16-1 silu, batch 32": Case(MLPSpec(16, 1, (16,), "silu"), 32, 2000, None),
}
SIDES: dict[str, "Build"] = {"autodiff": objective.autodiff, "by hand": backprop.manual}
Build = Callable[[ObjectiveSpec, HParams], GradFn]


def problem(case: Case) -> tuple[ObjectiveSpec, HParams, Params, ModelState, Batch]:
    """Objective, parameters and as many rows as all steps see."""
    random, model = np.random.default_rng(0), case.spec
    x = jnp.asarray(random.normal(size=(case.steps, case.rows, model.inputs)), jnp.float32)
    classes = model.outputs > 1
    labels = jnp.asarray(random.integers(0, model.outputs, (case.steps, case.rows)), jnp.int32)
    numbers = jnp.asarray(random.normal(size=(case.steps, case.rows, 1)), jnp.float32)
    spec = ObjectiveSpec(model, "cross_entropy" if classes else "mse")
    params, state = models.init(model, jax.random.key(0))
    return spec, HParams(LEARNING_RATE, dropout=case.dropout), params, state, Batch(x, labels if classes else numbers)


def many_steps(build: Build, spec: ObjectiveSpec, hparams: HParams) -> Callable[..., Params]:
    """All steps as one function of parameters, state and rows."""
    gradients = build(spec, hparams)

    def run(params: Params, state: ModelState, batches: Batch) -> Params:
        def step(carry: tuple[Params, ModelState], batch: Batch) -> tuple[tuple[Params, ModelState], jax.Array]:
            params, state = carry
            found = gradients(params, batch, state=state, key=jax.random.key(0))
            moved = jax.tree.map(lambda w, g: w - LEARNING_RATE * g, params, found.grads)
            return (moved, found.state), found.loss

        return jax.lax.scan(step, (params, state), batches)[0][0]

    return run


def temporaries(program: Any) -> int:
    """Bytes that XLA plans beside arguments and results."""
    return int(program.memory_analysis().temp_size_in_bytes)


def bytes_of_a_step(
    build: Build, spec: ObjectiveSpec, hparams: HParams, params: Params, state: Any, batch: Batch
) -> int:
    """The temporaries of one gradient, compiled alone."""
    one = partial(build(spec, hparams), state=state, key=jax.random.key(0))
    return temporaries(jax.jit(one).lower(params, batch).compile())


def on_library(library: str, case: Case, rounds: int) -> float | None:
    """Median seconds of a step of the same lines on NumPy or PyTorch, None where that is not installed."""
    spec, hparams, params, state, batches = problem(case)
    batch = jax.tree.map(lambda leaf: leaf[0], batches)
    drawn = noise.draw(spec.model, hparams, case.rows, jax.random.key(0))
    point = jax.tree.map(np.array, backprop.Point(params, batch, state, drawn))
    if library == "torch":
        try:
            import torch
        except ImportError:
            return None
        point = jax.tree.map(torch.from_numpy, point)
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        backprop.by_hand(spec, hparams, point)
        took.append(time.perf_counter() - started)
    return float(np.median(took))


def main(*, rounds: int = 41) -> bool:
    """Time both sides of every network in turns.

    Args:
        rounds: Timings of each side; medians are compared.
    """
    table: dict[str, dict[str, Any]] = {}
    print(f"{'':<46} {'autodiff':>10} {'by hand':>8} {'memory':>8} {'NumPy':>10} {'PyTorch':>10}")
    for name, case in CASES.items():
        spec, hparams, params, state, batches = problem(case)
        first = jax.tree.map(lambda leaf: leaf[0], batches)
        ready, planned, alone = {}, {}, {}
        for side, build in SIDES.items():
            ready[side] = jax.jit(many_steps(build, spec, hparams)).lower(params, state, batches).compile()
            planned[side] = temporaries(ready[side])
            alone[side] = bytes_of_a_step(build, spec, hparams, params, state, first)
        took: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side, program in ready.items():
                started = time.perf_counter()
                jax.block_until_ready(program(params, state, batches))
                took[side].append((time.perf_counter() - started) / case.steps)
        medians = {side: float(np.median(samples)) for side, samples in took.items()}
        libraries = {library: on_library(library, case, rounds) for library in ("numpy", "torch")}
        row: dict[str, Any] = {
            "time": round(medians["by hand"] / medians["autodiff"], 3),
            "memory": round(planned["by hand"] / max(planned["autodiff"], 1), 3),
            "microseconds": {side: round(1e6 * seconds, 1) for side, seconds in medians.items()},
            "bytes": planned,
            "bytes of a gradient alone": alone,
        }
        others = {library: None if took is None else round(1e6 * took, 1) for library, took in libraries.items()}
        table[name] = row | {"microseconds on other libraries": others}
        cells = ["–" if value is None else f"{value:.0f} µs" for value in others.values()]
        print(
            f"{name:<46} {1e6 * medians['autodiff']:>7.1f} µs {row['time']:>8.3f} {row['memory']:>8.3f} "
            f"{cells[0]:>10} {cells[1]:>10}"
        )
    worst = {what: max(row[what] for row in table.values()) for what in ("time", "memory")}
    goals = [
        goal("slowest step by hand / by jax.value_and_grad", worst["time"], 1.05, at_least=False),
        goal("memory of training by hand / by jax.value_and_grad", worst["memory"], 1.0, at_least=False),
    ]
    write("manual_speed", goals, networks=table)
    return all(found["reached"] for found in goals)


if __name__ == "__main__":
    script(main)
