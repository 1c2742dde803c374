"""Settings proposed by Optuna's samplers, a whole batch at a time.

A search keeps nothing: a batch of proposals is a function of the sweep's config and of the settings finished so far. A
search that was stopped therefore goes on with the very proposals that it would have made.

Sources: Bergstra et al. 2011, Algorithms for hyper-parameter optimization (TPE); Bergstra & Bengio 2012, Random search
for hyper-parameter optimization; Akiba et al. 2019, Optuna.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fcnet.errors import InputError, require, unknown
from fcnet.sweeps.axes import Axis
from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.members import Setting, setting

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study

# Proposals that may be asked for in vain, for each one wanted, before a search counts as having tried everything.
TRIES = 32


class Sampler(NamedTuple):
    """One way to propose settings.

    ``build``: seed ↦ Optuna's sampler. ``one_sequence``: it draws one sequence of the whole search whatever the scores,
    so that every batch is asked with the same seed from the start, and what was tried already is passed over.
    """

    build: Callable[[int], "BaseSampler"]
    one_sequence: bool = False


def _tpe(seed: int) -> "BaseSampler":
    from optuna.samplers import TPESampler

    # the liar counts proposals under way as poor ones, so that those of one batch keep away from each other
    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _random(seed: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def _qmc(seed: int) -> "BaseSampler":
    from optuna.samplers import QMCSampler

    return QMCSampler(scramble=True, seed=seed)


SAMPLERS = {"tpe": Sampler(_tpe), "random": Sampler(_random), "qmc": Sampler(_qmc, one_sequence=True)}


def _ordered(values: Sequence[Any]) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return numbers and (
        all(one < other for one, other in pairwise(values)) or all(one > other for one, other in pairwise(values))
    )


def distribution(axis: Axis) -> "BaseDistribution":
    """Where Optuna draws an axis from.

    A random axis is a range, of whole numbers where both ends are. The values of any other axis are drawn by their
    place: as whole numbers where they are numbers in order, because neighbours then tell of each other and the steps
    count alike on a linear and on a logarithmic axis; else as categories.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.is_random:
        log = axis.kind == "loguniform"
        if isinstance(axis.low, int) and isinstance(axis.high, int):
            return IntDistribution(axis.low, axis.high, log=log)
        return FloatDistribution(axis.low, axis.high, log=log)
    if _ordered(axis.values):
        return IntDistribution(0, len(axis.values) - 1)
    return CategoricalDistribution(tuple(range(len(axis.values))))


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna reports every study, and calls samplers experimental that have not changed for years."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


class Search:
    """Proposals for the settings of a sweep.

    Raises:
        InputError: an unknown sampler, nothing to search, or Optuna is not installed.
    """

    def __init__(self, config: SweepConfig) -> None:
        name = config.search or ""
        if name not in SAMPLERS:
            raise unknown("search", name, SAMPLERS)
        require(bool(config.axes), f"--search {name} needs something to vary: --learning-rate loguniform:1e-3:1")
        try:
            import optuna  # noqa: F401 - only whether it is there
        except ImportError:
            raise InputError(f"--search {name} needs Optuna: pip install optuna") from None
        self.config = config
        self.sampler = SAMPLERS[name]
        self.distributions = {axis.name: distribution(axis) for axis in config.axes}

    def ask(self, history: Sequence[tuple[Setting, float]], size: int) -> list[Setting]:
        """Up to ``size`` settings to try next, each unlike all before; numbers go on from the history's.

        Fewer where ``trials`` or the combinations of the axes are used up; none when the search is over. A diverged
        setting counts as the worst seen: Optuna's samplers pass over trials without a value and would propose more of
        the same.

        Args:
            history: the settings of all finished batches in the order of their numbers, each with its score: higher is
                better, NaN where it diverged.
            size: how many may run at once.

        Raises:
            InputError: a setting of the history that is not on the axes.
        """
        wanted = min(size, self.config.trials - len(history))
        seen = {self._key(self._params(one.values)) for one, _ in history}
        found: list[dict[str, Any]] = []
        with _quiet():
            study = self._study(history)
            for _ in range(len(history) + TRIES * wanted):
                if len(found) == wanted:
                    break
                params = study.ask(fixed_distributions=self.distributions).params
                if self._key(params) not in seen:
                    seen.add(self._key(params))
                    found.append(params)
        return [setting(self.config, number, self._values(params)) for number, params in enumerate(found, len(history))]

    def _study(self, history: Sequence[tuple[Setting, float]]) -> "Study":
        import optuna

        begun = 0 if self.sampler.one_sequence else len(history)
        seed = int(np.random.SeedSequence((self.config.draw_seed, begun)).generate_state(1)[0])
        study = optuna.create_study(direction="maximize", sampler=self.sampler.build(seed))
        if self.sampler.one_sequence:
            told = [(self._anywhere(), 0.0)]  # from its first trial the study knows the axes
        else:
            worst = min((score for _, score in history if math.isfinite(score)), default=0.0)
            told = [(self._params(one.values), score if math.isfinite(score) else worst) for one, score in history]
        for params, value in told:
            study.add_trial(optuna.create_trial(params=params, distributions=self.distributions, value=value))
        return study

    def _anywhere(self) -> dict[str, Any]:
        return {axis.name: 0 if axis.values else axis.low for axis in self.config.axes}

    def _key(self, params: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(params[name] for name in self.distributions)

    def _params(self, values: dict[str, Any]) -> dict[str, Any]:
        """What Optuna drew for these values."""
        params = {}
        for axis in self.config.axes:
            value = values[axis.name]
            there = value in axis.values if axis.values else axis.low <= value <= axis.high
            require(there, f"the search has a setting with {axis.name} {value}, which is not on its axis {axis.text}")
            params[axis.name] = axis.values.index(value) if axis.values else value
        return params

    def _values(self, params: dict[str, Any]) -> dict[str, Any]:
        return {
            axis.name: axis.values[params[axis.name]] if axis.values else params[axis.name] for axis in self.config.axes
        }
