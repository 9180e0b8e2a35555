"""Threads that wait for the disk while an event loop goes on.

An executor would do, but makes two futures for each piece of work and moves what it gave from one to the other: that
takes as long again as waking a thread.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TypeAlias

_Work: TypeAlias = Callable[[], Callable[[], object]]


class Waiters:
    """Up to `count` threads, begun when they are needed."""

    def __init__(self, name: str, count: int = 1) -> None:
        self._name = name
        self._count = count
        self._threads: list[Thread] = []
        self._work: SimpleQueue[tuple[_Work, asyncio.AbstractEventLoop] | None] = SimpleQueue()

    def do(self, work: _Work) -> None:
        """Does it in a thread, and in the event loop what it gives then. It must not raise anything. Where no thread
        can be begun, everything waits for it."""
        loop = asyncio.get_running_loop()
        if len(self._threads) < self._count:
            with suppress(RuntimeError):
                self._begin()
        if self._threads:
            self._work.put((work, loop))
        else:
            loop.call_soon(work())

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
            loop.call_soon_threadsafe(work())
