"""Successive halving against the papers' definitions and its own properties."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcnet.errors import InputError
from fcnet.sweeps.halving import rungs, survivors

etas = st.integers(2, 5)
counts = st.integers(1, 2000)
scores = st.dictionaries(
    st.integers(0, 99), st.sampled_from([math.nan, -math.inf, -1.0, 0.0, 0.5, 0.5, 1.0]) | st.floats(-2, 2), min_size=1
)


def test_hyperbands_own_example():
    """Li et al. 2018, table 1, R = 81, η = 3, first bracket: 81 settings at 1, 27 at 3, 9 at 9, 3 at 27, 1 at 81."""
    assert rungs(81, 3, 81) == (1, 3, 9, 27, 81)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((100, 2, 1), (100,)),
        ((100, 2, 8), (12, 25, 50, 100)),
        ((100, 2, 7), (25, 50, 100)),
        ((100, 2, 8, 20), (25, 50, 100)),
        ((100, 3, 1000), (1, 3, 11, 33, 100)),
        ((1, 2, 8), (1,)),
        ((10, 2, 8, 20), (10,)),
    ],
)
def test_rungs_of_small_cases(arguments, wanted):
    assert rungs(*arguments) == wanted


@given(counts, etas, counts, st.integers(1, 50))
def test_rungs_are_as_many_as_epochs_and_settings_allow(epochs, eta, settings, smallest):
    found = rungs(epochs, eta, settings, smallest)
    cuts = len(found) - 1
    assert found[-1] == epochs
    assert all(one < other for one, other in pairwise(found))
    assert all(rung == math.floor(epochs / eta ** (cuts - place) + 1e-9) for place, rung in enumerate(found))
    assert cuts == 0 or (found[0] >= smallest and eta**cuts <= settings)
    # one cut more would leave too few epochs or not even one whole setting
    assert epochs < smallest * eta ** (cuts + 1) or eta ** (cuts + 1) > settings


@given(counts, etas, counts)
def test_what_is_left_fits_the_rungs(epochs, eta, settings):
    """Whoever reaches the last rung is fewer than η² settings, unless epochs ran out."""
    found, left = rungs(epochs, eta, settings), settings
    for _ in found[:-1]:
        left = len(survivors(dict.fromkeys(range(left), 0.0), eta))
    assert left >= 1
    assert left <= settings / eta ** (len(found) - 1) + 2  # rounding up adds less than 1 + 1/η + 1/η² + … ≤ 2


def beats(scores, one, other):
    """Whether ``one`` is to be kept before ``other``, said pair by pair."""
    a, b = scores[one], scores[other]
    if math.isnan(a) or math.isnan(b):
        return math.isnan(b) and (not math.isnan(a) or one < other)
    return a > b or (a == b and one < other)


@given(scores, etas)
def test_survivors_are_those_that_few_others_beat(scores, eta):
    kept = survivors(scores, eta)
    places = math.ceil(len(scores) / eta)
    wanted = [one for one in scores if sum(beats(scores, other, one) for other in scores if other != one) < places]
    assert kept == sorted(wanted)
    assert len(kept) == places


@given(scores, etas, st.randoms())
def test_survivors_do_not_depend_on_the_order(scores, eta, shuffle):
    shuffled = list(scores.items())
    shuffle.shuffle(shuffled)
    assert survivors(dict(shuffled), eta) == survivors(scores, eta)


def test_nobody_of_nothing():
    assert survivors({}, 3) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rungs(10, 1, 8), "--halving must be at least 2, one setting in so many goes on; got 1"),
        (lambda: survivors({0: 1.0}, 1), "--halving must be at least 2, one setting in so many goes on; got 1"),
        (lambda: rungs(0, 2, 8), "halving: epochs must be at least 1, got 0"),
        (lambda: rungs(10, 2, 0), "halving: settings must be at least 1, got 0"),
        (lambda: rungs(10, 2, 8, 0), "halving: the first rung must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_one_line(call, message):
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == message
