"""Mistakes between the loss and the logits, acted out: at the softmax or sigmoid that the loss contains."""

from collections.abc import Iterator

import numpy as np

from fcnet.gradcheck.diagnosis.acts import constant
from fcnet.gradcheck.diagnosis.enact_activation import parallel
from fcnet.gradcheck.diagnosis.network import used_targets
from fcnet.gradcheck.diagnosis.reenact import Enactment, Planted, Scene
from fcnet.gradcheck.diagnosis.solve import solve

WHERE = "the loss"


def _softmax(z: np.ndarray) -> np.ndarray:
    grown = np.exp(z - z.max(axis=-1, keepdims=True))
    return grown / grown.sum(axis=-1, keepdims=True)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -z))


def softmax_jacobian(scene: Scene) -> Iterator[Enactment]:
    """A softmax before the loss, pulled back by its diagonal alone, twice, or not at all."""
    network, last = scene.network, scene.last
    loss, output = network.form.loss, network.layers[-1].activation
    wanted, factor = used_targets(network), network.form.factor
    cache = scene.caches[-1]
    weights = 1.0 if network.row_weights is None else network.row_weights[:, None]

    def instead(delta: np.ndarray) -> tuple[Planted, ...]:
        return (Planted("activation", last, constant(delta)),)

    if output == "softmax":
        a, upstream = cache.left, scene.passes[-1].upstream
        detail = "∂aⱼ/∂zₖ is taken as aₖ (1 − aₖ) for j = k and 0 elsewhere"
        yield Enactment("softmax_off_diagonal", instead(upstream * a * (1 - a)), WHERE, detail)
        along = upstream - (upstream * a).sum(axis=1, keepdims=True)
        yield Enactment("softmax_off_diagonal", instead(a * along + a * a * upstream), WHERE, detail)
    elif loss == "cross_entropy" and output == "identity":
        a = _softmax(cache.z)
        detail = "each class's δ is −y (1 − a): ∂aⱼ/∂zₖ is 0 for j ≠ k"
        yield Enactment("softmax_off_diagonal", instead(-factor * weights * wanted * (1 - a)), WHERE, detail)
        # minus the outer product alone, or the diagonal without it
        yield Enactment(
            "softmax_off_diagonal", instead(-factor * weights * wanted), WHERE, "of the softmax only aⱼ δⱼₖ is there"
        )
        inverse = -factor * weights * wanted / a
        yield Enactment("derivative_missing", instead(inverse), WHERE, "−y/a reaches z without the softmax between")
        twice = factor * weights * (a - wanted) * a * (1 - a)
        yield Enactment(
            "loss_gradient", instead(twice), WHERE, "a − y is multiplied by a (1 − a), which it contains already"
        )
    elif loss == "binary_cross_entropy" and output == "identity":
        a = _sigmoid(cache.z)
        inverse = factor * weights * (a - wanted) / (a * (1 - a))
        yield Enactment("derivative_missing", instead(inverse), WHERE, "∂ℓ/∂a reaches z without the sigmoid between")


def other_mixtures(scene: Scene, tolerance: float) -> Iterator[Enactment]:
    """δ at the logits as another mixture of probabilities and targets than a − y."""
    network, last, cache = scene.network, scene.last, scene.caches[-1]
    squash = {"cross_entropy": _softmax, "binary_cross_entropy": _sigmoid}.get(network.form.loss)
    if squash is None or network.layers[-1].activation != "identity":
        return
    weights = 1.0 if network.row_weights is None else network.row_weights[:, None]
    a, y = (network.form.factor * weights * part for part in (squash(cache.z), used_targets(network)))
    solved = solve(scene, "activation", last, [constant(a), constant(y)], tolerance=tolerance)
    if solved is None:
        return
    delta = solved[0] * a + solved[1] * y
    if not parallel(delta, scene.passes[-1].delta):
        shown = [0.0 if abs(c) < 1e-9 else float(c) for c in solved]
        detail = f"∂ℓ/∂z is taken as {shown[0]:.4g} a + {shown[1]:.4g} y instead of a − y"
        for mistake in ("loss_gradient", "softmax_off_diagonal")[: 2 if squash is _softmax else 1]:
            yield Enactment(mistake, (Planted("activation", last, constant(delta)),), WHERE, detail)
