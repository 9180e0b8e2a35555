"""Writes that share a commit: those that are asked for while another one is under way wait for the next, together.

Writes are done where they are asked for, a commit waits for the disk in a thread of its own: meanwhile the event loop
goes on. What is written is durable when whoever asked for it goes on, no sooner.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from flowrunner.errors import StoreError
from flowrunner.slotted import dataclass
from flowrunner.store.database import Database, Done
from flowrunner.store.waiters import Waiters

T = TypeVar("T")

LONG = 256 * 1024
"""Bytes of a write that takes the event loop too long."""
MOST = 64
"""Writes that share a commit: a few milliseconds of the event loop."""
PATIENCE = 0.005
"""Seconds that a patient write waits for another to share its commit with."""


@dataclass(slots=True, eq=False)
class _Asked:
    """A write and who waits for it; `done` once it is durable, or has failed."""

    write: Callable[[], Any]
    waiting: "asyncio.Future[None]"
    size: int
    patient: bool
    done: Done | None = None


class Sharing:
    """Shares the commits of one database among the tasks of one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiters = Waiters("ledger")
        self._asked: list[_Asked] = []
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        with suppress(StoreError):
            database.read_apart()

    async def add(self, write: Callable[[], T], size: int = 0, *, patient: bool = False) -> T:
        """What `write`, of so many bytes, gives, once it is durable. Nothing of it is lost when the task is cancelled
        meanwhile: it then goes on until its next wait. A write may be tried more than once. A `patient` one, for which
        nothing waits, goes with those that are asked for next, and never behind them."""
        loop = asyncio.get_running_loop()
        asked = _Asked(write, loop.create_future(), size, patient)
        self._asked.append(asked)
        if not self._busy:
            self._go_on(loop)
        await _outlast(asked, loop)
        assert asked.done is not None
        gave: T
        gave, fault = asked.done
        if fault is not None:
            raise fault
        return gave

    def close(self) -> None:
        """Waits for what is under way."""
        self._waiters.close()

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """With what was asked for, if anything."""
        self._busy = not all(asked.patient for asked in self._asked)
        if self._busy:
            if self._timer is not None:  # at once, for it may be due: two that begin would wait for each other
                self._timer.cancel()
            loop.call_soon(self._begin)  # whoever else is ready joins
        elif self._asked and self._timer is None:
            self._timer = loop.call_later(PATIENCE, self._begin)

    def _begin(self) -> None:
        self._busy = True
        self._timer = None
        batch, self._asked = self._asked[:MOST], self._asked[MOST:]
        writes = [asked.write for asked in batch]
        begun = None if sum(asked.size for asked in batch) > LONG else self._database.begin(writes)
        # For one task, and what is not begun may wait for another process.
        brief = begun is not None and sum(not asked.patient for asked in batch) == 1
        self._waiters.do(partial(self._commit, batch, begun), brief=brief)

    def _commit(self, batch: Sequence[_Asked], begun: Sequence[Any] | None) -> Callable[[], None]:
        if begun is None:
            return self._done_anew(batch)
        with suppress(StoreError):
            self._database.settle()
            return partial(self._committed, batch, [(gave, None) for gave in begun])
        return partial(self._waiters.do, partial(self._done_anew, batch))

    def _done_anew(self, batch: Sequence[_Asked]) -> Callable[[], None]:
        return partial(self._committed, batch, self._database.together([asked.write for asked in batch]))

    def _committed(self, batch: Sequence[_Asked], found: Sequence[Done]) -> None:
        for asked, done in zip(batch, found, strict=True):
            asked.done = done
        for asked in batch:
            if not asked.waiting.done():
                asked.waiting.set_result(None)
        self._go_on(asyncio.get_running_loop())


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
