"""Who is about to leave goes before whoever can wait."""

import asyncio
from contextlib import suppress

from flowrunner.leaving import Leaving


def test_a_picture_waits_for_calls_that_are_about_to_leave_and_for_those_that_begin_at_that_moment() -> None:
    said: list[str] = []
    leaving = Leaving()

    async def leaves(name: str) -> None:
        with leaving:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            said.append(name)

    async def fetches() -> None:
        tasks.append(asyncio.ensure_future(leaves("second")))
        await leaving.none()
        said.append("picture")

    tasks: list[asyncio.Future[None]] = []

    async def both() -> None:
        tasks.append(asyncio.ensure_future(leaves("first")))
        await fetches()
        await asyncio.gather(*tasks)

    asyncio.run(both())
    assert said == ["first", "second", "picture"]


def test_a_call_that_does_not_leave_after_all_keeps_nobody_waiting() -> None:
    async def once() -> None:
        leaving = Leaving()
        with suppress(RuntimeError), leaving:
            raise RuntimeError
        await leaving.none()

    asyncio.run(once())
