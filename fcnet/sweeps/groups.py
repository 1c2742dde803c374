"""Which members one compiled program can train: same network and loop, same hyper-parameters, data of one shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fcnet.contracts import HParams
from fcnet.data import Dataset, DataSpec
from fcnet.fitting import check_fits, shapes, stored_rows
from fcnet.sweeps.members import Member
from fcnet.sweeps.program import LaneData
from fcnet.train import RunSpec, abstract_hparams

# What draws random numbers: in the program or not, it changes what all others draw.
RANDOM = ("dropout", "input_noise", "hidden_noise")
# What leaves a hyper-parameter that is in the program without effect; that of all others is 0.
WITHOUT_EFFECT = {"max_norm": np.inf, "clip_norm": np.inf, "clip_value": np.inf, "init_scale": 1.0}


class Entrant(NamedTuple):
    """A member as the programs see it: ``member`` is its number, ``data`` names its data set."""

    member: int
    spec: RunSpec
    hparams: HParams
    seed: int
    data: DataSpec


@dataclass(frozen=True)
class Group:
    """Entrants that differ in nothing that is compiled.

    ``hparams``: of one member, ``data``: of one lane, both with ``jax.ShapeDtypeStruct`` leaves.
    """

    spec: RunSpec
    hparams: HParams
    data: LaneData
    entrants: tuple[Entrant, ...]


def entrants(members: Sequence[Member], datasets: Mapping[DataSpec, Dataset]) -> list[Entrant]:
    """What each member's solo run would compile and start from.

    Raises:
        InputError: a member that does not fit its data.
    """
    specs: dict[Any, RunSpec] = {}
    found = []
    for member in members:
        config, data_spec = member.config, member.config.data_spec()
        dataset = datasets[data_spec]
        # seeds and traced values aside, most members share what has to be built and checked
        key = (
            config.network,
            config.objective,
            config.optimizer.spec(),
            replace(config.loop, seed=0),
            config.augmentation,
            data_spec,
        )
        if key not in specs:
            specs[key] = config.run_spec(dataset.description)
            check_fits(specs[key], dataset)
        found.append(Entrant(member.number, specs[key], config.hparams(dataset.description), member.seed, data_spec))
    return found


def lane_data(dataset: Dataset, order_key: np.ndarray) -> LaneData:
    """A data set for a lane, as stored on the host; ``order_key``: data of a typed key."""
    test: Any = None if dataset.test is None else (dataset.test.x, dataset.test.y)
    key: Any = order_key
    return LaneData(stored_rows(dataset), test, key)


def grouped(found: Sequence[Entrant], datasets: Mapping[DataSpec, Dataset], *, unify: bool) -> list[Group]:
    """Entrants by program, in the order of their first members.

    Args:
        unify: let those without some hyper-parameter share the program of those with it, at the value that has no
            effect, where nothing random is drawn for it. That may round differently, so that members need not be their
            solo runs bit for bit.
    """
    groups: dict[Any, list[Entrant]] = {}
    known = {spec: _shapes(dataset) for spec, dataset in datasets.items()}
    for entrant in found:
        hparams = entrant.hparams
        structure = jax.tree.structure([getattr(hparams, name) for name in RANDOM] if unify else hparams)
        groups.setdefault((entrant.spec, structure, known[entrant.data]), []).append(entrant)
    return [_group(spec, data, own) for (spec, _, data), own in groups.items()]


def _shapes(dataset: Dataset) -> LaneData:
    key = np.asarray(jax.random.key_data(jax.random.key(0)))
    return shapes(lane_data(dataset, key))


def _group(spec: RunSpec, data: LaneData, own: list[Entrant]) -> Group:
    present = {
        name: max((getattr(entrant.hparams, name) for entrant in own), key=_parts, default=None)
        for name in HParams._fields
    }
    filled = tuple(entrant._replace(hparams=_filled(entrant.hparams, present)) for entrant in own)
    return Group(spec, abstract_hparams(spec, filled[0].hparams), data, filled)


def _parts(value: Any) -> int:
    """0 for None, 1 for a number, else how many numbers."""
    return 0 if value is None else len(value) if isinstance(value, tuple) else 1


def _filled(hparams: HParams, present: dict[str, Any]) -> HParams:
    """The same with a number, or as many, wherever ``present`` has them."""

    def value(name: str) -> Any:
        own, wanted = getattr(hparams, name), _parts(present[name])
        if wanted == 0:
            return None
        own = WITHOUT_EFFECT.get(name, 0.0) if own is None else own
        return own if not isinstance(present[name], tuple) or isinstance(own, tuple) else (own,) * wanted

    return HParams(**{name: value(name) for name in HParams._fields})


def stacked(hparams: Sequence[HParams], dtype: jnp.dtype) -> HParams:
    """Values of several members with the members in front, as host arrays."""
    return jax.tree.map(lambda *values: np.asarray(values, dtype), *hparams)
