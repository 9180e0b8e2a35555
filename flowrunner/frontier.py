"""Which cells may begin, and in which order: those whose inputs are there, the longest way still to go first."""

from collections.abc import Callable, Collection, Iterator, Mapping
from heapq import heappop, heappush
from math import inf
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

Way: TypeAlias = tuple[int, int]
"""How far it is from a cell to the end behind it: in paid cells, then in cells."""


def ways(needs: Mapping[str, Collection[str]], wanted: Collection[str], paid: Callable[[str], bool]) -> dict[str, Way]:
    """The longest way of each wanted cell, itself included. `needs` names each cell behind what it needs."""
    kept = set(wanted)
    behind: dict[str, Way] = {}
    found: dict[str, Way] = {}
    for name in reversed(list(needs)):
        if name in kept:
            calls, cells = behind.get(name, (0, 0))
            way = found[name] = (calls + paid(name), cells + 1)
            for need in needs[name]:
                behind[need] = max(behind.get(need, way), way)
    return found


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

    A call that was answered can give its slot away while its pictures are fetched, as many of them as there are slots:
    what is paid for is not left lying while more is bought."""

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._slots = slots
        self._given: dict[str, int] = dict.fromkeys(slots, 0)
        self._free: dict[str, float] = dict(slots)
        self._waiting: dict[str, list[tuple[int, int, int, int, T]]] = {}

    def add(self, provider: str, way: Way, place: tuple[int, int], work: T) -> None:
        """`place` tells works with ways of one length apart: that of the cell in the graph, that of the sample."""
        heappush(self._waiting.setdefault(provider, []), (-way[0], -way[1], *place, work))

    def taken(self) -> Iterator[tuple[str, T]]:
        """What may begin now, with the provider whose slot it takes."""
        for provider, line in self._waiting.items():
            while line and self._free.get(provider, inf) > 0:
                self._free[provider] = self._free.get(provider, inf) - 1
                yield provider, heappop(line)[-1]

    def give(self, provider: str) -> bool:
        """Whether an answered call gives its slot away."""
        if self._given.get(provider, 0) >= self._slots.get(provider, 0):
            return False
        self._given[provider] += 1
        self._free[provider] += 1
        return True

    def free(self, provider: str, *, given: bool) -> None:
        """A call has come to its end; `given`: its slot was given away."""
        if given:
            self._given[provider] -= 1
        else:
            self._free[provider] += 1
