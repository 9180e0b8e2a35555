"""Work that threads do while an event loop goes on."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial

import pytest

from flowrunner.store.waiters import QUICK, Waiters


def done(count: int, *numbers: int) -> tuple[list[int], list[int]]:
    """The threads that worked, and those in which what they gave was done, for each piece of work."""
    worked: list[int] = []
    given: list[int] = []
    here = threading.Barrier(count) if count > 1 else None

    def work(number: int) -> Callable[[], object]:
        if here is not None:
            here.wait(30)
        worked.append(threading.get_ident())
        return partial(gave, number)

    def gave(number: int) -> None:
        given.append(threading.get_ident())
        if number == numbers[-1]:
            over.set()

    async def once() -> None:
        waiters = Waiters("some", count)
        for number in numbers:
            waiters.do(partial(work, number))
        await over.wait()
        waiters.close()
        await asyncio.sleep(0)

    over = asyncio.Event()
    asyncio.run(once())
    return worked, given


def test_what_a_thread_has_worked_out_is_taken_up_in_the_event_loop() -> None:
    worked, given = done(1, 1, 2, 3)
    assert len(set(worked)) == 1
    assert threading.get_ident() not in worked
    assert given == [threading.get_ident()] * 3


def test_as_many_threads_as_are_allowed_wait_at_once() -> None:
    worked, given = done(3, 1, 2, 3)
    assert len(set(worked)) == len(given) == 3


def test_where_no_thread_can_be_begun_all_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    here = threading.get_ident()
    assert done(1, 1, 2) == ([here] * 2, [here] * 2)


def test_closing_waits_for_what_is_under_way() -> None:
    told: list[str] = []
    goes_on = threading.Event()

    def work() -> Callable[[], object]:
        goes_on.wait(30)
        told.append("worked")
        return partial(told.append, "given")

    async def once() -> None:
        waiters = Waiters("some")
        waiters.do(work)
        goes_on.set()
        waiters.close()
        assert told == ["worked"]
        await asyncio.sleep(0)

    asyncio.run(once())
    assert told == ["worked", "given"]


def places(*works: tuple[bool, float]) -> list[str]:
    """Where each work was done that is `brief` or not, and for which the disk takes so many seconds."""
    here = threading.get_ident()
    now = 0.0
    found: list[str] = []

    async def once() -> None:
        waiters = Waiters("some", clock=lambda: now)
        for brief, seconds in works:
            over = asyncio.Event()
            waiters.do(partial(work, seconds, over.set), brief=brief)
            await over.wait()
        waiters.close()

    def work(seconds: float, over: Callable[[], None]) -> Callable[[], None]:
        nonlocal now
        now += seconds
        found.append("here" if threading.get_ident() == here else "thread")
        return over

    asyncio.run(once())
    return found


def test_brief_works_that_follow_one_another_need_no_thread_where_the_disk_is_quick() -> None:
    assert places(*[(True, 0.001)] * 4) == ["thread", "here", "here", "here"]


def test_a_work_that_is_not_brief_has_a_thread_and_so_has_the_next() -> None:
    assert places((True, 0.001), (False, 0.001), (True, 0.001), (True, 0.001)) == ["thread", "thread", "thread", "here"]


def test_after_a_slow_work_the_event_loop_does_not_wait_itself() -> None:
    slow, quick = (True, 2 * QUICK), (True, QUICK / 2)
    assert places(quick, slow, quick, quick) == ["thread", "here", "thread", "here"]
    assert places(*[slow] * 3) == ["thread"] * 3
