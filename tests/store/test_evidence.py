"""What was paid for and is no picture: kept as it came, found again by its attempt, and never taken for a result."""

import errno
import os
from functools import partial
from pathlib import Path

import pytest
import store_faults
from store_ledgers import begin, intended
from store_sweeps import THEN, keep, key, make

from flowrunner.call import Billed, Failure
from flowrunner.digest import sha256
from flowrunner.errors import StoreError
from flowrunner.store import evidence
from flowrunner.store.findings import Finding, Kind, Severity
from flowrunner.store.fsck import check
from flowrunner.store.gc import DAY, sweep
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Absent, Objects
from flowrunner.store.records import Receipt

PAGE = b"<!DOCTYPE html><h1>502</h1>"


def aside(store: Path, attempt: int = 7, data: bytes = PAGE) -> Path:
    with Objects(store).writer() as writer:
        writer.write(data)
        return writer.set_aside(attempt)


def lying(store: Path) -> list[bytes]:
    return [path.read_bytes() for path in (store / "quarantine").glob("*")]


def unfit(store: Path, *, simulated: bool = False, again: bool = False) -> int:
    """A call that was charged and gave a page; `again`: a picture came later."""
    with Ledger.open(store, now=lambda: THEN) as ledger:
        run = begin(ledger, simulated=simulated)
        call = intended(ledger, run, key("scene"))
        ledger.replied(Receipt(call=call, status=200, headers={}, body=b"{}"))
        ledger.stalled(call, Failure(key=key("scene"), error="no picture", billed=Billed.YES, paid=8))
        aside(store, call)
        if again:
            keep(ledger, call, "scene")
    return call


def told(store: Path) -> list[Finding]:
    return [one for one in check(store, []) if one.kind in (Kind.EVIDENCE, Kind.EVIDENCE_DAMAGED, Kind.QUARANTINED)]


def test_it_lies_under_its_digest_and_its_attempt_and_is_no_object(tmp_path: Path) -> None:
    path = aside(tmp_path)
    assert path == tmp_path / "quarantine" / f"{sha256(PAGE)}-attempt-7"
    assert (lying(tmp_path), path.stat().st_mode & 0o777) == ([PAGE], 0o444)
    assert not Objects(tmp_path).has(sha256(PAGE))
    with pytest.raises(Absent):
        Objects(tmp_path).read(sha256(PAGE))
    assert (list(Objects(tmp_path).digests()), Objects(tmp_path).drafts()) == ([], [])


def test_the_same_bytes_of_one_attempt_lie_there_once(tmp_path: Path) -> None:
    paths = [aside(tmp_path), aside(tmp_path), aside(tmp_path, data=b"another"), aside(tmp_path, attempt=8)]
    assert evidence.by_attempt(tmp_path) == {7: sorted({paths[0], paths[2]}), 8: [paths[3]]}


@pytest.mark.parametrize("name", ["x", f"{'ab' * 32}-01234567", f"{'ab' * 32}-attempt-0", f"{'ab' * 32}-attempt-7~"])
def test_what_else_lies_in_the_quarantine_is_of_no_attempt(tmp_path: Path, name: str) -> None:
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / name).touch()
    assert evidence.by_attempt(tmp_path) == {}


def test_where_there_is_no_quarantine_there_is_no_evidence(tmp_path: Path) -> None:
    assert evidence.by_attempt(tmp_path) == {}


def test_a_read_only_store_takes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="read-only"), Objects(tmp_path, read_only=True).writer() as writer:
        writer.set_aside(7)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failure_at_any_change_is_told_and_leaves_no_half_evidence(tmp_path: Path, code: int, sticky: bool) -> None:
    prepare, act = store_faults.ACTIONS["aside"]
    for number in range(1, 100):
        root = tmp_path / str(number)
        prepare(root)
        with store_faults.nth(number, store_faults.fails(code), sticky=sticky) as counter:
            fault = store_faults.failure(act, root)
        assert fault is None or (str(root) in fault.message and os.strerror(code) in fault.message)
        assert lying(root) in ([], [store_faults.DAMAGED])
        if not counter.came:
            break
    assert number > 8


@pytest.mark.slow
def test_death_before_any_change_leaves_no_half_evidence(tmp_path: Path) -> None:
    deaths = store_faults.deaths("aside", tmp_path)
    found = [lying(tmp_path / str(number)) for number in range(1, deaths + 2)]
    assert (deaths > 8, found[0], found[-1]) == (True, [], [store_faults.DAMAGED])
    assert all(one in ([], [store_faults.DAMAGED]) for one in found)


def test_no_sweep_takes_it(tmp_path: Path) -> None:
    unfit(tmp_path)
    for at in (THEN, THEN + 400 * DAY, THEN + 800 * DAY):
        assert not sweep(tmp_path, set, grace=0, now=partial(float, at)).files
    assert lying(tmp_path) == [PAGE]


def test_a_check_names_what_it_is_evidence_of(tmp_path: Path) -> None:
    call = unfit(tmp_path)
    (one,) = told(tmp_path)
    assert (one.kind, one.severity) == (Kind.EVIDENCE, Severity.INFO)
    assert f"it came in the place of a picture of scene/{key('scene')} (attempt {call}, r-" in one.message
    assert "or the money back, which cost $0.000000008; `flowrunner runs show r-" in one.hint
    assert lying(tmp_path) == [PAGE]


def test_a_check_says_when_it_is_no_longer_needed(tmp_path: Path) -> None:
    unfit(tmp_path, again=True)
    assert "the picture came later: remove this" in told(tmp_path)[0].hint


def test_a_check_tells_evidence_of_a_rehearsal(tmp_path: Path) -> None:
    unfit(tmp_path, simulated=True)
    assert "a simulator made it" in told(tmp_path)[0].hint


def test_a_check_tells_evidence_of_an_attempt_that_nobody_knows(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        make(ledger, begin(ledger), "scene")
    aside(tmp_path, attempt=99)
    assert "the ledger knows no attempt 99" in told(tmp_path)[0].hint


def test_evidence_that_was_changed_is_told(tmp_path: Path) -> None:
    unfit(tmp_path)
    (path,) = (tmp_path / "quarantine").iterdir()
    path.chmod(0o644)
    path.write_bytes(b"something else")
    assert [(one.kind, one.severity) for one in told(tmp_path)] == [
        (Kind.EVIDENCE_DAMAGED, Severity.WARNING),
        (Kind.EVIDENCE, Severity.INFO),
    ]
