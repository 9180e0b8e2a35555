"""What is needed of a store: what locks name, on any branch, and what the ledger says of runs."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from flowrunner.slotted import dataclass
from flowrunner.store import branches
from flowrunner.store.database import Database
from flowrunner.store.lockfile import digests_in
from flowrunner.store.records import RunStatus, State
from flowrunner.store.workspace import Workspace

Named: TypeAlias = Callable[[], set[str]]
"""The digests that locks name, looked up anew by each call. StoreError when they cannot all be known."""

_CUT_OFF = "(status = ? OR status = ? AND document IS NULL)"
"""Runs that go on, or that ended before they could write what they had into a lock."""

_NEEDED = f"""
    WITH ended AS (
        SELECT pipeline, name, simulated, max(rowid) AS last FROM runs WHERE NOT {_CUT_OFF} GROUP BY 1, 2, 3
    ),
    unfinished AS (
        SELECT DISTINCT pipeline, name, simulated FROM runs LEFT JOIN ended USING (pipeline, name, simulated)
        WHERE {_CUT_OFF} AND runs.rowid > coalesce(last, 0)
    )
    SELECT artifacts FROM outcomes LEFT JOIN calls ON calls.id = outcomes.call LEFT JOIN runs ON runs.id = calls.run
    WHERE runs.id IS NULL
        OR NOT runs.simulated AND {_CUT_OFF}
        OR (pipeline, name, runs.simulated) IN unfinished
        OR max(calls.begun, coalesce(calls.ended, 0), runs.started, coalesce(runs.finished, 0)) > ?
"""  # noqa: S608 - our own constants


_TO_READ = """
    SELECT 1 FROM calls WHERE state = ? AND id >
        (SELECT coalesce(max(call), 0) FROM outcomes WHERE key = calls.key AND simulated = calls.simulated)
    LIMIT 1
"""
"""A reply that is read again, for no later attempt has given its picture."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What must stay. `made` is None, or all that the ledger knows, where whatever it does not know must stay too."""

    named: frozenset[str]
    made: frozenset[str] | None = None

    def __contains__(self, digest: str) -> bool:
        return digest in self.named or (self.made is not None and digest not in self.made)


def named_by_locks(workspace: Workspace) -> set[str]:
    """By the locks of all projects that use this store, as they lie there and as their repositories keep them."""
    found: set[str] = set()
    for project in workspace.sharing():
        for lock in project.lock_files():
            found |= lock.digests()
        for text in branches.locks(project.root):
            found |= digests_in(text)
    return found


def needed(named: set[str], database: Database, since: float) -> Needed:
    """Beside what is `named`: results younger than `since`, and results of pipelines whose last run was cut off before
    it wrote its lock, with all that they made before, for it may have built on that. While a reply waits to be read
    again, whatever no outcome knows stays as well: it may be that reply's picture."""
    cut_off = (RunStatus.RUNNING, RunStatus.INTERRUPTED)
    rows = database.rows(_NEEDED, *cut_off, *cut_off, *cut_off, since)
    young = _digests(row["artifacts"] for row in rows)
    if not database.rows(_TO_READ, State.REPLIED):
        return Needed(young | named)
    made = _digests(row["artifacts"] for row in database.rows("SELECT artifacts FROM outcomes"))
    return Needed(young | named, made)


def _digests(texts: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*(digests_in(text.encode()) for text in texts))
