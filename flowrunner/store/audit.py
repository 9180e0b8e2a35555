"""Checking the ledger: the file, its tables, and rows that no run of flowrunner would leave like that."""

import json
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flowrunner import money
from flowrunner.errors import StoreError
from flowrunner.slotted import dataclass
from flowrunner.store.database import (
    APPLICATION,
    CHANGED,
    CHANGED_BEFORE,
    LEDGER,
    VERSION,
    Database,
    blank,
    open_as_it_is,
)
from flowrunner.store.findings import Finding, Kind, Severity
from flowrunner.store.flocks import is_held
from flowrunner.store.records import RunStatus, State

if TYPE_CHECKING:
    import sqlite3

_EVIDENCE = "keep a copy of the store as evidence before anything else runs here"
_SCHEMA = """
    SELECT type || ' ' || name AS what, coalesce(sql, '') AS text FROM sqlite_master WHERE name NOT LIKE 'sqlite%'
"""
_FINDINGS_OF_SQLITE = 20
_CALL = "attempt {id} of {cell} in {run}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Rows that must not be: `sql` finds them, the sentence is filled from their columns."""

    kind: Kind
    sql: str
    message: str
    hint: str = _EVIDENCE


_STATES = ", ".join(f"'{state}'" for state in State)
_STATUSES = ", ".join(f"'{status}'" for status in RunStatus)

RULES = (
    Rule(
        kind=Kind.CALL_WITHOUT_OUTCOME,
        sql="SELECT calls.* FROM calls LEFT JOIN outcomes ON call = id WHERE state = 'committed' AND call IS NULL",
        message=f"{_CALL} is committed, and its outcome is not there",
        hint="the next run would pay for it again; look its request up at {provider}: {client_request_id}",
    ),
    Rule(
        kind=Kind.CALL_WITHOUT_REPLY,
        sql="SELECT * FROM calls WHERE client_request_id <> '' AND state IN ('replied', 'committed')"
        " AND NOT EXISTS (SELECT 1 FROM receipts WHERE call = calls.id)",
        message=f"{_CALL} is {{state}}, and its reply is not there",
        hint="look its request up at {provider}: {client_request_id}",
    ),
    Rule(
        kind=Kind.CALL_STATE,
        sql="SELECT * FROM calls WHERE CASE WHEN state IN ('intent', 'sent', 'unknown')"  # noqa: S608 - ours
        " THEN billed <> 'maybe' WHEN state = 'replied' THEN billed = 'no'"
        " WHEN state = 'committed' THEN billed <> iif(client_request_id = '', 'no', 'yes')"
        f" ELSE state NOT IN ({_STATES}) END",
        message=f"{_CALL} is {{state}} and billed: {{billed}}, which do not go together",
    ),
    Rule(
        kind=Kind.CALL_OPEN,
        sql="SELECT calls.*, status FROM calls JOIN runs ON runs.id = run"
        " WHERE state IN ('intent', 'sent') AND status <> 'running'",
        message=f"{_CALL} is still under way, and the run is {{status}}",
        hint="it may have been billed: look its request up at {provider}: {client_request_id}",
    ),
    Rule(
        kind=Kind.OUTCOME_STATE,
        sql="SELECT calls.* FROM calls JOIN outcomes ON call = id WHERE state <> 'committed'",
        message=f"{_CALL} is {{state}}, and has an outcome",
    ),
    Rule(
        kind=Kind.OUTCOME_DIFFERS,
        sql="SELECT calls.* FROM calls JOIN outcomes ON call = id WHERE calls.key <> outcomes.key"
        " OR client_request_id <> '' AND calls.paid IS NOT outcomes.paid",
        message=f"{_CALL} and its outcome differ in their key or in what was paid",
    ),
    Rule(
        kind=Kind.MIXED,
        sql="SELECT calls.* FROM calls JOIN runs ON runs.id = run LEFT JOIN outcomes ON call = calls.id"
        " WHERE calls.simulated <> runs.simulated OR outcomes.simulated <> calls.simulated",
        message=f"{_CALL} is simulated in one place and live in another",
    ),
    Rule(
        kind=Kind.NEGATIVE,
        sql="SELECT calls.* FROM calls LEFT JOIN outcomes ON call = id WHERE reserved < 0 OR calls.paid < 0"
        " OR outcomes.paid < 0 OR seconds < 0 OR attempt < 1",
        message=f"{_CALL} has an amount or a count below zero",
    ),
    Rule(
        kind=Kind.NEGATIVE,
        sql="SELECT * FROM runs WHERE spent < 0 OR calls < 0",
        message="{id} has an amount or a count below zero",
    ),
    Rule(
        kind=Kind.RUN_STATE,
        sql=f"SELECT * FROM runs WHERE (status = 'running') <> (finished IS NULL) OR status NOT IN ({_STATUSES})",  # noqa: S608 - our own names
        message="{id} is {status}, and its end says otherwise",
    ),
)

_SUMS = """
    SELECT runs.id, runs.spent, runs.calls, coalesce(sum(cost), 0) AS cost, count(CASE WHEN billed <> 'no' THEN 1 END)
        AS billed FROM runs LEFT JOIN calls ON run = runs.id GROUP BY runs.id
    HAVING runs.spent <> coalesce(sum(cost), 0) OR runs.calls <> count(CASE WHEN billed <> 'no' THEN 1 END)
"""


def open_ledger(store: Path) -> tuple[Database | None, list[Finding]]:
    """The ledger for looking at, None where there is none that can be read, and what is wrong with it as a whole."""
    path = store / LEDGER
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None, _absent(path)
    if not stat.S_ISREG(status.st_mode):
        return None, [_finding_of(Kind.LEDGER_UNREADABLE, path, f"{path} is no plain file")]
    found = [*_mode(path, status.st_mode)]
    database = open_as_it_is(path)
    try:
        strange = _strange(path, database)
        if strange is None:
            return database, [*found, *_whole(path, database)]
        found += strange
    except StoreError as fault:
        found.append(_finding_of(Kind.LEDGER_UNREADABLE, path, fault.message))
    database.close()
    return None, found


def _absent(path: Path) -> list[Finding]:
    if not path.with_name(f"{LEDGER}-wal").exists() and not _has_objects(path.parent):
        return []
    message = f"{path} is not there, and objects or its log are: what was paid for is not known"
    hint = f"bring it back from a backup, beside {LEDGER}-wal where there is one"
    return [Finding(kind=Kind.LEDGER_GONE, where=str(path), message=message, hint=hint, severity=Severity.WARNING)]


def _mode(path: Path, mode: int) -> Iterator[Finding]:
    if mode & 0o077:
        message = f"others than its owner may open {path} (mode {stat.S_IMODE(mode):04o})"
        hint = f"chmod 600 {path}"
        yield Finding(kind=Kind.LEDGER_MODE, where=str(path), message=message, hint=hint, severity=Severity.WARNING)


def _strange(path: Path, database: Database) -> list[Finding] | None:
    """What the marks of the file say against it; None where they are those of a ledger of ours."""
    application, version = (database.rows(f"PRAGMA {name}")[0][0] for name in ("application_id", "user_version"))
    if application == 0 and not database.rows(_SCHEMA):
        return [_finding_of(Kind.LEDGER_FOREIGN, path, f"{path} is empty")] if _has_objects(path.parent) else []
    if application != APPLICATION:
        return [_finding_of(Kind.LEDGER_FOREIGN, path, f"{path} is not a ledger of flowrunner")]
    if version != VERSION:
        message = f"{path} says that it is of format {version}; this flowrunner writes {VERSION}"
        return [_finding_of(Kind.LEDGER_VERSION, path, message, "use the flowrunner that wrote it")]
    return None


def _whole(path: Path, database: Database) -> list[Finding]:
    """What SQLite's own check says of a ledger, and how its tables are not ours."""
    try:
        told = [row[0] for row in database.rows(f"PRAGMA integrity_check({_FINDINGS_OF_SQLITE})")]
    except StoreError as fault:
        return [_finding_of(Kind.LEDGER_DAMAGED, path, fault.message)]
    damage = [_finding_of(Kind.LEDGER_DAMAGED, path, f"{path}: {said}") for said in told if said != "ok"]
    return [*damage, *_schema(path, {row["what"]: row["text"] for row in database.rows(_SCHEMA)})]


def _schema(path: Path, found: dict[str, str]) -> Iterator[Finding]:
    right = {row["what"]: row["text"] for row in blank().rows(_SCHEMA)}
    found = {what: CHANGED if text == CHANGED_BEFORE else text for what, text in found.items()}
    for what in sorted(right.keys() | found.keys()):
        if found.get(what) != right.get(what):
            how = "is missing" if what not in found else "is not flowrunner's" if what not in right else "was changed"
            yield _finding_of(Kind.LEDGER_SCHEMA, path, f"{path}: {what} {how}")


def _finding_of(kind: Kind, path: Path, message: str, hint: str = _EVIDENCE) -> Finding:
    return Finding(kind=kind, where=str(path), message=message, hint=hint)


def _has_objects(store: Path) -> bool:
    return any((store / "objects").glob("*/*"))


def rows(store: Path, database: Database) -> list[Finding]:
    """Whatever is wrong with the rows of a ledger. What cannot be asked, because a table is damaged or missing, is
    passed over: `open_ledger` has told of that."""
    found: list[Finding] = []
    for part in (_ruled, _sums, _orphans, _texts):
        with suppress(StoreError):
            found += part(database)
    with suppress(StoreError):
        found += _cut_off(store, database)
    return found


def _ruled(database: Database) -> list[Finding]:
    found = []
    for rule in RULES:
        with suppress(StoreError):
            found += [_finding(rule, dict(row)) for row in database.rows(rule.sql)]
    return found


def _finding(rule: Rule, row: "dict[str, object]") -> Finding:
    where = f"ledger: {'' if 'pipeline' in row else 'attempt '}{row['id']}"
    return Finding(kind=rule.kind, where=where, message=rule.message.format(**row), hint=rule.hint.format(**row))


def _sums(database: Database) -> list[Finding]:
    return [
        Finding(
            kind=Kind.SUMS,
            where=f"ledger: {row['id']}",
            message=f"{row['id']} is said to have spent {_amount(row['spent'])} in {row['calls']} calls, and its calls"
            f" cost {_amount(row['cost'])} in {row['billed']}",
            hint=f"limits go by that sum; {_EVIDENCE}",
        )
        for row in database.rows(_SUMS)
    ]


def _amount(nano: int) -> str:
    return money.exact(nano) if nano >= 0 else f"-{money.exact(-nano)}"


def _orphans(database: Database) -> list[Finding]:
    return [
        Finding(
            kind=Kind.ROW_ORPHAN,
            where=f"ledger: {row['table']} {row['rowid']}",
            message=f"row {row['rowid']} of {row['table']} belongs to a row of {row['parent']} that is not there",
            hint=_EVIDENCE,
        )
        for row in database.rows("PRAGMA foreign_key_check")
    ]


def _texts(database: Database) -> list[Finding]:
    receipts = database.rows("SELECT 'the headers of receipt ' || id AS what, headers AS text, status FROM receipts")
    documents = database.rows("SELECT 'the document of ' || id AS what, document AS text, 200 AS status FROM runs")
    return [
        Finding(kind=Kind.TEXT, where=f"ledger: {row['what']}", message=f"{row['what']} cannot be read", hint=_EVIDENCE)
        for row in (*receipts, *documents)
        if not 100 <= row["status"] <= 599 or not _is_mapping(row["text"])
    ]


def _is_mapping(text: str | None) -> bool:
    try:
        return text is None or isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _cut_off(store: Path, database: Database) -> list[Finding]:
    """Runs whose process is gone. Asked twice, for a run may end in between."""
    running = "SELECT runs.id, count(calls.id) AS calls FROM runs LEFT JOIN calls ON run = runs.id AND state IN (?, ?)"
    where = " WHERE status = ? GROUP BY runs.id"
    values = (State.INTENT, State.SENT, RunStatus.RUNNING)
    dead = {row["id"] for row in database.rows(running + where, *values) if not lives(store, row["id"])}
    return [_ended(row) for row in database.rows(running + where, *values) if row["id"] in dead]


def lives(store: Path, run: str) -> bool:
    """Whether the process of a run is there."""
    try:
        return is_held(store / "runs" / f"{run}.lock")
    except OSError:
        return False


def _ended(row: "sqlite3.Row") -> Finding:
    billed = f", and {row['calls']} of its calls may have been billed" if row["calls"] else ""
    message = f"{row['id']} was cut off{billed}"
    hint = "the next `flowrunner run` records that, and goes on with what it began"
    return Finding(
        kind=Kind.RUN_CUT_OFF, where=f"ledger: {row['id']}", message=message, hint=hint, severity=Severity.INFO
    )
