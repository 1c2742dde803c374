"""How much of each suspected part is in an author's gradient: constants of a mistake, by least squares."""

from collections.abc import Sequence

import numpy as np

from fcnet.gradcheck.diagnosis.acts import Act
from fcnet.gradcheck.diagnosis.network import output_gradient, penalty_gradient
from fcnet.gradcheck.diagnosis.reenact import LayerPass, Planted, Scene, Step, layer_pass


def solve(
    scene: Scene, step: Step, layer: int, acts: Sequence[Act], fixed: Act | None = None, tolerance: float = 1e-8
) -> np.ndarray | None:
    """The c for which fixed + Σⱼ cⱼ actⱼ at this step gives the author's gradient of the kernel, or else of the bias.

    All acts must be linear in what comes in. None where no c does.
    """
    place = layer - 1 if step == "through" else layer
    described = scene.network.layers[place]

    def outcome(act: Act) -> LayerPass:
        upstream = scene.passes[layer].upstream
        planted = (*scene.planted, Planted(step, layer, act))
        if step == "output":
            upstream = act(scene.caches[layer], output_gradient(scene.network, scene.caches[-1].output))
        done = layer_pass(scene, layer, upstream, planted)
        return done if place == layer else layer_pass(scene, place, done.onward, planted)

    passes = [outcome(act) for act in acts]
    base = None if fixed is None else outcome(fixed)
    for name in (described.kernel, described.bias):
        if name is None:
            continue
        penalty = penalty_gradient(scene.network, name, scene.params[name])
        columns = np.stack([(one.gradients[name] - penalty).ravel() for one in passes], axis=1)
        wanted = (scene.found[name] - penalty).ravel()
        if base is not None:
            wanted = wanted - (base.gradients[name] - penalty).ravel()
        size = np.linalg.norm(columns, axis=0)
        # as many equations as unknowns would fit anything
        telling = np.count_nonzero(np.any(columns != 0, axis=1))
        if np.any(size == 0) or telling <= len(acts) or not np.all(np.isfinite(columns)):
            continue
        solved = np.linalg.lstsq(columns / size, wanted, rcond=None)[0]
        if np.linalg.norm(columns / size @ solved - wanted) <= tolerance * np.linalg.norm(wanted):
            return np.asarray(solved / size)
    return None
