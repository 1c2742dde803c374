"""Mistakes with δ, acted out: in a kernel's and a bias's gradient, and on the way through the kernel."""

from collections.abc import Iterator

import numpy as np

from fcnet.gradcheck.diagnosis.acts import (
    Act,
    back_through,
    constant,
    itself,
    product_of,
    product_with,
    sum_times,
    weighted_product,
)
from fcnet.gradcheck.diagnosis.enact_activation import where
from fcnet.gradcheck.diagnosis.network import penalty_gradient
from fcnet.gradcheck.diagnosis.reenact import Enactment, Planted, Scene
from fcnet.gradcheck.diagnosis.solve import solve


def _inputs(scene: Scene, number: int) -> Iterator[tuple[str, np.ndarray, str]]:
    """(mistake, what stands for a⁽ˡ⁻¹⁾, in words)."""
    if number > 0:
        before, own = scene.caches[number - 1], scene.network.layers[number - 1].kernel
        yield "dropout_mask_missing", before.undropped, f"the activations of {own}'s layer before dropout"
        if before.multiplier is not None:
            kept = before.undropped * (before.multiplier > 0)
            yield "dropout_scale_missing", kept, f"the activations of {own}'s layer without 1/(1 − p)"
        steps = (("z", before.z), ("the norm's output", before.entered), ("f(z)", before.left), ("ẑ", before.standard))
        for what, array in steps:
            if array is not None:
                yield "cache_of_another_layer", array, f"{what} of {own}'s layer instead of a"
    yield "cache_of_another_layer", scene.network.x, "x"
    for other, there in enumerate(scene.caches):
        if other != number - 1:
            for what, array in (("a", there.output), ("z", there.z), ("f(z)", there.left)):
                yield "cache_of_another_layer", array, f"{what} of {scene.network.layers[other].kernel}'s layer"


def misplaced(scene: Scene, number: int) -> Iterator[Enactment]:
    """∂L/∂W and ∂L/∂b with another layer's activations or δ."""
    layer = scene.network.layers[number]
    for mistake, array, what in _inputs(scene, number):
        if array.shape == scene.caches[number].inputs.shape:
            detail = f"∂L/∂{layer.kernel} is computed with {what}"
            yield Enactment(mistake, (Planted("kernel", number, product_with(array)),), where(layer), detail)
    for other, done in enumerate(scene.passes):
        if other == number or done.delta.shape != scene.passes[number].delta.shape:
            continue
        words = f"is computed with the δ of {scene.network.layers[other].kernel}'s layer"
        of_kernel = (Planted("kernel", number, product_of(done.delta)),)
        yield Enactment("cache_of_another_layer", of_kernel, where(layer), f"∂L/∂{layer.kernel} {words}")
        of_bias = (Planted("bias", number, constant(done.delta.sum(axis=0))),)
        yield Enactment("cache_of_another_layer", of_bias, where(layer), f"∂L/∂{layer.bias} {words}")


def alone(scene: Scene, number: int, wanted: np.ndarray, tolerance: float) -> Iterator[tuple[int, float]]:
    """(row, c) where ``wanted`` is c times what that one row of the batch gives to the kernel of this layer."""
    inputs, delta = scene.caches[number].inputs, scene.passes[number].delta
    along = np.sum((inputs @ wanted) * delta, axis=1)
    sizes = np.sum(inputs**2, axis=1) * np.sum(delta**2, axis=1)
    c = np.where(sizes > 0, along / np.where(sizes > 0, sizes, 1), 0.0)
    row = int(np.argmax(c * along))  # the row that explains most
    miss = np.linalg.norm(wanted - c[row] * np.outer(inputs[row], delta[row]))
    if np.any(wanted) and miss <= tolerance * np.linalg.norm(wanted):
        yield row, float(c[row])


def row_weights(scene: Scene, number: int, tolerance: float) -> Iterator[tuple[np.ndarray, str]]:
    """How the rows count in the author's ∂L/∂W where one is left out or one is alone, and that in words."""
    name, rows = scene.network.layers[number].kernel, scene.network.rows
    data = scene.found[name] - penalty_gradient(scene.network, name, scene.params[name])
    for row, c in alone(scene, number, scene.found[name] - scene.gradients[name], tolerance):
        weights = np.ones(rows)
        weights[row] = 0.0 if abs(1 + c) < 1e-6 else 1 + c
        yield weights, f"row {row} (counted from 0) of the {rows} counts {weights[row]:.4g} times"
    for row, c in alone(scene, number, data, tolerance):
        weights = np.zeros(rows)
        weights[row] = c
        yield weights, f"only row {row} (counted from 0) of the {rows} is in it, {c:.4g} times"


def of_rows(scene: Scene, number: int, tolerance: float) -> Iterator[Enactment]:
    """One row of the batch left out of this layer's gradients, or alone in them."""
    layer, rows, delta = scene.network.layers[number], scene.network.rows, scene.passes[number].delta
    for weights, words in row_weights(scene, number, tolerance):
        planted = (Planted("kernel", number, weighted_product(weights)),)
        yield Enactment("one_row", planted, layer.kernel, f"∂L/∂{layer.kernel}: {words}")
    if layer.bias is None or layer.units < 2:
        return
    penalty = penalty_gradient(scene.network, layer.bias, scene.params[layer.bias])
    sizes = np.sum(delta**2, axis=1)
    for mistake, wanted, start in (
        ("bias_not_summed", scene.found[layer.bias] - penalty, 0.0),
        ("one_row", scene.found[layer.bias] - scene.gradients[layer.bias], 1.0),
    ):
        c = np.where(sizes > 0, delta @ wanted / np.where(sizes > 0, sizes, 1), 0.0)
        row = int(np.argmin(np.linalg.norm(wanted - c[:, None] * delta, axis=1)))
        if not np.any(wanted) or np.linalg.norm(wanted - c[row] * delta[row]) > tolerance * np.linalg.norm(wanted):
            continue
        weights = np.full(rows, start)
        weights[row] += c[row]
        shown = 0.0 if abs(weights[row]) < 1e-6 else weights[row]
        others = "alone, " if start == 0 else ""
        detail = f"row {row} (counted from 0) of the {rows} is in ∂L/∂{layer.bias} {others}{shown:.4g} times"
        yield Enactment(mistake, (Planted("bias", number, sum_times(weights[:, None])),), layer.bias, detail)


def bias(scene: Scene, number: int) -> Iterator[Enactment]:
    """∂L/∂b averaged, or summed over something else than the rows."""
    layer, rows, delta = scene.network.layers[number], scene.network.rows, scene.passes[number].delta
    for step, name in (("bias", layer.bias), ("shift", layer.shift), ("scale", layer.scale)):
        if name is None:
            continue
        factor = scene.caches[number].standard if step == "scale" else np.ones(1)
        assert factor is not None
        act = sum_times(factor / rows)
        detail = f"the mean over {rows} rows instead of the sum"
        planted = Planted("bias" if step == "bias" else "shift" if step == "shift" else "scale", number, act)
        yield Enactment("bias_averaged", (planted,), name, detail)
    if layer.bias is None:
        return
    kinds: list[tuple[Act, str]] = [
        (constant(np.full(layer.units, total)), f"every entry is the {word} over rows and units together")
        for total, word in ((delta.sum(), "sum"), (delta.mean(), "mean"))
    ]
    if rows == layer.units:
        kinds.append((constant(delta.sum(axis=1)), "summed over the units instead of over the rows"))
    for act, detail in kinds:
        yield Enactment("bias_not_summed", (Planted("bias", number, act),), layer.bias, detail)


def through(scene: Scene, number: int, tolerance: float) -> Iterator[Enactment]:
    """δ taken back through the kernel after its update, transposed, through another one, or through none."""
    layer, kernel = scene.network.layers[number], scene.caches[number].kernel
    if number == 0:
        return
    step = scene.found[layer.kernel]
    solved = solve(scene, "through", number, [back_through(step)], back_through(kernel), tolerance)
    if solved is not None and np.any(step) and abs(float(solved[0])) > 1e-12:
        rate = -float(solved[0])

        def updated(place: int) -> Planted:
            gradient = scene.found[scene.network.layers[place].kernel]
            return Planted("through", place, back_through(scene.caches[place].kernel - rate * gradient))

        detail = f"δ goes back through W − {rate:.4g} ∂L/∂W of {layer.kernel} instead of through W"
        for planted in (tuple(map(updated, range(1, number + 1))), (updated(number),)):
            yield Enactment("updated_weights", planted, where(layer), detail)
    if kernel.shape[0] == kernel.shape[1]:
        detail = f"δ goes back through {layer.kernel} turned the wrong way"
        yield Enactment("transposed", (Planted("through", number, back_through(kernel.T)),), where(layer), detail)
        bare = (Planted("through", number, itself),)
        yield Enactment("weights_missing", bare, where(layer), f"δ does not go through {layer.kernel}")
    for other, there in enumerate(scene.caches):
        if other != number and there.kernel.shape == kernel.shape:
            planted = (Planted("through", number, back_through(there.kernel)),)
            detail = f"δ goes back through {scene.network.layers[other].kernel} instead of {layer.kernel}"
            yield Enactment("cache_of_another_layer", planted, where(layer), detail)
