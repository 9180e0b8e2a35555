"""What the store's tests do in processes of their own; it imports little, so that they start quickly."""

import asyncio
import multiprocessing
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from store_faults import PICTURE
from store_ledgers import answered, begin, intended, outcome, reserve
from store_locks import added, lock_file
from store_sweeps import LOCKED, digest, gone, make, png, swept

from flowrunner.store.flocks import Places, take
from flowrunner.store.gc import DAY, Fate
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Objects
from flowrunner.store.records import Caps, Receipt, RunStatus
from flowrunner.store.turns import Turns
from flowrunner.store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier

Gate: TypeAlias = "Barrier"


def in_processes(*targets: "Callable[[Gate], None]") -> list[int | None]:
    """Runs all at once, each in its own process; their exit codes. Each is given a gate at which to wait for all."""
    spawn = multiprocessing.get_context("spawn")
    gate = spawn.Barrier(len(targets))
    processes = [spawn.Process(target=target, args=(gate,)) for target in targets]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def put_often(root: Path, gate: Gate) -> None:
    gate.wait()
    for _ in range(20):
        Objects(root).put(PICTURE)


def count(path: Path) -> int:
    return int(path.read_text())


async def add(turns: Turns, path: Path, times: int) -> None:
    for _ in range(times):
        async with turns.turn("key"):
            before = count(path)
            await asyncio.sleep(0)
            path.write_text(str(before + 1))  # noqa: ASYNC240 - a few bytes


async def add_in_tasks(path: Path, tasks: int, times: int) -> None:
    """Half of them know nothing of the others."""
    both = Turns(path.with_name("turns")), Turns(path.with_name("turns"))
    await asyncio.gather(*(add(both[number % 2], path, times) for number in range(tasks)))


def add_in_a_process(path: Path, gate: Gate) -> None:
    gate.wait()
    asyncio.run(add_in_tasks(path, 2, 5))


def hold_and_die(path: Path, gate: Gate) -> None:
    assert take(path) is not None
    os._exit(9)


def hold_place_and_die(path: Path, gate: Gate) -> None:
    assert Places(path).take(5)
    os._exit(9)


def add_cells(folder: Path, letter: str, gate: Gate) -> None:
    gate.wait()
    for name in (f"{letter}{number}" for number in range(5)):
        lock_file(folder).update(partial(added, name))


def prepare(place: Workspace, gate: Gate) -> None:
    gate.wait()
    place.prepare()


def spend(root: Path, gate: Gate) -> None:
    with Ledger.open(root) as ledger:
        run = begin(ledger)
        gate.wait()
        for number in range(10):
            reserve(ledger, run, str(number), 10, Caps(total_usd=100))


def spend_and_die(root: Path, gate: Gate) -> None:
    ledger = Ledger.open(root)
    run = begin(ledger)
    intended(ledger, run, "intent")
    ledger.sent(intended(ledger, run, "sent"))
    answered(ledger, run, "replied")
    ledger.committed(answered(ledger, run, "committed"), outcome("committed"))
    os._exit(9)


async def pay_once(ledger: Ledger, run: str, key: str) -> int:
    async with ledger.key_lock(key):
        if ledger.outcome(key, simulated=False):
            return 0
        call = intended(ledger, run, key)
        await asyncio.sleep(0)
        ledger.replied(Receipt(call=call, status=200, headers={}, body=b""))
        ledger.committed(call, outcome(key))
        return 1


async def pay_in_tasks(ledger: Ledger, keys: list[str]) -> int:
    run = begin(ledger)
    return sum(await asyncio.gather(*(pay_once(ledger, run, key) for key in keys for _ in range(3))))


def pay(root: Path, keys: list[str], gate: Gate) -> None:
    with Ledger.open(root) as ledger:
        gate.wait()
        asyncio.run(pay_in_tasks(ledger, keys))


def run_often(root: Path, number: int, gate: Gate, times: int = 10) -> None:
    """Runs that make pictures, use those of others, and find all of them at their end; now and then none is on, and
    halfway none until a sweep has deleted something: by chance alone, on a slow machine, none may."""
    gate.wait()
    for turn in range(times):
        if turn == times // 2:
            _wait(lambda: root.with_name("deleted").exists(), 60)
        with Ledger.open(root) as ledger:
            run = begin(ledger, name=f"pipeline {number}")
            words = [*LOCKED, f"{number} {turn}", f"{turn % 3} of all"]
            make(ledger, run, *words[1:])
            assert not gone(root, words)
            assert all(Objects(root).read(digest(word)) == png(word) for word in words)
            ledger.finish(run, RunStatus.DONE, {})
        _pause(root)
    root.with_name(f"ended {number}").touch()


def _pause(root: Path) -> None:
    """Until a sweep got in, or for a moment."""
    sweeps = root.with_name("sweeps")
    before = sweeps.stat().st_size
    _wait(lambda: sweeps.stat().st_size > before, 0.1)


def _wait(is_so: "Callable[[], bool]", seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.001)


def sweep_often(root: Path, runs: int, gate: Gate) -> None:
    """As hostile as it can be: no grace, each time days later, until all the runs have ended; notes when it got in,
    and that it deleted something."""
    gate.wait()
    at = time.time()
    while len(list(root.parent.glob("ended *"))) < runs:
        at += DAY
        done = swept(root, *LOCKED, at=at, grace=0.0)
        if done.files[Fate.DELETED]:
            root.with_name("deleted").touch()
        if not done.busy:
            with root.with_name("sweeps").open("ab") as sweeps:
                sweeps.write(b".")
