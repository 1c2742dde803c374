"""Functions of a lane spread over all lanes, lowered and compiled, and what they need of a device."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Compiled, Lowered


def spread(mesh: Mesh) -> NamedSharding:
    """How arrays with the lanes, or the slots of all lanes, in front lie over the devices."""
    return NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))


def abstract(tree: Any, count: int, mesh: Mesh) -> Any:
    """Shapes and dtypes of ``count`` such trees, one after the other over the devices."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype, sharding=spread(mesh)), tree
    )


def over_lanes(
    mesh: Mesh, function: Callable[..., Any], *arguments: Any, given_up: int | None = None, common: int | None = None
) -> Lowered:
    """``function`` for each lane by itself, to be compiled; argument ``common`` is whole on every device."""
    lane = PartitionSpec(mesh.axis_names[0])
    specs = tuple(PartitionSpec() if place == common else lane for place in range(len(arguments)))
    lane_by_lane = jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=lane, check_vma=False)
    donated = () if given_up is None else (given_up,)
    return jax.jit(lane_by_lane, donate_argnums=donated).lower(*arguments)


def compiled(*lowered: Lowered) -> list[Compiled]:
    """All of them side by side, for XLA holds no lock of Python's; what has been compiled before comes at once."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(Lowered.compile, lowered))


def bytes_needed(program: Compiled) -> int:
    """What a compiled program needs of a device."""
    memory: Any = program.memory_analysis()
    return int(
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes
    )


def bytes_of(tree: Any) -> int:
    """What arrays of these shapes and dtypes take."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
