"""The library that the hand-written lines run on within a training run: JAX itself, NumPy or PyTorch.

On JAX they are part of the compiled program. On the others each step's arrays – parameters, rows, and what was drawn –
are handed to that library on the host and the gradients handed back: everything else of the run stays the same, batch
order, dropped units and optimiser included, so that curves may be compared number by number.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import jax
import numpy as np

from fcnet import noise
from fcnet.backprop.gradients import Point, by_hand, manual
from fcnet.contracts import Batch, GradFn, Gradients, HParams, ModelState, Params
from fcnet.errors import InputError, require, unknown
from fcnet.objective import ObjectiveSpec

Engine = Literal["jax", "numpy", "torch"]


def _from_numpy(engine: str) -> Callable[[Any], Any]:
    """NumPy's array ↦ the engine's.

    Raises:
        InputError: the engine is not installed.
    """
    if engine == "numpy":
        return lambda array: array
    try:
        import torch
    except ImportError:
        raise InputError("--engine torch needs PyTorch: pip install torch") from None
    # a copy, because JAX's arrays are read-only
    return lambda array: torch.from_numpy(np.array(array))


def _on_host(spec: ObjectiveSpec, engine: str, hparams: HParams, point: Point) -> Gradients:
    convert = _from_numpy(engine)
    hparams, point = jax.tree.map(lambda leaf: convert(np.asarray(leaf)), (hparams, point))
    return jax.tree.map(np.asarray, by_hand(spec, hparams, point))


def manual_on(engine: Engine, dtype: str) -> Callable[[ObjectiveSpec, HParams], GradFn]:
    """``manual`` with its lines run by ``engine``; under ``vmap`` one member after the other.

    Args:
        dtype: of the products, "float32" or "float64", or "bfloat16", which only JAX computes. For float64 outside of
            JAX switch x64 on for the whole process: callbacks may run in threads that a context does not reach.

    Raises:
        InputError: no such engine, one that is not installed, or bfloat16 outside of JAX.
    """
    if engine not in get_args(Engine):
        raise unknown("engine", engine, get_args(Engine))
    if engine == "jax":
        return manual
    require(dtype != "bfloat16", f"--dtype bfloat16 is for --engine jax: choose float32 or float64 for {engine}")
    _from_numpy(engine)

    def build(spec: ObjectiveSpec, hparams: HParams) -> GradFn:
        def gradients(params: Params, batch: Batch, *, state: ModelState, key: jax.Array) -> Gradients:
            drawn = noise.draw(spec.model, hparams, batch.x.shape[0], key)
            shapes = jax.eval_shape(partial(manual(spec, hparams), state=state, key=key), params, batch)
            point = Point(params, batch, state, drawn)
            call = partial(_on_host, spec, engine)
            return jax.pure_callback(call, shapes, hparams, point, vmap_method="sequential")

        return gradients

    return build
