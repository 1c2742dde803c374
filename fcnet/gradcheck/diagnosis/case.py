"""Acting mistakes out one after another until an author's gradients are explained."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from fcnet.gradcheck.diagnosis import enact_affine, enact_norm
from fcnet.gradcheck.diagnosis.enact_activation import activation, dropout, scaled
from fcnet.gradcheck.diagnosis.enact_loss import at_the_loss
from fcnet.gradcheck.diagnosis.factors import factor_between, named, same
from fcnet.gradcheck.diagnosis.mistakes import MISTAKES
from fcnet.gradcheck.diagnosis.patterns import Compared, exchanged
from fcnet.gradcheck.diagnosis.reenact import Enactment, Scene, backward
from fcnet.gradcheck.record import Cause, Evidence

# Two float64 codes of one formula agree to a few thousand roundings; where the author computes in float32, to those.
EXACT, LOOSE = 1e-8, 2e-5
# A bias that batch norm cancels is 0 but for rounding: this share of the largest gradient.
ROUNDING = 1e-12
# A fit must be this much nearer than what it replaces.
NEARER = 1e-2
# Mistakes in one network, and explanations of one mistake.
MOST_MISTAKES, MOST_NAMES = 8, 3


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other))


def _largest(scene: Scene) -> float:
    return max(float(np.linalg.norm(value)) for value in scene.gradients.values())


def _agrees(found: np.ndarray, expected: np.ndarray, tolerance: float, floor: float) -> bool:
    size = max(float(np.linalg.norm(found)), float(np.linalg.norm(expected)))
    return _distance(found, expected) <= tolerance * size + floor


def verified(scene: Scene, evidence: Evidence) -> bool:
    """Whether our own gradients are what the oracles say, wherever they say something."""
    layers = {name: layer for layer in scene.network.layers for name in layer.names}
    largest = _largest(scene)
    for name, expected in scene.gradients.items():
        estimate = evidence.reference[name]
        layer = layers[name]
        value, error, kinks = (
            np.asarray(array).T if layer.transposed and name == layer.kernel else np.asarray(array)
            for array in (estimate.value, estimate.error, estimate.kinks)
        )
        known = np.isfinite(value) & ~np.asarray(kinks, bool)
        shaped = expected.reshape(value.shape)
        tolerance = max(1e-5, 10 * evidence.tolerance.get(name, 0.0))
        allowed = float(np.linalg.norm(np.asarray(error)[known])) + 1e-9 * largest
        if not _agrees(shaped[known], value[known], tolerance, 10 * allowed):
            return False
    return True


class Case:
    """A scene, what is still unexplained, and the causes so far."""

    def __init__(self, scene: Scene, wrong: Iterable[str]) -> None:
        self.scene, self.unexplained = scene, set(wrong)
        self.tolerance = EXACT if scene.network.exact else LOOSE
        self.floor = ROUNDING * _largest(scene)
        self.causes: list[Cause] = []
        self.aside: set[str] = set()  # explained without planting: what is planted later need not give them

    def note_plain(self, tensors: Mapping[str, Compared]) -> None:
        """Note what is simpler than anything planted: zeros, gradients exchanged, one factor on all, penalty too."""
        zeros = [name for name in tensors if name in self.unexplained and not np.any(tensors[name].found)]
        if zeros:
            detail = f"every entry of {listed(zeros)} is 0"
            self._set_aside("missing", tuple(zeros), listed(zeros), detail)
        left = [name for name in tensors if name in self.unexplained]
        factors = [factor_between(tensors[name].found, tensors[name].expected, self.tolerance) for name in left]
        known = [c for c in factors if c is not None]
        penalised = any(tensors[name].strengths != (0.0, 0.0) for name in left)
        if penalised and len(known) == len(left) > 1 and same(min(known), max(known)):
            rows, outputs = self.scene.network.targets.shape
            for found in named(known[0], rows, outputs, summed=False):
                self._set_aside(found.mistake, tuple(left), listed(left), f"{found.detail}, the penalty's share too")
        for names, finding in exchanged(tensors):
            if len(names) > 1 and self.unexplained.issuperset(names):
                self._set_aside(finding.mistake, names, listed(names), finding.detail)

    def _set_aside(self, mistake: str, names: tuple[str, ...], where: str, detail: str) -> None:
        self.causes.append(cause_of(mistake, names, where, detail))
        self.unexplained -= set(names)
        self.aside.update(names)

    def explained_by(self, one: Enactment) -> frozenset[str]:
        """The tensors that this mistake explains; none where it spoils one that is right."""
        places = [planted.layer for planted in one.planted]
        start = max(places)
        # what only goes on to the layer before is seen there first
        seen = start - any(planted.step == "through" or planted.use == "through" for planted in one.planted)
        changed_at_loss = any(planted.step == "output" for planted in one.planted)
        planted = (*self.scene.planted, *one.planted)
        upstream = None if changed_at_loss else self.scene.passes[start].upstream
        fixed: set[str] = set()
        for number, done in backward(self.scene, planted, None if changed_at_loss else start, upstream):
            for name, value in done.gradients.items():
                found, before = self.scene.found[name], self.scene.passes[number].gradients[name]
                fits = _agrees(found, value, self.tolerance, self.floor)
                if name in self.aside:
                    continue
                if name not in self.unexplained:
                    if not fits:
                        return frozenset()
                elif fits and _distance(found, value) <= NEARER * _distance(found, before):
                    fixed.add(name)
            touched = any(name in self.unexplained for name in done.gradients)
            if touched and not fixed and number <= seen:
                return frozenset()  # what a mistake does not explain where it was made, it does not explain
        return frozenset(fixed)

    def enactments(self) -> Iterator[Enactment]:
        """Those that can reach what is unexplained, from the loss to the first layer."""
        yield from at_the_loss(self.scene, self.tolerance)
        for number in range(self.scene.last, -1, -1):
            yield from dropout(self.scene, number)
            yield from scaled(self.scene, number, self.tolerance)
            yield from activation(self.scene, number, self.tolerance)
            yield from enact_norm.norm(self.scene, number, self.tolerance)
            yield from enact_affine.bias(self.scene, number)
            yield from enact_affine.of_rows(self.scene, number, self.tolerance)
            yield from enact_affine.misplaced(self.scene, number)
            yield from enact_affine.through(self.scene, number, self.tolerance)

    def plant_one(self) -> bool:
        """Find the mistake that explains most, plant it, and note it with what explains as much."""
        best: list[Enactment] = []
        explained: frozenset[str] = frozenset()
        for one in self.enactments():
            fixed = self.explained_by(one)
            if len(fixed) > len(explained):
                best, explained = [one], fixed
            elif fixed and fixed == explained and one.mistake not in {other.mistake for other in best}:
                best.append(one)
        if not best:
            return False
        names = tuple(name for name in self.scene.gradients if name in explained)
        off = max(_relative(self.scene.found[name], self.scene.gradients[name]) for name in names)
        scene = self.scene.planting(best[0].planted)
        rest = max(_relative(self.scene.found[name], scene.gradients[name]) for name in names)
        for one in best[:MOST_NAMES]:
            numbers = f"acted out, it leaves {listed(names)} off by {rest:.1g} instead of {off:.2g}"
            self.causes.append(cause_of(one.mistake, names, one.where, f"{one.detail}; {numbers}"))
        self.scene, self.unexplained = scene, self.unexplained - explained
        return True


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    return _distance(found, expected) / max(float(np.linalg.norm(found)), float(np.linalg.norm(expected)), 1e-300)


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names)


def cause_of(mistake: str, tensors: tuple[str, ...], where: str, explanation: str) -> Cause:
    """The cause with the line of the derivation that its mistake belongs to."""
    return Cause(mistake, tensors, where, explanation, MISTAKES[mistake].derivation)
