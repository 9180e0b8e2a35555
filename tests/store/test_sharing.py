"""Writes that share a commit: what they share, what they do not, and what a cancelled one leaves."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from math import inf
from pathlib import Path
from typing import Any

import pytest
from statements import Statements, counted
from store_ledgers import NONE, begin, outcome

from flowrunner.errors import StoreError
from flowrunner.store import rows as tables
from flowrunner.store import sharing, waiters
from flowrunner.store.database import Database
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Intent, Receipt, Remote, State


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


@pytest.fixture
def told() -> Iterator[Statements]:
    with counted() as statements:
        yield statements


@pytest.fixture
def ledger(tmp_path: Path, told: Statements) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "store") as found:
        yield found


def intent(run: str, key: str) -> Intent:
    return Intent(
        run=run, cell=key, key=key, provider="p", model="m", attempt=1, estimate=10, client_request_id=f"mine-{key}"
    )


def receipt(call: int, body: bytes = b"{}") -> Receipt:
    return Receipt(call=call, status=200, headers={}, body=body)


def states(ledger: Ledger, run: str) -> list[str]:
    record = ledger.run(run)
    assert record is not None
    return [attempt.state.value for attempt in record.attempts]


async def reserved(ledger: Ledger, run: str, *keys: str) -> list[int]:
    found = await asyncio.gather(*(ledger.durably(ledger.reserve, intent(run, key), NONE) for key in keys))
    return [number for number in found if isinstance(number, int)]


@in_loop
async def test_intents_of_calls_that_are_ready_together_share_a_commit(ledger: Ledger, told: Statements) -> None:
    run = begin(ledger)
    before = told.commits
    assert len(set(await reserved(ledger, run, *"abcdefgh"))) == 8
    assert told.commits == before + 1
    assert states(ledger, run) == ["intent"] * 8


@in_loop
async def test_what_is_asked_for_during_a_commit_shares_the_next(ledger: Ledger, told: Statements) -> None:
    run = begin(ledger)
    first = asyncio.ensure_future(reserved(ledger, run, "a"))
    for _ in range(3):  # its commit is under way
        await asyncio.sleep(0)
    before = told.commits
    others = await asyncio.gather(*(reserved(ledger, run, key) for key in "bcd"))
    assert await first
    assert len(others) == 3
    assert told.commits <= before + 2


@in_loop
async def test_a_write_that_cannot_be_done_leaves_the_others_alone(ledger: Ledger, told: Statements) -> None:
    run = begin(ledger)
    one, two = await reserved(ledger, run, "a", "b")
    ledger.not_sent(one, "no route")
    before = told.commits
    found = await asyncio.gather(
        ledger.durably(ledger.committed, two, outcome("b")),
        ledger.durably(ledger.replied, receipt(one)),
        ledger.durably(ledger.sent, two),
        return_exceptions=True,
    )
    assert [type(one) for one in found] == [ValueError, ValueError, type(None)]
    assert states(ledger, run) == ["failed", "sent"]
    assert told.commits == before + 1


@in_loop
async def test_where_the_disk_takes_only_some_of_them_each_is_done_alone(ledger: Ledger) -> None:
    run = begin(ledger)
    one, two = await reserved(ledger, run, "a", "b")
    connection = ledger._database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    found = await asyncio.gather(
        ledger.durably(ledger.sent, one),
        ledger.durably(ledger.replied, receipt(two, b"x" * 100_000)),
        ledger.durably(ledger.not_sent, one, "no route"),
        return_exceptions=True,
    )
    assert list(found) == [None, False, None]
    assert states(ledger, run) == ["failed", "replied"]


@in_loop
async def test_who_reads_waits_for_no_commit(ledger: Ledger, tmp_path: Path) -> None:
    run = begin(ledger)
    await reserved(ledger, run, "a")
    other = sqlite3.connect(tmp_path / "store" / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(reserved(ledger, run, "b"))
    for _ in range(100):
        await asyncio.sleep(0.001)
        assert states(ledger, run) == ["intent"]
    assert not waiting.done()
    other.execute("ROLLBACK")
    assert await waiting
    assert states(ledger, run) == ["intent"] * 2
    # It is as patient as before where it shares nothing.
    assert ledger._database._connection.execute("PRAGMA busy_timeout").fetchone()[0] == 30_000


@in_loop
async def test_a_patient_write_goes_before_the_next_and_shares_its_commit(ledger: Ledger, told: Statements) -> None:
    run = begin(ledger)
    (one,) = await reserved(ledger, run, "a")
    before = told.commits
    patient = asyncio.ensure_future(ledger.in_time(ledger.not_sent, one, "no route"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert told.commits == before
    assert await reserved(ledger, run, "b")
    assert patient.done()
    assert told.commits == before + 1
    assert told.in_order("INSERT INTO calls", "UPDATE calls") == [
        "INSERT INTO calls",
        "UPDATE calls",
        "INSERT INTO calls",
    ]


@in_loop
async def test_patient_writes_behind_which_nobody_comes_are_written_all_the_same(
    ledger: Ledger, told: Statements
) -> None:
    run = begin(ledger)
    numbers = await reserved(ledger, run, "a", "b")
    before = told.commits
    await asyncio.gather(*(ledger.in_time(ledger.not_sent, number, "no route") for number in numbers))
    assert states(ledger, run) == ["failed", "failed"]
    assert told.commits == before + 1
    await ledger.in_time(ledger.remember, Remote("p", "https://x", simulated=False), "d", "h", None)
    assert told.commits == before + 2


@in_loop
async def test_a_patient_write_that_comes_during_a_commit_is_not_forgotten(ledger: Ledger) -> None:
    run = begin(ledger)
    (one,) = await reserved(ledger, run, "a")
    other = asyncio.ensure_future(reserved(ledger, run, "b"))
    for _ in range(3):  # its commit is under way
        await asyncio.sleep(0)
    await ledger.in_time(ledger.not_sent, one, "no route")
    assert await other
    assert states(ledger, run) == ["failed", "intent"]


@in_loop
async def test_who_comes_while_patient_writes_are_committed_waits_for_the_next_commit(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(ledger)
    numbers = await reserved(ledger, run, "a", "b")
    begun: list[int] = []
    begins = asyncio.Event()
    real = Database.begin

    def begin_noted(database: Database, writes: Any) -> Any:
        found = real(database, writes)
        begun.append(-1 if found is None else len(writes))
        begins.set()
        return found

    monkeypatch.setattr(Database, "begin", begin_noted)
    patient = [asyncio.ensure_future(ledger.in_time(ledger.not_sent, number, "no route")) for number in numbers]
    await begins.wait()
    assert await reserved(ledger, run, "c")
    assert await asyncio.gather(*patient) == [None, None]
    assert begun == [2, 1]


@in_loop
async def test_patience_that_ends_as_somebody_comes_begins_one_commit(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "PATIENCE", 0)
    run = begin(ledger)
    (one,) = await reserved(ledger, run, "a")
    begun: list[int] = []
    real = Database.begin

    def begin_noted(database: Database, writes: Any) -> Any:
        begun.append(len(writes))
        return real(database, writes)

    monkeypatch.setattr(Database, "begin", begin_noted)
    patient = asyncio.ensure_future(ledger.in_time(ledger.not_sent, one, "no route"))
    for _ in range(2):  # the timer is due then, and has its turn behind this task
        await asyncio.sleep(0)
    assert await ledger.durably(ledger.reserve, intent(run, "b"), NONE)
    await patient
    assert begun == [2]


@in_loop
async def test_a_write_that_only_patient_ones_go_with_is_brief(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(ledger)
    numbers = await reserved(ledger, run, "a", "b", "c")
    said: list[bool] = []
    real = waiters.Waiters.do

    def do(self: waiters.Waiters, work: Any, *, brief: bool = False) -> None:
        said.append(brief)
        real(self, work, brief=brief)

    monkeypatch.setattr(waiters.Waiters, "do", do)
    patient = asyncio.ensure_future(ledger.in_time(ledger.not_sent, numbers[0], "no route"))
    await asyncio.sleep(0)
    await reserved(ledger, run, "d")
    await patient
    await ledger.in_time(ledger.not_sent, numbers[1], "no route")
    await reserved(ledger, run, "e", "f")
    assert said == [True, False, False]


@in_loop
async def test_a_patient_write_that_fails_leaves_the_next_alone(ledger: Ledger) -> None:
    run = begin(ledger)
    patient = asyncio.ensure_future(ledger.in_time(ledger.sent, 77))
    await asyncio.sleep(0)
    assert len(await reserved(ledger, run, "a")) == 1
    with pytest.raises(ValueError, match="attempt 77 is not in the ledger"):
        await patient


@in_loop
async def test_a_task_that_is_cancelled_meanwhile_knows_what_it_wrote(ledger: Ledger) -> None:
    run = begin(ledger)
    said: list[str] = []

    async def pays() -> None:
        (number,) = await reserved_alone(ledger, run)
        said.append(f"{number} is written")
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            ledger.not_sent(number, "the run ended before it was sent")
            raise

    task = asyncio.ensure_future(pays())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert said == ["1 is written"]
    assert states(ledger, run) == ["failed"]


async def reserved_alone(ledger: Ledger, run: str) -> tuple[int]:
    number = await ledger.durably(ledger.reserve, intent(run, "a"), NONE)
    assert isinstance(number, int)
    return (number,)


@in_loop
async def test_closing_waits_for_what_is_under_way(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "store") as ledger:
        run = begin(ledger)
        task = asyncio.ensure_future(ledger.durably(ledger.reserve, intent(run, "a"), NONE))
        for _ in range(3):
            await asyncio.sleep(0)
    assert isinstance(await task, int)
    with Ledger.open(tmp_path / "store") as again:
        assert states(again, run) == [State.INTENT]


@in_loop
async def test_the_sums_of_a_run_are_written_only_where_they_change(ledger: Ledger, told: Statements) -> None:
    run = begin(ledger)
    (call,) = await reserved(ledger, run, "a")
    await ledger.durably(ledger.replied, Receipt(call=call, status=200, headers={}, body=b"{}"))
    assert told.beginning("UPDATE calls") == 1
    await ledger.durably(ledger.charged, call, 7)
    assert told.beginning("UPDATE calls") > 2  # SQLite tells one that sets off a trigger again


@in_loop
async def test_no_commit_keeps_the_event_loop_from_its_other_work_for_long(
    ledger: Ledger, told: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MOST", 3)
    run = begin(ledger)
    before = told.commits
    assert len(await reserved(ledger, run, *"abcdefgh")) == 8
    assert told.commits == before + 3


@in_loop
async def test_a_long_reply_is_written_beside_the_event_loop(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    plain = Ledger._replied

    def noted(ledger: Ledger, receipt: Receipt) -> None:
        threads.append(threading.get_ident())
        plain(ledger, receipt)

    monkeypatch.setattr(Ledger, "_replied", noted)
    one, two = await reserved(ledger, begin(ledger), "a", "b")
    await ledger.durably(ledger.replied, receipt(one))
    await ledger.durably(ledger.replied, receipt(two, bytes(sharing.LONG + 1)))
    here = threading.get_ident()
    assert [name == here for name in threads] == [True, False]


@in_loop
async def test_half_a_write_does_not_become_durable_with_the_others(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(ledger)
    one, two = await reserved(ledger, run, "a", "b")
    plain = tables.change
    faults = [StoreError("the disk is full")]

    def fails(rows: sqlite3.Connection, call: int, *values: Any) -> None:
        if call == two and faults:
            raise faults.pop()
        plain(rows, call, *values)

    monkeypatch.setattr(tables, "change", fails)
    await asyncio.gather(*(ledger.durably(ledger.replied, receipt(call)) for call in (one, two)))
    assert states(ledger, run) == ["replied"] * 2
    assert [row["n"] for row in ledger._database.rows("SELECT count(*) AS n FROM receipts GROUP BY call")] == [1, 1]


@in_loop
async def test_a_disk_that_does_not_even_undo_is_told_and_keeps_nobody_waiting(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(ledger)
    await reserved(ledger, run, "a")

    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(tables, "insert_call", fails)
        patched.setattr(Database, "_undo", fails)
        with pytest.raises(StoreError, match="cannot be used"):
            await ledger.durably(ledger.reserve, intent(run, "b"), NONE)
    ledger._database._connection.execute("ROLLBACK")
    assert len(await reserved(ledger, run, "c")) == 1


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where each commit was waited for, on a disk that is always quick."""
    monkeypatch.setattr(waiters, "QUICK", inf)
    here, plain, found = threading.get_ident(), Database.settle, list[str]()

    def settle(database: Database) -> None:
        found.append("here" if threading.get_ident() == here else "thread")
        plain(database)

    monkeypatch.setattr(Database, "settle", settle)
    return found


@in_loop
async def test_a_write_that_comes_after_another_needs_no_thread_and_two_at_once_do(
    ledger: Ledger, settled: list[str]
) -> None:
    run = begin(ledger)
    for keys in (["a"], ["b"], ["c"], ["d", "e"], ["f"], ["g"]):
        await reserved(ledger, run, *keys)
    assert settled == ["thread", "here", "here", "thread", "thread", "here"]


@in_loop
async def test_what_is_done_anew_is_not_waited_for_by_the_event_loop(
    ledger: Ledger, settled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(ledger)
    await reserved(ledger, run, "a")
    together, done = Database.together, list[int]()

    def noted(database: Database, writes: Any) -> Any:
        done.append(threading.get_ident())
        return together(database, writes)

    monkeypatch.setattr(Database, "together", noted)
    monkeypatch.setattr(Database, "settle", broken)
    assert len(await reserved(ledger, run, "b")) == 1
    assert len(done) == 1
    assert threading.get_ident() not in done
    assert states(ledger, run) == ["intent", "intent"]


def broken(database: Database) -> None:
    """A commit that the disk does not take."""
    try:
        database._undo()
    finally:
        database._turn.release()
    raise StoreError("the disk is full")
