"""The gradients of a network that is about to be trained: by hand against ``jax.grad``, on its first rows."""

import jax.numpy as jnp

from fcnet import gradcheck
from fcnet.contracts import Batch, HParams
from fcnet.data import Dataset
from fcnet.fitting import as_hparams, fresh_state
from fcnet.train import RunSpec

# Rows of the batch on which gradients by hand meet jax.grad.
CHECKED_ROWS = 128


def checked_rows(dataset: Dataset) -> Batch:
    """The first training rows, on the device."""
    first = (None if array is None else jnp.asarray(array[:CHECKED_ROWS]) for array in dataset.train)
    return Batch(*first)  # type: ignore[arg-type]  # only weights may be None


def check_gradients(spec: RunSpec, hparams: HParams, dataset: Dataset, seed: int) -> gradcheck.Comparison:
    """This network at its initial parameters: gradients by hand against ``jax.grad`` on one batch."""
    traced = as_hparams(hparams, spec.model.param_dtype)
    state, batch = fresh_state(spec, traced, len(dataset.train.y), seed), checked_rows(dataset)
    return gradcheck.compare_manual_with_autodiff(
        spec.objective, traced, state.params, batch, state=state.model_state, key=state.key
    )
