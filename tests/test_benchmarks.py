"""What the benchmarks compare really trains: every contestant's loss falls. What is said of them is right."""

import importlib.util
from itertools import pairwise

import auto_mode
import contestants
import jax
import numpy as np
import pytest
import record
from peers import flax_loop, scikit_learn
from peers.child import processes
from peers.everyone import installed
from peers.problem import Contestant, Problem
from turns import Timings, in_turns


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


@pytest.fixture
def problem(random):
    """Three clouds in six dimensions, 50 rows, so that the last batch of 8 is a smaller one."""
    y = np.arange(50, dtype=np.int32) % 3
    x = random.integers(0, 40, size=(50, 6)) + 200 * np.eye(3, 6)[y]
    return Problem(x.astype(np.uint8), y, (6, 16, 8, 3), 8, 1 / 255)


def learns(contestant):
    """Twice as many epochs again leave a clearly smaller loss, below that of guessing."""
    contestant.epochs(2)
    early = contestant.loss()
    contestant.epochs(30)
    late = contestant.loss()
    contestant.close()
    assert late < 0.7 * early
    assert late < np.log(3)


def torch_loop(problem, **options):
    from peers import pytorch

    return pytorch.loop(problem, **options)


def torch_ensemble(problem, **options):
    from peers.pytorch_ensemble import ensemble

    return ensemble(problem, 3, **options)


def keras_fit(problem):
    from peers import keras_jax

    return keras_jax.fit(problem, networks=2)


def one_device():
    return {"devices": jax.devices()[:1]}


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda p: contestants.one(p), id="fcnet, one"),
        pytest.param(lambda p: contestants.sweep(p, 3, **one_device()), id="fcnet, own orders"),
        pytest.param(lambda p: contestants.sweep(p, 3, shared_order=True, **one_device()), id="fcnet, shared order"),
        pytest.param(lambda p: contestants.sweep(p, 3, mode="exact", **one_device()), id="fcnet, exact"),
        pytest.param(lambda p: contestants.several_processes(p, 2, 2), id="fcnet, processes", marks=pytest.mark.slow),
        pytest.param(flax_loop.loop, id="Flax"),
        pytest.param(lambda p: scikit_learn.classifier(p, 2), id="scikit-learn"),
        pytest.param(lambda p: scikit_learn.classifier(p, 2, processes=2), id="scikit-learn, processes"),
        pytest.param(keras_fit, id="Keras", marks=needs("keras")),
        pytest.param(torch_loop, id="PyTorch", marks=needs("torch")),
        pytest.param(lambda p: processes(p, "peers.pytorch:loop", 2), id="PyTorch, processes", marks=needs("torch")),
        pytest.param(torch_ensemble, id="torch.func, own orders", marks=needs("torch")),
        pytest.param(
            lambda p: torch_ensemble(p, shared_order=True), id="torch.func, shared order", marks=needs("torch")
        ),
        pytest.param(lambda p: torch_ensemble(p, dtype="bfloat16"), id="torch.func, bfloat16", marks=needs("torch")),
    ],
)
def test_every_contestant_learns(build, problem):
    learns(build(problem))


@needs("torch")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # PyTorch's compiler imports them itself
@pytest.mark.parametrize("build", [torch_loop, torch_ensemble])
def test_compiled_peers_learn(build, problem):
    learns(build(problem, compiled=True))


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_a_whole_sweep_ends_where_a_single_network_does(mode, problem):
    one, members = contestants.one(problem), contestants.whole_sweep(problem, 1, 2, mode=mode)
    one.epochs(2)
    members.epochs(1)
    # 2 epochs of sums of at most 50 float32 terms in another order
    assert members.loss() == pytest.approx(one.loss(), rel=1e-5)


def test_auto_takes_one_of_both_modes(problem):
    assert auto_mode.auto(problem, 4 * len(jax.devices())) in ("exact", "fast")


@needs("torch")
def test_an_ensemble_takes_the_steps_of_single_networks(problem):
    """One step on all rows: the first network of an ensemble and the plain loop reach the same loss."""
    from peers.pytorch_ensemble import ensemble

    whole = problem._replace(batch_size=50)
    alone, together = torch_loop(whole), ensemble(whole, 1, threads=1)
    assert together.loss() == pytest.approx(alone.loss(), rel=1e-6)
    for contestant in (alone, together):
        contestant.epochs(5)
    # 5 steps of products of at most 50 terms in float32
    assert together.loss() == pytest.approx(alone.loss(), rel=1e-5)


def test_a_process_that_ends_is_told(problem):
    with pytest.raises(RuntimeError, match=r"a process of peers\.flax_loop:nothing ended with code 1"):
        processes(problem, "peers.flax_loop:nothing")


def test_a_missing_peer_is_told(capsys):
    assert not installed("a_library_that_is_not_there")
    assert "a_library_that_is_not_there is not installed" in capsys.readouterr().out


def test_all_take_their_turns_and_are_closed(capsys):
    calls, closed = [], []

    def contestant(name):
        return Contestant(2, lambda count: calls.append(name), lambda: 0.0, lambda: closed.append(name))

    took = in_turns("nothing", {name: contestant(name) for name in ("fcnet", "peer")}, rounds=3)
    # each twice to find how many epochs last, then in turns, one round more than are counted
    assert calls == ["fcnet"] * 2 + ["peer"] * 2 + ["fcnet", "peer"] * 4
    assert {name: len(samples) for name, samples in took.samples.items()} == {"fcnet": 3, "peer": 3}
    assert closed == ["fcnet", "peer"]
    assert "nothing: milliseconds" in capsys.readouterr().out


def test_the_fastest_is_found_by_its_median():
    took = Timings({"fcnet, a": [1.0, 5.0, 2.0], "fcnet, b": [3.0, 3.0, 0.1], "peer": [9.0, 8.0, 7.0]})
    assert took.fastest(own=True) == ("fcnet, a", 2.0)
    assert took.fastest(own=False) == ("peer", 8.0)


def test_operations_and_bytes_are_those_of_the_shapes(problem):
    import accelerator

    wanted, rows = 0, 50
    for number, (fan_in, fan_out) in enumerate(pairwise(problem.sizes)):
        shapes = [(rows, fan_in, fan_out), (fan_in, rows, fan_out)] + [(rows, fan_out, fan_in)] * (number > 0)
        wanted += sum(2 * m * k * n for m, k, n in shapes)
    assert accelerator.operations(problem) == wanted
    parameters = 6 * 16 + 16 + 16 * 8 + 8 + 8 * 3 + 3
    assert accelerator.optimizer_bytes(problem) == 7 * parameters * (3 + 2) * 4


@pytest.mark.slow
def test_the_accelerators_tables_run_on_a_processor(tmp_path, monkeypatch, capsys):
    import accelerator

    monkeypatch.setattr(record, "RESULTS", tmp_path)
    accelerator.main(data_set="digits", networks=2, rounds=1, rows=256, counts=(2, 4), square=64)
    assert (tmp_path / "accelerator.json").is_file()
    assert "of the peak" in capsys.readouterr().out
