"""Devices as one axis, and what lies on them: the same on each, or each its own rows."""

import os
from collections.abc import Sequence
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from fcnet.devices.cores import available_cores

# The axis of every mesh here.
AXIS = "devices"

Tree = TypeVar("Tree")


def use_every_core() -> None:
    """Make each core that this process may use a device of JAX's CPU platform.

    It must come before JAX computes anything; afterwards, and where the number of CPU devices was set by hand
    (``JAX_NUM_CPU_DEVICES``, or ``--xla_force_host_platform_device_count`` in ``XLA_FLAGS``), all stays as it is. GPUs
    are not touched.
    """
    by_flag = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if by_flag or jax.config.values["jax_num_cpu_devices"] > 0:
        return
    try:
        jax.config.update("jax_num_cpu_devices", available_cores())
    except RuntimeError:  # JAX has its devices already
        return


def mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """These devices (without any named all, those of other processes included) as one axis named "devices".

    The axis is ``AxisType.Auto``: the compiler finds the sharding of whatever is not told.
    """
    chosen = jax.devices() if devices is None else list(devices)
    return Mesh(np.array(chosen), (AXIS,), axis_types=(AxisType.Auto,))


def whole(mesh: Mesh | None) -> NamedSharding | None:
    """The sharding of what lies whole on every device of ``mesh``; None, JAX's own choice, without one."""
    return None if mesh is None else NamedSharding(mesh, PartitionSpec())


def replicate(tree: Tree, mesh: Mesh | None) -> Tree:
    """The same arrays whole on every device of ``mesh``, or as they are without one.

    Each process that the mesh spans must hand in the same values.
    """
    sharding = whole(mesh)
    if sharding is None:
        return tree

    def put(leaf: jax.Array) -> jax.Array:
        if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(put(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
        return jax.make_array_from_process_local_data(sharding, np.asarray(leaf), leaf.shape)

    return jax.tree.map(put, tree)


def spread(tree: Tree, mesh: Mesh | None) -> Tree:
    """Inside a compiled program: rows, the first axis of every array, shared out over the devices of ``mesh``, if any.

    Rows need not divide evenly. What is computed from them stays what it was, sums over rows included, up to the order
    in which these are added.
    """
    return tree if mesh is None else jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec(AXIS)))


def local(tree: Tree) -> Tree:
    """This process's own copy of replicated arrays, on the first of its devices; no memory is moved."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
