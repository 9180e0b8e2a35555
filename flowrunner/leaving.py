"""Calls that are about to leave go first: whoever has a picture to fetch has the time of a whole call for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Leaving:
    """The calls of a run whose intents are being written down."""

    def __init__(self) -> None:
        self._count = 0
        self._left = asyncio.Event()

    @contextmanager
    def one(self) -> Iterator[None]:
        """A call is about to leave, as long as the block lasts."""
        self._count += 1
        self._left.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._left.set()

    async def none(self) -> None:
        """Comes back when all have left that are about to, those that begin at this moment as well."""
        await asyncio.sleep(0)
        while self._count:
            await self._left.wait()
