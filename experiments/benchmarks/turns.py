"""Contestants timed in turns within one process, so that whatever else the machine does meets all alike."""

import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from peers.problem import Contestant
from record import seconds

# A timing lasts about this long, so that the clock and the call itself do not matter.
SECONDS_A_TIMING = 0.5
MOST_EPOCHS_A_TIMING = 64


class Timings(NamedTuple):
    """Seconds for each network and epoch: one entry a round, by contestant."""

    samples: dict[str, list[float]]

    @property
    def medians(self) -> dict[str, float]:
        """By contestant."""
        return {name: float(np.median(samples)) for name, samples in self.samples.items()}

    @property
    def milliseconds(self) -> dict[str, dict[str, float]]:
        """For the results."""
        return {name: seconds([1e3 * value for value in samples]) for name, samples in self.samples.items()}

    def fastest(self, *, own: bool) -> tuple[str, float]:
        """Name and median of the fastest of fcnet's own contestants, or of all others."""
        medians = {name: value for name, value in self.medians.items() if name.startswith("fcnet") == own}
        name = min(medians, key=lambda name: medians[name])
        return name, medians[name]


def _enough_epochs(contestant: Contestant) -> int:
    contestant.epochs(1)  # compiles, or gets warm
    started = time.perf_counter()
    contestant.epochs(1)
    return int(np.clip(SECONDS_A_TIMING / (time.perf_counter() - started), 1, MOST_EPOCHS_A_TIMING))


def in_turns(title: str, contestants: Mapping[str, Contestant], rounds: int) -> Timings:
    """Time, print fastest first, and end what was started. A round before the first is not counted."""
    epochs = {name: _enough_epochs(contestant) for name, contestant in contestants.items()}
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, contestant in contestants.items():
            started = time.perf_counter()
            contestant.epochs(epochs[name])
            if number:
                samples[name].append((time.perf_counter() - started) / (contestant.networks * epochs[name]))
    for contestant in contestants.values():
        contestant.close()
    found = Timings(samples)
    print(f"\n{title}: milliseconds for each network and epoch")
    for name, value in sorted(found.medians.items(), key=lambda pair: pair[1]):
        print(f"  {name:<58} {1e3 * value:>12.4f}")
    return found
