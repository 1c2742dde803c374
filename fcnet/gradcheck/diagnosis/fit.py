"""One least-squares fit: which factor, smoothing and penalties make a candidate's losses the author's.

They enter the loss linearly. A candidate with a wrong activation or loss leaves a residual that no factor explains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fcnet import activations, losses
from fcnet.gradcheck.diagnosis.candidates import Pair
from fcnet.gradcheck.diagnosis.network import Layer, LossForm, Network
from fcnet.gradcheck.record import SEED, Evidence, Tensors

# Points at which losses are compared: six unknowns at most, and four left to disagree.
POINTS = 10
# Two correct float64 codes agree to a few hundred roundings in a loss of some thousand terms; float32 to 1e-6.
EXACT, LOOSE = 1e-10, 2e-6


@dataclass(frozen=True)
class Asked:
    """The author's loss at several parameters, and the penalties there: columns of the fit."""

    points: tuple[Tensors, ...]
    losses: np.ndarray

    @property
    def single(self) -> bool:
        """Whether the losses are float32 numbers: then no fit can be exact."""
        return bool(np.all(self.losses == self.losses.astype(np.float32)))


def _loss_at(evidence: Evidence, point: Tensors) -> float:
    """The author's loss, on copies that may be written to; NaN where the function refuses these parameters."""
    try:
        return float(np.real(evidence.function({name: value.copy() for name, value in point.items()})[0]))
    except Exception:  # someone else's code may raise anything away from the parameters it was made for
        return float("nan")


def ask(evidence: Evidence) -> Asked:
    """Parameters as they are and scattered about: scaled too, so that penalties stand out from the loss."""
    random = np.random.default_rng((SEED, 0))
    points, found = [], []
    for number in range(POINTS):
        scatter = 0.3 if number else 0.0
        scale = 1.0 if number == 0 else random.uniform(0.6, 1.4)
        point = {}
        for name, value in evidence.params.items():
            size = float(np.sqrt(np.mean(np.square(value)))) if value.size else 0.0
            point[name] = scale * value + scatter * (size or 0.3) * random.standard_normal(value.shape)
        loss = _loss_at(evidence, point)
        if np.isfinite(loss):
            points.append(point)
            found.append(loss)
    return Asked(tuple(points), np.array(found))


def _residual(columns: Sequence[np.ndarray], wanted: np.ndarray) -> tuple[float, np.ndarray]:
    """The largest relative miss of the best fit, and its coefficients."""
    matrix = np.stack(columns, axis=1)
    scale = np.max(np.abs(matrix), axis=0)
    scale[scale == 0] = 1.0
    solved = np.linalg.lstsq(matrix / scale, wanted, rcond=None)[0]
    miss = float(np.max(np.abs(matrix / scale @ solved - wanted)) / max(float(np.max(np.abs(wanted))), 1e-300))
    return miss, solved / scale


def _penalties(layers: tuple[Layer, ...], points: Sequence[Tensors]) -> dict[str, np.ndarray]:
    kernels = [layer.kernel for layer in layers]
    sums: dict[str, list[float]] = {"l2": [], "l1": [], "l2_rest": [], "l1_rest": []}
    for point in points:
        squares = {name: 0.5 * float(np.sum(np.square(value))) for name, value in point.items()}
        sizes = {name: float(np.sum(np.abs(value))) for name, value in point.items()}
        for key, of in (("l2", squares), ("l1", sizes)):
            own = sum(of[name] for name in kernels)
            sums[key].append(own)
            sums[f"{key}_rest"].append(sum(of.values()) - own)
    return {key: np.array(values) for key, values in sums.items()}


# Which terms beside the loss itself, simplest first; "all": over kernels and the rest alike.
_TERMS = tuple(
    (smooth, penalties)
    for penalties in ((), ("l2",), ("l2_all",), ("l1",), ("l1", "l2"), ("l1_all",), ("l1_all", "l2_all"))
    for smooth in (False, True)
)


def _form(
    loss: str,
    own: np.ndarray,
    constants: Mapping[float, np.ndarray],
    extra: Mapping[str, np.ndarray],
    wanted: np.ndarray,
) -> tuple[float, LossForm] | None:
    """The simplest form that fits, with its miss; ``constants``: {value: summed losses where all targets are it}."""
    everything = [own, *constants.values(), *extra.values()]
    if not np.all(np.isfinite(everything)) or _residual(everything, wanted)[0] > LOOSE:
        return None
    both = dict(extra) | {f"{key}_all": extra[key] + extra[f"{key}_rest"] for key in ("l1", "l2")}
    best: tuple[float, LossForm] | None = None
    for smooth, terms in _TERMS:
        for value in constants if smooth else (0.0,):
            columns = [own, *([constants[value]] if smooth else []), *(both[term] for term in terms)]
            miss, found = _residual(columns, wanted)
            if miss > LOOSE or (best is not None and miss > 1e-2 * best[0]) or found[0] == 0:
                continue
            mixed = float(found[1]) if smooth else 0.0
            factor = float(found[0]) + mixed
            strengths = dict(zip((term[:2] for term in terms), map(float, found[1 + smooth :]), strict=True))
            penalises_all = any(term.endswith("all") for term in terms)
            share = float(found[0]) / factor if factor else 1.0
            spread = value * (1 - share)
            best = miss, LossForm(loss, factor, share, spread, **strengths, penalises_all=penalises_all)
            if miss < EXACT:
                return best
    return best


def _summed(loss: str, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
    unreduced, _ = losses.get(loss).by_hand(outputs, targets)
    total = unreduced.reshape(unreduced.shape[0], -1).sum(axis=1)
    return float(np.sum(total if weights is None else total * weights))


def fit_loss(network: Network, outputs: Sequence[np.ndarray], asked: Asked, pairs: Sequence[Pair]) -> Network | None:
    """The network with the first pair of loss and output activation that fits the pre-activations ``outputs``."""
    extra = _penalties(network.layers, asked.points)
    classes = network.targets.shape[1]
    best: tuple[float, Network] | None = None
    for loss, activation in pairs:
        answers = [activations.get(activation).by_hand(z)[0] for z in outputs]
        own = np.array([_summed(loss, a, network.targets, network.row_weights) for a in answers])
        values = {"cross_entropy": (1 / classes,), "nll": (1 / classes,)}.get(loss, ())
        if loss == "binary_cross_entropy":
            values = tuple({0.5, 1 / max(classes, 2)})
        constants = {
            value: np.array(
                [_summed(loss, a, np.full_like(network.targets, value), network.row_weights) for a in answers]
            )
            for value in values
        }
        fitted = _form(loss, own, constants, extra, asked.losses)
        if fitted is None or (best is not None and fitted[0] >= best[0]):
            continue
        last = replace(network.layers[-1], activation=activation)
        exact = fitted[0] < EXACT
        found = replace(network, layers=(*network.layers[:-1], last), form=fitted[1], exact=exact)
        if exact:
            return found
        best = fitted[0], found
    return None if best is None else best[1]
