"""Whether a run fits its data and devices, before anything is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from fcnet import losses
from fcnet.contracts import CLASSIFICATION
from fcnet.data import Dataset, Rows
from fcnet.errors import require
from fcnet.train import RunSpec


def check_fits(spec: RunSpec, dataset: Dataset, mesh: Mesh | None = None) -> None:
    """Refuse a spec that does not fit its data, or the devices that are to share each batch.

    Raises:
        InputError: a batch larger than the training part or too small for batch norm, patience without validation, a
            loss for another task, targets that the loss cannot take, no row that is not ignored, or fewer rows a step
            than devices.
    """
    data, rows = dataset.description, len(dataset.train.y)
    require(
        spec.batch_size <= rows, f"batch size {spec.batch_size} is larger than the {rows} training rows of {data.name}"
    )
    require(
        not spec.patience or dataset.validation is not None,
        f"patience {spec.patience} needs a validation part: give one, or set patience to 0",
    )
    loss = losses.get(spec.loss)
    task = loss.task
    what = "classes" if data.task == CLASSIFICATION else "numbers"
    require(task == data.task, f"loss {spec.loss} is for {task}, but {data.name} has {what} to predict")
    model, wanted = spec.model, data.outputs * loss.outputs_per_target
    require(
        (model.inputs, model.outputs) == (data.inputs, wanted),
        f"the network has {model.inputs} inputs and {model.outputs} outputs, {data.name} needs {data.inputs} and "
        f"{wanted}",
    )
    for name, part in dataset.parts.items():
        if part.y.ndim == 2:
            losses.check_targets(loss, part.y, f"{data.name}, {name} part")
    require(
        _some_row_counts(spec, dataset.train),
        f"all {rows} training rows of {data.name} are ignored or weigh 0: no row is left to learn from",
    )
    over_batch = any(layer.norm is not None and layer.norm.over_batch for layer in model.layers)
    smallest = rows % spec.batch_size or spec.batch_size
    require(
        not over_batch or smallest > 1,
        f"norm batch needs 2 rows a step, but {rows} rows in batches of {spec.batch_size} leave a last one of "
        f"{smallest}: choose another batch size",
    )
    require(
        model.dtype != "float64" or jax.dtypes.canonicalize_dtype("float64") == jnp.float64,
        "float64 needs jax.config.update('jax_enable_x64', True) before anything is computed",
    )
    if mesh is not None:
        require(
            spec.batch_size >= mesh.size,
            f"batch size {spec.batch_size} leaves some of the {mesh.size} devices without a row: choose at least "
            f"{mesh.size}, or train on one device",
        )
        require(spec.engine == "jax", f"engine {spec.engine} computes on one device: use engine jax on {mesh.size}")


def _some_row_counts(spec: RunSpec, rows: Rows) -> bool:
    counts = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    if rows.y.ndim == 1 and spec.ignored is not None:
        counts = counts * (rows.y != spec.ignored)
    if rows.y.ndim == 1 and spec.class_weights is not None:
        counts = counts * np.asarray(spec.class_weights)[rows.y]
    return bool(counts.any())
