"""States come back bit for bit; what is torn, altered or another's is refused in one line."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet import checkpoint
from fcnet.contracts import HParams
from fcnet.errors import InputError, UnwritableError
from fcnet.fitting import as_hparams
from fcnet.models import MLPSpec
from fcnet.train import RunSpec, abstract_state, initial_state

SPEC = RunSpec(MLPSpec(3, 2, (4,)), "cross_entropy")
HPARAMS = HParams(0.1, 0.9)
WHOSE = {"config": "abc", "data": "def"}


@pytest.fixture
def state(key):
    return initial_state(SPEC, as_hparams(HPARAMS, jnp.dtype("float32")), 10, key=key)


@pytest.fixture
def like():
    return abstract_state(SPEC, HPARAMS, 10)


def raw(tree):
    return [
        np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
        for leaf in jax.tree.leaves(tree)
    ]


def test_round_trip_with_keys_and_optimiser_state(state, like, tmp_path):
    checkpoint.save(tmp_path / "c", 3, state, WHOSE)
    restored = checkpoint.load(tmp_path / "c", like, WHOSE)
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    for got, expected in zip(raw(restored), raw(state), strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


def test_keeps_the_newest_two_and_saves_an_epoch_once(state, like, tmp_path):
    assert checkpoint.latest(tmp_path / "c") is None
    for epoch in (1, 4, 9, 9):
        checkpoint.save(tmp_path / "c", epoch, state, WHOSE)
    assert checkpoint.latest(tmp_path / "c") == 9
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["4", "4.sha256", "9", "9.sha256"]


def largest_file(folder):
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_damage_is_recognised_and_the_earlier_checkpoint_still_there(damage, state, like, tmp_path):
    for epoch in (1, 2):
        checkpoint.save(tmp_path / "c", epoch, state, WHOSE)
    victim = largest_file(tmp_path / "c" / "2")
    content = victim.read_bytes()
    if damage == "remove":
        victim.unlink()
    else:
        victim.write_bytes(content[:-7] if damage == "truncate" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=r"checkpoint .*2 is damaged: remove it and 2.sha256 to go on from an earlier"):
        checkpoint.load(tmp_path / "c", like, WHOSE)
    (tmp_path / "c" / "2.sha256").unlink()
    assert checkpoint.latest(tmp_path / "c") == 1
    checkpoint.load(tmp_path / "c", like, WHOSE)


def test_a_checkpoint_without_its_seal_does_not_count_and_is_sealed_when_reached_again(state, like, tmp_path):
    checkpoint.save(tmp_path / "c", 2, state, WHOSE)
    (tmp_path / "c" / "2.sha256").unlink()
    assert checkpoint.latest(tmp_path / "c") is None
    checkpoint.save(tmp_path / "c", 2, state, WHOSE)
    checkpoint.load(tmp_path / "c", like, WHOSE)


def test_another_spec_is_refused(state, like, tmp_path):
    checkpoint.save(tmp_path / "c", 1, state, WHOSE)
    with pytest.raises(InputError, match="belongs to another run: its config differ"):
        checkpoint.load(tmp_path / "c", like, WHOSE | {"config": "other"})


def test_nothing_there(like, tmp_path):
    with pytest.raises(InputError, match="holds no complete checkpoint"):
        checkpoint.load(tmp_path / "c", like, WHOSE)


def test_a_disk_without_room_is_one_line_and_earlier_checkpoints_stay(state, like, tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "c", 1, state, WHOSE)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
        with pytest.raises(UnwritableError, match=r"cannot write into .*c: [\d,]+ bytes are needed, 100 are left$"):
            checkpoint.save(tmp_path / "c", 2, state, WHOSE)
    assert checkpoint.latest(tmp_path / "c") == 1
    checkpoint.save(tmp_path / "c", 2, state, WHOSE)
    assert checkpoint.latest(tmp_path / "c") == 2
    assert raw(checkpoint.load(tmp_path / "c", like, WHOSE))[0].tobytes() == raw(state)[0].tobytes()


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OSError(28, "No space left on device"), "No space left on device$"),
        (ValueError('RESOURCE_EXHAUSTED: Error writing "params/0"'), "no space left$"),
    ],
)
def test_a_disk_that_fills_up_meanwhile_is_one_line(failure, told, state, tmp_path, monkeypatch):
    import orbax.checkpoint as orbax

    def full(*given, **more):
        raise failure

    monkeypatch.setattr(orbax.CheckpointManager, "save", full)
    with pytest.raises(UnwritableError, match=f"cannot write into .*c: {told}"):
        checkpoint.save(tmp_path / "c", 1, state, WHOSE)
    assert checkpoint.latest(tmp_path / "c") is None
