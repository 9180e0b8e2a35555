"""Graphs walked without flowrunner: only waited for, or with what no runner may leave out of a paid call, and nothing
else. That is an intent that is durable before it is sent, a receipt before anything is done with the reply, a picture,
and what came of it. What comes together shares a commit, and pictures are made durable in step."""

import asyncio
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

from .dags import Dag, longest

MOST = 64
"""Writes that share a commit, and pictures that one thread makes durable in step."""
PICTURE = 300
"""Bytes of one."""
_TABLE = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
CREATE TABLE calls (name TEXT PRIMARY KEY, key TEXT, reply TEXT, picture TEXT);
"""


class Calls(Protocol):
    """What is done at each node."""

    async def call(self, name: str, seconds: float, /) -> None:
        """Comes back when the reply is kept."""

    async def keep(self, name: str, /) -> None:
        """Comes back when what needs this one may begin."""


class Waits:
    """Calls that only take their time."""

    async def call(self, _: str, seconds: float, /) -> None:
        await asyncio.sleep(seconds)

    async def keep(self, _: str, /) -> None:
        """There is nothing to keep."""


class Kept:
    """Calls whose intents, receipts, pictures and outcomes are durable; they lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for number in range(256):
            (folder / f"{number:02x}").mkdir(parents=True)
        self._rows = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
        self._rows.executescript(_TABLE)
        self._ledger = _Together(self._written, lambda _: self._rows.execute("COMMIT"), threads=1)
        self._disk = _Together(lambda _: None, self._stored, threads=2)

    async def call(self, name: str, seconds: float, /) -> None:
        key = hashlib.sha256(name.encode()).hexdigest()
        await self._ledger.add(("INSERT INTO calls (name, key) VALUES (?, ?)", (name, key)))
        await asyncio.sleep(seconds)
        reply = json.dumps({"data": [{"url": f"https://bare.invalid/{key}.png"}]})
        await self._ledger.add(("UPDATE calls SET reply = ? WHERE name = ?", (reply, name)))

    async def keep(self, name: str, /) -> None:
        data = name.encode().ljust(PICTURE)
        digest = hashlib.sha256(data).hexdigest()
        await self._disk.add((digest, data))
        await self._ledger.add(("UPDATE calls SET picture = ? WHERE name = ?", (digest, name)))

    def _written(self, writes: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        self._rows.execute("BEGIN IMMEDIATE")
        for sql, values in writes:
            self._rows.execute(sql, values)

    def _stored(self, pictures: Sequence[tuple[str, bytes]]) -> None:
        handles = []
        for digest, data in pictures:
            handles.append(os.open(self._folder / digest, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444))
            os.write(handles[-1], data)
            os.posix_fadvise(handles[-1], 0, 0, os.POSIX_FADV_DONTNEED)  # begins to write it
        for handle in handles:
            os.fsync(handle)
            os.close(handle)
        for digest, _ in pictures:
            (self._folder / digest).rename(self._folder / digest[:2] / digest[2:])
        for place in {digest[:2] for digest, _ in pictures}:
            handle = os.open(self._folder / place, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(handle)
            os.close(handle)


class _Together:
    """Work that is shared by what comes together: begun on the event loop, ended in a thread beside it, or at once
    where there is only one to end."""

    def __init__(self, begin: Callable[[Any], None], end: Callable[[Any], object], *, threads: int) -> None:
        self._begin_with = begin
        self._end_with = end
        self._free = threads
        self._asked: list[tuple[Any, asyncio.Future[None]]] = []
        self._begins = False
        self._work: SimpleQueue[tuple[list[tuple[Any, asyncio.Future[None]]], asyncio.AbstractEventLoop]] = (
            SimpleQueue()
        )
        for _ in range(threads):
            Thread(target=self._wait, daemon=True).start()

    async def add(self, what: object) -> None:
        done = asyncio.get_running_loop().create_future()
        self._asked.append((what, done))
        self._soon()
        await done

    def _soon(self) -> None:
        if self._asked and self._free and not self._begins:
            self._begins = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._begins = False
        batch, self._asked = self._asked[:MOST], self._asked[MOST:]
        self._free -= 1
        self._begin_with([what for what, _ in batch])
        if len(batch) == 1:
            self._end_with([batch[0][0]])
            self._ended(batch)
        else:
            self._work.put((batch, asyncio.get_running_loop()))
        self._soon()

    def _wait(self) -> None:
        while True:
            batch, loop = self._work.get()
            self._end_with([what for what, _ in batch])
            loop.call_soon_threadsafe(self._ended, batch)

    def _ended(self, batch: list[tuple[Any, asyncio.Future[None]]]) -> None:
        self._free += 1
        for _, done in batch:
            done.set_result(None)
        self._soon()


class Walk:
    """A graph whose free slots take the ready node with the longest way still to go. A node that others need has its
    slot until they may begin."""

    def __init__(self, dag: Dag, seconds: Callable[[str], float], calls: Calls) -> None:
        self._seconds = seconds
        self._calls = calls
        self._ways = longest(dag, seconds)
        self._behind: dict[str, list[str]] = {name: [] for name in dag}
        for name, needs in dag.items():
            for need in needs:
                self._behind[need].append(name)
        self._left = {name: len(needs) for name, needs in dag.items()}
        self._ready: asyncio.PriorityQueue[tuple[float, str]] = asyncio.PriorityQueue()
        self._keeping: set[asyncio.Task[None]] = set()

    async def through(self, slots: int) -> None:
        """Every node, once."""
        for name, needs in self._left.items():
            if not needs:
                self._ready.put_nowait((-self._ways[name], name))
        workers = [asyncio.create_task(self._work()) for _ in range(slots)]
        await self._ready.join()
        for worker in workers:
            worker.cancel()

    async def _work(self) -> None:
        while True:
            _, name = await self._ready.get()
            await self._calls.call(name, self._seconds(name))
            task = asyncio.create_task(self._keep(name))
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)
            if self._behind[name]:
                await task

    async def _keep(self, name: str) -> None:
        await self._calls.keep(name)
        for following in self._behind[name]:
            self._left[following] -= 1
            if not self._left[following]:
                self._ready.put_nowait((-self._ways[following], following))
        self._ready.task_done()
