"""What the members in the slots train with, brought to their devices."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.data import Dataset, DataSpec
from fcnet.sweeps.groups import Group, lane_data, stacked
from fcnet.sweeps.lanes import Lanes
from fcnet.sweeps.lowering import spread
from fcnet.sweeps.program import LaneData, Shape
from fcnet.sweeps.streamed import StreamData, stream_data


class Inputs:
    """Hyper-parameters, keys and data of who is in the slots, on the devices; there once ``place`` was called.

    A lane's data set stays on its device until another one's turn comes.
    """

    hparams: Any
    keys: Any
    data: Any

    def __init__(self, shape: Shape, group: Group, datasets: Mapping[DataSpec, Dataset], order_seed: int) -> None:
        self.shape, self.group, self.datasets = shape, group, datasets
        self.order_key = np.asarray(jax.random.key_data(jax.random.key(order_seed)))
        self.spread = spread(shape.mesh)
        self._on_device: dict[int, tuple[DataSpec, LaneData]] = {}

    def place(self, lanes: Lanes) -> None:
        """Bring hyper-parameters, keys and data of who is in the slots to the devices."""
        slots = lanes.slots
        anybody = next(entrant for entrant in slots if entrant is not None)
        filled = [anybody if entrant is None else entrant for entrant in slots]
        dtype = self.group.spec.model.param_dtype
        self.hparams = jax.device_put(stacked([entrant.hparams for entrant in filled], dtype), self.spread)
        keys = jnp.stack([jax.random.key(entrant.seed) for entrant in filled])
        self.keys = jax.device_put(keys, self.spread)
        self.data = self._lane_arrays(lanes, anybody.data)

    def _lane_arrays(self, lanes: Lanes, anything: DataSpec) -> LaneData | StreamData:
        if self.shape.stream_bytes:  # the members in all lanes have one data set
            return stream_data(self.shape, self.datasets[anything], self.group.data, self.order_key)
        devices = list(self.shape.mesh.devices.flat)
        for number, (lane, device) in enumerate(zip(lanes.lanes, devices, strict=True)):
            wanted = lane.data or anything
            if number not in self._on_device or self._on_device[number][0] != wanted:
                # the old rows leave before the new ones come: the plan has room for one set
                self.data = None
                self._on_device.pop(number, None)
                host = lane_data(self.datasets[wanted], self.order_key)
                arrays = jax.tree.map(
                    lambda a, device=device: jax.device_put(jnp.asarray(np.asarray(a))[None], device), host
                )
                self._on_device[number] = (wanted, arrays)
        parts = [self._on_device[number][1] for number in range(len(devices))]

        def joined(*pieces: jax.Array) -> jax.Array:
            shape = (len(devices), *pieces[0].shape[1:])
            return jax.make_array_from_single_device_arrays(shape, self.spread, list(pieces))

        return jax.tree.map(joined, *parts)
