"""A sweep's promises: solo bits in exact mode, a small distance in fast mode, a life of its own for every member."""

import dataclasses

import jax
import numpy as np
import pytest

from fcnet import devices, fitting
from fcnet.contracts import HParams
from fcnet.data import Dataset, DataSpec, Rows
from fcnet.errors import InputError
from fcnet.models import MLPSpec
from fcnet.optimizers import OptimizerSpec
from fcnet.sweeps import engine as engines
from fcnet.sweeps import inputs, trials
from fcnet.sweeps import plan as plans
from fcnet.sweeps.distance import distance_to_solo
from fcnet.sweeps.engine import Engine
from fcnet.sweeps.groups import Entrant, grouped
from fcnet.sweeps.lanes import Lanes
from fcnet.sweeps.program import Shape
from fcnet.train import Best, History, RunSpec, RunState, is_finished

SPEC = RunSpec(
    MLPSpec(4, 3, (8,)), "cross_entropy", OptimizerSpec(schedule="cosine"), batch_size=8, epochs=12, patience=4
)
HERE, THERE = DataSpec("iris"), DataSpec("wine")  # names for two data sets, no more


@pytest.fixture
def datasets(blobs: Dataset) -> dict[DataSpec, Dataset]:
    """Two data sets of one shape, both with rows to judge by."""
    test = Rows(blobs.train.x[:17] + 0.1, blobs.train.y[:17])
    other = Rows(blobs.train.x[::-1].copy(), blobs.train.y[::-1].copy())
    return {HERE: dataclasses.replace(blobs, test=test), THERE: dataclasses.replace(blobs, train=other, test=test)}


def entrant(number, *, rate=0.05, seed=0, data=HERE, spec=SPEC, **hparams):
    return Entrant(number, spec, HParams(rate, 0.9, 1e-3, dropout=0.1, **hparams), seed, data)


MEMBERS = [
    entrant(number, rate=rate, seed=seed, data=data)
    for number, (rate, seed, data) in enumerate(
        (rate, seed, data) for rate in (0.02, 0.1, 1e6) for seed in (1, 2) for data in (HERE, THERE)
    )
]


def sweep(members, datasets, mode, *, slots=3, epochs=5, shared_order=False, unify=False):
    """Train all of one group; the results and whole histories by member."""
    (group,) = grouped(members, datasets, unify=unify)
    mesh = devices.mesh()
    shape = Shape(group.spec, mode, shared_order, mesh)
    lanes = Lanes.empty(mesh.size, slots, group.entrants, lockstep=shared_order)
    engine = Engine(shape, group, datasets, lanes, number=0, until=group.spec.epochs)
    results, curves = {}, {}
    while not engine.finished:
        told = engine.call(epochs)
        results |= told.results
        for curve in told.curves:
            earlier = curves.get(curve.member)
            assert curve.first == (1 if earlier is None else 1 + len(earlier.train_loss)), "an epoch is lost or twice"
            pieces = [curve.history] if earlier is None else [earlier, curve.history]
            curves[curve.member] = History(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))
    return results, curves


def same(one: History, other: History) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("slots", [3, *(pytest.param(slots, marks=pytest.mark.slow) for slots in (1, 20))])
def test_an_exact_member_is_its_solo_run_bit_for_bit(slots, datasets):
    results, curves = sweep(MEMBERS, datasets, "exact", slots=slots)
    assert sorted(results) == list(range(len(MEMBERS)))
    for member in MEMBERS:
        if member.hparams.learning_rate > 1:
            continue
        solo = fitting.fit(SPEC, member.hparams, datasets[member.data], seed=member.seed)
        assert same(curves[member.member], solo.history)
        found = results[member.member]
        assert (found.epochs_run, found.best_epoch) == (int(solo.state.epoch), solo.best_epoch)
        assert found.best_validation_score == float(solo.state.best.score)
        assert found.last_train_loss == solo.history.train_loss[-1]
        assert found.status == ("stopped early" if found.epochs_run < SPEC.epochs else "finished")


def test_a_fast_member_is_close_to_its_solo_run(datasets):
    results, curves = sweep(MEMBERS[:8], datasets, "fast")
    for member in MEMBERS[:8]:
        measured = distance_to_solo(member, datasets[member.data], curves[member.member], "fast", epochs=5)
        assert measured.epochs == min(5, results[member.member].epochs_run)
        # 35 steps through momentum; each rounds sums of 8 rows by a few ε = 1.2e-7
        assert measured.loss < 1e-4


def test_the_distance_of_an_exact_member_is_none(datasets):
    _, curves = sweep(MEMBERS[:2], datasets, "exact")
    assert distance_to_solo(MEMBERS[0], datasets[HERE], curves[0], "exact", epochs=99).equal
    spoilt = curves[0]._replace(train_loss=curves[0].train_loss * np.float32(1.5))
    found = distance_to_solo(MEMBERS[0], datasets[HERE], spoilt, "exact", epochs=3)
    assert not found.equal
    assert found.loss == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("mode", "unpatient"),
    [
        ("exact", True),
        ("fast", False),
        pytest.param("exact", False, marks=pytest.mark.slow),
        pytest.param("fast", True, marks=pytest.mark.slow),
    ],
)
def test_a_member_that_diverges_is_named_and_leaves_every_other_bit(mode, unpatient, datasets):
    spec = SPEC if unpatient else dataclasses.replace(SPEC, patience=0)
    members = [member._replace(spec=spec) for member in MEMBERS]
    results, curves = sweep(members, datasets, mode)
    harmless = [
        member._replace(hparams=member.hparams._replace(learning_rate=0.05))
        if member.hparams.learning_rate > 1
        else member
        for member in members
    ]
    results_without, curves_without = sweep(harmless, datasets, mode)
    for member in members:
        found = results[member.member]
        if member.hparams.learning_rate > 1:
            assert found.status == "diverged"
            assert f"epoch {found.epochs_run + 1}, step" in found.cause
            assert np.isnan(found.test_score)
        else:
            assert found._replace(seconds=0) == results_without[member.member]._replace(seconds=0)
            assert same(curves[member.member], curves_without[member.member])


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_cuts_between_calls_change_no_bit(mode, datasets):
    by_calls = [sweep(MEMBERS, datasets, mode, epochs=epochs) for epochs in (1, 4, 12)]
    (results, curves), *others = by_calls
    for other_results, other_curves in others:
        for number, found in results.items():
            # NaN is not itself
            assert str(found._replace(seconds=0)) == str(other_results[number]._replace(seconds=0))
            assert number not in curves or same(curves[number], other_curves[number])


def test_a_shared_order_is_the_same_for_all_and_another_in_every_epoch(datasets):
    twins = [entrant(number, seed=seed, data=HERE) for number, seed in enumerate([1, 1, 2])]
    plain = [member._replace(hparams=member.hparams._replace(dropout=None)) for member in twins]
    _, own = sweep(plain, datasets, "fast")
    _, shared = sweep(plain, datasets, "fast", shared_order=True)
    assert same(shared[0], shared[1])
    assert not same(shared[0], shared[2]), "initial parameters are still each member's own"
    assert not same(shared[0], own[0])
    again = sweep(plain, datasets, "fast", shared_order=True, epochs=1)[1]
    assert same(shared[2], again[2])


def test_members_without_a_hyper_parameter_join_those_with_it_where_bits_may_differ(datasets):
    members = [entrant(0), entrant(1, l1=1e-3, clip_norm=1.0), entrant(2, max_norm=3.0, init_scale=0.5)]
    assert len(grouped(members, datasets, unify=False)) == 3
    assert len(grouped([*members, entrant(3, input_noise=0.1)], datasets, unify=True)) == 2
    (group,) = grouped(members, datasets, unify=True)
    assert group.entrants[0].hparams.clip_norm == np.inf
    _, together = sweep(members, datasets, "fast", unify=True)
    for member in members:
        measured = distance_to_solo(member, datasets[HERE], together[member.member], "fast", epochs=3)
        assert measured.loss < 1e-4


def test_groups_are_by_what_is_compiled(datasets):
    other = dataclasses.replace(SPEC, batch_size=10)
    members = [
        entrant(0, rate=0.1),
        entrant(1, spec=other),
        entrant(2, seed=5),
        entrant(3, data=THERE),
        entrant(4, l2=0.1),
    ]
    numbers = [[found.member for found in group.entrants] for group in grouped(members, datasets, unify=False)]
    assert numbers == [[0, 2, 3], [1], [4]]
    cut = {
        HERE: datasets[HERE],
        THERE: dataclasses.replace(datasets[THERE], train=Rows(*(a[:49] for a in datasets[THERE].train[:2]))),
    }
    assert len(grouped([members[0], members[3]], cut, unify=False)) == 2


def test_the_same_shape_with_other_values_compiles_nothing(datasets, compiled):
    sweep(MEMBERS, datasets, "exact")
    compiled.clear()
    sweep([entrant(number, rate=0.03 * number + 0.01, seed=number + 7) for number in range(9)], datasets, "exact")
    assert not compiled
    sweep([entrant(0, spec=dataclasses.replace(SPEC, batch_size=9))], datasets, "exact", slots=2)
    assert compiled, "the count must be able to see something"


def test_few_members_are_spread_over_all_lanes_and_lanes_share_a_data_set():
    members = [entrant(number, data=data) for number, data in enumerate([HERE, THERE] * 3 + [HERE])]
    lanes = Lanes.empty(4, 8, members, lockstep=False)
    lanes.fill()
    per_lane = [[found.member for found in lane.entrants] for lane in lanes.lanes]
    assert sorted(number for lane in per_lane for number in lane) == list(range(7))
    assert max(map(len, per_lane)) == 2
    assert all(len({found.data for found in lane.entrants}) <= 1 for lane in lanes.lanes)


def test_a_free_slot_goes_to_the_next_with_the_same_data_and_lockstep_waits():
    members = [entrant(number) for number in range(4)]
    for lockstep, given in ((False, [1]), (True, [])):
        lanes = Lanes.empty(1, 2, members, lockstep=lockstep)
        assert lanes.fill() == [0, 1]
        lanes.leave(1)
        assert lanes.fill() == given
    again = Lanes.at(lanes.position(), {member.member: member for member in members}, lockstep=True)
    assert again.position() == lanes.position()


def test_slots_are_as_many_as_fit(datasets):
    (group,) = grouped([entrant(number) for number in range(40)], datasets, unify=False)
    mesh = devices.mesh()
    shape = Shape(group.spec, "fast", False, mesh)
    roomy, _ = plans.fitted(shape, group, 2**30)
    tight, programs = plans.fitted(shape, group, int(roomy.bytes * 0.6 / plans.SHARE_OF_MEMORY))
    assert 1 <= tight.slots < roomy.slots
    assert programs.bytes == tight.bytes <= roomy.bytes * 0.6
    assert tight.waves > roomy.waves
    with pytest.raises(InputError, match="one member of 4-8-3 needs"):
        plans.fitted(shape, group, 1000)


def test_auto_takes_the_mode_that_was_clearly_faster(datasets, monkeypatch):
    (group,) = grouped([entrant(number) for number in range(40)], datasets, unify=False)
    for seconds, chosen in (({"exact": 1.0, "fast": 0.5}, "fast"), ({"exact": 1.0, "fast": 0.99}, "exact")):
        monkeypatch.setattr(
            trials, "timed", lambda shape, plan, *rest, s=seconds: plan._replace(seconds_of_epoch=s[shape.mode])
        )
        assert trials.planned(group, datasets, devices.mesh(), 2**30, mode="auto").mode == chosen


def test_one_trial_that_was_held_up_does_not_decide(datasets, monkeypatch):
    (group,) = grouped([entrant(number) for number in range(40)], datasets, unify=False)
    # fast takes half the time, on a machine that becomes three times slower; other work holds up its first trial
    monkeypatch.setattr(trials, "TRIALS", 5)
    pace = np.linspace(1, 3, trials.TRIALS)
    took = {"exact": iter(20 * pace), "fast": iter(10 * pace * np.where(np.arange(trials.TRIALS) == 0, 9, 1))}
    monkeypatch.setattr(
        trials, "timed", lambda shape, plan, *rest: plan._replace(seconds_of_epoch=next(took[shape.mode]))
    )
    monkeypatch.setattr(trials, "rounds", lambda *seconds: trials.TRIALS)
    chosen = trials.planned(group, datasets, devices.mesh(), 2**30, mode="auto")
    assert (chosen.mode, chosen.seconds_of_epoch) == ("fast", 25.0)  # 90, 15, 20, 25, 30
    assert not [*took["exact"], *took["fast"]]  # every trial was made


@pytest.mark.parametrize(
    ("members", "seconds", "tried"),
    [
        (40, 1.0, ["exact", "fast"]),
        (40, 1e-9, ["exact"]),  # all are sooner trained than another program is compiled
        (1, 1.0, ["exact"]),  # there is nothing to put together
    ],
)
def test_auto_tries_what_is_worth_it(members, seconds, tried, datasets, monkeypatch):
    (group,) = grouped([entrant(number) for number in range(members)], datasets, unify=False)
    asked = []

    def timed(shape, plan, *rest):
        asked.append(shape.mode)
        return plan._replace(seconds_of_epoch=seconds)

    monkeypatch.setattr(trials, "timed", timed)
    trials.planned(group, datasets, devices.mesh(), 2**30, mode="auto")
    assert asked == tried


def test_auto_with_a_shared_order_is_fast(datasets, monkeypatch):
    """An exact member sees the rows in its own order, whatever it costs."""
    (group,) = grouped([entrant(number) for number in range(2)], datasets, unify=False)
    monkeypatch.setattr(trials, "timed", lambda shape, plan, *rest: plan._replace(seconds_of_epoch=1.0))
    mesh = devices.mesh()
    assert trials.planned(group, datasets, mesh, 2**30, mode="auto", shared_order=True).mode == "fast"


def test_rows_leave_a_device_before_others_come(datasets, monkeypatch):
    members = [entrant(0, data=HERE), entrant(1, data=THERE)]
    (group,) = grouped(members, datasets, unify=False)
    mesh, there = devices.mesh(jax.devices()[:1]), []
    lanes = Lanes.empty(1, 1, group.entrants, lockstep=False)
    engine = Engine(Shape(group.spec, "exact", False, mesh), group, datasets, lanes, number=0, until=12)
    original = inputs.lane_data

    def lane_data(*given):
        there.append((engine.inputs.data, dict(engine.inputs._on_device)))
        return original(*given)

    monkeypatch.setattr(inputs, "lane_data", lane_data)
    while not engine.finished:
        engine.call(12)
    assert there[1:] == [(None, {})]


def test_trials_take_a_tenth_of_the_training_but_no_more_than_ten_seconds():
    assert [trials.rounds(training, 0.2) for training in (0.5, 4.0, 6.0, 1e9)] == [1, 2, 3, trials.TRIALS]
    assert [trials.rounds(1e9, one_round) for one_round in (22.0, 3.0)] == [1, 3]


def test_the_trial_of_a_mode_measures(datasets):
    (group,) = grouped([entrant(number) for number in range(4)], datasets, unify=False)
    found = trials.planned(group, datasets, devices.mesh(), 2**30, mode="exact")
    assert 0 < found.seconds_of_epoch < 60


def test_what_a_run_calls_finished_leaves_its_slot(datasets, monkeypatch):
    """The engine asks ``train.is_finished`` and has no words of its own for it."""
    monkeypatch.setattr(engines, "is_finished", lambda spec, state: state.epoch >= 3)
    results, _ = sweep(MEMBERS[:2], datasets, "exact", epochs=1)
    assert {found.epochs_run for found in results.values()} == {3}


def test_is_finished_of_stacked_states_is_that_of_each():
    counts = [(12, 12, 0), (3, 3, 0), (7, 3, 0), (6, 3, 0), (2, 2, 5)]
    columns = [np.array(column, np.int32) for column in zip(*counts, strict=True)]

    def state(epoch, best, failed):
        return RunState(*[None] * 8)._replace(epoch=epoch, best=Best(*[None] * 4, best), failed_step=failed)

    found = np.asarray(is_finished(SPEC, state(*columns)))
    assert found.tolist() == [True, False, True, False, True]
    assert found.tolist() == [bool(is_finished(SPEC, state(*each))) for each in counts]


def test_splits_must_fit_the_memory_of_the_host(datasets):
    each = sum(rows.x.nbytes + rows.y.nbytes for rows in (datasets[HERE].train, datasets[HERE].validation))
    each += datasets[HERE].test.x.nbytes + datasets[HERE].test.y.nbytes
    enough = int(9 * each / plans.SHARE_OF_MEMORY) + 1
    plans.require_room_for_splits(datasets[HERE], 9, enough)
    with pytest.raises(InputError, match=r"10 more splits of blobs need .* may be used: take fewer --folds"):
        plans.require_room_for_splits(datasets[HERE], 10, enough)
