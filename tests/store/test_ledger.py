"""The ledger: nothing is paid twice silently, and nothing is spent beyond a limit."""

import json
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_ledgers import answered, begin, intended, outcome, reserve
from store_processes import in_processes, pay, spend, spend_and_die

from flowrunner.call import Billed, Call, Failure
from flowrunner.errors import StoreError
from flowrunner.money import DOLLAR, Nano
from flowrunner.store import database
from flowrunner.store.inuse import is_used
from flowrunner.store.ledger import Ledger
from flowrunner.store.records import Cap, Caps, OverBudget, Receipt, Remote, RunStatus, State


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "store", now=lambda: 1000.0) as opened:
        yield opened


def again(ledger: Ledger) -> Ledger:
    """A second process's view of the same ledger."""
    return Ledger.open(ledger._root)


def failure(billed: Billed = Billed.NO, paid: Nano | None = None) -> Failure:
    return Failure(key="k", error="it broke", billed=billed, paid=paid, request_id="theirs")


def state(ledger: Ledger, run: str) -> list[tuple[State, Billed]]:
    record = ledger.run(run)
    assert record
    return [(attempt.state, attempt.billed) for attempt in record.attempts]


# Opening


def test_reading_where_there_is_none_is_empty_and_makes_nothing(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "store", create=False) as ledger:
        assert ledger.runs() == []
        assert ledger.run("r-0000") is None
        assert ledger.outcome("k", simulated=False) is None
        assert ledger.receipt("k", simulated=False) is None
        assert ledger.unknowns("k", simulated=False) == []
        assert ledger.spent("spring") == 0
        assert ledger.handle(Remote("p", "o", False), "d", 0.0) is None
    assert not list(tmp_path.iterdir())


def test_a_reader_cannot_write(ledger: Ledger) -> None:
    run = begin(ledger)
    with Ledger.open(ledger._root, create=False) as reader, pytest.raises(StoreError, match="readonly"):
        reader.finish(run, RunStatus.DONE)
    with Ledger.open(ledger._root / "none", create=False) as reader, pytest.raises(StoreError, match="readonly"):
        reader.finish(run, RunStatus.DONE)


def test_its_settings_are_those_that_keep_a_paid_receipt(ledger: Ledger) -> None:
    def setting(name: str) -> Any:
        return ledger._database.rows(f"PRAGMA {name}")[0][0]

    found = {name: setting(name) for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")}
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
    assert setting("busy_timeout") >= 10_000
    assert (setting("application_id"), setting("user_version")) == (0x666C6F77, 1)


def test_only_this_user_may_read_it(ledger: Ledger) -> None:
    assert stat.S_IMODE((ledger._root / "ledger.db").stat().st_mode) == 0o600


def test_a_store_that_everyone_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(StoreError, match="everyone"):
        Ledger.open(tmp_path)


def made(path: Path, *statements: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("create", [True, False])
def test_a_later_version_is_refused(tmp_path: Path, create: bool) -> None:
    Ledger.open(tmp_path).close()
    made(tmp_path / "ledger.db", "PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="newer flowrunner"):
        Ledger.open(tmp_path, create=create)


@pytest.mark.parametrize("create", [True, False])
def test_another_program_s_database_is_refused(tmp_path: Path, create: bool) -> None:
    made(tmp_path / "ledger.db", "CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="not a ledger"):
        Ledger.open(tmp_path, create=create)


def test_a_ledger_that_may_be_written_uses_its_store_until_it_is_closed(tmp_path: Path) -> None:
    with Ledger.open(tmp_path), Ledger.open(tmp_path):
        assert is_used(tmp_path)
    with Ledger.open(tmp_path, create=False):
        assert not is_used(tmp_path)


def test_a_store_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "locks" / "in-use").mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be locked: Is a directory"):
        Ledger.open(tmp_path)


@pytest.mark.parametrize("create", [True, False])
def test_what_is_no_database_is_refused_and_kept(tmp_path: Path, create: bool) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database") as told:
        Ledger.open(tmp_path, create=create)
    assert told.value.path == str(tmp_path / "ledger.db")
    assert (tmp_path / "ledger.db").read_bytes().startswith(b"not a database")


def test_a_database_that_is_only_just_begun_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    with Ledger.open(tmp_path, create=False) as ledger:
        assert ledger.runs() == []


@pytest.mark.parametrize("closed", [True, False])
def test_it_is_read_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: bool) -> None:
    writer = Ledger.open(tmp_path)
    run = begin(writer)
    if closed:
        writer.close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Ledger.open(tmp_path, create=False) as ledger:
        assert [record.id for record in ledger.runs()] == [run]
    writer.close()


@pytest.mark.parametrize(("kind", "mode"), [("nfs4", "delete"), ("ext4", "wal")])
def test_on_a_network_file_system_it_shares_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path.resolve()} {kind} rw 0 0\n")
    monkeypatch.setattr(database, "MOUNTS", mounts)
    with Ledger.open(tmp_path / "store") as ledger:
        assert ledger._database.rows("PRAGMA journal_mode")[0][0] == mode


def test_a_reply_keeps_its_body_while_another_one_writes(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    call = intended(ledger, begin(ledger))
    monkeypatch.setattr(database, "PATIENCE", 0.01)
    tried: list[bytes] = []
    write = Ledger._replied

    def replied(ledger: Ledger, receipt: Receipt) -> None:
        tried.append(receipt.body)
        write(ledger, receipt)

    monkeypatch.setattr(Ledger, "_replied", replied)
    other = sqlite3.connect(ledger._root / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        ledger.replied(Receipt(call=call, status=200, headers={}, body=b"paid"))
    other.close()
    assert tried == [b"paid", b"paid"]


def test_a_full_disk_is_told_and_nothing_is_half_written(ledger: Ledger) -> None:
    run = begin(ledger)
    pages = ledger._database.rows("PRAGMA page_count")[0][0]
    ledger._database.rows(f"PRAGMA max_page_count = {pages}")
    call = intended(ledger, run)
    with pytest.raises(StoreError, match="full") as told:
        ledger.replied(Receipt(call=call, status=200, headers={"x-long": "x" * 100_000}, body=b""))
    assert "free some space" in told.value.hint
    assert state(ledger, run) == [(State.INTENT, Billed.MAYBE)]


# Limits


def over(found: int | OverBudget) -> tuple[Cap, int, int, int]:
    assert isinstance(found, OverBudget)
    return found.cap, found.limit, found.spent, found.would_be


def test_a_call_that_would_pass_the_run_s_limit_is_not_written(ledger: Ledger) -> None:
    run = begin(ledger)
    caps = Caps(max_usd=25)
    assert [isinstance(reserve(ledger, run, str(number), caps=caps), int) for number in range(2)] == [True, True]
    assert over(reserve(ledger, run, "third", caps=caps)) == (Cap.MAX_USD, 25, 20, 30)
    assert isinstance(reserve(ledger, run, "cheap", 5, caps=caps), int)
    assert len(state(ledger, run)) == 3


def test_calls_are_counted_while_they_were_or_may_have_been_billed(ledger: Ledger) -> None:
    run = begin(ledger)
    caps = Caps(max_calls=2)
    first = reserve(ledger, run, "a", caps=caps)
    reserve(ledger, run, "b", None, caps=caps)
    assert over(reserve(ledger, run, "c", caps=caps)) == (Cap.MAX_CALLS, 2, 2, 3)
    assert isinstance(first, int)
    ledger.not_sent(first, "no route")
    assert isinstance(reserve(ledger, run, "c", caps=caps), int)


def test_a_pipeline_s_limit_sums_over_its_live_runs(ledger: Ledger) -> None:
    caps = Caps(total_usd=25)
    for run in (begin(ledger), begin(ledger)):
        assert isinstance(reserve(ledger, run, caps=caps), int)
    assert over(reserve(ledger, begin(ledger), caps=caps)) == (Cap.TOTAL_USD, 25, 20, 30)
    assert isinstance(reserve(ledger, begin(ledger, name="autumn"), caps=caps), int)
    assert ledger.spent("spring") == 20


def test_simulated_charges_count_for_their_run_only(ledger: Ledger) -> None:
    run = begin(ledger, simulated=True)
    assert isinstance(reserve(ledger, run, "a", caps=Caps(total_usd=5, max_usd=15)), int)
    assert over(reserve(ledger, run, "b", caps=Caps(total_usd=5, max_usd=15))) == (Cap.MAX_USD, 15, 10, 20)
    assert (ledger.spent("spring"), ledger.spent_run(run)) == (0, 10)


@pytest.mark.parametrize("caps", [Caps(max_usd=DOLLAR), Caps(total_usd=DOLLAR)])
def test_an_unpriced_call_passes_a_limit_in_dollars_only_where_allowed(ledger: Ledger, caps: Caps) -> None:
    run = begin(ledger)
    assert over(reserve(ledger, run, estimate=None, caps=caps))[0] is Cap.UNPRICED
    allowed = Caps(max_usd=caps.max_usd, total_usd=caps.total_usd, unpriced=True)
    assert isinstance(reserve(ledger, run, estimate=None, caps=allowed), int)
    assert isinstance(reserve(ledger, run, estimate=None, caps=Caps(max_calls=5)), int)


def test_a_charge_above_its_estimate_stops_what_comes_after_it(ledger: Ledger) -> None:
    run = begin(ledger)
    ledger.committed(answered(ledger, run), outcome(paid=100))
    assert over(reserve(ledger, run, "next", 1, caps=Caps(max_usd=50))) == (Cap.MAX_USD, 50, 100, 101)
    assert over(reserve(ledger, run, "next", None, Caps(max_usd=50, unpriced=True)))[0] is Cap.MAX_USD


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (
            OverBudget(cap=Cap.MAX_USD, limit=5 * DOLLAR, spent=4_980_000_000, would_be=5_027_250_000),
            "max_usd is $5.00",
        ),
        (OverBudget(cap=Cap.MAX_CALLS, limit=3, spent=3, would_be=4), "max_calls is 3, and 3"),
        (OverBudget(cap=Cap.UNPRICED, limit=DOLLAR, spent=0, would_be=0), "price is not known"),
    ],
)
def test_a_refusal_says_which_limit_and_how_far(refusal: OverBudget, says: str) -> None:
    assert says in str(refusal)


STEPS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["wait", "not sent", "commit", "unstated", "fail", "unknown"])),
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(steps=STEPS, cap=st.integers(0, 120))
def test_no_order_of_calls_and_ends_passes_a_limit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]], cap: int
) -> None:
    with Ledger.open(tmp_path_factory.getbasetemp() / "limits") as ledger:
        name = f"pipeline-{len(ledger.runs())}"
        runs = [begin(ledger, name=name), begin(ledger, name=name)]
        held = 0
        for number, (price, end) in enumerate(steps):
            call = reserve(ledger, runs[number % 2], str(number), price, Caps(total_usd=cap))
            assert isinstance(call, OverBudget) == (held + price > cap)
            held += settle(ledger, call, price, end) if isinstance(call, int) else 0
            assert ledger.spent(name) == held <= cap
            assert sum(ledger.spent_run(run) for run in runs) == held


def settle(ledger: Ledger, call: int, price: Nano, end: str) -> Nano:
    """Ends an attempt; what it costs from now on."""
    if end == "not sent":
        ledger.not_sent(call, "no route")
        return 0
    if end == "unknown":
        ledger.unknown(call, failure(Billed.MAYBE))
    if end in ("commit", "unstated"):
        ledger.replied(Receipt(call=call, status=200, headers={}, body=b""))
        ledger.committed(call, outcome(paid=price // 2 if end == "commit" else None))
        return price // 2 if end == "commit" else price
    if end == "fail":
        ledger.failed(call, failure(Billed.YES, price // 3))
        return price // 3
    return price


def test_processes_that_spend_at_once_keep_the_limit(tmp_path: Path) -> None:
    assert in_processes(*[partial(spend, tmp_path)] * 2) == [0, 0]
    with Ledger.open(tmp_path) as ledger:
        assert ledger.spent("spring") == 100


# One call


def test_an_intent_is_there_for_others_before_anything_is_sent(ledger: Ledger) -> None:
    run = begin(ledger)
    call = intended(ledger, run)
    with again(ledger) as other:
        record = other.run(run)
    assert record
    (attempt,) = record.attempts
    assert (attempt.id, attempt.state, attempt.reserved, attempt.paid) == (call, State.INTENT, 10, None)
    assert (attempt.client_request_id, attempt.cell, attempt.maybe_billed) == ("mine-k", "scene/k", True)


def test_an_outcome_comes_back_as_it_was(ledger: Ledger) -> None:
    ledger.committed(answered(ledger, begin(ledger)), outcome())
    with again(ledger) as other:
        assert other.outcome("k", simulated=False) == outcome()
        assert other.outcome("k", simulated=True) is None
        assert other.outcome("other", simulated=False) is None


def test_the_newest_attempt_s_outcome_stands(ledger: Ledger) -> None:
    first, second = (answered(ledger, begin(ledger)) for _ in range(2))
    ledger.committed(second, outcome(paid=2))
    ledger.committed(first, outcome(paid=1))
    assert ledger.outcome("k", simulated=False) == outcome(paid=2)


def test_a_reply_is_replayed_for_ever_until_it_is_committed(ledger: Ledger) -> None:
    run = begin(ledger)
    call = answered(ledger, run, body=b"the reply")
    ledger.stalled(call, Failure(key="k", error="the picture's URL is gone", billed=Billed.YES, paid=7))
    ledger.finish(run, RunStatus.FAILED)
    with Ledger.open(ledger._root, now=lambda: 1e12) as later:
        kept = later.receipt("k", simulated=False)
        assert kept == Receipt(call=call, status=200, headers={"x-id": "7"}, body=b"the reply", request_id="theirs")
        assert later.receipt("k", simulated=True) is None
        later.committed(call, outcome())
        assert later.receipt("k", simulated=False) is None


def test_a_later_reply_of_the_same_call_takes_its_place(ledger: Ledger) -> None:
    call = answered(ledger, begin(ledger), body=b"accepted")
    ledger.replied(Receipt(call=call, status=200, headers={}, body=b"finished"))
    kept = ledger.receipt("k", simulated=False)
    assert kept
    assert (kept.body, kept.request_id) == (b"finished", "theirs")


def test_a_reply_older_than_an_outcome_is_not_read_again(ledger: Ledger) -> None:
    answered(ledger, begin(ledger))
    ledger.committed(answered(ledger, begin(ledger)), outcome())
    assert ledger.receipt("k", simulated=False) is None


def test_a_reply_newer_than_the_outcome_is(ledger: Ledger) -> None:
    ledger.committed(answered(ledger, begin(ledger)), outcome())
    newer = answered(ledger, begin(ledger), body=b"forced")
    kept = ledger.receipt("k", simulated=False)
    assert kept
    assert (kept.call, kept.body) == (newer, b"forced")


def test_credentials_and_sessions_are_not_kept(ledger: Ledger) -> None:
    call = intended(ledger, begin(ledger))
    headers = {"Set-Cookie": "session", "authorization": "Bearer x", "X-Api-Key": "x", "content-type": "json"}
    ledger.replied(Receipt(call=call, status=200, headers=headers, body=b""))
    kept = ledger.receipt("k", simulated=False)
    assert kept
    assert kept.headers == {"content-type": "json"}


@pytest.mark.parametrize(
    ("billed", "paid", "cost"),
    [(Billed.NO, None, 0), (Billed.YES, 7, 7), (Billed.YES, None, 10), (Billed.MAYBE, 99, 10)],
)
def test_a_failure_costs_what_is_known_of_it(ledger: Ledger, billed: Billed, paid: Nano | None, cost: Nano) -> None:
    run = begin(ledger)
    ledger.refused(answered(ledger, run), failure(billed, paid))
    assert state(ledger, run) == [(State.REFUSED, billed)]
    assert ledger.spent("spring") == cost
    assert ledger.receipt("k", simulated=False) is None


def test_an_unknown_call_counts_as_spent_and_is_listed_until_one_is_committed(ledger: Ledger) -> None:
    run = begin(ledger)
    ledger.unknown(intended(ledger, run), failure())
    assert [attempt.request_id for attempt in ledger.unknowns("k", simulated=False)] == ["theirs"]
    assert ledger.unknowns("k", simulated=True) == []
    assert ledger.spent("spring") == 10
    ledger.committed(answered(ledger, run), outcome())
    assert ledger.unknowns("k", simulated=False) == []
    assert ledger.spent("spring") == 18


def test_a_late_reply_ends_unknown(ledger: Ledger) -> None:
    run = begin(ledger)
    call = intended(ledger, run)
    ledger.unknown(call, failure())
    ledger.replied(Receipt(call=call, status=200, headers={}, body=b"late"))
    assert ledger.unknowns("k", simulated=False) == []
    assert ledger.receipt("k", simulated=False)


def test_what_has_ended_stays_as_it_ended(ledger: Ledger) -> None:
    run = begin(ledger)
    call = answered(ledger, run)
    with pytest.raises(ValueError, match=f"attempt {call} is replied"):
        ledger.not_sent(call, "no")
    ledger.committed(call, outcome())
    with pytest.raises(ValueError, match=f"attempt {call} is committed"):
        ledger.failed(call, failure())
    with pytest.raises(ValueError, match="not in the ledger"):
        ledger.sent(99)
    assert state(ledger, run) == [(State.COMMITTED, Billed.YES)]


def test_a_reply_to_what_has_ended_is_not_kept(ledger: Ledger) -> None:
    call = answered(ledger, begin(ledger))
    ledger.committed(call, outcome())
    with pytest.raises(ValueError, match="committed"):
        ledger.replied(Receipt(call=call, status=500, headers={}, body=b""))
    assert ledger._database.rows("SELECT count(*) AS n FROM receipts")[0]["n"] == 1


def test_a_local_outcome_costs_nothing_and_counts_for_nothing(ledger: Ledger) -> None:
    run = begin(ledger)
    call = Call(provider="image", model="image/resize", adapter=1, params={})
    ledger.record(run, "small", call, outcome(call.key, paid=0))
    assert ledger.outcome(call.key, simulated=False) == outcome(call.key, paid=0)
    record = ledger.run(run)
    assert record
    assert (record.calls, record.spent, record.unstated, len(record.attempts)) == (0, 0, 0, 1)


# Runs that end, and runs that are cut off


def test_a_run_has_a_short_id_and_ends_as_it_says(ledger: Ledger) -> None:
    run = begin(ledger)
    assert len(run) == 6
    ledger.finish(run, RunStatus.WAITING, {"cells": ["a"]})
    record = ledger.run(run)
    assert record
    assert (record.status, record.document, record.finished) == (RunStatus.WAITING, {"cells": ["a"]}, 1000.0)
    assert not list((ledger._root / "runs").iterdir())


def ended(ledger: Ledger, cells: list[str], *, simulated: bool = False, name: str = "spring") -> str:
    run = begin(ledger, name=name, simulated=simulated)
    ledger.finish(run, RunStatus.DONE, {"cells": cells, "run": run})
    return run


def kept(ledger: Ledger) -> dict[str, dict[str, Any]]:
    return {row["id"]: json.loads(row["document"]) for row in ledger._database.rows("SELECT id, document FROM runs")}


def test_runs_that_say_the_same_keep_it_once(ledger: Ledger) -> None:
    runs = [ended(ledger, ["a"]) for _ in range(4)]
    assert list(kept(ledger).values()) == [{"cells": ["a"], "run": runs[0]}, *[{"as": runs[0]}] * 3]
    records = [ledger.run(run) for run in runs]
    assert [record and record.document for record in records] == [{"cells": ["a"], "run": run} for run in runs]


def test_a_run_that_says_something_else_says_it_itself(ledger: Ledger) -> None:
    first = ended(ledger, ["a"])
    said = [ended(ledger, ["b"]), ended(ledger, ["a"], simulated=True), ended(ledger, ["b"], name="autumn")]
    assert all("cells" in kept(ledger)[run] for run in [first, *said])
    again = ended(ledger, ["b"])
    assert kept(ledger)[again] == {"as": said[0]}


def test_an_id_that_is_taken_is_not_used_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    randoms = [b"\xaa\xbb\xcc"] * 4 + [b"\xaa\xbb\xee"]
    monkeypatch.setattr(os, "urandom", lambda _: randoms.pop(0))
    first = begin(ledger)
    ledger.finish(first, RunStatus.DONE)
    assert (first, begin(ledger)) == ("r-aabb", "r-aabbee")
    assert [path.name for path in (ledger._root / "runs").iterdir()] == ["r-aabbee.lock"]


def test_what_a_run_sent_without_an_answer_is_unknown_at_its_end(ledger: Ledger) -> None:
    run = begin(ledger)
    ledger.sent(intended(ledger, run, "a"))
    answered(ledger, run, "b")
    ledger.finish(run, RunStatus.INTERRUPTED)
    assert state(ledger, run) == [(State.UNKNOWN, Billed.MAYBE), (State.REPLIED, Billed.MAYBE)]


def test_a_live_run_is_left_alone(ledger: Ledger) -> None:
    run = begin(ledger)
    intended(ledger, run)
    with again(ledger) as other:
        assert other.recover() == []
        assert other.unknowns("k", simulated=False) == []
        assert [record.status for record in other.runs()] == [RunStatus.RUNNING]


def test_after_a_death_each_call_is_as_its_last_durable_word_says(tmp_path: Path) -> None:
    assert in_processes(partial(spend_and_die, tmp_path)) == [9]
    with Ledger.open(tmp_path, create=False) as reader:
        (before,) = reader.runs()
        assert [len(reader.unknowns(key, simulated=False)) for key in ("intent", "sent", "replied")] == [1, 1, 0]
    with Ledger.open(tmp_path) as ledger:
        assert [attempt.key for attempt in ledger.recover()] == ["intent", "sent"]
        assert ledger.recover() == []
        assert ledger.receipt("replied", simulated=False)
        assert ledger.outcome("committed", simulated=False) == outcome("committed")
        (after,) = ledger.runs()
    assert (before.status, after.status) == (RunStatus.INTERRUPTED, RunStatus.INTERRUPTED)
    assert (after.calls, after.paid, after.spent, after.maybe_billed, after.unread) == (4, 8, 38, 2, 1)


# Threads, tasks, processes


@pytest.mark.parametrize(
    ("change", "read", "which"),
    [
        ("UPDATE outcomes SET artifacts = '[{'", lambda ledger: ledger.outcome("a", simulated=False), "outcome 1"),
        ("UPDATE outcomes SET artifacts = '[7]'", lambda ledger: ledger.outcomes(["a"], simulated=False), "outcome 1"),
        (
            """UPDATE outcomes SET artifacts = '[{"sha256": "../x", "type": "image/png", "size": "1x1"}]'""",
            lambda ledger: ledger.made("a"),
            "outcome 1",
        ),
        ("UPDATE receipts SET headers = '[]'", lambda ledger: ledger.receipt("b", simulated=False), "receipt 2"),
        ("UPDATE runs SET document = 'done'", lambda ledger: ledger.runs(), "run record r-"),
    ],
)
def test_a_row_that_nobody_wrote_is_told_as_damage(
    ledger: Ledger, change: str, read: Callable[[Ledger], object], which: str
) -> None:
    run = begin(ledger)
    ledger.committed(answered(ledger, run, "a"), outcome("a"))
    answered(ledger, run, "b")
    ledger.finish(run, RunStatus.DONE, {"run": run})
    read(ledger)
    ledger._database._connection.execute(change)
    with pytest.raises(StoreError, match=f"cannot be read where it tells the {which}"):
        read(ledger)


def test_threads_share_one_ledger(ledger: Ledger) -> None:
    run = begin(ledger)
    threads = [threading.Thread(target=intended, args=(ledger, run, str(number))) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.spent_run(run) == 80


def test_a_ledger_is_not_carried_into_another_process(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(StoreError, match="parent process"):
        ledger.runs()
    monkeypatch.undo()


def test_tasks_and_processes_pay_once_for_a_key(tmp_path: Path) -> None:
    keys = [f"{number:03x}" for number in range(4)]
    assert in_processes(*[partial(pay, tmp_path, keys)] * 2) == [0, 0]
    with Ledger.open(tmp_path) as ledger:
        assert sum(record.calls for record in ledger.runs()) == 4


# Handles


def test_a_handle_is_given_where_and_while_it_is_good(ledger: Ledger) -> None:
    here = Remote("aimlapi", "https://api.aimlapi.com", False)
    ledger.remember(here, "d", "https://cdn/old", 5.0)
    ledger.remember(here, "d", "https://cdn/new", 50.0)
    ledger.remember(here, "e", "asset:1", None)
    assert ledger.handle(here, "d", 49.9) == "https://cdn/new"
    assert ledger.handle(here, "d", 50.0) is None
    assert ledger.handle(here, "e", 1e12) == "asset:1"
    ledger.forget(here, ["d", "none"])
    assert ledger.handle(here, "d", 0.0) is None
    assert ledger.handle(here, "e", 0.0) == "asset:1"


@pytest.mark.parametrize(
    "elsewhere",
    [Remote("onemin", "o", False), Remote("aimlapi", "http://127.0.0.1:8080", False), Remote("aimlapi", "o", True)],
)
def test_a_handle_is_good_nowhere_else(ledger: Ledger, elsewhere: Remote) -> None:
    ledger.remember(Remote("aimlapi", "o", False), "d", "asset:1", None)
    assert ledger.handle(elsewhere, "d", 0.0) is None


# History


def test_runs_are_listed_newest_first_with_what_they_cost(tmp_path: Path) -> None:
    clock = iter(range(1000))
    with Ledger.open(tmp_path, now=lambda: float(next(clock))) as ledger:
        first, second = begin(ledger), begin(ledger, name="autumn", simulated=True)
        ledger.committed(answered(ledger, first, "a"), outcome("a", paid=8))
        ledger.committed(answered(ledger, first, "b"), outcome("b", paid=None))
        ledger.unknown(intended(ledger, first, "c"), failure())
        ledger.not_sent(intended(ledger, first, "d"), "no route")
        newest, oldest = ledger.runs()
    assert (newest.id, newest.simulated, newest.calls) == (second, True, 0)
    assert (oldest.id, oldest.name, oldest.pipeline) == (first, "spring", "spring.yaml")
    assert (oldest.calls, oldest.paid, oldest.unstated, oldest.maybe_billed, oldest.spent) == (3, 8, 1, 1, 28)


def test_a_run_tells_what_may_have_been_billed_and_how_to_ask_for_it(ledger: Ledger) -> None:
    run = begin(ledger)
    ledger.unknown(intended(ledger, run), failure())
    record = ledger.run(run)
    assert record
    (lost,) = [attempt for attempt in record.attempts if attempt.maybe_billed]
    assert (lost.cell, lost.client_request_id, lost.request_id, lost.error) == (
        "scene/k",
        "mine-k",
        "theirs",
        "it broke",
    )
