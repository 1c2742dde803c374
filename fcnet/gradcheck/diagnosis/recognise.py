"""Which network someone's loss is: found by trying the catalogue until one gives the same loss everywhere.

The loss is asked for at a handful of parameters, and each candidate's losses are fitted to it, see ``fit``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

import numpy as np

from fcnet.gradcheck.diagnosis.candidates import COMMON, SWEEPS, UNUSUAL, USUAL, Pair, Sweep
from fcnet.gradcheck.diagnosis.fit import POINTS, Asked, ask, fit_loss
from fcnet.gradcheck.diagnosis.network import Layer, LossForm, Network, canonical, forward_layer
from fcnet.gradcheck.diagnosis.readings import multipliers, output_widths, row_weights, rows_of, targets_of
from fcnet.gradcheck.diagnosis.structure import layers as readings
from fcnet.gradcheck.record import Claims, Evidence, Tensors

# Multiplications that one sweep may spend: about two seconds.
BUDGET = 2.5e9
MOST_STRUCTURES = 60
# What one small NumPy call costs, in multiplications.
CALL = 4e4


def _norms(layers: tuple[Layer, ...], claims: Claims, sweep: Sweep) -> Iterator[tuple[Layer, ...]]:
    """The layers with every norm they may have: none where no tensor asks for one, unless nothing else fits."""
    learned = [layer.scale is not None for layer in layers]
    if not any(learned):
        yield layers
        if not (sweep.bare_norms or claims.norm):
            return
        learned = [True] * (len(layers) - 1) + [False]
    claimed = claims.norm if isinstance(claims.norm, str) else None
    kinds = (claimed.partition(":")[0],) if claimed in ("batch", "layer") else ("batch", "layer")
    for eps, kind, before in product(sweep.epsilons, kinds, (True, False)):
        yield tuple(
            replace(layer, norm=kind, norm_before=before, eps=eps) if has else layer
            for layer, has in zip(layers, learned, strict=True)
        )


def _hidden(count: int, claims: Claims, sweep: Sweep) -> Iterator[tuple[str, ...]]:
    """Activations of the hidden layers: as claimed, all the same, or combinations of common ones."""
    if count == 0:
        yield ()
        return
    if claims.activation is not None:
        claimed = (claims.activation,) if isinstance(claims.activation, str) else tuple(claims.activation)
        if len(claimed) in (1, count):
            yield claimed * (count // len(claimed))
    for name in sweep.names:
        yield (name,) * count
    if sweep.mixed and count > 1:
        for names in product(COMMON, repeat=count):
            if len(set(names)) > 1:
                yield names


class _Search:
    """Counts what was spent, and keeps the best answer that is not exact."""

    def __init__(self, evidence: Evidence, asked: Asked) -> None:
        self.evidence, self.asked, self.spent = evidence, asked, 0.0
        self.loose: Network | None = None

    def outputs(self, network: Network, params: Sequence[Tensors], products: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The last layer's pre-activations at every point."""
        found = []
        for point, first in zip(params, products, strict=True):
            a = network.x
            for layer, multiplier in zip(network.layers, network.multipliers[1:], strict=True):
                product = first if layer is network.layers[0] else None
                cache = forward_layer(layer, point, a, multiplier, product)
                a = cache.output
            found.append(cache.z)
        kernels = sum(point[layer.kernel].size for layer in network.layers[1:] for point in params)
        self.spent += kernels * network.rows + 6 * CALL * len(params) * len(network.layers)
        return found

    def over_activations(self, network: Network, sweep: Sweep, pairs: Sequence[Pair]) -> Network | None:
        """One structure with all activations and losses."""
        params = [canonical(network.layers, point) for point in self.asked.points]
        first = network.multipliers[0]
        x = network.x if first is None else network.x * first
        products = [x @ point[network.layers[0].kernel] for point in params]
        hidden = network.layers[:-1]
        tried = set()
        for names in _hidden(len(hidden), self.evidence.claims, sweep):
            if self.spent > BUDGET:
                return None
            if names in tried:
                continue
            tried.add(names)
            chosen = tuple(replace(layer, activation=name) for layer, name in zip(hidden, names, strict=True))
            candidate = replace(network, layers=(*chosen, network.layers[-1]), x=x)
            outputs = self.outputs(candidate, params, products)
            found = fit_loss(candidate, outputs, self.asked, pairs)
            self.spent += len(pairs) * len(outputs) * CALL
            if found is not None and found.exact:
                return replace(found, x=network.x)
            if found is not None and self.loose is None:
                self.loose = replace(found, x=network.x)
        return None


def _structures(evidence: Evidence) -> Iterator[Network]:
    """Every reading of tree and batch, with loss and hidden activations still open."""
    x, y, *more = evidence.batch
    widths = [side for value in evidence.params.values() for side in (*np.shape(value), 1)]
    for rows in rows_of(x, y):
        count = rows.shape[0]
        for layers in readings(evidence.params, rows.shape[1], output_widths(y, count, widths)):
            sizes = (rows.shape[1], *(layer.units for layer in layers))
            targets = targets_of(y, count, sizes[-1])
            assert targets is not None, "readings end in widths that the targets have"
            for multiplier, _ in multipliers(more, count, sizes, evidence.claims.dropout):
                for weights in row_weights(more, targets):
                    yield Network(layers, rows, targets, multiplier, LossForm("mse"), weights)


def recognise(evidence: Evidence) -> Network | None:
    """The network whose loss is the author's to rounding, at the parameters given and around them, or None.

    Tried are: kernels in either orientation and any order of names, rows or columns, biases, batch and layer norm
    before or after the activation, dropout masks from the batch, the catalogue's elementwise activations, its usual
    losses behind the usual output activations, and whatever factor, smoothing and penalties fit.
    """
    if len(evidence.batch) < 2:
        return None
    with np.errstate(all="ignore"):
        asked = ask(evidence)
        if asked.losses.size < POINTS - 2:
            return None
        search = _Search(evidence, asked)
        claimed = evidence.claims.loss
        structures = tuple(islice(_structures(evidence), MOST_STRUCTURES))
        for sweep in SWEEPS:
            if sweep.mixed and search.loose is not None:
                continue
            search.spent, pairs = 0.0, sweep.pairs
            if claimed is not None:
                of_claimed = (pair for pair in (*USUAL, *UNUSUAL) if pair[0] == claimed)
                pairs = (*of_claimed, (claimed, "identity"), *pairs)
            for structure in structures:
                for layers in _norms(structure.layers, evidence.claims, sweep):
                    found = search.over_activations(replace(structure, layers=layers), sweep, pairs)
                    if found is not None:
                        return found
                    if search.loose is not None and asked.single:
                        return search.loose
        return search.loose
