"""How far a member of a sweep is from its solo run: trained again alone, and compared number by number."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from fcnet.data import Dataset
from fcnet.fitting import as_hparams, compile_run, fresh_state, on_device
from fcnet.sweeps.groups import Entrant
from fcnet.train import History


class Distance(NamedTuple):
    """``epochs`` compared; ``loss``: largest relative difference of a loss; ``equal``: every number bit for bit."""

    member: int
    mode: str
    epochs: int
    loss: float
    equal: bool


def distance_to_solo(entrant: Entrant, dataset: Dataset, history: History, mode: str, *, epochs: int) -> Distance:
    """Train ``entrant`` alone as ``fitting.fit`` does, for as many of the epochs of its ``history`` as asked for."""
    spec = entrant.spec
    hparams, data = as_hparams(entrant.hparams, spec.model.param_dtype), on_device(dataset)
    state = fresh_state(spec, hparams, len(data.y), entrant.seed)
    compiled = compile_run(spec, hparams, state, data)
    wanted = min(epochs, len(history.train_loss))
    parts: list[History] = []
    for until in range(1, wanted + 1):
        state, filled = compiled.call(hparams, state, data, jnp.int32(until))
        parts.append(History(*(np.asarray(column)[:1] for column in filled)))
    alone = History(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    ours = History(*(column[:wanted] for column in history))
    equal = all(np.array_equal(one, other, equal_nan=True) for one, other in zip(alone, ours, strict=True))
    apart = [
        np.abs(one - other) / np.abs(other)
        for one, other in zip(ours[:2], alone[:2], strict=True)
        if np.isfinite(other).all()
    ]
    return Distance(entrant.member, mode, wanted, float(np.max(apart, initial=0.0)), equal)
