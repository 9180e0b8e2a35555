"""Which cells may begin, and in which order: those whose inputs are there, the longest way still to go first."""

from collections.abc import Callable, Collection, Iterator, Mapping
from heapq import heappop, heappush
from math import inf
from typing import Generic, TypeAlias, TypeVar

from flowrunner.slotted import dataclass

T = TypeVar("T")

Way: TypeAlias = tuple[int, int]
"""How far it is from a cell to the end behind it: in paid cells, then in cells."""
Place: TypeAlias = tuple[int, int]


NOWHERE: Way = (0, 0)


@dataclass(frozen=True, slots=True)
class Ways:
    """The longest way of each cell, itself included, and without it: that `behind` it."""

    own: Mapping[str, Way]
    behind: Mapping[str, Way]


def ways(needs: Mapping[str, Collection[str]], wanted: Collection[str], paid: Callable[[str], bool]) -> Ways:
    """Those of the wanted cells. `needs` names each cell behind what it needs."""
    kept = set(wanted)
    behind: dict[str, Way] = {}
    own: dict[str, Way] = {}
    for name in reversed(list(needs)):
        if name in kept:
            calls, cells = behind.setdefault(name, NOWHERE)
            way = own[name] = (calls + paid(name), cells + 1)
            for need in kept.intersection(needs[name]):
                behind[need] = max(behind.get(need, way), way)
    return Ways(own, behind)


class Frontier:
    """Which cells are ready, and which become so."""

    def __init__(self, needs: Mapping[str, Collection[str]], wanted: Collection[str]) -> None:
        kept = set(wanted)
        self._left = {name: {need for need in needs[name] if need in kept} for name in needs if name in kept}
        self._behind: dict[str, list[str]] = {}
        for name, needed in self._left.items():
            for need in needed:
                self._behind.setdefault(need, []).append(name)

    def ready(self) -> list[str]:
        """Cells that need nothing any more, each given out once."""
        found = [name for name, needed in self._left.items() if not needed]
        for name in found:
            del self._left[name]
        return found

    def done(self, name: str) -> list[str]:
        """Cells that become ready because this one is done, each given out once."""
        found = []
        for behind in self._behind.pop(name, ()):
            needed = self._left[behind]
            needed.discard(name)
            if not needed:
                del self._left[behind]
                found.append(behind)
        return found


class Lines(Generic[T]):
    """What waits for a free slot, one line for each provider: whoever has the longest way still to go is first, then
    who stands first in the graph.

    A call that was answered needs its slot no more, though its pictures are still to be fetched. But what follows from
    them may have a longer way to go than whoever waits: for that the slot is kept back."""

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._slots = slots
        self._free: dict[str, float] = dict(slots)
        self._waiting: dict[str, list[tuple[int, int, int, int, T]]] = {}
        self._kept: dict[str, list[tuple[Way, Place]]] = {}
        self._answered: dict[str, set[Place]] = {}
        """The calls whose slots are kept back, and those that gave them away, by provider."""
        self._given: dict[str, set[Place]] = {}

    def add(self, provider: str, way: Way, place: Place, work: T) -> None:
        """`place` tells works apart: that of the cell in the graph, that of the sample."""
        heappush(self._waiting.setdefault(provider, []), (-way[0], -way[1], *place, work))

    def taken(self) -> Iterator[tuple[str, T]]:
        """What may begin now, with the provider whose slot it takes."""
        for provider, line in self._waiting.items():
            while line and self._takes(provider, (-line[0][0], -line[0][1])):
                yield provider, heappop(line)[-1]

    def answered(self, provider: str, place: Place, behind: Way) -> None:
        """A call needs its slot no more; `behind` is the way of what follows from it."""
        if provider in self._slots:
            heappush(self._kept.setdefault(provider, []), (behind, place))
            self._answered.setdefault(provider, set()).add(place)

    def free(self, provider: str, place: Place) -> None:
        """A call has come to its end."""
        self._answered.get(provider, set()).discard(place)
        given = self._given.get(provider, set())
        if place in given:
            given.remove(place)
        else:
            self._free[provider] += 1

    def _takes(self, provider: str, way: Way) -> bool:
        free = self._free.get(provider, inf)
        if free > 0:
            self._free[provider] = free - 1
            return True
        kept, answered = self._kept.get(provider, []), self._answered.get(provider, set())
        while kept and kept[0][1] not in answered:  # it came to its end
            heappop(kept)
        given = self._given.setdefault(provider, set())
        # No more pictures are fetched at once than calls are made.
        if not kept or kept[0][0] > way or len(given) >= self._slots[provider]:
            return False
        _, place = heappop(kept)
        answered.remove(place)
        given.add(place)
        return True
