"""Writes that share a commit: those that are asked for while another one is under way wait for the next, together.

A commit waits for the disk, in a thread of its own; meanwhile the event loop goes on. What is written is durable when
whoever asked for it goes on, no sooner.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from flowrunner.errors import StoreError
from flowrunner.slotted import dataclass
from flowrunner.store.database import Database, Done

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Asked:
    """A write and who waits for it; `done` once it is durable, or has failed."""

    write: Callable[[], Any]
    waiting: "asyncio.Future[None]"
    done: Done | None = None


class Sharing:
    """Shares the commits of one database among the tasks of one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread: ThreadPoolExecutor | None = None
        self._asked: list[_Asked] = []
        self._busy = False

    async def add(self, write: Callable[[], T]) -> T:
        """What `write` gives, once it is durable. Nothing of it is lost when the task is cancelled meanwhile: it then
        goes on until its next wait."""
        loop = asyncio.get_running_loop()
        asked = _Asked(write, loop.create_future())
        self._asked.append(asked)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin, loop)  # whoever else is ready joins
        await _outlast(asked, loop)
        assert asked.done is not None
        gave: T
        gave, fault = asked.done
        if fault is not None:
            raise fault
        return gave

    def close(self) -> None:
        """Waits for what is under way."""
        if self._thread is not None:
            self._thread.shutdown()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._asked = self._asked, []
        if self._thread is None:
            with suppress(StoreError):
                self._database.read_apart()
            self._thread = ThreadPoolExecutor(1, "ledger")
        self._thread.submit(self._commit, batch, loop)

    def _commit(self, batch: Sequence[_Asked], loop: asyncio.AbstractEventLoop) -> None:
        for asked, done in zip(batch, self._database.together([asked.write for asked in batch]), strict=True):
            asked.done = done
        loop.call_soon_threadsafe(self._committed, batch, loop)

    def _committed(self, batch: Sequence[_Asked], loop: asyncio.AbstractEventLoop) -> None:
        for asked in batch:
            if not asked.waiting.done():
                asked.waiting.set_result(None)
        if self._asked:
            loop.call_soon(self._begin, loop)
        else:
            self._busy = False


async def _outlast(asked: _Asked, loop: asyncio.AbstractEventLoop) -> None:
    """Until a write is done, whatever becomes of the task: who is cancelled must not leave what he cannot know of."""
    cancelled = False
    while asked.done is None:
        try:
            await asked.waiting
        except asyncio.CancelledError:
            cancelled = True
            asked.waiting = loop.create_future()
    task = asyncio.current_task()
    if cancelled and task is not None:
        task.uncancel()
        task.cancel()
