"""Kernel locks: one holder at a time over tasks and processes, free when the holder ends."""

import asyncio
import multiprocessing
import os
from pathlib import Path

import pytest

from flowrunner.errors import StoreError
from flowrunner.store.flocks import awaited, held, is_held, take

SPAWN = multiprocessing.get_context("spawn")


def test_a_lock_has_one_holder_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = take(path)
    assert first is not None
    assert take(path) is None
    assert is_held(path)
    os.close(first)
    assert not is_held(path)


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "lock")
    assert not list(tmp_path.iterdir())


def test_lookers_do_not_hide_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.close(take(path) or 0)
    assert [is_held(path) for _ in range(2)] == [False, False]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match="cannot be locked"), held(tmp_path / "lock"):
        pass
    assert not (tmp_path / "victim").exists()


def test_what_is_done_under_a_lock_may_fail_as_it_likes(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), held(tmp_path / "lock"):
        raise OSError("mine")
    assert not is_held(tmp_path / "lock")


def count(path: Path) -> int:
    return int(path.read_text())


async def add(path: Path, times: int) -> None:
    for _ in range(times):
        async with awaited(path.with_name("lock")):
            before = count(path)
            await asyncio.sleep(0)
            path.write_text(str(before + 1))  # noqa: ASYNC240 - a few bytes


async def add_in_tasks(path: Path, tasks: int, times: int) -> None:
    await asyncio.gather(*(add(path, times) for _ in range(tasks)))


def add_in_a_process(path: Path) -> None:
    asyncio.run(add_in_tasks(path, 2, 5))


def test_tasks_of_one_process_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    asyncio.run(add_in_tasks(path, 5, 4))
    assert count(path) == 20


def test_tasks_of_several_processes_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_text("0")
    adders = [SPAWN.Process(target=add_in_a_process, args=(path,)) for _ in range(2)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert count(path) == 20


async def wait_and_give_up(path: Path) -> bool:
    async def wait() -> None:
        async with awaited(path):
            raise AssertionError

    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0.02)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    return waiter.cancelled()


def test_a_waiter_blocks_nobody_and_can_give_up(tmp_path: Path) -> None:
    handle = take(tmp_path / "lock")
    assert asyncio.run(wait_and_give_up(tmp_path / "lock"))
    os.close(handle or 0)
    assert not is_held(tmp_path / "lock")


def hold_and_die(path: Path) -> None:
    assert take(path) is not None
    os._exit(9)


def test_death_frees_a_lock(tmp_path: Path) -> None:
    holder = SPAWN.Process(target=hold_and_die, args=(tmp_path / "lock",))
    holder.start()
    holder.join()
    assert holder.exitcode == 9
    assert not is_held(tmp_path / "lock")
