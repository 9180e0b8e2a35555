"""Where the simulator keeps the bytes it made or was given: by name, in memory, up to a limit."""

from collections import OrderedDict
from threading import Lock

from flowrunner.slotted import dataclass

_ROOM = 256 * 2**20
"""Bytes kept; the longest unused go first."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Bytes and their media type."""

    data: bytes
    media_type: str


class Shelf:
    """Bytes by name, safe to use from several threads."""

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._things: OrderedDict[str, Thing] = OrderedDict()
        self._taken = 0
        self._lock = Lock()

    def put(self, name: str, thing: Thing) -> None:
        with self._lock:
            self._drop(name)
            self._things[name] = thing
            self._taken += len(thing.data)
            while self._taken > self._room and len(self._things) > 1:
                self._drop(next(iter(self._things)))

    def get(self, name: str) -> Thing | None:
        with self._lock:
            if name in self._things:
                self._things.move_to_end(name)
            return self._things.get(name)

    def _drop(self, name: str) -> None:
        thing = self._things.pop(name, None)
        self._taken -= len(thing.data) if thing else 0
