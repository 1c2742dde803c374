"""How far a member of a sweep is from its solo run: trained again alone, and compared number by number."""

from collections.abc import Generator
from contextlib import closing
from itertools import count, islice
from typing import NamedTuple

import numpy as np

from fcnet import streaming
from fcnet.contracts import HParams
from fcnet.data import Dataset
from fcnet.fitting import as_hparams, compile_run, fresh_state, on_device
from fcnet.sweeps.groups import Entrant
from fcnet.train import History, RunSpec, RunState


class Distance(NamedTuple):
    """``epochs`` compared; ``loss``: largest relative difference of a loss; ``equal``: every number bit for bit."""

    member: int
    mode: str
    epochs: int
    loss: float
    equal: bool


def distance_to_solo(
    entrant: Entrant, dataset: Dataset, history: History, mode: str, *, epochs: int, stream: bool = False
) -> Distance:
    """Train ``entrant`` alone as ``fitting.fit`` does, for as many of the epochs of its ``history`` as asked for."""
    spec = entrant.spec
    hparams = as_hparams(entrant.hparams, spec.model.param_dtype)
    state = fresh_state(spec, hparams, len(dataset.train.y), entrant.seed)
    wanted = min(epochs, len(history.train_loss))
    each = (_streamed if stream else _in_memory)(spec, hparams, state, dataset)
    with closing(each):
        parts = list(islice(each, wanted))
    alone = History(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    ours = History(*(column[:wanted] for column in history))
    equal = all(np.array_equal(one, other, equal_nan=True) for one, other in zip(alone, ours, strict=True))
    apart = [
        np.abs(one - other) / np.maximum(np.abs(other), np.finfo(other.dtype).tiny)
        for one, other in zip(ours[:2], alone[:2], strict=True)
        if np.isfinite(other).all()
    ]
    return Distance(entrant.member, mode, wanted, float(np.max(apart, initial=0.0)), equal)


def _in_memory(spec: RunSpec, hparams: HParams, state: RunState, dataset: Dataset) -> Generator[History, None, None]:
    """The history of one epoch after the other."""
    data = on_device(dataset)
    compiled = compile_run(spec, hparams, data)
    for until in count(1):
        state, filled = compiled.call(hparams, state, data, np.int32(until))
        yield History(*(np.asarray(column)[:1] for column in filled))


def _streamed(spec: RunSpec, hparams: HParams, state: RunState, dataset: Dataset) -> Generator[History, None, None]:
    """The same of rows that are read in blocks."""
    with closing(streaming.compile_run(spec, hparams, state, dataset).calls(state)) as calls:
        for reached in calls:
            if len(reached.history.train_loss):
                yield reached.history
