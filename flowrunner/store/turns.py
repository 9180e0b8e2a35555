"""Turns: one at a time per key, over the tasks of a process and all processes on a store.

Between processes a kernel lock keeps keys apart, so that a crash frees it: on a place of one file or, where a system
has no such locks, on one of 4,096 files. A file is made once: to make one waits for whatever is being made durable on
the disk. Within a process the keys themselves keep apart: tasks whose keys share a lock share it, and none waits for
another one's key.
"""

import os
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from flowrunner.digest import sha256
from flowrunner.slotted import dataclass
from flowrunner.store import flocks
from flowrunner.store.durable import Explained, make_folder

if TYPE_CHECKING:
    import asyncio

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25
"""Seconds between two looks at what another one holds."""
_FILE, _PLACE = 3, 15
"""Digits of a key's digest that name its file, or tell its place in the one file."""


@dataclass(slots=True)
class _Held:
    """A lock that this process holds, for so many tasks."""

    free: Callable[[], None]
    tasks: int


class Turns:
    """The turns of one process's tasks; the files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = False
        self._places: flocks.Places | None = None
        self._held: dict[str, _Held] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Who waits for a key, for each that a task of this process has, or is about to have."""

    def turn(self, key: str, gives_up: Callable[[], bool] = bool) -> AbstractAsyncContextManager[bool]:
        """Has the key; other tasks go on while this one waits for it. False, without it, when it `gives_up`."""
        return _Turn(self, key, gives_up)

    async def take(self, key: str, gives_up: Callable[[], bool]) -> bool:
        """Whether the key is had now: then whoever has it must `leave` it."""
        if key not in self._waiting:
            self._waiting[key] = deque()
        elif not await self._queued(key, gives_up):
            return False
        taken = False
        try:
            taken = await self._lock(_name(key), gives_up)
        finally:
            if not taken:
                self._pass_on(key)
        return taken

    def leave(self, key: str) -> None:
        """Whoever waits for it is next."""
        try:
            self._leave(_name(key))
        finally:
            self._pass_on(key)

    async def _queued(self, key: str, gives_up: Callable[[], bool]) -> bool:
        import asyncio

        mine = asyncio.get_running_loop().create_future()
        self._waiting[key].append(mine)
        try:
            while not mine.done():
                await asyncio.wait([mine], timeout=_LONGEST_PAUSE)
                if not mine.done() and gives_up():
                    mine.cancel()
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._pass_on(key)
            mine.cancel()
            raise
        return not mine.cancelled()

    def _pass_on(self, key: str) -> None:
        queue = self._waiting[key]
        while queue:
            following = queue.popleft()
            if not following.done():
                following.set_result(None)
                return
        del self._waiting[key]

    def close(self) -> None:
        """Frees what is held; nobody may ask for a turn any more."""
        if self._places is not None:
            self._places.close()

    async def _lock(self, name: str, gives_up: Callable[[], bool]) -> bool:
        import asyncio

        pause = _FIRST_PAUSE
        while not self._joins(name):
            if gives_up():
                return False
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    def _joins(self, name: str) -> bool:
        held = self._held.get(name)
        if held is not None:
            held.tasks += 1
            return True
        with Explained("locked", self._folder):
            if not self._made:
                make_folder(self._folder)
                self._made = True
            free = self._taken(name)
        if free is not None:
            self._held[name] = _Held(free, 1)
        return free is not None

    def _taken(self, name: str) -> Callable[[], None] | None:
        """What frees the lock; None while another process has it."""
        if not flocks.PLACES:
            handle = flocks.take(self._folder / name)
            return None if handle is None else partial(os.close, handle)
        self._places = self._places or flocks.Places(self._folder / "places")
        place = int(name, 16)
        return partial(self._places.free, place) if self._places.take(place) else None

    def _leave(self, name: str) -> None:
        held = self._held[name]
        held.tasks -= 1
        if not held.tasks:
            del self._held[name]
            held.free()


@dataclass(slots=True)
class _Turn:
    """One turn. A class, since each call has one, and a generator takes three times as long."""

    turns: Turns
    key: str
    gives_up: Callable[[], bool]
    taken: bool = False

    async def __aenter__(self) -> bool:
        self.taken = await self.turns.take(self.key, self.gives_up)
        return self.taken

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        if self.taken:
            self.turns.leave(self.key)


def _name(key: str) -> str:
    return sha256(key.encode())[: _PLACE if flocks.PLACES else _FILE]
