"""Blocks of rows on their way from disk to the device: every row once, two blocks there and no more."""

import dataclasses
import os
import threading
from itertools import chain

import jax
import numpy as np
import pytest

from fcnet import streaming
from fcnet.errors import InputError
from fcnet.fitting import fit
from fcnet.models import MLPSpec
from fcnet.streaming import blocks

from .run_examples import HPARAMS
from .streaming_examples import ROW_BYTES, SPEC, blocks_of, on_disk, weighted


@pytest.mark.parametrize(
    ("batch_size", "most_steps", "expected"),
    [
        (8, 1, [(1, 8)] * 6 + [(1, 2)]),
        (8, 4, [(3, 8), (3, 8), (1, 2)]),
        (8, 5, [(3, 8), (3, 8), (1, 2)]),
        (7, 3, [(3, 7), (2, 7), (2, 7), (1, 1)]),
        (10, 9, [(5, 10)]),
        (50, 1, [(1, 50)]),
    ],
)
def test_blocks_are_whole_batches_of_nearly_equal_number(batch_size, most_steps, expected, blobs):
    most_bytes = most_steps * batch_size * ROW_BYTES
    assert blocks.layout(blobs.train, batch_size, most_bytes) == expected
    # what is too little for a batch still takes one
    assert blocks.layout(blobs.train, batch_size, 1)[0] == (1, batch_size)


def test_an_epoch_sees_every_row_once_in_the_order_drawn(blobs, random):
    order, keys = random.permutation(50).astype(np.int32), np.arange(7)[:, None]
    layout = [(3, 8), (3, 8), (1, 2)]
    read = list(streaming.read_epochs(weighted(blobs).train, layout, lambda epoch: (order, keys + epoch), range(2)))
    assert len(read) == 6
    for epoch in (0, 1):
        part = read[3 * epoch : 3 * epoch + 3]
        for name in ("x", "y", "weight"):
            seen = [getattr(block, name)[block.batches].reshape(-1, *getattr(block, name).shape[1:]) for block in part]
            np.testing.assert_array_equal(np.concatenate(seen), getattr(weighted(blobs).train, name)[order])
        np.testing.assert_array_equal(np.concatenate([block.keys for block in part]), keys + epoch)


def test_rows_are_read_from_low_to_high(blobs):
    class Recorded(np.ndarray):
        def __getitem__(self, rows):
            asked.append(np.asarray(rows))
            return np.asarray(super().__getitem__(rows))

    asked = []
    train_rows = blobs.train._replace(x=blobs.train.x.view(Recorded))
    blocks.gather(train_rows, np.array([[41, 3], [17, 29]]), np.zeros(2))
    np.testing.assert_array_equal(asked, [[3, 17, 29, 41]])


def test_two_blocks_on_the_device_and_no_more(random, monkeypatch):
    rows, width, steps = 4096, 64, 4
    data = drawn(random, rows, width)
    spec = dataclasses.replace(SPEC, model=MLPSpec(width, 3, (4,)), batch_size=32, epochs=2)
    block_bytes = steps * 32 * (4 * width + 4)
    monkeypatch.setattr(blocks, "MOST_BYTES_A_BLOCK", block_bytes)
    before = {id(array) for array in jax.live_arrays()}

    def peak(stream):
        most = [0]

        def listener(told):
            arrays = [array for array in jax.live_arrays() if id(array) not in before]
            most[0] = max(most[0], sum(array.nbytes for array in arrays if array.shape[1:] == (width,)))

        fit(spec, HPARAMS, data, listener=listener, stream=stream)
        return most[0]

    assert peak(False) >= rows * 4 * width
    assert 0 < peak(True) <= 2 * block_bytes


def drawn(random, rows, width):
    from fcnet.data import Dataset, Description, Rows

    y = (np.arange(rows) % 3).astype(np.int32)
    description = Description(
        "drawn", "classification", "by a test", {"train": rows}, (), ("0", "1", "2"), "y", width, 3
    )
    return Dataset(description, Rows(random.normal(size=(rows, width)).astype(np.float32), y))


def test_a_file_that_vanishes_ends_the_run_in_one_line(blobs, tmp_path, monkeypatch):
    blocks_of(monkeypatch, 1)
    data, seen = on_disk(blobs, tmp_path), []

    def listener(told):
        seen.append(told)
        (tmp_path / "rows.npy").unlink(missing_ok=True)

    with pytest.raises(InputError, match=r"rows.npy has vanished while its rows were read: put it back and go on"):
        fit(SPEC, HPARAMS, data, listener=listener, stream=True)
    # what was read ahead is trained on: one block on its way to the device, one in the reader, one it was asking for
    assert 1 <= len(seen) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fcnet-reader")]


def test_a_file_that_was_cut_is_not_read(blobs, tmp_path):
    data = on_disk(blobs, tmp_path)
    chosen, keys = np.arange(16).reshape(2, 8), np.zeros(2)
    blocks.gather(data.train, chosen, keys)
    os.truncate(tmp_path / "rows.npy", 1000)
    with pytest.raises(InputError, match=r"rows.npy was cut to 1,000 bytes while its rows were read: restore it"):
        blocks.gather(data.train, chosen, keys)


def test_a_listener_hears_of_every_block(blobs, monkeypatch):
    blocks_of(monkeypatch, 3)
    heard = []
    outcome = fit(SPEC, HPARAMS, blobs, listener=heard.append, stream=True)
    # 24 + 24 + 2 rows: told after two blocks, and after the epoch
    assert [told.rows for told in heard] == [24, 48, 0] * 4
    assert [len(told.history.train_loss) for told in heard] == [0, 0, 1] * 4
    np.testing.assert_array_equal(outcome.history.train_loss, list(chain(*(told.history.train_loss for told in heard))))


def test_the_reader_is_one_ahead_and_hands_on_what_goes_wrong():
    made = []

    def items():
        for number in range(5):
            made.append(number)
            yield number
        raise InputError("the disk is gone")

    read = streaming.ahead(items())
    for number in range(5):
        assert next(read) == number
        assert len(made) <= number + 2
    with pytest.raises(InputError, match="the disk is gone"):
        next(read)


def test_an_item_on_the_device_and_one_on_its_way():
    put = []
    for number in streaming.put_ahead(iter(range(5)), lambda item: put.append(item) or item):
        assert put == list(range(min(number + 2, 5)))
    assert list(streaming.put_ahead(iter(()), int)) == []
