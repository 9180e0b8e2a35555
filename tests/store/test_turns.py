"""Turns: one holder of a key at a time over tasks and processes, and nobody waits for another key."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from store_processes import add_in_a_process, add_in_tasks, count, in_processes

from flowrunner.digest import sha256
from flowrunner.store import flocks
from flowrunner.store.turns import Turns

ONE = "1"
TWO = next(str(n) for n in range(2, 99_999) if sha256(str(n).encode())[:3] == sha256(ONE.encode())[:3])
"""Two keys that share a file, where there is more than one."""


@pytest.fixture(autouse=True, params=[True, False], ids=["places", "files"])
def _either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks on places of one file are not known everywhere."""
    if request.param and not flocks.PLACES:
        pytest.skip("there are no such locks here")
    monkeypatch.setattr(flocks, "PLACES", request.param)


async def is_held(folder: Path, key: str) -> bool:
    """As somebody else sees it."""
    turns = Turns(folder)
    async with turns.turn(key, lambda: True) as turn:
        pass
    turns.close()
    return not turn


def test_tasks_of_one_process_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    asyncio.run(add_in_tasks(path, 5, 4))
    assert count(path) == 20


@pytest.mark.slow
def test_tasks_of_several_processes_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    assert in_processes(*[partial(add_in_a_process, path)] * 2) == [0, 0]
    assert count(path) == 20


def told(script: Callable[[Turns, list[str]], Awaitable[None]], folder: Path) -> list[str]:
    said: list[str] = []

    async def run() -> None:
        await script(Turns(folder), said)

    asyncio.run(run())
    return said


async def has(turns: Turns, key: str, said: list[str], until: asyncio.Event) -> None:
    async with turns.turn(key) as turn:
        said.append(f"{key} {turn}")
        await until.wait()
    said.append(f"{key} left")


def test_two_keys_of_one_lock_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async def both(turns: Turns, said: list[str]) -> None:
        until = asyncio.Event()
        tasks = [asyncio.ensure_future(has(turns, key, said, until)) for key in (ONE, TWO)]
        await asyncio.sleep(0)
        said.append(f"held {await is_held(tmp_path, ONE)}")
        until.set()
        await asyncio.gather(*tasks)
        said.append(f"held {await is_held(tmp_path, ONE)}")

    ends = [f"{ONE} left", f"{TWO} left", "held False"]
    assert told(both, tmp_path) == [f"{ONE} True", f"{TWO} True", "held True", *ends]


def test_a_lock_is_free_only_when_the_last_of_its_keys_is(tmp_path: Path) -> None:
    async def both(turns: Turns, said: list[str]) -> None:
        async with turns.turn(TWO):
            async with turns.turn(ONE):
                pass
            said.append(f"held {await is_held(tmp_path, TWO)}")

    assert told(both, tmp_path) == ["held True"]


def test_who_waited_first_is_next(tmp_path: Path) -> None:
    async def three(turns: Turns, said: list[str]) -> None:
        free = [asyncio.Event() for _ in range(3)]
        tasks = [asyncio.ensure_future(has(turns, ONE, said, one)) for one in free]
        await asyncio.sleep(0)
        tasks[1].cancel()  # who no longer waits is passed over
        for event in free:
            event.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        said.append(f"{len(turns._waiting)} {len(turns._held)}")

    assert told(three, tmp_path) == [f"{ONE} True", f"{ONE} left", f"{ONE} True", f"{ONE} left", "0 0"]


def test_a_turn_that_came_with_a_cancellation_is_passed_on(tmp_path: Path) -> None:
    async def three(turns: Turns, said: list[str]) -> None:
        first = asyncio.Event()
        tasks = [asyncio.ensure_future(has(turns, ONE, said, first)) for _ in range(3)]
        await asyncio.sleep(0)
        first.set()
        await asyncio.sleep(0)  # the first has left, and the second has not heard of it yet
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert told(three, tmp_path).count(f"{ONE} True") == 2


@pytest.mark.parametrize("mine", [True, False])
def test_who_gives_up_has_nothing(tmp_path: Path, mine: bool) -> None:
    async def tired(turns: Turns, said: list[str]) -> None:
        until = asyncio.Event()
        holder = asyncio.ensure_future(has(turns if mine else Turns(tmp_path), ONE, said, until))
        await asyncio.sleep(0)
        async with turns.turn(ONE, lambda: True) as turn:
            said.append(f"{turn}")
        until.set()
        await holder
        said.append(f"{len(turns._waiting)} {len(turns._held)}")

    assert [one for one in told(tired, tmp_path) if not one.startswith(ONE)] == ["False", "0 0"]


def test_a_waiter_blocks_nobody_and_can_be_cancelled(tmp_path: Path) -> None:
    async def waits(turns: Turns, said: list[str]) -> None:
        async with Turns(tmp_path).turn(ONE):
            waiter = asyncio.ensure_future(has(turns, ONE, said, asyncio.Event()))
            await asyncio.sleep(0.02)
            waiter.cancel()
            await asyncio.gather(waiter, return_exceptions=True)
        said.append(f"{waiter.cancelled()} {len(turns._waiting)}")

    assert told(waits, tmp_path) == ["True 0"]


def test_where_places_can_be_locked_turns_make_one_file(tmp_path: Path) -> None:
    async def many(turns: Turns, _: list[str]) -> None:
        for number in range(20):
            async with turns.turn(str(number)):
                pass

    told(many, tmp_path)
    assert (len(list(tmp_path.iterdir())) == 1) is flocks.PLACES


def test_turns_that_are_closed_hold_nothing(tmp_path: Path) -> None:
    async def closed(turns: Turns, said: list[str]) -> None:
        async with turns.turn(ONE):
            turns.close()
            said.append(f"held {await is_held(tmp_path, ONE)}")

    # A file is closed by whoever has the turn.
    assert told(closed, tmp_path) == [f"held {not flocks.PLACES}"]
