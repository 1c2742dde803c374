"""A small run whose rows come in blocks."""

import dataclasses

import numpy as np

from fcnet.contracts import HParams
from fcnet.data import mapped
from fcnet.streaming import blocks

from . import run_examples

SPEC = dataclasses.replace(run_examples.SPEC, epochs=4)
SMALL_STEPS = HParams(0.002, 0.9)
# of a row of blobs: four float32 and a label
ROW_BYTES = 20


def blocks_of(monkeypatch, steps, batch_size=8):
    monkeypatch.setattr(blocks, "MOST_BYTES_A_BLOCK", steps * batch_size * ROW_BYTES)


def weighted(data):
    return dataclasses.replace(data, train=data.train._replace(weight=np.linspace(0, 2, 50, dtype=np.float32)))


def without_validation(data):
    return dataclasses.replace(data, validation=None)


def on_disk(data, folder):
    """The same rows, as some of those in a memory-mapped file."""
    stored = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    places = np.random.default_rng(1).permutation(120)[:50]
    stored[places] = data.train.x
    np.save(folder / "rows.npy", stored)
    x = mapped.select(np.load(folder / "rows.npy", mmap_mode="r"), places)
    assert isinstance(x, mapped.Selection)
    return dataclasses.replace(data, train=data.train._replace(x=x))
