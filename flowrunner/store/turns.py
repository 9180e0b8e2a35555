"""Turns: one at a time per key, over the tasks of a process and all processes on a store.

Between processes a kernel lock on one of 4,096 files keeps keys apart, so that a crash frees it. Within a process the
keys themselves do: tasks whose keys share a file share the lock on it, and none waits for another one's key.
"""

import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flowrunner.slotted import dataclass
from flowrunner.store.durable import Explained, make_folder
from flowrunner.store.flocks import take

if TYPE_CHECKING:
    import asyncio

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25
"""Seconds between two looks at what another one holds."""
_PREFIX = 3
"""Digits of a key that name its file."""


@dataclass(slots=True)
class _Held:
    """A lock on a file that this process holds, for so many tasks."""

    handle: int
    tasks: int


class Turns:
    """The turns of one process's tasks; the files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = False
        self._files: dict[str, _Held] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Who waits for a key, for each that a task of this process has, or is about to have."""

    @asynccontextmanager
    async def turn(self, key: str, gives_up: Callable[[], bool] = bool) -> AsyncIterator[bool]:
        """Has the key; other tasks go on while this one waits for it. False, without it, when it `gives_up`."""
        if key in self._waiting:
            if not await self._queued(key, gives_up):
                yield False
                return
        else:
            self._waiting[key] = deque()
        try:
            name = key[:_PREFIX]
            taken = await self._file(name, gives_up)
            try:
                yield taken
            finally:
                if taken:
                    self._leave(name)
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

    async def _file(self, name: str, gives_up: Callable[[], bool]) -> bool:
        import asyncio

        pause = _FIRST_PAUSE
        while not self._joins(name):
            if gives_up():
                return False
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    def _joins(self, name: str) -> bool:
        held = self._files.get(name)
        if held is not None:
            held.tasks += 1
            return True
        path = self._folder / name
        with Explained("locked", path):
            if not self._made:
                make_folder(self._folder)
                self._made = True
            handle = take(path)
        if handle is not None:
            self._files[name] = _Held(handle, 1)
        return handle is not None

    def _leave(self, name: str) -> None:
        held = self._files[name]
        held.tasks -= 1
        if not held.tasks:
            del self._files[name]
            os.close(held.handle)
