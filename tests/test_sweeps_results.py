"""Tables of a sweep: what is written is what is read, parts and damage included; and the ranking of its settings."""

import json
import math
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcnet.config import DataConfig, TrainConfig
from fcnet.errors import InputError
from fcnet.sweeps import leaders, parts, tables
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.results import read
from fcnet.sweeps.tables import MemberResult
from fcnet.train import History

from .sweep_examples import finished, members, outcome, write_part


@pytest.fixture
def config():
    return SweepConfig.of(
        TrainConfig(data=DataConfig(folds=3)),
        axes={"learning_rate": "log:1e-2:10:4", "hidden": [(), (16,), (16, 8)], "activation": ["relu", "tanh"]},
        seeds=2,
    )


def result(score, *, status="finished", epochs=4, loss=0.5, test=math.nan):
    return MemberResult(status, "", epochs, 1, loss, score, 0.4, loss, score, 0.6, test, 0.1, 1, "exact")


def swept(tmp_path, config, given):
    """The results of a sweep whose members ended as ``given``, by number."""
    some = [member for member in members(config) if member.number in given]
    epochs = {number: np.full(one.epochs_run, 0.5) for number, one in given.items()}
    write_part(tmp_path, config, some, {n: (one, History(*3 * [epochs[n]])) for n, one in given.items()})
    return read(tmp_path)


def test_round_trip(tmp_path, config):
    found = finished(tmp_path, config)
    results = read(tmp_path)
    assert results.is_complete
    assert (results.config, results.score, results.task) == (config, "accuracy", "classification")
    assert results.members.num_rows == len(found) == 4 * 3 * 2 * 3 * 2
    row = results.members.to_pylist()[found[-1].number]
    assert (row["hidden"], row["activation"], row["learning_rate"]) == ("16-8", "tanh", 10.0)
    assert {one["hidden"] for one in results.members.to_pylist()} == {"none", "16", "16-8"}
    assert results.members.schema.field("fold").type == pa.int32()
    for member in found[:: len(found) // 7]:
        assert results.member(member.number) == member
    diverged = results.members.filter(pa.compute.equal(results.members["status"], "diverged"))
    assert diverged.num_rows > 0
    assert diverged["test_score"].null_count == diverged.num_rows
    about = json.loads(pq.read_schema(tmp_path / "members.parquet").metadata[b"fcnet"])
    assert about["axes"][0] == {"name": "learning_rate", "kind": "log", "text": "log:1e-2:10:4"}


def test_curves_keep_every_value(tmp_path):
    config = SweepConfig.of(seeds=2)
    found = members(config)
    loss = np.array([0.1, 1 / 3, np.nan], np.float32)
    write_part(tmp_path, config, found, {n: (result(0.9, epochs=3), History(loss, loss, loss)) for n in (0, 1)})
    parts.write_final(tmp_path)
    curves = read(tmp_path).curves
    assert curves["member"].to_pylist() == [0, 0, 0, 1, 1, 1]
    assert curves["epoch"].to_pylist() == [1, 2, 3] * 2
    assert curves["train_loss"].to_pylist() == [*loss[:2].tolist(), None] * 2
    assert curves["member"].type == curves["epoch"].type == pa.int32()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_curves_are_stored_as_they_were_computed(tmp_path, dtype):
    config, loss = SweepConfig.of(), np.array([0.1, 1 / 3, np.nan], dtype)
    write_part(tmp_path, config, members(config), {0: (result(0.9, epochs=3), History(loss, loss, loss))})
    parts.write_final(tmp_path)
    curves = read(tmp_path).curves
    assert {curves[name].type for name in History._fields} == {pa.from_numpy_dtype(dtype)}
    np.testing.assert_array_equal(curves["train_loss"].to_numpy(), loss)


def test_parts_are_joined_and_the_last_word_counts(tmp_path, config, random):
    found = members(config)[:12]
    outcomes = {member.number: outcome(member, random, diverges=lambda values: False) for member in found}
    waiting = {n: (one._replace(status="waiting", epochs_run=2), h) for n, (one, h) in outcomes.items()}
    write_part(tmp_path, config, found[::-1], waiting, call=1)
    write_part(tmp_path, config, found[:5], outcomes, call=2)
    results = read(tmp_path)
    assert not results.is_complete
    assert results.column("member").tolist() == list(range(12))
    assert (results.column("status") == "waiting").sum() == 7
    assert parts.collected(tmp_path)[3] == outcomes[3][0]
    again = parts.collected(tmp_path)[11]
    assert (again.status, again.epochs_run, again.best_epoch) == ("waiting", 2, outcomes[11][0].best_epoch)
    epochs = results.curves.group_by("member").aggregate([("epoch", "count")]).to_pylist()
    assert all(row["epoch_count"] == outcomes[row["member"]][0].epochs_run for row in epochs)
    assert parts.collected(tmp_path / "nowhere") == {}


def test_what_a_faster_process_has_found_since_is_not_looked_at(tmp_path, config, random):
    found = members(config)[:4]
    outcomes = {member.number: outcome(member, random, diverges=lambda values: False) for member in found}

    def at(epochs, status):
        return {n: (one._replace(status=status, epochs_run=epochs), h) for n, (one, h) in outcomes.items()}

    write_part(tmp_path, config, found, at(1, "waiting"), call=1)
    write_part(tmp_path, config, found[3:], at(1, "dropped"), call=2)
    write_part(tmp_path, config, found[:3], at(2, "waiting"), call=3)  # here the slower process stands
    write_part(tmp_path, config, found[:1], at(9, "finished"), call=4)
    write_part(tmp_path, config, found[1:2], at(2, "dropped"), call=5)
    then = parts.collected(tmp_path, 2)
    assert [(then[n].status, then[n].epochs_run) for n in range(4)] == [*[("waiting", 2)] * 3, ("dropped", 1)]
    now = parts.collected(tmp_path)
    assert [now[n].status for n in range(4)] == ["finished", "dropped", "waiting", "dropped"]


@pytest.mark.parametrize("file", ["members.parquet", "curves.parquet"])
@pytest.mark.parametrize("damage", ["cut", "gone", "foreign"])
def test_damage_is_one_line(tmp_path, file, damage):
    finished(tmp_path, SweepConfig.of(axes={"learning_rate": [0.1, 1.0]}))
    shutil.rmtree(tmp_path / "parts")
    path = tmp_path / file
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "gone":
        path.unlink()
    else:
        pq.write_table(pa.table({"member": [1]}), path)
    with pytest.raises(InputError) as wrong:
        read(tmp_path)
    assert "\n" not in str(wrong.value)
    assert str(tmp_path) in str(wrong.value)


@pytest.mark.parametrize("kind", ["members", "curves"])
def test_damaged_parts_are_one_line(tmp_path, random, kind):
    config = SweepConfig.of(axes={"learning_rate": [0.1, 1.0]})
    found = members(config)[:1]
    write_part(tmp_path, config, found, {0: outcome(found[0], random)})
    part = tmp_path / "parts" / f"{kind}-0-000002.parquet"
    pq.write_table(pa.table({"member": [1]}), part)
    with pytest.raises(InputError, match=f"{part} is damaged"):
        read(tmp_path)
    part.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=f"{part} is damaged"):
        read(tmp_path)


def test_tables_that_do_not_fit_together(tmp_path):
    finished(tmp_path, SweepConfig.of(axes={"learning_rate": [0.1, 1.0]}))
    path = tmp_path / "curves.parquet"
    tables.write_table(path, pq.read_table(path).slice(1))
    with pytest.raises(InputError, match="do not fit together"):
        read(tmp_path)


def test_what_is_no_sweep(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        read(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"it has no sweep.json"):
        read(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="a single run"):
        read(tmp_path)
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(InputError, match="no finished member yet"):
        read(tmp_path)
    with pytest.raises(InputError, match="no finished member yet"):
        parts.write_final(tmp_path)


def test_ranking_by_mean_then_loss_then_number(tmp_path):
    config = SweepConfig.of(axes={"learning_rate": [0.1, 0.2, 0.3, 0.4]}, seeds=2)
    scores = [(0.5, 0.7), (0.9, 0.9), (0.8, 1.0), (0.9, 0.9)]
    losses = [0.5, 0.4, 0.3, 0.3]
    given = {
        2 * setting + seed: result(score, loss=losses[setting])
        for setting, pair in enumerate(scores)
        for seed, score in enumerate(pair)
    }
    results = swept(tmp_path, config, given)
    board = leaders.board(results)
    assert [one.setting for one in board.standings] == [2, 3, 1, 0]
    assert [one.rank for one in board.standings] == [1, 2, 3, 4]
    assert board.standings[-1].score.value == pytest.approx(0.6)
    assert board.standings[0].difference is None
    assert board.standings[-1].difference.value == pytest.approx(-0.3)
    assert leaders.is_certain(board.standings[-1].difference)
    assert not leaders.is_certain(board.standings[1].difference)
    assert leaders.best_member(results) == 5
    assert leaders.best_member(results, setting=0) == 1


def test_diverged_dropped_and_unfinished_settings_come_last(tmp_path):
    config = SweepConfig.of(axes={"learning_rate": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}, seeds=2)
    diverged = result(0.1, status="diverged")
    given = {
        **{0: result(0.99), 1: diverged},
        **{2: diverged, 3: diverged},
        **{4: result(0.7, status="dropped", epochs=1), 5: result(0.7, status="dropped", epochs=1)},
        **{6: result(0.6, status="dropped", epochs=3), 7: result(0.6, status="dropped", epochs=3)},
        **{8: result(0.3), 9: result(0.3, status="stopped early")},
        **{10: result(0.9)},
    }
    results = swept(tmp_path, config, given)
    board = leaders.board(results)
    assert [one.setting for one in board.standings] == [4, 5, 3, 2, 0, 1]
    assert board.standings[1].statuses == {"finished": 1, "in training": 1}
    half_lost, lost = board.standings[-2:]
    assert half_lost.statuses == {"finished": 1, "diverged": 1}
    assert half_lost.score.value == pytest.approx(0.99)
    assert half_lost.difference.value == pytest.approx(0.69)
    assert math.isnan(lost.score.value)
    assert lost.difference is None
    assert leaders.best_member(results, setting=0) == 0
    with pytest.raises(InputError, match="all members of setting 1 diverged"):
        leaders.best_member(results, setting=1)
    with pytest.raises(InputError, match="there is no setting 6: they are numbered from 0 to 5"):
        leaders.best_member(results, setting=6)


def test_differences_are_over_the_seeds_and_splits_in_common(tmp_path):
    config = SweepConfig.of(axes={"learning_rate": [0.1, 0.2]}, seeds=2, splits=2)
    # the split moves scores by far more than the setting does
    given = {n: result(0.5 + 0.3 * (n % 4 // 2) + 0.01 * (n >= 4)) for n in range(8)}
    given[7] = result(0.0, status="diverged")
    board = leaders.board(swept(tmp_path, config, given))
    assert board.standings[0].setting == 0
    assert board.standings[1].difference == pytest.approx((0.01, 0.01, 0.01))


def test_without_validation_the_test_score_ranks(tmp_path):
    config = SweepConfig.of(axes={"learning_rate": [0.1, 0.2]})
    given = {0: result(math.nan, loss=math.nan, test=0.7), 1: result(math.nan, loss=math.nan, test=0.8)}
    results = swept(tmp_path, config, given)
    board = leaders.board(results)
    assert (board.by, board.standings[0].setting) == ("test", 1)
    assert leaders.best_member(results) == 1


def test_with_nothing_to_rank_by(tmp_path):
    config = SweepConfig.of(axes={"learning_rate": [0.1, 0.2]})
    results = swept(tmp_path, config, {0: result(math.nan), 1: result(math.nan)})
    assert leaders.ranking_part(results, "validation") is None
    with pytest.raises(InputError, match="no member has a validation or test score"):
        leaders.board(results)


def test_a_score_of_minus_infinity(tmp_path):
    config = SweepConfig.of(axes={"learning_rate": [0.1, 0.2]}, seeds=2)
    results = swept(tmp_path, config, {0: result(-math.inf), 1: result(0.1), 2: result(0.2), 3: result(0.2)})
    board = leaders.board(results)
    assert [one.setting for one in board.standings] == [1, 0]
    assert board.standings[1].score == (-math.inf, -math.inf, math.inf)
    assert board.standings[1].difference is None
