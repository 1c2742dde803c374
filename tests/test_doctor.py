"""What the gradient doctor is measured with: correct networks that are correct, and mistakes that are mistakes."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from doctor import measure
from doctor.edit import Edit
from doctor.examine import alarm_at_random_network, alarm_at_written_network, examine
from doctor.healthy import healthy
from doctor.mutants import mutants, precision, runnable, truth
from doctor.network import NAMES, load, named

from fcnet.errors import InputError
from fcnet.gradcheck.diagnosis.mistakes import MISTAKES

STEP = 1e-6
DIRECTIONS = 3
# what JAX compiles and the loading of PyTorch take seconds
LIBRARIES_TAKE_LONG = ("jax_softplus", "torch_leaky")
# and so does an examination of 784-128-10
LONG = (*LIBRARIES_TAKE_LONG, "tanh_rows")


def cases(long):
    return [pytest.param(name, marks=pytest.mark.slow if name in long else ()) for name in NAMES]


MUTANTS = [
    pytest.param(mutant, id=mutant.name, marks=pytest.mark.slow if mutant.network in LIBRARIES_TAKE_LONG else ())
    for mutant in mutants()
]
# the quickest networks first
QUICKEST = ("sigmoid_columns", "silu_square", "softmax_jacobian", "layer_objects", "relu_list")
# What is kept for ever from a call that the doctor has not seen it does not name yet: results.json has those.
UNNAMED = ("batch_norm-16-stale", "silu_square-20-stale", *(f"layer_objects-{number}-stale" for number in (1, 2, 3, 4)))


def quick():
    """The first mutant of each mistake, in networks that are quick to examine."""
    found = {}
    order = {name: place for place, name in enumerate((*QUICKEST, *sorted(set(NAMES) - set(QUICKEST) - set(LONG))))}
    for mutant in sorted((one for one in mutants() if one.network in order), key=lambda one: order[one.network]):
        if mutant.name not in UNNAMED:
            found.setdefault(mutant.edit.mistake, mutant)
    return found


QUICK = quick()


def skip_without_library(network):
    if not runnable(network):
        pytest.importorskip("torch")


def check_against_differences(function, params, batch, grads, random):
    """Every tensor's gradient along random directions in which all of its entries move."""
    leaves, structure = jax.tree.flatten(params)
    largest = max(float(np.linalg.norm(leaf)) for leaf in named(grads).values())
    for place, gradient in enumerate(named(grads).values()):
        for _ in range(DIRECTIONS):
            direction = random.normal(size=gradient.shape)
            direction /= np.linalg.norm(direction)
            above, below = (
                float(
                    function(jax.tree.unflatten(structure, [*leaves[:place], moved, *leaves[place + 1 :]]), *batch)[0]
                )
                for moved in (leaves[place] + STEP * direction, leaves[place] - STEP * direction)
            )
            # a loss of size 1 rounds to 1e-16, over a step of 1e-6 that is 1e-10; the terms of h² are smaller
            difference = (above - below) / (2 * STEP)
            assert abs(np.sum(gradient * direction) - difference) <= 1e-7 * max(1, abs(above), largest)


@pytest.mark.parametrize("name", cases(LIBRARIES_TAKE_LONG))
def test_written_networks_match_central_differences(name, random):
    skip_without_library(name)
    network = load(name)
    params, *batch = network.example(random)

    def function(params, *batch):
        return network.function(*network.converted((params, *batch), "float64"))

    with precision(network, "float64"):
        _, grads = function(params, *batch)
        check_against_differences(function, params, batch, grads, random)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", cases(LIBRARIES_TAKE_LONG))
def test_written_networks_keep_the_dtype(name, dtype):
    skip_without_library(name)
    network = load(name)
    with precision(network, dtype):
        params, *batch = network.arguments(0, dtype)
        loss, grads = network.function(params, *batch)
    assert {str(leaf.dtype).removeprefix("torch.") for leaf in jax.tree.leaves((loss, grads))} == {dtype}
    assert jax.tree.structure(grads) == jax.tree.structure(params)


def test_random_networks_match_central_differences(random):
    for seed in range(25):
        network = healthy(seed, "float64")
        _, grads = network.function(network.params, *network.batch)
        check_against_differences(network.function, network.params, network.batch, grads, random)


def test_every_mistake_is_planted():
    assert {mutant.edit.mistake for mutant in mutants()} == set(QUICK) == set(MISTAKES)
    for mutant in mutants():
        assert set(mutant.edit.accepted) <= set(MISTAKES)
        assert not mutant.edit.also or mutant.edit.remark, f"{mutant.name}: why is another name right, too?"


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_mistake_changes_gradients_and_not_the_loss(mutant):
    skip_without_library(mutant.network)
    found = truth(mutant)
    assert found.wrong
    assert found.loss == found.twin_loss


def test_an_edit_must_replace_one_text():
    with pytest.raises(InputError, match="occurs 2 times"):
        load("tanh_rows", Edit("sign", ".sum(axis=0)", ".mean(axis=0)"))
    with pytest.raises(InputError, match="occurs 0 times"):
        load("tanh_rows", Edit("sign", "no such text", ""))


def diagnosed(mutant, dtype):
    skip_without_library(mutant.network)
    found = examine(mutant, dtype)
    assert found.tensor_right, found
    assert found.cause_right, found


@pytest.mark.parametrize("mistake", sorted(QUICK))
def test_one_mutant_of_each_mistake_is_diagnosed(mistake):
    diagnosed(QUICK[mistake], "float64")


@pytest.mark.parametrize("name", cases(LONG))
def test_written_networks_are_found_right(name):
    skip_without_library(name)
    assert alarm_at_written_network(name, 100, "float32") is None


def test_random_networks_are_found_right():
    assert [complaint for complaint in map(alarm_at_random_network, range(3)) if complaint] == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", measure.DTYPES)
def test_the_share_that_is_diagnosed(dtype):
    findings = [examine(mutant, dtype) for mutant in mutants() if runnable(mutant.network)]
    assert measure.share(findings, "tensor_right")["value"] >= measure.TENSOR_GOAL
    assert measure.share(findings, "cause_right")["value"] >= measure.CAUSE_GOAL


def test_readme_has_the_table_of_the_results():
    root = Path(__file__).parents[1]
    results = json.loads((root / "experiments" / "doctor" / "results.json").read_text(encoding="utf-8"))
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "\n".join(measure.markdown(results)) in readme
    assert f"examines {results['correct']['examined']} correct" in readme
    for kind in ("tensor_right", "cause_right"):
        assert results["shares"][kind]["value"] >= results["goals"][kind]
    assert results["correct"]["called_wrong"] == []
    shares = [f"{100 * results['shares'][kind]['value']:.1f} %" for kind in ("tensor_right", "cause_right")]
    assert f"{shares[0]} of the tensors, {shares[1]} of the causes, no false alarm" in readme
