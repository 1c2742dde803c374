"""Splits are scikit-learn's: stratified, every row once, refused where a class would be absent."""

import numpy as np
import pytest

from fcnet.contracts import CLASSIFICATION
from fcnet.data import DataSpec, folds, load
from fcnet.data.dataset import Rows, Source
from fcnet.data.splits import SplitSpec, split
from fcnet.errors import InputError


def source_of(labels, classes):
    y = np.asarray(labels, np.int32)
    x = np.arange(len(y), dtype=np.float32).reshape(-1, 1)
    return Source("drawn", CLASSIFICATION, Rows(x, y), ("x",), "drawn by the tests", classes)


def test_shares_and_stratification():
    parts = split(source_of([0] * 80 + [1] * 20, ("a", "b")), SplitSpec(validation=0.2, test=0.3))
    assert [len(rows) for rows in parts] == [50, 20, 30]
    assert [int((rows >= 80).sum()) for rows in parts] == [10, 4, 6]
    assert sorted(np.concatenate(parts)) == list(range(100))


@pytest.mark.parametrize("labels", [None, np.arange(30) % 3])
def test_each_row_is_tested_once_a_repeat(labels):
    pairs = list(folds(30, 5, repeats=2, seed=1, labels=labels))
    assert len(pairs) == 10
    for repeat in (pairs[:5], pairs[5:]):
        assert sorted(np.concatenate([test for _, test in repeat])) == list(range(30))
    assert not np.array_equal(pairs[0][1], pairs[5][1])


def test_folds_of_a_data_set_cover_it():
    tested = [load(DataSpec("iris", split=SplitSpec(folds=3, fold=fold))).test for fold in range(3)]
    assert sum(len(part.y) for part in tested) == 150
    repeated = load(DataSpec("iris", split=SplitSpec(folds=3, fold=3))).test
    assert all(not np.array_equal(part.x, repeated.x) for part in tested)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"validation": 1.0}, r"validation must be a fraction in \[0, 1\), got 1.0"),
        ({"test": -0.1}, "test must be a fraction"),
        ({"validation": 0.5, "test": 0.5}, "leave no row to train"),
        ({"folds": 1}, "folds must be 0"),
        ({"folds": 3, "fold": -1}, "fold is counted from 0"),
        ({"fold": 2}, "fold 2 needs --folds"),
    ],
)
def test_specs_that_cannot_be(fields, message):
    with pytest.raises(InputError, match=message):
        SplitSpec(**fields)


def test_a_class_that_is_too_rare_is_named():
    with pytest.raises(InputError, match=r"\(class 'rare' has 1 rows\)"):
        split(source_of([0] * 50 + [1], ("common", "rare")), SplitSpec())


def test_a_class_that_is_absent_from_a_part_is_named():
    with pytest.raises(InputError, match=r"class 'rare' has no row in the (train|validation|test) part"):
        split(source_of([0] * 98 + [1] * 2, ("common", "rare")), SplitSpec(validation=0.1, test=0.1))


def test_more_folds_than_rows_of_a_class():
    with pytest.raises(InputError, match="5 folds need 5 rows of every class, the smallest has 2"):
        list(folds(20, 5, labels=np.array([0] * 18 + [1] * 2)))
    with pytest.raises(InputError, match="folds must be between 2 and the number of rows, 3"):
        list(folds(3, 4))
