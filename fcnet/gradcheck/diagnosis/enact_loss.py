"""Mistakes at the loss, acted out: they reach every tensor in front of it."""

from collections.abc import Iterator

import numpy as np

from fcnet import activations, losses
from fcnet.gradcheck.diagnosis.acts import Act, constant, itself, less, times
from fcnet.gradcheck.diagnosis.candidates import UNUSUAL, USUAL
from fcnet.gradcheck.diagnosis.enact_activation import parallel
from fcnet.gradcheck.diagnosis.enact_affine import row_weights
from fcnet.gradcheck.diagnosis.enact_squash import WHERE, other_mixtures, softmax_jacobian
from fcnet.gradcheck.diagnosis.factors import named, same
from fcnet.gradcheck.diagnosis.network import output_gradient, used_targets
from fcnet.gradcheck.diagnosis.reenact import Enactment, Planted, Scene
from fcnet.gradcheck.diagnosis.solve import solve


def _with_targets(scene: Scene, targets: np.ndarray) -> Act:
    return lambda cache, _: output_gradient(scene.network, cache.output, targets=targets)


def factors(scene: Scene, tolerance: float) -> Iterator[Enactment]:
    """∂L/∂outputs times a constant."""
    solved = solve(scene, "output", scene.last, [itself], tolerance=tolerance)
    if solved is None or same(float(solved[0]), 1.0):
        return
    c = float(solved[0])
    planted = (Planted("output", scene.last, times(c)),)
    for found in named(c, scene.network.rows, scene.network.targets.shape[1], summed=False):
        yield Enactment(found.mistake, planted, WHERE, found.detail.replace("gradient in", "gradient of the loss in"))


def targets(scene: Scene, tolerance: float) -> Iterator[Enactment]:
    """The gradient of the same loss with other targets: classes shifted, rows shifted, smoothing left out."""
    network, last = scene.network, scene.last
    form, y = network.form, network.targets
    one_hot = bool(np.all((y == 0) | (y == 1)) and np.all(y.sum(axis=1) == 1)) and y.shape[1] > 1
    shifted = []
    if one_hot:
        label = y.argmax(axis=1)
        classes = y.shape[1]
        for step, word in ((1, "one too high"), (-1, "one too low")):
            moved = label + step
            outside = (moved < 0) | (moved >= classes)
            shifted += [
                (np.eye(classes)[moved % classes], word),
                (np.eye(classes)[np.clip(moved, 0, classes - 1)], word),
            ]
            shifted.append((np.where(outside[:, None], 0.0, np.eye(classes)[moved % classes]), word))
    for step, word in ((1, "of the row before"), (-1, "of the row behind")):
        shifted.append((np.roll(y, step, axis=0), word))
    for wrong, word in shifted:
        used = form.own * wrong + form.spread
        act = _with_targets(scene, used)
        yield Enactment(
            "label_off_by_one", (Planted("output", last, act),), WHERE, f"the labels in the gradient are {word}"
        )
    if form.spread != 0:
        detail = f"the loss smooths its targets by {1 - form.own:.3g}, the gradient does not"
        yield Enactment("smoothing_ignored", (Planted("output", last, _with_targets(scene, y)),), WHERE, detail)
        sparse = form.own * y
        yield Enactment(
            "smoothing_ignored",
            (Planted("output", last, _with_targets(scene, sparse)),),
            WHERE,
            f"the gradient's targets lack the {form.spread:.3g} that every class has",
        )
        if one_hot:
            yield from _smoothed_otherwise(scene, tolerance)


def _smoothed_otherwise(scene: Scene, tolerance: float) -> Iterator[Enactment]:
    y = scene.network.targets
    zero = _with_targets(scene, np.zeros_like(y))
    # affine in the targets for the cross entropies: what smoothing leaves of y, and what it gives to every class

    acts = [less(_with_targets(scene, wanted), zero) for wanted in (y, np.ones_like(y))]
    solved = solve(scene, "output", scene.last, acts, zero, tolerance)
    if solved is not None:
        own, spread = map(float, solved)
        form = scene.network.form
        act = _with_targets(scene, own * y + spread)
        detail = (
            f"the gradient's targets are {own:.4g} y + {spread:.4g}, the loss has {form.own:.4g} y + {form.spread:.4g}"
        )
        yield Enactment("smoothing_ignored", (Planted("output", scene.last, act),), WHERE, detail)


def other_losses(scene: Scene, tolerance: float) -> Iterator[Enactment]:
    """The gradient of another loss, or of this one behind another output activation, times any constant."""
    network, last = scene.network, scene.last
    cache = scene.caches[-1]
    own = (network.form.loss, network.layers[-1].activation)
    if scene.network.layers[-1].norm is not None:
        return
    for loss, activation in (*USUAL, *UNUSUAL):
        if (loss, activation) == own:
            continue
        a, pullback = activations.get(activation).by_hand(cache.z)
        unreduced, through_loss = losses.get(loss).by_hand(a, used_targets(network))
        delta = pullback(through_loss(np.full_like(unreduced, network.form.factor)))[0]
        if not np.all(np.isfinite(delta)) or parallel(delta, scene.passes[-1].delta):
            continue
        solved = solve(scene, "activation", last, [constant(delta)], tolerance=tolerance)
        if solved is None:
            continue
        c = float(solved[0])
        planted = (Planted("activation", last, constant(c * delta)),)
        what = loss if activation == "identity" else f"{loss} of {activation}"
        times = "" if same(c, 1.0) else f", times {c:.4g}"
        mine = own[0] if own[1] == "identity" else f"{own[0]} of {own[1]}"
        detail = f"the gradient is that of {what}{times}, the loss is {mine}"
        yield Enactment("loss_gradient", planted, WHERE, detail)


def classes(scene: Scene, tolerance: float) -> Iterator[Enactment]:
    """One column of ∂L/∂outputs times a constant, or left out."""
    layer = scene.network.layers[-1]
    found, expected = scene.found[layer.kernel], scene.gradients[layer.kernel]
    wrong = np.linalg.norm(found - expected, axis=0) > tolerance * np.linalg.norm(expected)
    if np.count_nonzero(wrong) != 1 or wrong.size < 2:
        return
    column = int(wrong.argmax())
    chosen = np.zeros(wrong.size)
    chosen[column] = 1.0
    solved = solve(scene, "output", scene.last, [times(chosen)], itself, tolerance)
    if solved is not None:
        c = 1 + float(solved[0])
        factor = 1 + float(solved[0]) * chosen
        planted = (Planted("output", scene.last, times(factor)),)
        detail = f"class {column} (counted from 0) counts {0.0 if abs(c) < 1e-9 else c:.4g} times"
        yield Enactment("one_class", planted, WHERE, detail)


def rows(scene: Scene, tolerance: float) -> Iterator[Enactment]:
    """One row of the batch left out or counted otherwise, only one row taken, or the rows' weights ignored."""
    last = scene.last
    for weights, detail in row_weights(scene, last, tolerance):
        yield Enactment("one_row", (Planted("output", last, times(weights[:, None])),), WHERE, detail)
    own = scene.network.row_weights
    if own is not None and np.all(own != 0):
        planted = (Planted("output", last, times(1 / own[:, None])),)
        yield Enactment("wrong_reduction", planted, WHERE, "the rows' weights are in the loss, not in the gradient")


def at_the_loss(scene: Scene, tolerance: float) -> Iterator[Enactment]:
    """All of them, the more specific first."""
    yield from targets(scene, tolerance)
    yield from softmax_jacobian(scene)
    yield from factors(scene, tolerance)
    yield from classes(scene, tolerance)
    yield from rows(scene, tolerance)
    yield from other_mixtures(scene, tolerance)
    yield from other_losses(scene, tolerance)
