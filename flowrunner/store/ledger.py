"""The ledger: what was intended, sent, answered and paid, written down before anything is done because of it.

    reserve ──► intent ──► sent ──► replied ──► committed
                  │          │         ├──► failed, refused
                  └──────────┴─────────┴──► failed (not sent), unknown (may have been billed)

An intent is the last durable thing before the first byte of a paid request leaves. So an intent without a reply, of a
run that is gone, may have been billed: it is unknown, counts as spent, and is never sent again silently.
"""

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from flowrunner.call import Billed, Call, Failure, Outcome
from flowrunner.digest import tagged
from flowrunner.errors import StoreError
from flowrunner.money import Nano
from flowrunner.slotted import replace
from flowrunner.store import rows as tables
from flowrunner.store import spare
from flowrunner.store.database import Database, is_locked, open_database, open_untouched
from flowrunner.store.durable import Explained, make_folder
from flowrunner.store.flocks import is_held, take
from flowrunner.store.inuse import share
from flowrunner.store.records import (
    Attempt,
    Caps,
    Handle,
    Intent,
    Made,
    OverBudget,
    Receipt,
    Remote,
    RunRecord,
    RunStatus,
    State,
)
from flowrunner.store.turns import Turns

if TYPE_CHECKING:
    import sqlite3

    from flowrunner.store.sharing import Sharing

P = ParamSpec("P")
T = TypeVar("T")

_DIGITS = (4, 4, 4, 6, 6, 6)
"""Of a run's id; more of them where the short ones are taken."""
_OPEN = (State.INTENT, State.SENT)
_UNSETTLED = (State.INTENT, State.SENT, State.REPLIED, State.UNKNOWN)


class Ledger:
    """The ledger of a store. One object serves all tasks and threads of a process."""

    @classmethod
    def open(cls, root: Path, *, create: bool = True, now: Callable[[], float] = time.time) -> Self:
        """The ledger below `root`; without `create` it is only read, and empty where there is none. `now` gives the
        times that people see; no call is decided by it. A ledger that may be written keeps sweeps away until it is
        closed, so that what a run found in the store stays there. StoreError when it cannot be used."""
        return cls(root, open_database(root, create=create), uses=create, now=now)

    @classmethod
    def read_only(cls, root: Path) -> Self:
        """The ledger of a store in which nothing may be made or changed, not even by SQLite."""
        return cls(root, open_untouched(root), uses=False, now=time.time)

    def __init__(self, root: Path, database: Database, *, uses: bool, now: Callable[[], float]) -> None:
        self._root = root
        self._now = now
        self._live: dict[str, int] = {}
        self._database = database
        self._version = self._seen()
        self._sharing: Sharing | None = None
        self._turns = Turns(root / "locks" / "keys")
        try:
            self._use = share(root) if uses else None
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Runs that were not finished count as cut off from now on."""
        if self._sharing is not None:
            self._sharing.close()
        self._turns.close()
        self._database.close()
        for handle in self._live.values():
            os.close(handle)
        self._live.clear()
        use, self._use = self._use, None
        if use is not None:
            os.close(use)

    async def durably(self, write: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
        """What a method of this ledger that writes gives, once that is durable. Tasks that ask for it at once share a
        commit, and the others go on meanwhile. A task that is cancelled in it hears of that at its next wait."""
        size = len(values[0].body) if values and isinstance(values[0], Receipt) else 0
        return await self._shared().add(partial(write, *values, **named), size)

    async def in_time(self, write: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
        """The same, with what is written next: for what nothing waits for. It is never written behind that."""
        return await self._shared().add(partial(write, *values, **named), patient=True)

    def _shared(self) -> "Sharing":
        if self._sharing is None:
            from flowrunner.store.sharing import Sharing

            self._sharing = Sharing(self._database)
        return self._sharing

    # Runs

    def begin(self, *, pipeline: str, name: str, simulated: bool) -> str:
        """A new run that lives as long as this process, or until `finish`; its id (`r-7f3a`)."""
        spare.keep(self._root)
        for digits in _DIGITS:
            run = f"r-{os.urandom(3).hex()[:digits]}"
            handle = self._claim(run)
            if handle is None:
                continue
            self._live[run] = handle
            with self._database.write() as rows:
                added = rows.execute(
                    "INSERT OR IGNORE INTO runs (id, pipeline, name, simulated, status, started) VALUES (?,?,?,?,?,?)",
                    (run, pipeline, name, simulated, RunStatus.RUNNING, self._now()),
                ).rowcount
            if added:
                return run
            self._release(run)
        raise RuntimeError("six random run ids are taken")

    def _claim(self, run: str) -> int | None:
        with Explained("locked", self._run_lock(run)):
            make_folder(self._run_lock(run).parent)
            return take(self._run_lock(run))

    def _release(self, run: str) -> None:
        """Its lock is held here, or by nobody: the name is never needed again."""
        handle = self._live.pop(run, None)
        with Explained("removed", self._run_lock(run)):
            self._run_lock(run).unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)

    def finish(self, run: str, status: RunStatus, document: Mapping[str, Any] | None = None) -> None:
        """Ends a run; what it has sent without an answer is unknown. `document` is what it says of itself: kept once
        where the run before it said the same, for that of ten thousand cells takes megabytes."""
        said = None if document is None else tables.dumped(document)
        with self._database.write() as rows:
            self._cut_off(rows, run)
            rows.execute(
                "UPDATE runs SET status = ?, finished = ?, document = ? WHERE id = ?",
                (status, self._now(), said and tables.briefly(rows, run, said), run),
            )
        self._release(run)

    def repeat(self, run: str) -> str:
        """One more run that found everything as the run `run` did, which had nothing to do; its id, empty where nothing
        is known of that one. It says of itself what that one did."""
        for digits in _DIGITS:
            new = f"r-{os.urandom(3).hex()[:digits]}"
            with self._database.write() as rows:
                if rows.execute(tables.REPEAT, (new, self._now(), self._now(), run)).rowcount:
                    return new
            if self._database.row("SELECT 1 FROM runs WHERE id = ?", new) is None:
                return ""
        raise RuntimeError("six random run ids are taken")

    def recover(self) -> list[Attempt]:
        """Ends the runs whose process is gone; the attempts that are unknown because of it."""
        running = self._database.rows("SELECT id FROM runs WHERE status = ?", RunStatus.RUNNING)
        dead = [row["id"] for row in running if not self._lives(row["id"])]
        found: list[Attempt] = []
        for run in dead:
            with self._database.write() as rows:
                found += self._cut_off(rows, run)
                rows.execute(
                    "UPDATE runs SET status = ?, finished = ? WHERE id = ? AND status = ?",
                    (RunStatus.INTERRUPTED, self._now(), run, RunStatus.RUNNING),
                )
            self._release(run)
        return found

    def _cut_off(self, rows: "sqlite3.Connection", run: str) -> list[Attempt]:
        values = {"error": "the run ended before a reply came", "ended": self._now()}
        sql = "SELECT * FROM calls WHERE run = ? AND state IN (?, ?) ORDER BY id"
        found = [row["id"] for row in rows.execute(sql, (run, *_OPEN)).fetchall()]
        for call in found:
            tables.change(rows, call, _OPEN, State.UNKNOWN, values)
        again = (rows.execute("SELECT * FROM calls WHERE id = ?", (call,)).fetchone() for call in found)
        return [tables.attempt(row) for row in again]

    def _run_lock(self, run: str) -> Path:
        return self._root / "runs" / f"{run}.lock"

    def _lives(self, run: str) -> bool:
        with Explained("read", self._run_lock(run)):
            return is_held(self._run_lock(run))

    # One paid call, in the order in which it is made

    def key_lock(self, key: str, gives_up: Callable[[], bool] = bool) -> AbstractAsyncContextManager[bool]:
        """One at a time per key, over all tasks and processes: whoever waited looks again what is known of the key.
        False to one that `gives_up` waiting."""
        return self._turns.turn(key, gives_up)

    def reserve(self, intent: Intent, caps: Caps) -> int | OverBudget:
        """Writes the intent down durably and reserves its price, in one step with looking at every limit; the number
        of the attempt. Unknown calls count as spent."""
        with self._database.write() as rows:
            run = rows.execute("SELECT name, simulated, spent, calls FROM runs WHERE id = ?", (intent.run,)).fetchone()
            limited = caps.total_usd is not None
            total = rows.execute(tables.SPENT, (run["name"],)).fetchone()["spent"] if limited else 0
            over = tables.passed(caps, intent.estimate, run, total)
            if over is not None:
                return over
            return tables.insert_call(rows, intent, self._now(), free=False, simulated=run["simulated"])

    def sent(self, call: int) -> None:
        """The whole request left."""
        self._move(call, (State.INTENT,), State.SENT, {"sent": self._now()})

    def replied(self, receipt: Receipt) -> bool:
        """Keeps a reply, durably, before anything is done with it. A later reply of the same call (a poll) takes the
        place of the first; a late one ends unknown. On a full disk it takes the place of the spare; False where that is
        too small for it, and all is kept but its body."""
        try:
            self._replied(receipt)
        except StoreError:
            spare.spend(self._root)
            return self._replied_in_part(receipt)
        return True

    def _replied_in_part(self, receipt: Receipt) -> bool:
        try:
            self._replied(receipt)
        except StoreError as fault:
            if is_locked(fault):  # by another writer: it would not take less of it, either
                raise
            self._replied(replace(receipt, body=b""))
            return False
        return True

    def _replied(self, receipt: Receipt) -> None:
        values = {"replied": self._now(), "error": ""}
        values |= {"request_id": receipt.request_id} if receipt.request_id else {}
        with self._database.write() as rows:
            tables.insert_receipt(rows, receipt)
            tables.change(rows, receipt.call, _UNSETTLED, State.REPLIED, values)

    def charged(self, call: int, paid: Nano | None) -> None:
        """What the reply says it cost, before its images are here."""
        self._move(call, (State.REPLIED,), State.REPLIED, {"billed": Billed.YES, "paid": paid})

    def stalled(self, call: int, failure: Failure) -> None:
        """The reply is here and charged, its images are not: it stays replied, and the next run reads it again."""
        self._move(call, (State.REPLIED,), State.REPLIED, tables.end(failure, Billed.YES, self._now()))

    def committed(self, call: int, outcome: Outcome, handles: Iterable[Handle] = ()) -> None:
        """The images are in the store: the outcome stands for its key until a later attempt is committed. `handles` are
        the provider's names for them."""
        values = {"billed": Billed.YES, "paid": outcome.paid, "error": "", "ended": self._now()}
        with self._database.write() as rows:
            tables.change(rows, call, (State.REPLIED,), State.COMMITTED, values)
            tables.insert_outcome(rows, call, outcome)
            tables.insert_handles(rows, handles)

    def failed(self, call: int, failure: Failure) -> None:
        """It gave no image, and it is told whether it was billed."""
        self._move(call, _UNSETTLED, State.FAILED, tables.end(failure, failure.billed, self._now()))

    def refused(self, call: int, failure: Failure) -> None:
        """The provider answered that it will not."""
        self._move(call, _UNSETTLED, State.REFUSED, tables.end(failure, failure.billed, self._now()))

    def unknown(self, call: int, failure: Failure) -> None:
        """It may have been billed: its reservation counts as spent."""
        self._move(call, _UNSETTLED, State.UNKNOWN, tables.end(failure, Billed.MAYBE, self._now()))

    def not_sent(self, call: int, error: str) -> None:
        """Proved: nothing of it can have been executed. The reservation is free again."""
        values = {"billed": Billed.NO, "paid": 0, "error": error, "ended": self._now()}
        self._move(call, _OPEN, State.FAILED, values)

    def record(self, run: str, cell: str, call: Call, outcome: Outcome) -> None:
        """The outcome of a local operation, which nobody bills."""
        intent = Intent(
            run=run,
            cell=cell,
            key=outcome.key,
            provider=call.provider,
            model=call.model,
            attempt=1,
            estimate=0,
            client_request_id="",
        )
        with self._database.write() as rows:
            number = tables.insert_call(rows, intent, self._now(), free=True, simulated=call.simulated)
            tables.insert_outcome(rows, number, outcome)

    def _move(self, call: int, before: Collection[State], state: State, values: Mapping[str, Any]) -> None:
        with self._database.write() as rows:
            tables.change(rows, call, before, state, values)

    # What is known of a key

    def knows(self, key: str, *, simulated: bool) -> bool:
        """Whether a call with this key was ever intended: if not, there is nothing else to ask."""
        return self._database.row(tables.KNOWN, key, simulated) is not None

    def outcomes(self, keys: Sequence[str], *, simulated: bool) -> dict[str, Outcome]:
        """What the newest committed attempts of these keys gave, in one question."""
        rows = self._database.rows(tables.OUTCOMES, json.dumps(keys), simulated)
        return {row["key"]: tables.outcome(row) for row in rows}

    def outcome(self, key: str, *, simulated: bool) -> Outcome | None:
        """What the newest committed attempt gave."""
        row = self._database.row(
            "SELECT * FROM outcomes WHERE key = ? AND simulated = ? ORDER BY call DESC LIMIT 1", key, simulated
        )
        return None if row is None else tables.outcome(row)

    def receipt(self, key: str, *, simulated: bool) -> Receipt | None:
        """The reply of the newest attempt that was answered but not committed, unless a later one was committed: it is
        read again, for ever, rather than asked for again."""
        row = self._database.row(tables.RECEIPT, key, simulated, State.REPLIED)
        return None if row is None else tables.receipt(row)

    def refusal(self, key: str, *, simulated: bool) -> Receipt | None:
        """The newest reply that gave no picture, unless a later attempt was committed."""
        ends = (State.REFUSED, State.FAILED, State.UNKNOWN)
        row = self._database.row(tables.REFUSAL, key, simulated, *ends)
        return None if row is None else tables.receipt(row)

    def unsettled(self, *, simulated: bool) -> frozenset[str]:
        """Keys with an attempt that was refused, or is not known to have ended well or for nothing: few, so that
        whoever asks for many keys looks at these only."""
        states = (State.REPLIED, State.UNKNOWN, State.REFUSED, *_OPEN)
        rows = self._database.rows(tables.UNSETTLED, simulated, *states, State.FAILED, Billed.YES)
        return frozenset(row["key"] for row in rows)

    def unknowns(self, key: str, *, simulated: bool) -> list[Attempt]:
        """Attempts that may have been billed, or were billed and gave nothing, and after which none was committed;
        those of runs that are gone, too. Nobody sends the call again unasked."""
        states = (State.UNKNOWN, *_OPEN, State.FAILED)
        rows = self._database.rows(tables.UNKNOWNS, key, simulated, *states, Billed.YES)
        found = [tables.attempt(row) for row in rows]
        return [one for one in found if one.state not in _OPEN or not self._lives(one.run)]

    def made(self, digest: str) -> list[Made]:
        """What has this request key, or gave an image of this digest, in whichever run; the newest first."""
        return [tables.made(row) for row in self._database.rows(tables.MADE, digest, digest)]

    def fingerprint(self, keys: Sequence[str], name: str) -> str:
        """A digest of all that is known of these keys, and of what the runs of a pipeline's name have spent."""
        known = [
            tuple(row)
            for sql in (tables.CALLS_OF, tables.OUTCOMES_OF)
            for row in self._database.rows(sql, json.dumps(keys))
        ]
        return tagged("known/1", [known, self.spent(name)])

    @property
    def is_as_found(self) -> bool:
        """Whether nobody else has written to it since it was opened. Not told once writes were shared: what is read
        then goes another way."""
        return self._sharing is None and self._seen() == self._version

    def _seen(self) -> int:
        row = self._database.row("PRAGMA data_version")
        return int(row[0]) if row else 0

    # Money

    def spent(self, name: str) -> Nano:
        """By all live runs of a pipeline's name: paid, reserved, and what may have been billed."""
        row = self._database.row(tables.SPENT, name)
        return int(row["spent"]) if row else 0

    def spent_run(self, run: str) -> Nano:
        """The same, by one run, be it simulated."""
        row = self._database.row("SELECT spent FROM runs WHERE id = ?", run)
        return int(row["spent"]) if row else 0

    # Handles under which a provider takes bytes that it has

    def remember(self, remote: Remote, digest: str, handle: str, expires: float | None) -> None:
        """`expires` in seconds since 1970; None for no stated end."""
        with self._database.write() as rows:
            tables.insert_handles(rows, [Handle(remote=remote, digest=digest, handle=handle, expires=expires)])

    def handle(self, remote: Remote, digest: str, now: float) -> str | None:
        """A handle that is still good at `now`."""
        row = self._database.row(
            "SELECT handle FROM remotes WHERE provider = ? AND origin = ? AND simulated = ? AND digest = ?"
            " AND (expires IS NULL OR expires > ?)",
            *(remote.provider, remote.origin, remote.simulated, digest, now),
        )
        return str(row["handle"]) if row else None

    def forget(self, remote: Remote, digests: Iterable[str]) -> None:
        """Forgets the handles of some bytes."""
        where = remote.provider, remote.origin, remote.simulated
        with self._database.write() as rows:
            rows.executemany(
                "DELETE FROM remotes WHERE provider = ? AND origin = ? AND simulated = ? AND digest = ?",
                [(*where, digest) for digest in digests],
            )

    # History

    def runs(self) -> list[RunRecord]:
        """Every run, the newest first, without its attempts."""
        return [
            self._run(row) for row in self._database.rows(f"{tables.RUNS} GROUP BY runs.id ORDER BY started DESC, id")
        ]

    def run(self, run: str) -> RunRecord | None:
        """One run with its attempts in order."""
        row = self._database.row(f"{tables.RUNS} WHERE runs.id = ? GROUP BY runs.id", run)
        if row is None:
            return None
        calls = self._database.rows("SELECT * FROM calls WHERE run = ? ORDER BY id", run)
        found = self._run(row, tuple(tables.attempt(call) for call in calls))
        other = found.document.get("as") if found.document else None
        said = self._database.row("SELECT document FROM runs WHERE id = ?", other) if other else None
        return found if said is None else replace(found, document=json.loads(said["document"]) | {"run": run})

    def _run(self, row: "sqlite3.Row", attempts: tuple[Attempt, ...] = ()) -> RunRecord:
        status = RunStatus(row["status"])
        if status is RunStatus.RUNNING and not self._lives(row["id"]):
            status = RunStatus.INTERRUPTED
        return tables.run_record(row, status, attempts)
