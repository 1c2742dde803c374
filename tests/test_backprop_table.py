"""Backprop by hand meets autodiff over a table in which any two choices of a network meet at least once.

The full product of activations, losses, norms, dropouts, penalties, depths and so on has billions of rows; mistakes
live in one choice or in how two of them meet, and every such pair is in a row here.
"""

from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import combinations

import jax
import numpy as np
import pytest

from fcnet import losses
from fcnet.backprop import by_hand
from fcnet.contracts import CLASSIFICATION
from fcnet.gradcheck.compare import FLOOR as FLOAT32_FLOOR
from fcnet.objective import ObjectiveSpec

from .backprop_oracles import FLOAT32, FLOAT64, FLOOR, autodiff, wrong
from .backprop_problems import ACTIVATIONS, LIBRARIES, LOSSES, WIDTHS, problem, spec_for, to

NORMS = ["batch", "layer", "group", "instance:affine=true"]
FACTORS = {
    "loss": LOSSES,
    "depth": [5, 4, 3, 2, 1],
    "activation": ACTIVATIONS,
    "norm": ["none", *(f"{norm} {side}" for norm in NORMS for side in ("before", "after"))],
    "dropout": ["none", "inverted", "classic", "alpha", "connect"],
    "penalty": ["none", "l1", "l2", "elastic"],
    "reduction": ["mean", "sum", "batchmean"],
    "weights": ["none", "rows", "classes", "ignored"],
    "noise": ["none", "inputs and hidden"],
    "dtype": ["float64", "float32"],
}


def goes_together(one, other):
    """Whether a pair of choices is allowed: weights of classes and ignored classes are not for every loss."""
    chosen = dict((one, other))
    if not {"loss", "weights"} <= set(chosen):
        return True
    loss = losses.get(chosen["loss"])
    allowed = {"classes": loss.takes_class_weights, "ignored": loss.task == CLASSIFICATION}
    return allowed.get(chosen["weights"], True)


def pairs_to_cover():
    choices = [[(factor, value) for value in values] for factor, values in FACTORS.items()]
    return {
        frozenset((one, other))
        for first, second in combinations(choices, 2)
        for one in first
        for other in second
        if goes_together(one, other)
    }


def choices_of(row):
    """(factor, value) of a row; each hidden layer has an activation of its own."""
    return [(factor, each) for factor, value in row.items() for each in (value if factor == "activation" else [value])]


def pairs_of(row):
    return {frozenset(pair) for pair in combinations(choices_of(row), 2) if pair[0][0] != pair[1][0]}


def covering_rows():
    """Row by row, each choice the one that meets most of what it has not met yet, until all pairs are there."""
    partners = {(factor, value): set() for factor, values in FACTORS.items() for value in values}
    for one, other in pairs_to_cover():
        partners[one].add(other)
        partners[other].add(one)
    used = Counter()
    while any(partners.values()):
        start = max(partners, key=lambda choice: len(partners[choice]))
        chosen = [start]

        def choose(factor, chosen=chosen):
            fits = [(factor, v) for v in FACTORS[factor] if all(goes_together((factor, v), c) for c in chosen)]
            free = [choice for choice in fits if choice not in chosen]
            met = set(chosen)
            # of equal ones the deepest network, which has room for most activations, else the rarest so far
            rare = (lambda choice: choice[1]) if factor == "depth" else (lambda choice: -used[choice])
            chosen.append(max(free, key=lambda c: (len(partners[c] & met), len(partners[c]), rare(c))))

        for factor in FACTORS:
            if factor == "activation":
                while sum(f == factor for f, _ in chosen) < dict(chosen)["depth"]:
                    choose(factor)
            elif factor != start[0]:
                choose(factor)
        row = {factor: [v for f, v in chosen if f == factor] for factor in FACTORS}
        # what stands before a step function has no gradient: it comes first
        row["activation"] = [tuple(sorted(row["activation"], key=lambda name: name != "step"))]
        row = {factor: values[0] for factor, values in row.items()}
        used.update(chosen)
        for one, other in map(tuple, pairs_of(row)):
            partners[one].discard(other)
            partners[other].discard(one)
        yield row


COVERING = list(covering_rows())


def problem_of(row, random):
    """The network of a row at a point drawn for it."""
    norm, _, side = row["norm"].partition(" ")
    options = {
        "norm": norm,
        "norm_position": side or "before",
        "dropout": "inverted" if row["dropout"] == "none" else row["dropout"],
    }
    outputs = 4 if losses.get(row["loss"]).outputs_per_target == 2 else 3
    goal = ObjectiveSpec(
        spec_for(row["loss"], WIDTHS[: row["depth"]], row["activation"], **options),
        row["loss"],
        row["reduction"],
        class_weights=(0.5, 2.0, 1.0)[:outputs] if row["weights"] == "classes" else None,
        ignored=1 if row["weights"] == "ignored" else None,
    )
    given = {"none": {}, "l1": {"l1": 0.01}, "l2": {"l2": 0.02}, "elastic": {"l1": 0.01, "l2": 0.02}}[row["penalty"]]
    if row["dropout"] != "none":
        given["dropout"] = 0.3
    if row["noise"] != "none":
        given |= {"input_noise": 0.1, "hidden_noise": 0.1}
    return problem(goal, random, weighted=row["weights"] == "rows", **given)


def hold(row, random):
    """By hand on every library against ``jax.grad`` under jit, tensor by tensor."""
    drawn, dtype = problem_of(row, random), row["dtype"]
    with jax.enable_x64(dtype == "float64"):
        compiled = jax.jit(partial(both, replace(drawn.goal, model=replace(drawn.goal.model, dtype=dtype))))
        found, automatic = jax.tree.map(np.asarray, compiled(*drawn.on("jax", dtype)[1:]))
    grads = {"jax": found} | {library: by_hand(*drawn.on(library, dtype)).grads for library in LIBRARIES[1:]}
    if dtype == "float64":
        for library, found in grads.items():
            assert wrong(found, automatic, FLOAT64, FLOOR) == {}, library
    elif any(wrong(found, automatic, FLOAT32, FLOAT32_FLOOR) for found in grads.values()):
        hold_as_far_as_float32_goes(drawn, grads, lambda *point: compiled(*point)[1], random)


def both(goal, hparams, point):
    """By hand and by ``jax.grad``, in one program."""
    return by_hand(goal, hparams, point).grads, autodiff(goal, hparams, point)


NUDGES = 8


def hold_as_far_as_float32_goes(drawn, grads, automatic_in_float32, random):
    """Where a norm divides by little, or terms cancel, no float32 gradient is right to 1e-5, autodiff's included.

    Then the truth is autodiff in float64 on the same float32 numbers, and by hand may be off by three times as much as
    autodiff in float32 is at worst, there and where every number is one rounding (half an ε) away: that changes the
    roundings and hardly the gradients. Three, because the terms are added up in other orders.
    """
    half = float(np.finfo(np.float32).eps) / 2

    def nudged(leaf):
        return leaf * (1 + half * random.choice([-1, 1], np.shape(leaf))) if leaf.dtype.kind == "f" else leaf

    points = [drawn.point, *(jax.tree.map(nudged, drawn.point) for _ in range(NUDGES))]
    narrow = [to("numpy", (drawn.hparams, point), "float32") for point in points]
    with jax.enable_x64(True):
        exact = jax.jit(partial(autodiff, drawn.goal))
        truths = [jax.tree.map(np.asarray, exact(*to("jax", point))) for point in narrow]
    autodiffed = [automatic_in_float32(*to("jax", point, "float32")) for point in narrow]
    errors = [wrong(*pair, 0, FLOAT32_FLOOR) for pair in zip(autodiffed, truths, strict=True)]
    for library, found in grads.items():
        for name, error in wrong(found, truths[0], FLOAT32, FLOAT32_FLOOR).items():
            assert error <= 3 * max(other.get(name, 0) for other in errors), (library, name)


def test_every_two_choices_meet():
    met = {pair for row in COVERING for pair in pairs_of(row)}
    assert pairs_to_cover() <= met
    # what is never tried is exactly what is refused
    refused = [pair for pair in met if not goes_together(*pair)]
    assert refused == []


# Spread over the table, mostly over its shallow networks, which compile soonest. Every name by itself is in
# tests/test_backprop_differences.py.
SHALLOW = [number for number, row in enumerate(COVERING) if row["depth"] <= 3]
DEEP = [number for number, row in enumerate(COVERING) if row["depth"] > 3]


@pytest.mark.parametrize("number", SHALLOW[::8] + DEEP[::75])
def test_some_rows(number, random):
    hold(COVERING[number], random)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(COVERING)))
def test_all_rows(number, random):
    hold(COVERING[number], random)
