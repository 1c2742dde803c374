"""Mistakes at batch and layer norm, acted out."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fcnet.gradcheck.diagnosis.acts import Act, constant, less, sum_times
from fcnet.gradcheck.diagnosis.enact_activation import where
from fcnet.gradcheck.diagnosis.factors import same
from fcnet.gradcheck.diagnosis.network import Layer, LayerCache
from fcnet.gradcheck.diagnosis.reenact import Enactment, Planted, Scene, Share, layer_pass, norm_derivative
from fcnet.gradcheck.diagnosis.solve import solve


def _with_paths(layer: Layer, mean: Share, variance: Share, of: LayerCache | None = None) -> Act:
    """The norm's pullback with weights on its paths; ``of``: with another cache than the layer's own."""
    return lambda cache, upstream: norm_derivative(layer, of or cache, upstream, mean, variance)


def paths(scene: Scene, number: int) -> Iterator[Enactment]:
    """The paths through mean and variance, one or both left out."""
    layer = scene.network.layers[number]
    for mistake, mean, variance, detail in (
        ("norm_mean_path", 0, 1, "− mean(γ δ) is left out"),
        ("norm_variance_path", 1, 0, "− ẑ mean(γ δ ẑ) is left out"),
        ("norm_variance_path", 0, 0, "δ = γ/s δ alone: mean and variance are taken as constants"),
        ("norm_mean_path", 0, 0, "δ = γ/s δ alone: mean and variance are taken as constants"),
    ):
        planted = (Planted("norm", number, _with_paths(layer, mean, variance)),)
        yield Enactment(mistake, planted, where(layer), detail)


def weighted_paths(scene: Scene, number: int, tolerance: float) -> Iterator[Enactment]:
    """The paths there, but not once."""
    layer = scene.network.layers[number]
    neither = _with_paths(layer, 0, 0)
    acts = [less(_with_paths(layer, *only), neither) for only in ((1, 0), (0, 1))]
    solved = solve(scene, "norm", number, acts, neither, tolerance)
    if solved is None:
        yield from _unit_by_unit(scene, number, tolerance)
        return
    mean, variance = map(float, solved)
    planted = (Planted("norm", number, _with_paths(layer, mean, variance)),)
    for mistake, share, term in (
        ("norm_mean_path", mean, "mean(γ δ)"),
        ("norm_variance_path", variance, "ẑ mean(γ δ ẑ)"),
    ):
        if not same(share, 1.0):
            shown = 0.0 if abs(share) < 1e-9 else share
            detail = f"{term} is there {shown:.4g} times instead of once"
            yield Enactment(mistake, planted, where(layer), detail)


def _unit_by_unit(scene: Scene, number: int, tolerance: float) -> Iterator[Enactment]:
    """Paths that batch norm has in other shares for each unit, as with a wrong power of s."""
    layer, done = scene.network.layers[number], scene.passes[number]
    if layer.norm != "batch" or not layer.norm_before or scene.caches[number].inputs.shape[1] < 3:
        return
    parts = []
    for mean, variance in ((0, 0), (1, 0), (0, 1)):
        planted = (*scene.planted, Planted("norm", number, _with_paths(layer, mean, variance)))
        parts.append(layer_pass(scene, number, done.upstream, planted).gradients[layer.kernel])
    off = scene.found[layer.kernel] - parts[0]
    columns = np.stack([parts[1] - parts[0], parts[2] - parts[0]], axis=2)  # (fan_in, units, paths)
    shares = np.array([np.linalg.lstsq(columns[:, j], off[:, j], rcond=None)[0] for j in range(layer.units)])
    if np.linalg.norm(np.einsum("iju,ju->ij", columns, shares) - off) > tolerance * np.linalg.norm(off):
        return
    planted = (Planted("norm", number, _with_paths(layer, shares[:, 0], shares[:, 1])),)
    for place, (mistake, term) in enumerate((("norm_mean_path", "mean"), ("norm_variance_path", "variance"))):
        if not np.allclose(shares[:, place], 1, atol=1e-6):
            low, high = shares[:, place].min(), shares[:, place].max()
            detail = f"the path through the {term} is there {low:.3g} to {high:.3g} times, another share for each unit"
            yield Enactment(mistake, planted, where(layer), detail)


def other_axis(scene: Scene, number: int) -> Iterator[Enactment]:
    """The means of the way back taken over the other axis: rows for units, or units for rows."""
    layer = scene.network.layers[number]
    other = replace(layer, norm="layer" if layer.norm == "batch" else "batch")
    words = "units instead of rows" if layer.norm == "batch" else "rows instead of units"
    yield Enactment(
        "norm_mean_path", (Planted("norm", number, _with_paths(other, 1, 1)),), where(layer), f"means over {words}"
    )


def unbiased(scene: Scene, number: int) -> Iterator[Enactment]:
    """The variance divided by n − 1 on the way back, in one place or in all."""
    layer, cache = scene.network.layers[number], scene.caches[number]
    assert cache.centred is not None
    assert cache.spread is not None
    count = cache.centred.shape[0 if layer.norm == "batch" else 1]
    if count < 2:
        return
    n = count / (count - 1)
    spread = np.sqrt((cache.spread**2 - layer.eps) * n + layer.eps)
    wide = cache._replace(spread=spread, standard=cache.centred / spread)
    detail = f"the variance is divided by {count - 1} instead of {count}"
    # ẑ and 1/s of the larger variance, its own mean over n − 1 as well, that mean alone, 1/s alone
    only_spread = cache._replace(spread=spread)
    kinds: tuple[tuple[LayerCache, float], ...] = (
        (wide, 1.0),  # in ẑ and in 1/s
        (wide, n),  # and in the mean over the rows
        (cache, n),  # in that mean alone
        (only_spread, 1.0),  # in 1/s alone
        (only_spread, n),
    )
    acts = [_with_paths(layer, 1, share, variant) for variant, share in kinds]
    for act in acts:
        yield Enactment("norm_unbiased_variance", (Planted("norm", number, act),), where(layer), detail)
    if layer.scale is None:
        return
    towards = Planted("scale", number, sum_times(cache.centred / spread))
    for act in acts:
        planted = (Planted("norm", number, act), towards)
        yield Enactment("norm_unbiased_variance", planted, where(layer), f"{detail}, in ∂L/∂{layer.scale} too")
    yield Enactment("norm_unbiased_variance", (towards,), where(layer), f"{detail}, in ∂L/∂{layer.scale} alone")


def scale(scene: Scene, number: int) -> Iterator[Enactment]:
    """γ or 1/s left out on the way back, and ∂L/∂γ with something else than ẑ."""
    layer, cache = scene.network.layers[number], scene.caches[number]
    assert cache.standard is not None
    assert cache.centred is not None
    assert cache.spread is not None

    def one(mistake: str, act: Act, detail: str, step: str = "norm") -> Enactment:
        planted = Planted("scale" if step == "scale" else "norm", number, act)
        return Enactment(mistake, (planted,), where(layer), detail)

    no_spread = _with_paths(layer, 1, 1, cache._replace(spread=np.ones_like(cache.spread)))
    yield one("norm_scale_missing", no_spread, "1/s is left out")
    if layer.scale is None:
        return
    bare = _with_paths(replace(layer, scale=None), 1, 1, cache._replace(scale=None))
    yield one("norm_scale_missing", bare, f"{layer.scale} is not multiplied in")
    normed = cache.entered if layer.norm_before else cache.undropped
    for what, array in (("z", cache.z), ("z − mean", cache.centred), ("γ ẑ + β", normed), ("a", cache.left)):
        yield one("norm_scale_gradient", sum_times(array), f"∂L/∂{layer.scale} has {what} instead of ẑ", "scale")
    assert cache.scale is not None
    if layer.norm_before:
        upstream = scene.passes[number].upstream
        for name, step, factor in ((layer.scale, "scale", cache.standard), (layer.shift, "shift", np.ones(1))):
            act = constant(np.sum(upstream * factor, axis=0))
            planted = (Planted("scale" if step == "scale" else "shift", number, act),)
            detail = f"∂L/∂{name} is computed with ∂L/∂a, without f′"
            yield Enactment("derivative_missing", planted, where(layer), detail)
    again = sum_times(cache.scale * cache.standard)
    yield one("norm_scale_gradient", again, f"∂L/∂{layer.scale} has {layer.scale} itself in it", "scale")


def norm(scene: Scene, number: int, tolerance: float) -> Iterator[Enactment]:
    """All of them, where the layer has a norm."""
    if scene.network.layers[number].norm is not None:
        yield from paths(scene, number)
        yield from unbiased(scene, number)
        yield from other_axis(scene, number)
        yield from weighted_paths(scene, number, tolerance)
        yield from scale(scene, number)
