"""Sweeping: nothing that is needed is ever deleted, whatever the order of runs, and wherever a sweep ends."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import store_faults
import store_sweeps
from hypothesis import given, settings
from hypothesis import strategies as st
from store_ledgers import begin, intended
from store_processes import in_processes, run_often, sweep_often
from store_sweeps import (
    CUT_OFF,
    DROPPED,
    LOCKED,
    NOW,
    OLD,
    THEN,
    WAITING,
    YOUNG,
    digest,
    draw,
    fill,
    gone,
    here,
    keep,
    key,
    make,
    png,
    ran,
    sweep_once,
    swept,
)

from flowrunner.errors import StoreError
from flowrunner.store import gc, inuse
from flowrunner.store.fsck import Severity, check
from flowrunner.store.gc import DAY, Fate, Sweep, plan_sweep, sweep
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Absent, Objects
from flowrunner.store.records import Receipt, RunStatus

LATER = THEN + 3 * DAY
NEEDED = (*LOCKED, *YOUNG, *CUT_OFF)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def fates(done: Sweep) -> dict[str, int]:
    return {fate.value: count for fate, count in done.files.items()}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What is needed


def test_where_there_is_no_store_there_is_nothing_to_sweep_and_nothing_is_made(store: Path) -> None:
    assert fates(swept(store, at=NOW)) == fates(plan_sweep(store, set)) == {}
    assert not store.exists()


def test_what_nothing_needs_goes_to_the_trash_and_is_deleted_by_a_later_sweep(store: Path) -> None:
    ran(store, "a", "b")
    assert fates(swept(store, "a", at=LATER)) == {"kept": 1, "moved": 1}
    assert here(store, "ab") == {"a"}
    assert fates(swept(store, "a", at=LATER + DAY - 1)) == {"kept": 1, "waiting": 1}
    assert fates(swept(store, "a", at=LATER + DAY)) == {"kept": 1, "deleted": 1}
    assert gone(store, "ab") == {"b"}
    assert not list((store / "trash").iterdir())


def test_it_counts_bytes(store: Path) -> None:
    ran(store, "a", "bcd")
    assert dict(swept(store, "a", at=LATER).bytes) == {Fate.KEPT: len(png("a")), Fate.MOVED: len(png("bcd"))}


def test_the_ledger_keeps_what_it_knows_and_learns_what_was_deleted(store: Path) -> None:
    ran(store, "a")
    with Ledger.open(store, create=False) as ledger:
        before = [ledger.run(run.id) for run in ledger.runs()]
    swept(store, at=LATER)
    swept(store, at=LATER + DAY)
    with Ledger.open(store, create=False) as ledger:
        assert [ledger.run(run.id) for run in ledger.runs()] == before
        rows = [tuple(row) for row in ledger._database.rows("SELECT * FROM swept")]
    assert rows == [(digest("a"), LATER + DAY)]


def test_a_result_is_young_by_what_the_ledger_says_and_not_by_its_file(store: Path) -> None:
    ran(store, "old")
    ran(store, "young", at=LATER - DAY + 1)
    os.utime(Objects(store).path(digest("old")), (LATER, LATER))
    os.utime(Objects(store).path(digest("young")), (0, 0))
    swept(store, at=LATER)
    assert here(store, ["old", "young"]) == {"young"}


def test_a_run_that_ended_just_now_makes_its_results_young(store: Path) -> None:
    clock = [THEN]
    with Ledger.open(store, now=lambda: clock[0]) as ledger:
        run = begin(ledger)
        make(ledger, run, "a")
        clock[0] = LATER
        ledger.finish(run, RunStatus.DONE)
    swept(store, at=LATER + DAY - 1)
    assert here(store, "a") == {"a"}
    swept(store, at=LATER + DAY)
    assert not here(store, "a")


def test_a_clock_that_went_back_sweeps_nothing(store: Path) -> None:
    ran(store, "a")
    assert fates(swept(store, at=THEN - 400 * DAY)) == {"kept": 1}
    swept(store, at=LATER)
    assert fates(swept(store, at=LATER - 400 * DAY)) == {"restored": 1}


def test_without_a_grace_it_still_takes_two_sweeps(store: Path) -> None:
    ran(store, "a")
    assert fates(swept(store, at=THEN, grace=0.0)) == {"moved": 1}
    assert fates(swept(store, at=THEN, grace=0.0)) == {"deleted": 1}


def test_what_a_killed_run_paid_for_stays_until_a_lock_names_it(store: Path) -> None:
    ran(store, "a", status=None)
    swept(store, at=LATER)
    ran(store, "b", at=LATER)
    swept(store, at=LATER + 9 * DAY)
    assert here(store, "ab") == {"a"}


def test_while_a_pipeline_is_unfinished_all_that_its_runs_made_stays(store: Path) -> None:
    ran(store, "built on")
    ran(store, "other", name="autumn")
    ran(store, status=None)
    swept(store, at=LATER)
    assert here(store, ["built on", "other"]) == {"built on"}
    ran(store, at=LATER)
    swept(store, at=LATER + DAY)
    assert not here(store, ["built on"])


def test_a_run_that_recovery_ended_is_unfinished_too(store: Path) -> None:
    ran(store, "a", status=None)
    with Ledger.open(store, now=lambda: THEN) as ledger:
        ledger.recover()
    swept(store, at=LATER)
    assert here(store, "a") == {"a"}


def test_a_run_that_was_interrupted_in_order_wrote_its_lock(store: Path) -> None:
    ran(store, "a", status=RunStatus.INTERRUPTED)
    swept(store, at=LATER)
    assert not here(store, "a")


def test_a_rehearsal_that_was_killed_is_forgotten_once_another_ended(store: Path) -> None:
    ran(store, "a", status=None, simulated=True)
    ran(store, "b")
    swept(store, at=LATER)
    assert here(store, "ab") == {"a"}
    ran(store, at=LATER, simulated=True)
    swept(store, at=LATER + DAY)
    assert not here(store, "ab")


def test_while_a_reply_waits_to_be_read_again_whatever_is_unknown_may_be_its_picture(store: Path) -> None:
    ran(store, "known")
    with Ledger.open(store, now=lambda: THEN) as ledger:
        run = begin(ledger)
        call = intended(ledger, run)
        ledger.replied(Receipt(call=call, status=200, headers={}, body=b""))
        Objects(store).put(png("its picture"))
        ledger.finish(run, RunStatus.FAILED, {})
    swept(store, at=LATER)
    assert here(store, ["known", "its picture"]) == {"its picture"}
    with Ledger.open(store, now=lambda: THEN) as ledger:
        keep(ledger, call, "another")
    swept(store, at=LATER + DAY)
    assert not here(store, ["its picture"])


def test_a_reply_whose_call_was_made_anew_is_not_waited_for(store: Path) -> None:
    """Forced, or by a simulator whose pictures had ended with its process."""
    with Ledger.open(store, now=lambda: THEN) as ledger:
        run = begin(ledger)
        ledger.replied(Receipt(call=intended(ledger, run, key("a")), status=200, headers={}, body=b""))
        Objects(store).put(png("half of it"))
        make(ledger, run, "a")
        ledger.finish(run, RunStatus.DONE, {})
    swept(store, "a", at=LATER)
    assert here(store, ["a", "half of it"]) == {"a"}


def test_results_of_local_operations_are_swept_like_others(store: Path) -> None:
    with Ledger.open(store, now=lambda: THEN) as ledger:
        run = begin(ledger)
        draw(ledger, run, "a")
        draw(ledger, run, "b")
        ledger.finish(run, RunStatus.DONE, {})
    swept(store, "b", at=LATER)
    assert here(store, "ab") == {"b"}


def test_an_outcome_of_no_call_still_keeps_its_picture(store: Path) -> None:
    ran(store, "a")
    connection = sqlite3.connect(store / "ledger.db")
    connection.execute("DELETE FROM calls")
    connection.commit()
    connection.close()
    swept(store, at=LATER)
    assert here(store, "a") == {"a"}


# The trash


def test_a_sweep_brings_back_what_is_needed_again(store: Path) -> None:
    ran(store, "a")
    swept(store, at=LATER)
    assert fates(swept(store, "a", at=LATER + 9 * DAY)) == {"restored": 1}
    assert here(store, "a") == {"a"}


def test_whoever_reads_what_is_in_the_trash_gets_it_back(store: Path) -> None:
    ran(store, "a", "b")
    swept(store, at=LATER)
    assert Objects(store).read(digest("a")) == png("a")
    assert Objects(store).has(digest("b"))
    assert here(store, "ab") == {"a", "b"}
    swept(store, "a", "b", at=LATER + 9 * DAY)
    assert here(store, "ab") == {"a", "b"}


def test_what_was_put_again_is_not_touched_when_its_old_copy_is_deleted(store: Path) -> None:
    ran(store, "a")
    swept(store, at=LATER)
    ran(store, "a", at=LATER + DAY)
    assert fates(swept(store, at=LATER + DAY)) == {"restored": 1, "kept": 1}
    assert Objects(store).read(digest("a")) == png("a")


def test_where_nothing_can_be_written_the_trash_is_read_as_it_lies(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(store, "a")
    swept(store, at=LATER)
    monkeypatch.setattr(os, "link", lambda *_: store_faults.fails(errno.EROFS)())
    assert Objects(store).has(digest("a"))
    assert Objects(store).read(digest("a")) == png("a")
    assert not here(store, "a")


@pytest.mark.parametrize("back", [True, False])
def test_a_reader_that_comes_too_late_to_the_trash_looks_again(
    store: Path, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    ran(store, "a")
    swept(store, at=LATER)
    real = os.link

    def link(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", real)
        if back:
            source.rename(target)
        else:
            source.unlink()
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    if back:
        assert Objects(store).read(digest("a")) == png("a")
    else:
        with pytest.raises(Absent):
            Objects(store).read(digest("a"))


def test_drafts_of_writers_that_are_gone_are_swept(store: Path) -> None:
    ran(store)
    (store / ".tmp").mkdir()
    (store / ".tmp" / "1-ab").write_bytes(b"half")
    assert fates(swept(store, at=LATER)) == {"moved": 1}
    assert not list((store / ".tmp").iterdir())
    assert fates(swept(store, at=LATER + DAY)) == {"deleted": 1}


def test_what_is_none_of_ours_is_left_alone(store: Path) -> None:
    ran(store)
    others = [store / "objects" / "README", store / "trash" / "mine" / "x", store / "quarantine" / "y"]
    others.append(store / "objects" / "ab" / "short")
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    as_folder = Objects(store).path(digest("a"))
    as_folder.mkdir(parents=True)
    assert fates(swept(store, at=LATER)) == {}
    assert all(path.exists() for path in [*others, as_folder])


# Runs at the same time


def test_a_store_in_use_is_not_swept(store: Path) -> None:
    ran(store, "a")
    with Ledger.open(store):
        done = swept(store, at=LATER)
    assert "a run is going on" in done.busy
    assert fates(done) == {}
    assert here(store, "a") == {"a"}


def test_a_ledger_that_is_only_read_keeps_no_sweep_away(store: Path) -> None:
    ran(store, "a")
    with Ledger.open(store, create=False):
        assert fates(swept(store, at=LATER)) == {"moved": 1}


def test_a_run_that_begins_between_two_turns_ends_the_sweep(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(store, "a", "b", "c")
    turns = iter(range(9))
    handles = []

    def alone(root: Path) -> AbstractContextManager[None]:
        if next(turns) == 1:
            handles.append(inuse.share(root))
        return inuse.alone(root)

    monkeypatch.setattr(gc, "_AT_ONCE", 1)
    monkeypatch.setattr(gc, "alone", alone)
    done = swept(store, at=LATER)
    os.close(*handles)
    assert "a run is going on" in done.busy
    assert fates(done) == {"moved": 1}
    assert not gone(store, "abc")


def test_what_a_lock_names_since_the_sweep_began_stays(store: Path) -> None:
    ran(store, "a", "b")
    answers = iter([set(), {digest("a")}])
    assert fates(sweep(store, lambda: next(answers), now=lambda: LATER)) == {"kept": 1, "moved": 1}
    assert here(store, "ab") == {"a"}


def test_a_run_waits_for_the_turn_of_a_sweep(store: Path) -> None:
    ran(store)
    began = threading.Event()

    def run() -> None:
        with Ledger.open(store):
            began.set()

    with inuse.alone(store):
        thread = threading.Thread(target=run)
        thread.start()
        assert not began.wait(0.05)
    thread.join()
    assert began.is_set()


def runs_and_sweeps_at_once(store: Path, runs: int, times: int, sweeps: int) -> None:
    """All find what they made and what locks name, and the sweeps did sweep."""
    ran(store, *LOCKED)
    store.with_name("sweeps").touch()
    running = [partial(run_often, store, number, times=times) for number in range(runs)]
    sweeping = [partial(sweep_often, store, runs)] * sweeps
    assert set(in_processes(*running, *sweeping)) == {0}
    assert store.with_name("sweeps").stat().st_size > 1
    with Ledger.open(store, create=False) as ledger:
        assert ledger._database.rows("SELECT 1 FROM swept")
    assert not gone(store, LOCKED)


@pytest.mark.slow
def test_runs_and_sweeps_at_once_lose_nothing(store: Path) -> None:
    runs_and_sweeps_at_once(store, runs=2, times=8, sweeps=1)


@pytest.mark.slow
def test_eight_runs_and_two_sweeps_at_once_lose_nothing(store: Path) -> None:
    runs_and_sweeps_at_once(store, runs=8, times=30, sweeps=2)


# Doing nothing where what is needed cannot be known


def test_a_ledger_that_cannot_be_read_ends_it_before_anything_moves(store: Path) -> None:
    ran(store, "a")
    (store / "ledger.db").write_bytes(b"not a database" * 100)
    before = tree(store)
    with pytest.raises(StoreError, match="not a database"):
        swept(store, at=LATER)
    assert tree(store) == before


def test_locks_that_cannot_be_read_end_it_before_anything_moves(store: Path) -> None:
    ran(store, "a")

    def named() -> set[str]:
        raise StoreError("a.lock.yaml cannot be read")

    with pytest.raises(StoreError, match="cannot be read"):
        sweep(store, named, now=lambda: LATER)
    assert here(store, "a") == {"a"}


def test_a_plan_says_what_a_sweep_would_do_and_changes_nothing(store: Path) -> None:
    fill(store)
    before = tree(store)

    def named() -> set[str]:
        return {digest(word) for word in LOCKED}

    planned = plan_sweep(store, named, now=lambda: NOW)
    assert tree(store) == before
    assert planned == sweep(store, named, now=lambda: NOW)
    assert fates(planned) == {"kept": 3, "moved": 4, "waiting": 1, "deleted": 1, "restored": 1}


# Faults


def nothing_needed_is_lost(store: Path) -> None:
    assert not gone(store, [*NEEDED, *WAITING])
    assert not [found for found in check(store, []) if found.severity is not Severity.INFO]
    sweep_once(store)
    assert gone(store, OLD) == set(OLD)
    assert here(store, [*NEEDED, *DROPPED]) == set(NEEDED)
    assert not [found for found in check(store, []) if found.severity is not Severity.INFO]


@pytest.mark.slow
@pytest.mark.parametrize("sticky", [False, True])
def test_a_failure_at_any_change_loses_nothing_that_is_needed(tmp_path: Path, sticky: bool) -> None:
    fill(tmp_path / "filled")
    for number in range(1, 200):
        store = Path(shutil.copytree(tmp_path / "filled", tmp_path / str(number)))
        with store_faults.nth(number, store_faults.fails(errno.EIO), sticky=sticky) as counter:
            fault = store_faults.failure(sweep_once, store)
        assert fault is None or os.strerror(errno.EIO) in fault.message
        nothing_needed_is_lost(store)
        if not counter.came:
            break
    assert number > 10


@pytest.mark.slow
def test_death_before_any_change_loses_nothing_that_is_needed(tmp_path: Path) -> None:
    deaths = store_faults.deaths("sweep", tmp_path)
    assert deaths > 10
    for number in range(1, deaths + 2):
        nothing_needed_is_lost(tmp_path / str(number))


@pytest.mark.slow
def test_a_kill_at_any_time_loses_nothing_that_is_needed(tmp_path: Path) -> None:
    for number in range(40):
        store = tmp_path / str(number)
        fill(store)
        ran(store, *range(50))
        command = [sys.executable, store_sweeps.__file__, str(store)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as sweeping:
            assert sweeping.stdout
            assert sweeping.stdout.readline()
            time.sleep(number * 0.0007)
            sweeping.kill()
        nothing_needed_is_lost(store)


# Any history

WORDS = st.sampled_from("abcdef")
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.lists(WORDS, max_size=3), st.sampled_from([*RunStatus][1:])),
        st.tuples(st.just("killed run"), st.lists(WORDS, max_size=3), st.just(None)),
        st.tuples(st.just("locks"), st.lists(WORDS, max_size=3), st.just(None)),
        st.tuples(st.just("hours"), st.integers(1, 60), st.just(None)),
        st.tuples(st.just("read"), WORDS, st.just(None)),
        st.tuples(st.just("sweep"), st.just(None), st.just(None)),
    ),
    max_size=25,
)


class Model:
    """What may be gone, by the rules as a person would say them: unneeded at one sweep, and at another a day later."""

    def __init__(self) -> None:
        self.now = THEN
        self.locked: set[str] = set()
        self.used: dict[str, float] = {}
        self.unlocked: set[str] = set()
        self.stored: set[str] = set()
        self.unfinished = False
        self.thrown: dict[str, float] = {}
        self.gone: set[str] = set()

    def ran(self, words: list[str], *, killed: bool) -> None:
        for word in words:
            self.used[word] = self.now
            self.stored.add(word)
            self.gone.discard(word)
            self.thrown.pop(word, None)
        self.unfinished = killed
        self.unlocked |= set(words) if killed else set()

    def needed(self, word: str) -> bool:
        young = self.now - self.used[word] < DAY
        return word in self.locked or word in self.unlocked or young or self.unfinished

    def sweep(self) -> None:
        for word in self.stored - self.gone:
            if self.needed(word):
                self.thrown.pop(word, None)
            elif word not in self.thrown:
                self.thrown[word] = self.now
            elif self.now - self.thrown[word] >= DAY:
                self.gone.add(word)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(events=EVENTS)
def test_no_history_sweeps_what_is_needed_nor_keeps_what_is_not(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, Any, RunStatus | None]]
) -> None:
    store, model = tmp_path_factory.mktemp("store"), Model()
    for event, given_, status in [*events, ("sweep", None, None)]:
        if event in ("run", "killed run"):
            ran(store, *given_, at=model.now, status=status)
            model.ran(given_, killed=status is None)
        elif event == "locks":
            model.locked = set(given_)
        elif event == "hours":
            model.now += given_ * 3600
        elif event == "read":
            assert Objects(store).has(digest(given_)) == (given_ in model.stored - model.gone)
            model.thrown.pop(given_, None)
        else:
            swept(store, *model.locked, at=model.now)
            model.sweep()
            assert here(store, "abcdef") == model.stored - model.gone - set(model.thrown)
    assert gone(store, model.stored) == model.gone
