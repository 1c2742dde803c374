"""Who trains where: lanes of slots, one lane a device, refilled as members finish.

The members of a lane share its data set. Which lane and which slot a member gets changes nothing in its result.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fcnet.data import DataSpec
from fcnet.sweeps.groups import Entrant


@dataclass
class Lane:
    """One device's slots, each with an entrant or None, and the data set they share."""

    slots: list[Entrant | None]
    data: DataSpec | None = None

    @property
    def entrants(self) -> list[Entrant]:
        """Who is in the lane."""
        return [entrant for entrant in self.slots if entrant is not None]

    def free(self) -> list[int]:
        """Numbers of the slots without a member."""
        return [number for number, entrant in enumerate(self.slots) if entrant is None]


@dataclass
class Lanes:
    """All lanes, and who waits for a slot.

    ``lockstep``: the members of a lane start together, because they share their batch orders.
    ``one_stream``: those of all lanes do, and have one data set, because they share its rows as these are read.
    """

    lanes: list[Lane]
    waiting: deque[Entrant] = field(default_factory=deque)
    lockstep: bool = False
    one_stream: bool = False

    @classmethod
    def empty(
        cls, count: int, slots: int, waiting: Sequence[Entrant], *, lockstep: bool, one_stream: bool = False
    ) -> "Lanes":
        """``count`` lanes without members, and a queue in which those with the same data stand together."""
        order = {spec: place for place, spec in enumerate(dict.fromkeys(entrant.data for entrant in waiting))}
        queue = deque(sorted(waiting, key=lambda entrant: order[entrant.data]))
        return cls([Lane([None] * slots) for _ in range(count)], queue, lockstep, one_stream)

    @property
    def slots(self) -> list[Entrant | None]:
        """Every slot, lane after lane: the order of stacked arrays."""
        return [entrant for lane in self.lanes for entrant in lane.slots]

    @property
    def busy(self) -> bool:
        """Whether anybody is in a slot."""
        return any(lane.entrants for lane in self.lanes)

    def fill(self) -> list[int]:
        """Give free slots to those who wait; the numbers of the slots that were given."""
        given: list[int] = []
        if self.one_stream and self.busy:
            return given
        if not self.lockstep:
            for number, lane in enumerate(self.lanes):
                if lane.entrants:
                    given += self._take(number, len(lane.free()))
        idle = [number for number, lane in enumerate(self.lanes) if not lane.entrants]
        first = self.waiting[0].data if self.waiting else None
        for place, number in enumerate(idle):
            waiting = [entrant.data for entrant in self.waiting if not self.one_stream or entrant.data == first]
            if waiting:
                self.lanes[number].data = waiting[0]
                # few members are spread over all devices
                given += self._take(number, -(-len(waiting) // (len(idle) - place)))
        return given

    def _take(self, number: int, most: int) -> list[int]:
        lane = self.lanes[number]
        given = []
        for slot in lane.free()[:most]:
            if not self.waiting or self.waiting[0].data != lane.data:
                break
            lane.slots[slot] = self.waiting.popleft()
            given.append(number * len(lane.slots) + slot)
        return given

    def leave(self, slot: int) -> None:
        """Free a slot by its number over all lanes."""
        size = len(self.lanes[0].slots)
        self.lanes[slot // size].slots[slot % size] = None

    def position(self) -> dict[str, Any]:
        """Who is where, as plain values: member numbers, None for free slots."""
        return {
            "lanes": [[None if found is None else found.member for found in lane.slots] for lane in self.lanes],
            "waiting": [entrant.member for entrant in self.waiting],
        }

    @classmethod
    def at(
        cls, position: dict[str, Any], entrants: dict[int, Entrant], *, lockstep: bool, one_stream: bool = False
    ) -> "Lanes":
        """The lanes that ``position`` described."""
        lanes = []
        for members in position["lanes"]:
            slots = [None if member is None else entrants[member] for member in members]
            lanes.append(Lane(slots, next((found.data for found in slots if found is not None), None)))
        return cls(lanes, deque(entrants[member] for member in position["waiting"]), lockstep, one_stream)
