"""What a sweep trains next: all at once, rung after rung of successive halving, or batch after batch of a search.

A stage is a function of the sweep's config and of the results before it, so that a sweep that was stopped comes to the
same stages again.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fcnet.sweeps.config import SweepConfig
from fcnet.sweeps.halving import rungs, survivors
from fcnet.sweeps.members import Member, Setting, members_of, settings
from fcnet.sweeps.tables import DIVERGED, DROPPED, WAITING, MemberResult


class Stage(NamedTuple):
    """``members`` train until epoch ``until``, or to their ends where it is None; ``dropped`` are out from now on.

    ``goes_on``: the members have trained before, and go on from where they waited.
    """

    number: int
    members: list[Member]
    until: int | None
    dropped: dict[int, MemberResult]
    goes_on: bool = False

    def last(self, epochs: int) -> int:
        """The epoch that members of so many epochs reach in this stage."""
        return epochs if self.until is None else min(self.until, epochs)


class Stages:
    """The stages of one sweep, in turn. ``members``: all so far."""

    def __init__(self, config: SweepConfig, *, batch: int = 1) -> None:
        self.config, self.batch, self.number = config, batch, 0
        self.settings: list[Setting] = [] if config.search else settings(config)
        self.members: list[Member] = members_of(config, self.settings)
        self._surviving = [setting.number for setting in self.settings]
        epochs = config.train.loop.epochs
        eta = config.halving
        cuts = rungs(epochs, eta, len(self.settings))[:-1] if eta and not config.search else ()
        self._rungs: tuple[int | None, ...] = (*cuts, None)

    def following(self, results: Mapping[int, MemberResult]) -> Stage | None:
        """The next stage after ``results``, by member; None after the last.

        Raises:
            InputError: the search's package is not installed.
        """
        number, self.number = self.number, self.number + 1
        if self.config.search:
            return self._batch(number, results)
        if number >= len(self._rungs):
            return None
        dropped = self._drop(number, results) if number else {}
        staying = set(self._surviving)
        members = [
            member
            for member in self.members
            if member.setting in staying and (member.number not in results or _waits(results[member.number]))
        ]
        return Stage(number, members, self._rungs[number], dropped, goes_on=number > 0)

    def again(self, position: dict[str, Any], results: Mapping[int, MemberResult]) -> Stage:
        """The stage that ``position`` was taken in, whatever has been found since; ``results`` hold all before it."""
        if self.config.search:
            while True:
                stage = self.following(results)
                assert stage is not None
                if stage.number == position["stage"]:
                    return stage
        self.number, self._surviving = position["stage"] + 1, position["surviving"]
        members = [self.members[number] for number in position["members"]]
        number = position["stage"]
        return Stage(number, members, self._rungs[number], {}, goes_on=number > 0)

    def position(self, stage: Stage) -> dict[str, Any]:
        """What ``again`` needs, as plain values."""
        return {
            "stage": stage.number,
            "members": [member.number for member in stage.members],
            "surviving": self._surviving,
        }

    def _drop(self, number: int, results: Mapping[int, MemberResult]) -> dict[int, MemberResult]:
        judged = scores(self._members_of(self._surviving), results)
        judged = {setting: judged[setting] for setting in self._surviving}
        staying = survivors(judged, self.config.halving)
        out, before = set(self._surviving) - set(staying), len(self._surviving)
        self._surviving = staying
        cause = f"not among the best {len(staying)} of {before} settings after epoch {self._rungs[number - 1]}"
        return {
            member.number: results[member.number]._replace(status=DROPPED, cause=cause)
            for member in self._members_of(out)
            if _waits(results[member.number])
        }

    def _members_of(self, numbers: Iterable[int]) -> list[Member]:
        wanted = set(numbers)
        return [member for member in self.members if member.setting in wanted]

    def _batch(self, number: int, results: Mapping[int, MemberResult]) -> Stage | None:
        from fcnet.sweeps.search import Search

        left = self.config.trials - len(self.settings)
        if left <= 0:
            return None
        judged = scores(self.members, results)
        history = [(setting, judged[setting.number]) for setting in self.settings]
        proposed = Search(self.config).ask(history, min(self.batch, left))
        if not proposed:  # everything there is was tried
            return None
        self.settings += proposed
        known = len(self.members)
        self.members = members_of(self.config, self.settings)
        return Stage(number, self.members[known:], None, {})


def _waits(result: MemberResult) -> bool:
    return result.status == WAITING


def scores(members: Iterable[Member], results: Mapping[int, MemberResult]) -> dict[int, float]:
    """Each setting's mean over its members of the best validation score; NaN where one of them diverged."""
    found: dict[int, list[float]] = {}
    for member in members:
        result = results[member.number]
        score = np.nan if result.status == DIVERGED else result.best_validation_score
        found.setdefault(member.setting, []).append(score)
    return {setting: float(np.mean(values)) for setting, values in found.items()}
