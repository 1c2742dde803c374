"""Files appear whole or not at all."""

import pytest

from fcnet import files
from fcnet.errors import InputError


def test_round_trip(tmp_path):
    files.write_json(tmp_path / "a.json", {"σ": 1.5})
    assert files.read_json(tmp_path / "a.json") == {"σ": 1.5}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def torn(temporary):
        temporary.write_text("half")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        files.write_with(path, torn)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_or_read_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        files.write_text(tmp_path / "no folder" / "a.txt", "x")
    with pytest.raises(InputError, match=r"a.json is not there"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(InputError, match="it is not a JSON object"):
        files.read_json(tmp_path / "list.json")
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "nan.json", {"x": float("nan")})
    assert not (tmp_path / "nan.json").exists()
