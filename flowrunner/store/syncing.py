"""Making many small objects durable: threads that wait for the disk, and take all that has come together meanwhile.

A thread for each would be woken, and wake the event loop, for every one of them.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from flowrunner.store.durable import in_step
from flowrunner.store.objects import Writer
from flowrunner.store.waiters import Waiters

AT_ONCE = 2
"""Threads that wait for the disk at once."""
_FEW = 16
"""Drafts for which no other thread is asked."""
_MOST = 64
"""Drafts of one thread at once, each with its file open."""

_Asked: TypeAlias = "tuple[Writer, asyncio.Future[None]]"


class Syncing:
    """Commits the drafts of an event loop's tasks."""

    def __init__(self) -> None:
        self._asked: list[_Asked] = []
        self._free = AT_ONCE
        self._begins = False
        self._waiters = Waiters("syncing", AT_ONCE)

    async def commit(self, draft: Writer) -> None:
        """The draft is durable, as an object. StoreError. A task that is cancelled does not wait for it."""
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[None] = loop.create_future()
        self._asked.append((draft, committed))
        if not self._begins:
            self._begins = True
            loop.call_soon(self._begin)  # whoever else is ready joins
        await committed

    def close(self) -> None:
        """Waits for what is under way."""
        self._waiters.close()

    def _begin(self) -> None:
        self._begins = False
        while self._asked and self._free:
            count = min(max(_FEW, -(-len(self._asked) // self._free)), _MOST)
            batch, self._asked = self._asked[:count], self._asked[count:]
            self._free -= 1
            self._waiters.do(partial(self._synced, batch), brief=len(batch) == 1)

    def _synced(self, batch: Sequence[_Asked]) -> Callable[[], None]:
        return partial(self._ended, batch, in_step(draft.committed() for draft, _ in batch))

    def _ended(self, batch: Sequence[_Asked], found: Sequence[str | BaseException]) -> None:
        self._free += 1
        for (_, committed), gave in zip(batch, found, strict=True):
            if committed.done():  # whoever asked was cancelled
                continue
            if isinstance(gave, BaseException):
                committed.set_exception(gave)
            else:
                committed.set_result(None)
        self._begin()
