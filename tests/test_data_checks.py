"""Arrays that no network should see, with the row and the column that is to blame."""

import numpy as np
import pytest

from fcnet.contracts import CLASSIFICATION, REGRESSION
from fcnet.data import checks
from fcnet.data.dataset import Rows, Source
from fcnet.errors import InputError


def source(x, y, task=CLASSIFICATION, classes=("a", "b")):
    return Source("drawn", task, Rows(np.asarray(x), np.asarray(y)), ("u", "v"), "drawn by the tests", classes)


GOOD_X = np.zeros((4, 2), np.float32)


def with_value(value):
    x = GOOD_X.copy()
    x[2, 1] = value
    return x


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (source(with_value(np.nan), [0, 1, 0, 1]), "drawn: row 3, column 'v' is nan"),
        (source(with_value(np.inf), [0, 1, 0, 1]), "row 3, column 'v' is inf"),
        (source(GOOD_X, [0, 1, 0]), "drawn has 4 rows of x but 3 of y"),
        (source(GOOD_X, [0, 1, 2, 1]), "row 3 has label 2, outside the 2 classes 0 to 1"),
        (source(GOOD_X, [0, -1, 0, 1]), "row 2 has label -1"),
        (source(np.zeros((0, 2)), np.zeros(0, int)), "drawn has no rows"),
        (source(np.zeros((4, 3)), [0, 1, 0, 1]), "expected 2 columns"),
        (source(GOOD_X, [[0.0], [np.nan], [1.0], [2.0]], REGRESSION, ()), "the target is not a finite number in row 2"),
    ],
)
def test_refusals(bad, message):
    with pytest.raises(InputError, match=message):
        checks.check_source(bad)


def test_good_data_pass():
    checks.check_source(source(GOOD_X, [0, 1, 0, 1]))
