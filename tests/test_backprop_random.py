"""Backprop by hand at networks that nobody thought of: shapes, names, options and seeds drawn by hypothesis."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from fcnet import activations, losses, objective
from fcnet.backprop import by_hand
from fcnet.contracts import CLASSIFICATION
from fcnet.layers import DROPOUTS
from fcnet.objective import ObjectiveSpec
from fcnet.spec import MLPSpec

from .backprop_oracles import FLOAT64, FLOOR, autodiff, in_differences, wrong
from .backprop_problems import LIBRARIES, problem, to

# the same examples every time, and no folder of them
steady = partial(settings, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def written(draw, entries, without=()):
    """An entry of a catalogue with some of its options given: "celu", "huber:delta=0.8"."""
    entry = entries[draw(st.sampled_from(sorted(set(entries) - set(without))))]
    pairs = []
    for name, option in entry.options.items():
        if not draw(st.booleans()):
            continue
        if isinstance(option.default, bool):
            value = draw(st.sampled_from(["true", "false"]))
        elif isinstance(option.default, str):
            value = draw(st.sampled_from(option.choices))
        elif isinstance(option.default, int):
            value = draw(st.integers(option.default, int(min(option.high, option.default + 2))))
        else:  # near enough that what must ascend still does
            value = min(max(option.default * draw(st.floats(0.8, 1.2)), option.low), option.high)
        pairs.append(f"{name}={value}")
    return f"{entry.name}:{','.join(pairs)}".rstrip(":")


@st.composite
def layers(draw):
    """Width, activation and norm of a hidden layer; a larger ε than usual, behind which differences keep digits."""
    norm = draw(st.sampled_from(["none", "none", "batch", "layer", "group:groups=3", "instance:affine=true"]))
    # groups of three, and no norm of a single unit
    widths = st.just(9) if norm.startswith("group") else st.integers(3 if norm != "none" else 1, 7)
    if norm != "none":
        norm += f"{',' if ':' in norm else ':'}eps=0.1"
    return draw(widths), draw(written(activations.ACTIVATIONS)), norm


@st.composite
def problems(draw):
    hidden = draw(st.lists(layers(), max_size=5))
    text = draw(written(losses.LOSSES))
    loss = losses.get(text)
    classes = loss.task == CLASSIFICATION
    targets = draw(st.integers(2 if classes else 1, 4))
    outputs = targets * loss.outputs_per_target
    weights = st.lists(st.sampled_from([0.5, 1.0, 2.0, 0.0]), min_size=outputs, max_size=outputs).filter(any).map(tuple)
    widths, names, norms = zip(*hidden, strict=True) if hidden else ((), "tanh", "none")
    model = MLPSpec(
        draw(st.integers(1, 6)),
        outputs,
        widths,
        names,
        norm=norms,
        norm_position=draw(st.sampled_from(["before", "after"])),
        dropout=draw(st.sampled_from(sorted(DROPOUTS))),
        input_scale=draw(st.sampled_from([1.0, 0.5])),
        output_activation=objective.output_activation_for(text),
        dtype="float64",
    )
    goal = ObjectiveSpec(
        model,
        text,
        draw(st.sampled_from(["mean", "sum", "batchmean"])),
        class_weights=draw(weights) if loss.takes_class_weights and draw(st.booleans()) else None,
        ignored=draw(st.integers(0, outputs - 1)) if classes and draw(st.booleans()) else None,
    )
    numbers = {name: st.floats(0, most) for name, most in (("l1", 0.1), ("l2", 0.1), ("dropout", 0.6))}
    numbers |= {name: st.floats(0, 0.3) for name in ("input_noise", "hidden_noise")}
    hparams = {name: draw(number) for name, number in numbers.items() if draw(st.booleans())}
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(4, 9))
    event(f"{len(hidden)} hidden layers")
    return problem(goal, random, rows=rows, weighted=draw(st.booleans()), **hparams), random


@steady(max_examples=40)
@given(problems())
def test_differences(drawn):
    in_differences(*drawn, entries=2)


@pytest.mark.slow
@steady(max_examples=1000)
@given(problems())
def test_differences_of_many(drawn):
    in_differences(*drawn, entries=2)


def hold_to_autodiff(here):
    with jax.enable_x64(True):
        compiled = jax.jit(partial(autodiff, here.goal))
        automatic = jax.tree.map(np.asarray, compiled(*to("jax", (here.hparams, here.point))))
    if not any(np.any(leaf) for leaf in jax.tree.leaves(automatic)):
        event("no gradient at all")
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(by_hand(*here).grads))
        return
    for library in LIBRARIES[1:]:
        assert wrong(by_hand(*here.on(library)).grads, automatic, FLOAT64, FLOOR) == {}, library


@steady(max_examples=4)
@given(problems())
def test_autodiff(drawn):
    hold_to_autodiff(drawn[0])


@pytest.mark.slow
@steady(max_examples=100)
@given(problems())
def test_autodiff_of_many(drawn):
    hold_to_autodiff(drawn[0])
