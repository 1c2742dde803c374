"""A small run, and whether two states are the same bits."""

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.contracts import HParams
from fcnet.models import MLPSpec
from fcnet.optimizers import OptimizerSpec
from fcnet.train import RunSpec

SPEC = RunSpec(MLPSpec(4, 3, (8,)), "cross_entropy", OptimizerSpec(schedule="cosine"), batch_size=8, epochs=12)
HPARAMS = HParams(0.1, 0.9, 1e-3, dropout=0.1)


def equal(a, b):
    def raw(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    return all(
        raw(x).dtype == raw(y).dtype and np.array_equal(raw(x), raw(y), equal_nan=raw(x).dtype.kind == "f")
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )
