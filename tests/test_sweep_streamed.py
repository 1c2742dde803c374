"""Members that share a stream: those of a shared order in memory, bit for bit, two blocks of rows at a time."""

import dataclasses
import os
import signal

import jax
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fcnet import devices
from fcnet.cli import run
from fcnet.commands.sweep_display import SweepDisplay
from fcnet.contracts import HParams
from fcnet.data import Dataset, DataSpec, Rows, mapped
from fcnet.errors import InputError
from fcnet.models import MLPSpec
from fcnet.optimizers import OptimizerSpec
from fcnet.sweeps import plan as plans
from fcnet.sweeps import streamed
from fcnet.sweeps.engine import Engine
from fcnet.sweeps.groups import Entrant, grouped
from fcnet.sweeps.lanes import Lanes
from fcnet.sweeps.program import Shape
from fcnet.sweeps.stream_layout import Layout
from fcnet.train import RunSpec

from .streaming_examples import weighted, without_validation

SPEC = RunSpec(
    MLPSpec(4, 3, (8,)), "cross_entropy", OptimizerSpec(schedule="cosine"), batch_size=8, epochs=6, patience=3
)
HERE, THERE = DataSpec("iris"), DataSpec("wine")  # names for two data sets, no more
# of a row of blobs: four float32 and a label
ROW_BYTES = 20
# sums of 20 float32 numbers, ε = 1.2e-7, in another order
ROUNDING = 20 * 1.2e-7
# blocks of two steps, and room for the 20 validation rows and the 17 test rows beside them
ROOMY = 4 * 20 * ROW_BYTES
# blocks of one step, nothing else
TIGHT = 4 * 8 * ROW_BYTES


@pytest.fixture
def datasets(blobs: Dataset) -> dict[DataSpec, Dataset]:
    """Two data sets of one shape, both with rows to judge by."""
    test = Rows(blobs.train.x[:17] + 0.1, blobs.train.y[:17])
    other = Rows(blobs.train.x[::-1].copy(), blobs.train.y[::-1].copy())
    return {HERE: dataclasses.replace(blobs, test=test), THERE: dataclasses.replace(blobs, train=other, test=test)}


def members(spec=SPEC, data=(HERE, THERE)):
    """Rates, one of which diverges, × seeds × data sets; dropout draws from each member's own keys."""
    points = [(rate, seed, where) for rate in (0.02, 0.1, 1e20) for seed in (1, 2) for where in data]
    return [
        Entrant(number, spec, HParams(rate, 0.9, 1e-3, dropout=0.1), seed, where)
        for number, (rate, seed, where) in enumerate(points)
    ]


def engine_of(entrants, datasets, stream_bytes, *, slots=3):
    (group,) = grouped(entrants, datasets, unify=False)
    mesh = devices.mesh()
    lanes = Lanes.empty(mesh.size, slots, group.entrants, lockstep=True, one_stream=stream_bytes > 0)
    shape = Shape(group.spec, "fast", True, mesh, stream_bytes)
    return Engine(shape, group, datasets, lanes, number=0, until=group.spec.epochs, order_seed=3)


def trained(engine, epochs=4):
    """The results and whole histories, (3, epochs), by member."""
    results, curves = {}, {}
    while not engine.finished:
        told = engine.call(epochs)
        results |= told.results
        for curve in told.curves:
            curves.setdefault(curve.member, []).append(np.stack(curve.history))
    return results, {member: np.concatenate(parts, axis=1) for member, parts in curves.items()}


def same(one, other, *, training_bits=True):
    """The same lives; training bit for bit, what judges it up to how 20 rows are summed in another program."""
    (results, curves), (other_results, other_curves) = one, other
    assert results.keys() == other_results.keys()
    assert curves.keys() == other_curves.keys()
    for member, found in results.items():
        for name, value in found._asdict().items():
            other_value = getattr(other_results[member], name)
            if name != "seconds":
                close = isinstance(value, float)
                assert other_value == (pytest.approx(value, rel=ROUNDING, nan_ok=True) if close else value), name
    for member, curve in curves.items():
        if training_bits:
            np.testing.assert_array_equal(curve[0], other_curves[member][0])
        np.testing.assert_allclose(curve, other_curves[member], rtol=ROUNDING)


@pytest.mark.optimised  # unoptimised, a sum is rounded as its surroundings have it
@pytest.mark.parametrize(
    ("change", "spec"),
    [
        (lambda data: data, SPEC),
        pytest.param(
            weighted, dataclasses.replace(SPEC, model=MLPSpec(4, 3, (8,), norm="batch")), marks=pytest.mark.slow
        ),
        pytest.param(
            without_validation,
            dataclasses.replace(SPEC, patience=0, optimizer=OptimizerSpec(schedule="plateau")),
            marks=pytest.mark.slow,  # is among the parts that are judged in blocks
        ),
        pytest.param(
            lambda data: data, dataclasses.replace(SPEC, batch_size=10, gradients="manual"), marks=pytest.mark.slow
        ),
    ],
    ids=["a smaller last batch", "batch norm, weights", "no validation", "even batches, by hand"],
)
def test_a_shared_order_in_memory_bit_for_bit(change, spec, datasets):
    datasets = {name: change(data) for name, data in datasets.items()}
    in_memory = trained(engine_of(members(spec), datasets, 0))
    for epochs in (1, 4):
        same(in_memory, trained(engine_of(members(spec), datasets, ROOMY), epochs))
    assert sum(found.status == "diverged" for found in in_memory[0].values()) == 4


@pytest.mark.optimised  # unoptimised, a sum is rounded as its surroundings have it
@pytest.mark.parametrize("change", [lambda data: data, without_validation], ids=["validation", "no validation"])
def test_parts_that_do_not_fit_are_judged_in_blocks(change, datasets):
    datasets, spec = {name: change(data) for name, data in datasets.items()}, dataclasses.replace(SPEC, patience=0)
    by_blocks = engine_of(members(spec), datasets, TIGHT)
    layout = Layout.of(by_blocks.group.data, SPEC.batch_size, TIGHT)
    has_validation = datasets[HERE].validation is not None
    assert [len(part) for part in layout] == ([7, 3, 3, 0] if has_validation else [7, 0, 3, 7])
    same(trained(engine_of(members(spec), datasets, 0)), trained(by_blocks))


def test_every_block_is_read_once_for_all(datasets, monkeypatch):
    from fcnet.streaming import blocks

    gathered, gather = [], blocks.gather
    monkeypatch.setattr(blocks, "gather", lambda *args: gathered.append(1) or gather(*args))
    engine = engine_of(members(data=[HERE])[:4], datasets, ROOMY, slots=4)
    engine.call(1)
    # 50 rows in batches of 8: three blocks of two steps and the smaller batch
    assert len(gathered) == 4


def test_data_sets_stream_one_after_the_other_and_lanes_wait_for_each_other():
    entrants = [Entrant(number, SPEC, HParams(0.1), number, (HERE, THERE)[number % 2]) for number in range(6)]
    lanes = Lanes.empty(2, 2, entrants, lockstep=True, one_stream=True)
    assert lanes.fill() == [0, 1, 2]
    assert {found.data for found in lanes.slots if found is not None} == {HERE}
    for slot in (0, 1):
        lanes.leave(slot)
        assert lanes.fill() == [], "another lane is still on its way"
    again = Lanes.at(lanes.position(), {found.member: found for found in entrants}, lockstep=True, one_stream=True)
    again.leave(2)
    again.fill()
    assert {found.data for found in again.slots if found is not None} == {THERE}


def test_two_blocks_on_the_device_and_no_more(random, monkeypatch, blobs):
    rows, width = 4096, 64
    y = (np.arange(rows) % 3).astype(np.int32)
    x = random.normal(size=(rows, width)).astype(np.float32)
    description = dataclasses.replace(blobs.description, inputs=width)
    data = {HERE: Dataset(description, Rows(x, y))}
    spec = dataclasses.replace(SPEC, model=MLPSpec(width, 3, (4,)), batch_size=32, epochs=2, patience=0)
    before = {id(array) for array in jax.live_arrays()}
    # blocks of four steps
    block_bytes = 4 * 32 * (4 * width + 4)

    def peak(stream_bytes):
        most = [0]
        put_there = streamed.Stream._put

        def seen():
            arrays = [array for array in jax.live_arrays() if id(array) not in before]
            # rows lie whole on each device, or are stacked lane by lane
            most[0] = max(most[0], sum(array.nbytes for array in arrays if array.shape[-1] == width))

        def put(self, tree):
            there = put_there(self, tree)
            seen()
            return there

        with monkeypatch.context() as patched:
            patched.setattr(streamed.Stream, "_put", put)
            engine = engine_of(members(spec, [HERE])[:2], data, stream_bytes)
            engine.call(2)
            seen()
        return most[0]

    assert peak(0) >= rows * 4 * width
    assert 0 < peak(4 * block_bytes) <= 2 * block_bytes


def test_the_plan_counts_blocks_and_not_all_rows(random, blobs):
    data = {
        HERE: dataclasses.replace(
            blobs, train=Rows(*(np.tile(part, (400, 1)[: part.ndim]) for part in (blobs.train.x, blobs.train.y)))
        )
    }
    (group,) = grouped(members(data=[HERE]), data, unify=False)
    available = 200_000  # 20,000 rows take 400 kB
    in_memory = Shape(SPEC, "fast", True, devices.mesh())
    with pytest.raises(InputError, match="one member of 4-8-3 needs"):
        plans.fitted(in_memory, group, available)
    plan, programs = plans.fitted(in_memory._replace(stream_bytes=100_000), group, available)
    assert plan.stream_bytes == 100_000
    assert programs.bytes_of_rows <= 100_000
    assert programs.bytes_of_rows < plan.bytes <= available


WORDS = ["sweep", "--data", "iris", "--hidden", "8", "--epochs", "5", "--patience", "0", "--dropout", "0.1"]
WORDS += ["--learning-rate", "0.05,0.2", "--seeds", "2"]
TOGETHER = ["--mode", "fast", "--shared-order"]


def same_but_for_seconds(one, other):
    for name in ("members", "curves"):
        left, right = (pq.read_table(folder / f"{name}.parquet").to_pandas() for folder in (one, other))
        dropped = ["seconds"] if name == "members" else []
        pd.testing.assert_frame_equal(left.drop(columns=dropped), right.drop(columns=dropped), rtol=ROUNDING)
        if name == "curves":
            assert left["train_loss"].equals(right["train_loss"])


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory):
    """A sweep over folds with a shared order, all rows on the device."""
    folder = tmp_path_factory.mktemp("swept") / "in_memory"
    assert run([*WORDS, "--folds", "2", *TOGETHER, "--quiet", "--out", str(folder)]) == 0
    return folder


def test_from_the_command_line_stopped_and_gone_on_with(in_memory, tmp_path, monkeypatch, capsys):
    show, calls = SweepDisplay.__call__, []

    def interrupting(self, progress):
        show(self, progress)
        calls.append(progress)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    words = [*WORDS, "--folds", "2", *TOGETHER, "--stream", "--out", str(tmp_path / "streamed")]
    with monkeypatch.context() as patched:
        patched.setattr(SweepDisplay, "__call__", interrupting)
        assert run(words) == 130
    printed = capsys.readouterr()
    assert "rows read in blocks, once for all" in printed.out
    assert "go on with: fcnet sweep --resume" in printed.err
    assert run(["sweep", "--resume", str(tmp_path / "streamed")]) == 0
    same_but_for_seconds(in_memory, tmp_path / "streamed")


def test_by_itself_where_the_device_is_too_small(in_memory, tmp_path, monkeypatch, capsys):
    words = [*WORDS, "--folds", "2", "--out", str(tmp_path / "streamed")]
    begun, compile_streamed = [], streamed.compile_streamed
    monkeypatch.setattr(streamed, "compile_streamed", lambda *args: begun.append(1) or compile_streamed(*args))
    # rows may take 1,000 bytes, the members much
    monkeypatch.setattr("fcnet.streaming.blocks.room", lambda: 1000)
    monkeypatch.setattr("fcnet.streaming.room", lambda: 1000)
    assert run(words) == 2
    errors = capsys.readouterr().err
    assert (
        "iris are too large for a device's memory: members share one stream with --mode fast --shared-order" in errors
    )
    assert errors.count("\n") == 1
    assert not begun
    assert not (tmp_path / "streamed").exists()
    assert run([*words, *TOGETHER, "--quiet"]) == 0
    assert begun
    one, other = (pq.read_table(folder / "curves.parquet").to_pandas() for folder in (in_memory, tmp_path / "streamed"))
    assert one["train_loss"].equals(other["train_loss"])


@pytest.mark.parametrize("words", [[], ["--mode", "fast"], ["--shared-order"], ["--mode", "exact"]])
def test_members_with_orders_of_their_own_are_refused(words, tmp_path, capsys):
    assert run([*WORDS, "--stream", *words, "--out", str(tmp_path / "s")]) == 2
    errors = capsys.readouterr().err
    assert "--stream reads each row once for all: members share one stream with --mode fast --shared-order" in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "s").exists()


def test_rows_on_disk_stay_there_until_they_are_read(datasets, tmp_path, monkeypatch):
    np.save(tmp_path / "rows.npy", datasets[HERE].train.x)
    x = mapped.Selection(np.load(tmp_path / "rows.npy", mmap_mode="r"), np.arange(50))
    stored = {HERE: dataclasses.replace(datasets[HERE], train=datasets[HERE].train._replace(x=x))}
    expected = trained(engine_of(members(data=[HERE])[:2], datasets, 0))

    def whole(self, dtype=None, copy=None):
        raise AssertionError("all rows at once")

    monkeypatch.setattr(mapped.Selection, "__array__", whole)
    same(expected, trained(engine_of(members(data=[HERE])[:2], stored, ROOMY)))
    engine = engine_of(members(data=[HERE])[:2], stored, ROOMY)
    (tmp_path / "rows.npy").unlink()
    with pytest.raises(InputError, match=r"rows.npy has vanished while its rows were read"):
        engine.call(1)
