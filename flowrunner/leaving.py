"""Calls that are about to leave go first: whoever has a picture to fetch has the time of a whole call for it."""

import asyncio


class Leaving:
    """The calls of a run whose intents are being written down: each is about to leave as long as its block lasts."""

    def __init__(self) -> None:
        self._count = 0
        self._left = asyncio.Event()

    def __enter__(self) -> None:
        self._count += 1
        self._left.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._left.set()

    async def none(self) -> None:
        """Comes back when all have left that are about to, those that begin at this moment as well."""
        await asyncio.sleep(0)
        while self._count:
            await self._left.wait()
