"""A search proposes what lies on its axes, learns from scores, and goes on as if it had never been stopped."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcnet.analysis import intervals
from fcnet.errors import InputError
from fcnet.sweeps.axes import axis
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.members import setting
from fcnet.sweeps.search import SAMPLERS, Search

pytest.importorskip("optuna")

RATE = axis("learning_rate", "loguniform:1e-4:1")
DROPOUT = axis("dropout", "uniform:0:0.9")
DECAY = axis("weight_decay", "0,1e-4,1e-3")
HIDDEN = axis("hidden", "64-32,16,8-8-8")
ROWS = axis("batch_size", "uniform:8:64")
AXES = (RATE, DROPOUT, DECAY, HIDDEN, ROWS)


def config(search, axes=AXES, trials=40, seed=0):
    return SweepConfig(axes=axes, search=search, trials=trials, draw_seed=seed)


def bowl(values):
    """The higher the better: 0 at a rate of 0.1 and a dropout of 0.3."""
    return -((math.log10(values["learning_rate"]) + 1) ** 2) - 4 * (values["dropout"] - 0.3) ** 2


def searched(searching, batch, score=bowl):
    """A whole search: (setting, score) of every trial."""
    history = []
    while proposed := Search(searching).ask(history, batch):
        history += [(one, score(one.values)) for one in proposed]
    return history


def values(proposed):
    return [one.values for one in proposed]


@pytest.mark.parametrize("name", SAMPLERS)
def test_proposals_lie_on_their_axes(name):
    history = searched(config(name), 7)
    assert [one.number for one, _ in history] == list(range(40))
    for one, _ in history:
        assert list(one.values) == [one_axis.name for one_axis in AXES]
        assert 1e-4 <= one.values["learning_rate"] <= 1
        assert 0 <= one.values["dropout"] <= 0.9
        assert one.values["weight_decay"] in DECAY.values
        assert one.values["hidden"] in HIDDEN.values
        assert type(one.values["batch_size"]) is int
        assert 8 <= one.values["batch_size"] <= 64
    assert len({one.values["batch_size"] for one, _ in history}) > 5


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_setting_is_the_one_that_a_grid_would_have(name):
    searching = config(name)
    for one in Search(searching).ask([], 5):
        assert one == setting(searching, one.number, one.values)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_logarithmic_axis_is_drawn_by_its_logarithm(name):
    """Half of the draws lie below the middle of the logarithms: among 200 within 4 standard deviations of 7."""
    drawn = Search(config(name, (RATE,), trials=200)).ask([], 200)
    assert 72 <= sum(one.values["learning_rate"] < 1e-2 for one in drawn) <= 128


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("batch", [1, 4, 16])
def test_a_stopped_search_goes_on_with_the_same_proposals(name, batch):
    searching = config(name, trials=32)
    whole = searched(searching, batch)
    for done in range(0, len(whole), 16):
        # what a file keeps of them: tuples come back as the axis has them
        stored = json.loads(json.dumps([[one.values, score] for one, score in whole[:done]]))
        history = [
            (setting(searching, number, kept | {"hidden": tuple(kept["hidden"])}), score)
            for number, (kept, score) in enumerate(stored)
        ]
        assert Search(searching).ask(history, batch) == [one for one, _ in whole[done : done + batch]]


CODE = """
import test_sweeps_search as t
print([[one.number, one.values] for one, _ in t.searched(t.config("tpe", trials=20), 5)])
"""


def test_another_process_proposes_the_same():
    """Whatever order Python gives to the elements of its sets."""

    def printed(seed):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
        return subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)

    here = str([[one.number, one.values] for one, _ in searched(config("tpe", trials=20), 5)])
    assert [printed(seed).stdout.strip() for seed in "12"] == [here, here]


@pytest.mark.parametrize("name", SAMPLERS)
def test_seeds_differ(name):
    asked = [values(Search(config(name, seed=seed)).ask([], 4)) for seed in (0, 1)]
    assert asked[0] != asked[1]


@pytest.mark.parametrize("name", SAMPLERS)
@settings(deadline=None, max_examples=15)
@given(batch=st.integers(1, 12), trials=st.integers(1, 30), seed=st.integers(0, 99), finite=st.booleans())
def test_every_proposal_is_new_and_trials_are_the_limit(name, batch, trials, seed, finite):
    axes = (DECAY, HIDDEN) if finite else (DECAY, HIDDEN, DROPOUT)
    history = searched(config(name, axes, trials, seed), batch, lambda values: float(len(values["hidden"])))
    distinct = {tuple(one.values.items()) for one, _ in history}
    assert len(distinct) == len(history)
    # a sampler that has found its favourites may leave a combination out
    assert len(history) <= min(trials, 9) if finite else len(history) == trials


@pytest.mark.parametrize("name", ["random", "qmc"])
def test_a_finite_search_ends_when_all_is_tried(name):
    history = searched(config(name, (DECAY, HIDDEN), trials=100), 4, lambda values: 0.0)
    assert len(history) == 9
    assert Search(config(name, (DECAY, HIDDEN), trials=100)).ask(history, 4) == []


def test_qmc_is_one_sequence_however_it_is_asked():
    """Sobol′: of 64 = 2⁶ points every 64th part of the axis has exactly one."""
    searching = config("qmc", (DROPOUT, RATE), trials=64)
    at_once = [one for one, _ in searched(searching, 64)]
    assert [one for one, _ in searched(searching, 10)] == at_once
    parts = [math.floor(one.values["dropout"] / 0.9 * 64) for one in at_once]
    assert sorted(parts) == list(range(64))


def test_tpe_beats_random_search():
    """The 95 % interval of how many times nearer TPE gets to the top, over 12 seeds, lies above 1."""

    def distance(name, seed):
        return -max(score for _, score in searched(config(name, (RATE, DROPOUT), 60, seed), 6))

    ratios = [math.log(distance("random", seed) / distance("tpe", seed)) for seed in range(12)]
    assert intervals.mean(np.array(ratios)).low > 0


def test_tpe_keeps_away_from_what_diverges():
    """Rates above 0.01, half of the axis, diverge; the others are all alike, and told in a random order."""
    searching = config("tpe", (RATE,), trials=100)
    first = Search(replace(searching, search="random")).ask([], 30)

    def share(score):
        history = [(one, score if one.values["learning_rate"] > 1e-2 else 0.1 * (one.number % 5)) for one in first]
        asked = Search(searching).ask(history, 40)
        return np.mean([one.values["learning_rate"] > 1e-2 for one in asked])

    for diverged in (math.nan, -math.inf):
        assert share(diverged) < 0.25
    assert share(1.0) > 0.5  # so it is the score that it learns from


def test_a_search_in_which_all_diverges_goes_on():
    assert len(searched(config("tpe", trials=30), 8, lambda values: math.nan)) == 30


def test_proposals_of_one_batch_keep_apart():
    """Without a liar, TPE would put the whole batch on the best point."""
    searching = config("tpe", (DROPOUT,), trials=200)
    first = Search(replace(searching, search="random")).ask([], 30)
    history = [(one, -abs(one.values["dropout"] - 0.3)) for one in first]
    drawn = sorted(one.values["dropout"] for one in Search(searching).ask(history, 16))
    assert drawn[-1] - drawn[0] > 0.1
    assert len(set(np.round(drawn, 3))) > 12


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"search": "tpee"}, "unknown search 'tpee': did you mean tpe? known: qmc, random, tpe"),
        ({"axes": ()}, "--search tpe needs something to vary: --learning-rate loguniform:1e-3:1"),
    ],
)
def test_what_cannot_be_searched_is_one_line(changed, message):
    with pytest.raises(InputError) as caught:
        Search(replace(config("tpe"), **changed))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "value", "text"), [("hidden", (7,), "64-32,16,8-8-8"), ("dropout", 0.95, "uniform:0:0.9")]
)
def test_a_history_of_other_axes_is_one_line(name, value, text):
    searching = config("tpe")
    first = Search(searching).ask([], 1)[0]
    history = [(setting(searching, 0, first.values | {name: value}), 1.0)]
    with pytest.raises(InputError) as caught:
        Search(searching).ask(history, 1)
    assert str(caught.value) == f"the search has a setting with {name} {value}, which is not on its axis {text}"


def test_without_optuna_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"^--search tpe needs Optuna: pip install optuna$"):
        Search(config("tpe"))


def test_optuna_stays_silent_and_as_it_was(capfd):
    import optuna

    before = optuna.logging.get_verbosity()
    searched(config("tpe", trials=20), 5)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before
