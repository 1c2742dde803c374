"""Mistakes between ∂L/∂a and δ, acted out: at dropout and at the activation."""

from collections.abc import Iterator, Mapping

import numpy as np

from fcnet import activations
from fcnet.gradcheck.diagnosis.acts import itself, times
from fcnet.gradcheck.diagnosis.candidates import COMMON, OTHERS
from fcnet.gradcheck.diagnosis.factors import named, same
from fcnet.gradcheck.diagnosis.network import Layer, LayerCache
from fcnet.gradcheck.diagnosis.reenact import Enactment, Planted, Scene, Use
from fcnet.gradcheck.diagnosis.solve import solve

USES: tuple[Use, ...] = ("all", "kernel", "bias", "through")


def _of_sigmoid(a: np.ndarray) -> np.ndarray:
    return a * (1 - a)


def _of_tanh(a: np.ndarray) -> np.ndarray:
    return 1 - a * a


def _of_softplus(a: np.ndarray) -> np.ndarray:
    return 1 - np.exp(-a)


def _of_elu(a: np.ndarray) -> np.ndarray:
    return np.where(a > 0, 1.0, a + 1)


# f′ written in terms of a = f(z), as it is remembered; put to z, or to another f's a, it is wrong.
IN_TERMS_OF_A = {"sigmoid": _of_sigmoid, "tanh": _of_tanh, "softplus": _of_softplus, "elu": _of_elu}


def where(layer: Layer) -> str:
    """A layer in its author's words."""
    return f"the layer of {layer.kernel}"


def for_use(layer: Layer, use: Use) -> str:
    """Which use of δ is meant, as the end of a sentence."""
    words: Mapping[Use, str] = {
        "all": "",
        "kernel": f", for {layer.kernel} alone",
        "bias": f", for {layer.bias} alone",
        "through": ", for what goes on to the layer before alone",
    }
    return words[use]


def slope_of(name: str, z: np.ndarray) -> np.ndarray | None:
    """f′(z) of an elementwise activation; None of others, or where it is not finite."""
    local = activations.get(name).local
    slope = None if local is None else local(z)[1]
    return slope if slope is not None and np.all(np.isfinite(slope)) else None


def parallel(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether one is a multiple of the other but for rounding."""
    sizes = float(np.linalg.norm(one) * np.linalg.norm(other))
    return abs(float(np.vdot(one, other))) >= (1 - 1e-12) * sizes


def _misplaced(scene: Scene, number: int) -> Iterator[tuple[str, np.ndarray | None, str]]:
    """(mistake, f′ of the right function at a wrong place, in words)."""
    layer, cache = scene.network.layers[number], scene.caches[number]
    own, z = layer.activation, cache.entered
    for what, at in (("a", cache.left), ("a after dropout", cache.output), ("z before the norm", cache.z)):
        if at.shape == z.shape:
            yield "derivative_at_activation", slope_of(own, at), f"f′ of {own} is taken at {what} instead of at z"
    if own in IN_TERMS_OF_A:
        formula = IN_TERMS_OF_A[own]
        yield "derivative_at_activation", formula(z), f"f′ of {own}, written in a, is put to z"
        yield "derivative_at_activation", formula(cache.output), f"f′ of {own}, written in a, is put to a after dropout"
    for other, there in enumerate(scene.caches):
        if other != number and there.entered.shape == z.shape:
            kernel = scene.network.layers[other].kernel
            detail = f"f′ of {own} is taken at the z of {kernel}'s layer"
            yield "cache_of_another_layer", slope_of(own, there.entered), detail
            if own in IN_TERMS_OF_A:
                yield "cache_of_another_layer", IN_TERMS_OF_A[own](there.output), detail


def _mistaken(layer: Layer, cache: LayerCache, true: np.ndarray) -> Iterator[tuple[np.ndarray | None, str]]:
    """(what stands for f′, in words): derivatives of other functions, and what is easily taken for f′."""
    own, z, a = layer.activation, cache.entered, cache.left
    for name in (*COMMON, *OTHERS):
        if name not in (own, "identity"):
            for what, at in (("z", z), ("a", a)):
                yield slope_of(name, at), f"f′ is that of {name} at {what}, f is {own}"
            if name in IN_TERMS_OF_A:
                for what, at in (("a", a), ("z", z), ("a after dropout", cache.output)):
                    yield IN_TERMS_OF_A[name](at), f"f′ is that of {name}, written in {what}, f is {own}"
    if own.startswith("gelu"):
        steep = np.exp(-np.logaddexp(0.0, -1.702 * z))
        yield steep * (1 + 1.702 * z * (1 - steep)), "f′ is that of z σ(1.702 z)"
    yield true * true, f"f′ of {own} is multiplied in twice"
    yield a, f"f of {own} stands where f′ belongs"
    yield 1 - true, f"1 − f′ of {own} stands where f′ belongs"
    yield np.where(true != 0, 1 / np.where(true != 0, true, 1), 0), f"δ is divided by f′ of {own}"


def _parts(layer: Layer, cache: LayerCache) -> Iterator[tuple[list[np.ndarray], str]]:
    """Summands of f′, to find one of them left out or weighted otherwise."""
    z, a = cache.entered, cache.left
    name, slope = layer.activation.partition(":")[0], slope_of(layer.activation, z)
    above, below = np.where(z > 0, 1.0, 0.0), np.where(z > 0, 0.0, 1.0)
    if name in ("relu", "leaky_relu", "identity", "rrelu", "relu6", "threshold"):
        yield [above, below], "{0:.4g} where z > 0 and {1:.4g} elsewhere"
    elif name in ("elu", "selu", "celu"):
        yield [above, below * np.exp(np.minimum(z, 0)), below], "{0:.4g}, below 0 {1:.4g} exp(z) + {2:.4g}"
    elif name == "silu":
        sigmoid = np.exp(-np.logaddexp(0.0, -z))
        yield [sigmoid, z * sigmoid * (1 - sigmoid)], "{0:.4g} σ(z) + {1:.4g} z σ(z) (1 − σ(z))"
    elif name == "gelu" and slope is not None:
        density = z * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
        yield [slope - density, density], "{0:.4g} Φ(z) + {1:.4g} z φ(z)"
    elif name == "gelu_tanh" and slope is not None:
        first = 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
        yield [first, slope - first], "{0:.4g} of its first and {1:.4g} of its second term"
    yield [np.ones_like(a), a, a * a], "{0:.4g} + {1:.4g} a + {2:.4g} a²"


def activation(scene: Scene, number: int, tolerance: float) -> Iterator[Enactment]:
    """f′ left out, at the wrong place, of another function, or in part."""
    layer, cache = scene.network.layers[number], scene.caches[number]
    for use in USES if layer.activation != "identity" else ():
        detail = f"f′ of {layer.activation} is left out{for_use(layer, use)}"
        yield Enactment("derivative_missing", (Planted("activation", number, itself, use),), where(layer), detail)
    true = slope_of(layer.activation, cache.entered)
    if true is None:
        return
    mistaken = (("derivative_of_another", slope, detail) for slope, detail in _mistaken(layer, cache, true))
    for mistake, slope, detail in (*_misplaced(scene, number), *mistaken):
        if slope is not None and np.all(np.isfinite(slope)):
            yield Enactment(mistake, (Planted("activation", number, times(slope)),), where(layer), detail)
    local = activations.get(layer.activation).local
    if local is not None:
        planted = (Planted("activation", number, lambda cache, upstream: upstream * local(upstream)[1]),)
        detail = f"f′ of {layer.activation} is taken at ∂L/∂a instead of at z"
        yield Enactment("derivative_at_activation", planted, where(layer), detail)
    for parts, words in _parts(layer, cache):
        solved = solve(scene, "activation", number, [times(part) for part in parts], tolerance=tolerance)
        if solved is not None:
            taken = sum((c * part for c, part in zip(solved, parts, strict=True)), np.zeros_like(true))
            if parallel(taken, true) or parallel(taken, np.ones_like(true)):
                continue  # a factor, or f′ left out: they have their own names
            clean = [0.0 if abs(c) < 1e-9 else float(c) for c in solved]
            detail = f"f′ of {layer.activation} is taken as {words.format(*clean)}"
            planted = (Planted("activation", number, times(taken)),)
            yield Enactment("derivative_of_another", planted, where(layer), detail)


def scaled(scene: Scene, number: int, tolerance: float) -> Iterator[Enactment]:
    """δ of this layer, and so all before it, times a constant."""
    layer = scene.network.layers[number]
    true = slope_of(layer.activation, scene.caches[number].entered)
    solved = None if true is None else solve(scene, "activation", number, [times(true)], tolerance=tolerance)
    if true is None or solved is None or same(float(solved[0]), 1.0):
        return
    planted = (Planted("activation", number, times(float(solved[0]) * true)),)
    for found in named(float(solved[0]), scene.network.rows, scene.network.targets.shape[1], summed=False):
        yield Enactment(found.mistake, planted, where(layer), f"δ of {layer.kernel}'s layer: {found.detail}")


def dropout(scene: Scene, number: int) -> Iterator[Enactment]:
    """The mask, or 1/(1 − p), left out; or the mask of another layer."""
    layer, m = scene.network.layers[number], scene.caches[number].multiplier
    if m is None:
        return
    largest = float(m.max())
    variants = [("dropout_mask_missing", np.ones_like(m), "∂L/∂a is not multiplied by the mask")]
    if largest > 0 and not same(largest, 1.0):
        kept = 1 / largest
        variants += [
            ("dropout_scale_missing", m / largest, f"the mask is there, 1/(1 − p) = {largest:.4g} is not"),
            ("dropout_scale_missing", m / largest * kept, f"multiplied by 1 − p = {kept:.4g} instead of divided by it"),
            ("dropout_mask_missing", np.full_like(m, largest), f"1/(1 − p) = {largest:.4g} is there, the mask is not"),
        ]
    variants.append(("dropout_mask_missing", largest - m, "what was kept is dropped, and the other way round"))
    for other, there in enumerate(scene.caches):
        if other != number and there.multiplier is not None and there.multiplier.shape == m.shape:
            variants.append(("dropout_mask_missing", there.multiplier, "the mask is another layer's"))
    for mistake, multiplier, detail in variants:
        for use in USES:
            planted = (Planted("dropout", number, times(multiplier), use),)
            yield Enactment(mistake, planted, where(layer), detail + for_use(layer, use))
