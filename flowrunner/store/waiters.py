"""Threads that wait for the disk while an event loop goes on.

An executor would do, but makes two futures for each piece of work and moves what it gave from one to the other: that
takes as long again as waking a thread.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import TypeAlias

QUICK = 0.004
"""Seconds for which an event loop may stand still without anybody's notice."""

_Work: TypeAlias = Callable[[], Callable[[], object]]


class Waiters:
    """Up to `count` threads, begun when they are needed.

    To wake a thread and be woken by it takes as long as a quick disk does: where one brief work comes after the other,
    and the last was done at once, the next is done without a thread."""

    def __init__(self, name: str, count: int = 1, clock: Callable[[], float] = perf_counter) -> None:
        self._name = name
        self._count = count
        self._clock = clock
        self._brief = False
        self._took = inf
        self._threads: list[Thread] = []
        self._work: SimpleQueue[tuple[_Work, asyncio.AbstractEventLoop] | None] = SimpleQueue()

    def do(self, work: _Work, *, brief: bool = False) -> None:
        """Does it in a thread, and in the event loop what it gives then. It must not raise anything; a `brief` one is
        for one task, and waits for nothing but the disk. Where no thread can be begun, everything waits for it."""
        loop = asyncio.get_running_loop()
        after_another, self._brief = self._brief, brief
        if brief and after_another and self._took < QUICK:
            loop.call_soon(self._done(work))
            return
        if len(self._threads) < self._count:
            with suppress(RuntimeError):
                self._begin()
        if self._threads:
            self._work.put((work, loop))
        else:
            loop.call_soon(self._done(work))

    def _done(self, work: _Work) -> Callable[[], object]:
        begun = self._clock()
        try:
            return work()
        finally:
            self._took = self._clock() - begun

    def close(self) -> None:
        """Waits for what is under way."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _begin(self) -> None:
        thread = Thread(target=self._wait, name=f"{self._name}_{len(self._threads)}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _wait(self) -> None:
        while (asked := self._work.get()) is not None:
            work, loop = asked
            loop.call_soon_threadsafe(self._done(work))
