"""The run folder's own promises: metrics keep every bit, names do not collide, nothing occupied is taken."""

import numpy as np
import pytest

from fcnet import provenance, runs
from fcnet.data import DataSpec, load
from fcnet.errors import InputError
from fcnet.runs import RunFolder
from fcnet.train import History


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_metrics_keep_every_bit(dtype, tmp_path, random):
    folder = RunFolder(tmp_path)
    history = History(*random.lognormal(0, 20, (3, 50)).astype(dtype))
    history.validation_loss[:5] = np.nan
    runs.write_metrics(folder, history, "accuracy")
    for got, expected in zip(runs.read_metrics(folder, 50, dtype), history, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert len(runs.read_metrics(folder, 20, dtype).train_loss) == 20


def test_names_do_not_collide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = runs.default_path("digits")
    first.mkdir(parents=True)
    assert runs.default_path("digits") != first


def test_an_empty_folder_may_be_used_but_no_other(tmp_path):
    (tmp_path / "empty").mkdir()
    assert runs.create(tmp_path / "empty").path == tmp_path / "empty"
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        runs.create(tmp_path / "file")


def test_fingerprints_see_one_changed_value():
    dataset = load(DataSpec("iris"))
    before = provenance.data_fingerprint(dataset)
    assert before == provenance.data_fingerprint(load(DataSpec("iris")))
    dataset.test.x[0, 0] += np.float32(1e-6)
    assert before != provenance.data_fingerprint(dataset)
    assert provenance.fingerprint({"a": 1, "b": 2}) == provenance.fingerprint({"b": 2, "a": 1})
