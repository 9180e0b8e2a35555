"""Rows of the ledger's tables to records and back, and the sums and limits over them."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from flowrunner.artifact import Artifact
from flowrunner.call import Billed, Failure, Outcome
from flowrunner.errors import StoreError
from flowrunner.money import Nano
from flowrunner.store.objects import is_digest
from flowrunner.store.records import (
    Attempt,
    Cap,
    Caps,
    Handle,
    Intent,
    Made,
    OverBudget,
    Receipt,
    RunRecord,
    RunStatus,
    State,
)

if TYPE_CHECKING:
    import sqlite3

P = ParamSpec("P")
T = TypeVar("T")

MADE = """
    SELECT outcomes.*, calls.run, calls.cell, calls.model, runs.pipeline FROM outcomes
    JOIN calls ON calls.id = outcomes.call JOIN runs ON runs.id = calls.run
    WHERE outcomes.key = ? OR instr(artifacts, ?) ORDER BY outcomes.call DESC
"""
RUNS = """
    SELECT runs.*,
        coalesce(sum(CASE billed WHEN 'yes' THEN paid END), 0) AS paid,
        count(CASE WHEN billed = 'yes' AND paid IS NULL THEN 1 END) AS unstated,
        count(CASE WHEN billed = 'maybe' AND state <> 'replied' THEN 1 END) AS maybe_billed,
        count(CASE WHEN billed = 'maybe' AND state = 'replied' THEN 1 END) AS unread
    FROM runs LEFT JOIN calls ON calls.run = runs.id
"""
"""The head of a query for `run_record`: WHERE, then GROUP BY runs.id."""

SPENT = "SELECT coalesce(sum(spent), 0) AS spent FROM runs WHERE name = ? AND NOT simulated"

_RECEIPT = """
    SELECT receipts.*, calls.request_id, calls.provider, calls.run FROM calls JOIN receipts ON receipts.call = calls.id
    WHERE key = ? AND simulated = ? AND state IN ({states}) AND calls.id >
        (SELECT coalesce(max(call), 0) FROM outcomes WHERE key = calls.key AND simulated = calls.simulated)
    ORDER BY calls.id DESC, receipts.id DESC LIMIT 1
"""
RECEIPT = _RECEIPT.format(states="?")
REFUSAL = _RECEIPT.format(states="?, ?, ?")

_INTENDED = (
    "INSERT INTO calls"
    " (run, cell, key, provider, model, attempt, simulated, state, billed, reserved, client_request_id, begun)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

KNOWN = "SELECT 1 FROM calls WHERE key = ? AND simulated = ? LIMIT 1"
OUTCOMES = """
    SELECT outcomes.* FROM json_each(?) AS asked CROSS JOIN outcomes ON outcomes.key = asked.value
    WHERE simulated = ? ORDER BY call
"""

UNSETTLED = """
    SELECT DISTINCT key FROM calls
    WHERE simulated = ? AND (state IN (?, ?, ?, ?, ?) OR state = ? AND billed = ?)
"""

UNKNOWNS = """
    SELECT * FROM calls
    WHERE key = ? AND simulated = ? AND (state IN (?, ?, ?) OR state = ? AND billed = ?) AND id >
        (SELECT coalesce(max(call), 0) FROM outcomes WHERE key = calls.key AND simulated = calls.simulated)
    ORDER BY id
"""

CALLS_OF = """
    SELECT id, key, simulated, state, billed, paid, reserved FROM calls
    WHERE key IN (SELECT value FROM json_each(?)) ORDER BY id
"""
OUTCOMES_OF = """
    SELECT call, key, artifacts FROM outcomes WHERE key IN (SELECT value FROM json_each(?)) ORDER BY call
"""

REPEAT = """
    INSERT OR IGNORE INTO runs (id, pipeline, name, simulated, status, started, finished, document)
    SELECT ?, pipeline, name, simulated, status, ?, ?,
        CASE WHEN json_extract(document, '$.as') IS NULL THEN json_object('as', id) ELSE document END
    FROM runs WHERE id = ? AND document IS NOT NULL
"""
"""A run like another one: where that one says what it did, this one says which."""

_BEFORE = """
    SELECT said.id, said.document FROM runs AS mine
    JOIN runs AS other ON other.name = mine.name AND other.pipeline = mine.pipeline AND other.id <> mine.id
        AND other.simulated = mine.simulated AND other.document IS NOT NULL
    JOIN runs AS said ON said.id = coalesce(json_extract(other.document, '$.as'), other.id)
    WHERE mine.id = ? ORDER BY other.rowid DESC LIMIT 1
"""
"""The run of the same pipeline before one, or whichever that one says it was like."""

_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
_PRIVATE = {"authorization", "proxy-authorization", "cookie", "set-cookie", "set-cookie2", "x-api-key", "api-key"}


def passed(caps: Caps, estimate: Nano | None, run: "sqlite3.Row", total: Nano) -> OverBudget | None:
    """The first limit that a call of this run would pass; `total` is what its pipeline has spent."""
    if caps.max_calls is not None and run["calls"] >= caps.max_calls:
        return OverBudget(cap=Cap.MAX_CALLS, limit=caps.max_calls, spent=run["calls"], would_be=run["calls"] + 1)
    limits = [(Cap.MAX_USD, caps.max_usd, run["spent"])]
    if not run["simulated"]:
        limits.append((Cap.TOTAL_USD, caps.total_usd, total))
    for cap, limit, spent in limits:
        if limit is None:
            continue
        if estimate is None and not caps.unpriced:
            return OverBudget(cap=Cap.UNPRICED, limit=limit, spent=spent, would_be=spent)
        if spent + (estimate or 0) > limit or (estimate is None and spent >= limit):
            return OverBudget(cap=cap, limit=limit, spent=spent, would_be=spent + (estimate or 0))
    return None


def briefly(rows: "sqlite3.Connection", run: str, said: str) -> str:
    """What a run says of itself, or which run said the same."""
    other = rows.execute(_BEFORE, (run,)).fetchone()
    mine, others = (f'"run": "{name}"' for name in (run, other["id"] if other else run))
    return dumped({"as": other["id"]}) if other and other["document"] == said.replace(mine, others) else said


def insert_call(rows: "sqlite3.Connection", intent: Intent, begun: float, *, free: bool, simulated: bool) -> int:
    """An intent, or (`free`) a local operation that is already done; the new row's number."""
    state, billed = (State.COMMITTED, Billed.NO) if free else (State.INTENT, Billed.MAYBE)
    values = (
        intent.run,
        intent.cell,
        intent.key,
        intent.provider,
        intent.model,
        intent.attempt,
        simulated,
        state,
        billed,
        intent.estimate,
        intent.client_request_id,
        begun,
    )
    return int(rows.execute(_INTENDED, values).lastrowid or 0)


def insert_outcome(rows: "sqlite3.Connection", call: int, outcome: Outcome) -> None:
    artifacts = dumped([artifact.as_json() for artifact in outcome.artifacts])
    usage = None if outcome.usage is None else dumped(outcome.usage)
    rows.execute(
        "INSERT INTO outcomes (call, key, simulated, artifacts, paid, seconds, usage)"
        " SELECT id, ?, simulated, ?, ?, ?, ? FROM calls WHERE id = ?",
        (outcome.key, artifacts, outcome.paid, outcome.seconds, usage, call),
    )


def insert_handles(rows: "sqlite3.Connection", handles: Iterable[Handle]) -> None:
    for one in handles:
        rows.execute(
            "INSERT OR REPLACE INTO remotes VALUES (?, ?, ?, ?, ?, ?)",
            (one.remote.provider, one.remote.origin, one.remote.simulated, one.digest, one.handle, one.expires),
        )


def insert_receipt(rows: "sqlite3.Connection", receipt: Receipt) -> None:
    """Without the headers that carry credentials or sessions."""
    headers = {name: value for name, value in receipt.headers.items() if name.lower() not in _PRIVATE}
    rows.execute(
        "INSERT INTO receipts (call, status, headers, body) VALUES (?, ?, ?, ?)",
        (receipt.call, receipt.status, dumped(headers), receipt.body),
    )


def change(
    rows: "sqlite3.Connection", call: int, before: Collection[State], state: State, values: Mapping[str, Any]
) -> None:
    """Moves an attempt on. ValueError when it does not stand in one of the states `before`."""
    sql = _changing(tuple(values), len(before))
    if rows.execute(sql, (state, *values.values(), call, *before)).rowcount != 1:
        found = rows.execute("SELECT state FROM calls WHERE id = ?", (call,)).fetchone()
        raise ValueError(f"attempt {call} is {found['state'] if found else 'not in the ledger'}, so not {state} next")


@lru_cache(maxsize=32)
def _changing(names: tuple[str, ...], states: int) -> str:
    also = "".join(f", {name} = ?" for name in names)
    marks = ", ".join("?" * states)
    return f"UPDATE calls SET state = ?{also} WHERE id = ? AND state IN ({marks})"  # noqa: S608 - columns of the ledger


def end(failure: Failure, billed: Billed, ended: float) -> dict[str, Any]:
    """The columns that tell how an attempt ended. Only what was certainly charged is `paid`."""
    paid = {Billed.NO: 0, Billed.YES: failure.paid, Billed.MAYBE: None}[billed]
    values = {"billed": billed, "paid": paid, "error": failure.error, "ended": ended}
    return values | ({"request_id": failure.request_id} if failure.request_id else {})


def _read(
    of: Callable[Concatenate["sqlite3.Row", P], T],
) -> Callable[Concatenate["sqlite3.Row", P], T]:
    """A row that holds what no flowrunner wrote is a StoreError."""

    @wraps(of)
    def read(row: "sqlite3.Row", /, *values: P.args, **named: P.kwargs) -> T:
        try:
            return of(row, *values, **named)
        except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as fault:
            which = row["call"] if "call" in row.keys() else row["id"]  # noqa: SIM118 - a Row's `in` asks its values
            message = f"the ledger cannot be read where it tells the {of.__name__.replace('_', ' ')} {which}"
            raise StoreError(message, "`flowrunner store fsck` tells more; keep the ledger as evidence") from fault

    return read


@_read
def attempt(row: "sqlite3.Row") -> Attempt:
    return Attempt(
        id=row["id"],
        run=row["run"],
        cell=row["cell"],
        key=row["key"],
        provider=row["provider"],
        model=row["model"],
        attempt=row["attempt"],
        simulated=bool(row["simulated"]),
        state=State(row["state"]),
        billed=Billed(row["billed"]),
        reserved=row["reserved"],
        paid=row["paid"],
        client_request_id=row["client_request_id"],
        request_id=row["request_id"],
        error=row["error"],
        begun=row["begun"],
        sent=row["sent"],
        replied=row["replied"],
        ended=row["ended"],
    )


@_read
def outcome(row: "sqlite3.Row") -> Outcome:
    artifacts = tuple(Artifact.from_json(record) for record in json.loads(row["artifacts"]))
    if not all(is_digest(artifact.sha256) for artifact in artifacts):
        raise ValueError("no digest")
    return Outcome(
        key=row["key"],
        artifacts=artifacts,
        paid=row["paid"],
        seconds=row["seconds"],
        usage=None if row["usage"] is None else json.loads(row["usage"]),
    )


def made(row: "sqlite3.Row") -> Made:
    return Made(
        run=row["run"],
        pipeline=row["pipeline"],
        cell=row["cell"],
        model=row["model"],
        simulated=bool(row["simulated"]),
        outcome=outcome(row),
    )


@_read
def receipt(row: "sqlite3.Row") -> Receipt:
    return Receipt(
        call=row["call"],
        status=row["status"],
        headers=dict(json.loads(row["headers"]).items()),
        body=row["body"],
        request_id=row["request_id"],
        provider=row["provider"],
        run=row["run"],
    )


@_read
def run_record(row: "sqlite3.Row", status: RunStatus, attempts: tuple[Attempt, ...]) -> RunRecord:
    return RunRecord(
        id=row["id"],
        pipeline=row["pipeline"],
        name=row["name"],
        simulated=bool(row["simulated"]),
        status=status,
        started=row["started"],
        finished=row["finished"],
        calls=row["calls"],
        paid=row["paid"],
        unstated=row["unstated"],
        spent=row["spent"],
        maybe_billed=row["maybe_billed"],
        unread=row["unread"],
        document=None if row["document"] is None else json.loads(row["document"]),
        attempts=attempts,
    )


def dumped(value: Any) -> str:
    return _JSON.encode(value)
