"""fcnet's own contestants: a sweep through the engine's compiled programs, and one network as ``fcnet train`` runs it.

This is the only file of the benchmarks that knows how fcnet trains many networks.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from peers.child import processes
from peers.problem import Contestant, Problem

from fcnet import DataSpec, HParams, MLPSpec, OptimizerSpec, RunSpec, devices, fitting, train
from fcnet.data import Dataset, Description, Rows
from fcnet.sweeps.compiling import compile_programs
from fcnet.sweeps.engine import Engine
from fcnet.sweeps.groups import Entrant, Group, grouped
from fcnet.sweeps.lanes import Lanes
from fcnet.sweeps.plan import fitted
from fcnet.sweeps.program import LaneData, Mode, Shape
from fcnet.train import RunState, TrainData

OWN_ORDERS, SHARED_ORDER, EXACT = "fcnet, fast, own orders", "fcnet, fast, shared order", "fcnet, exact"
# Of a member in a whole sweep: beginning and judging it count, too, as much as in a short run.
EPOCHS_OF_A_MEMBER = 10
# More than any benchmark trains; it also is what the learning-rate schedule of each run spans.
EPOCHS = 1_000_000


def cores_as_devices() -> None:
    """Make each core of a machine without accelerators a device; before anything is computed."""
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)


def run_spec(problem: Problem, dtype: str = "float32") -> RunSpec:
    """The static part of every run."""
    model = MLPSpec(
        problem.sizes[0], problem.sizes[-1], problem.sizes[1:-1], input_scale=problem.input_scale, dtype=dtype
    )
    return RunSpec(model, "cross_entropy", OptimizerSpec(), problem.batch_size, EPOCHS)


def hyper_parameters(problem: Problem) -> HParams:
    """The traced part."""
    return HParams(problem.learning_rate, problem.momentum, problem.weight_decay)


def _rows(problem: Problem) -> TrainData:
    return TrainData(jnp.asarray(problem.x), jnp.asarray(problem.y), None)


def one(problem: Problem, *, dtype: str = "float32") -> Contestant:
    """One network, as ``fcnet train`` runs it."""
    spec = run_spec(problem, dtype)
    hparams, rows = fitting.as_hparams(hyper_parameters(problem), spec.model.param_dtype), _rows(problem)
    state = fitting.fresh_state(spec, hparams, len(problem.y), seed=0)
    compiled, last = fitting.compile_run(spec, hparams, rows), float("nan")

    def epochs(count: int) -> None:
        nonlocal state, last
        state, history = compiled.call(hparams, state, rows, state.epoch + count)
        last = float(history.train_loss[count - 1])

    return Contestant(1, epochs, lambda: last)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _initial(spec: RunSpec, rows: int, spread: NamedSharding, hparams: HParams, keys: jax.Array) -> RunState:
    states = jax.lax.map(lambda own: train.initial_state(spec, own[0], rows, key=own[1]), (hparams, keys))
    return jax.lax.with_sharding_constraint(states, spread)


def sweep(
    problem: Problem,
    networks: int,
    *,
    mode: Mode = "fast",
    shared_order: bool = False,
    devices: Sequence[jax.Device] | None = None,
    learning_rates: Sequence[float] | None = None,
    first_seed: int = 0,
    dtype: str = "float32",
) -> Contestant:
    """Networks of as many seeds, spread over devices.

    Args:
        networks: a multiple of the devices.
        devices: None for all.
        learning_rates: one for each network; None for the problem's.
    """
    mesh = Mesh(np.array(jax.devices() if devices is None else devices), ("members",), axis_types=(AxisType.Auto,))
    spread, spec = NamedSharding(mesh, PartitionSpec("members")), run_spec(problem, dtype)
    lanes, stored = mesh.size, spec.model.param_dtype

    def each(value: Any) -> jax.Array:
        return jax.device_put(jnp.broadcast_to(jnp.asarray(value, stored), (networks,)), spread)

    values = hyper_parameters(problem)
    if learning_rates is not None:
        values = values._replace(learning_rate=jnp.asarray(learning_rates, stored))
    hparams = jax.tree.map(each, values)
    one_lane = LaneData(_rows(problem), None, jax.random.key_data(jax.random.key(first_seed)))
    lane_shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), one_lane)
    member_shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((), leaf.dtype), hparams)
    every_lane = jax.tree.map(
        lambda leaf: jax.device_put(np.broadcast_to(np.asarray(leaf), (lanes, *leaf.shape)), spread), one_lane
    )
    programs = compile_programs(Shape(spec, mode, shared_order, mesh), member_shapes, lane_shapes, networks // lanes)
    keys = jax.device_put(jnp.stack([jax.random.key(first_seed + number) for number in range(networks)]), spread)
    states, last = _initial(spec, len(problem.y), spread, hparams, keys), float("nan")

    def epochs(count: int) -> None:
        nonlocal states, last
        until = jax.device_put(states.epoch + count, spread)
        states, history = programs.train(hparams, states, every_lane, until)
        last = float(np.mean(np.asarray(history.train_loss)[:, count - 1]))

    return Contestant(networks, epochs, lambda: last)


def many_members(problem: Problem, counts: Sequence[int]) -> tuple[str, dict[str, Contestant]]:
    """Whole sweeps of more and more members, and their title."""
    sweeps = {f"fcnet, {count} members": whole_sweep(problem, count, EPOCHS_OF_A_MEMBER) for count in counts}
    return f"whole sweeps of more and more members, {EPOCHS_OF_A_MEMBER} epochs each", sweeps


def group_of(problem: Problem, members: int, epochs: int) -> tuple[Group, dict[DataSpec, Dataset]]:
    """Members of as many seeds, as a sweep groups them, and their data."""
    spec, values = replace(run_spec(problem), epochs=epochs), hyper_parameters(problem)
    classes = tuple(map(str, range(problem.sizes[-1])))
    inputs, outputs = problem.sizes[0], problem.sizes[-1]
    about = Description("rows", "classification", "", {"train": len(problem.y)}, (), classes, "", inputs, outputs)
    rows = {DataSpec("rows"): Dataset(about, Rows(problem.x, problem.y))}
    entrants = [Entrant(number, spec, values, number, DataSpec("rows")) for number in range(members)]
    (group,) = grouped(entrants, rows, unify=False)
    return group, rows


def whole_sweep(problem: Problem, members: int, epochs: int, *, mode: Mode = "fast") -> Contestant:
    """Sweeps from begin to end, each with its own orders: members come and go in the slots that the plan gives.

    An "epoch" of this contestant is a whole sweep; its ``networks`` are members times ``epochs``.
    """
    (group, rows), mesh, last = group_of(problem, members, epochs), devices.mesh(), float("nan")
    shape = Shape(group.spec, mode, False, mesh)
    plan, _ = fitted(shape, group, devices.device_bytes(mesh.devices.flat[0]))

    def sweeps(count: int) -> None:
        nonlocal last
        for _ in range(count):
            lanes = Lanes.empty(mesh.size, plan.slots, group.entrants, lockstep=False)
            engine, losses = Engine(shape, group, rows, lanes, number=0, until=epochs), []
            while not engine.finished:
                losses += [result.last_train_loss for result in engine.call(epochs).results.values()]
            last = float(np.mean(losses))

    return Contestant(members * epochs, sweeps, lambda: last)


def ways(problem: Problem, networks: int, **options: Any) -> dict[str, Contestant]:
    """The three ways of a sweep, by name; ``options`` as in ``sweep``."""
    return {
        OWN_ORDERS: sweep(problem, networks, **options),
        SHARED_ORDER: sweep(problem, networks, shared_order=True, **options),
        EXACT: sweep(problem, networks, mode="exact", **options),
    }


def several_processes(problem: Problem, networks: int, count: int, *, mode: Mode = "fast") -> Contestant:
    """The same sweep by ``count`` processes, each bound to a core, with its share of the networks."""
    return processes(problem, "contestants:sweep", count, bind=True, networks=networks // count, mode=mode)
