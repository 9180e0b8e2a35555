"""The ledger's SQLite file: opening it safely, its tables, transactions, and errors as sentences.

Settings after SQLite's own documentation: in WAL mode `synchronous=NORMAL` may lose the last commits with the power,
and here a lost row can be a receipt that was paid for; WAL needs memory that only one machine shares.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from flowrunner.errors import StoreError
from flowrunner.slotted import dataclass
from flowrunner.store.durable import FAULTY, SPACE, Explained, ensure_own, make_folder, sync_folder
from flowrunner.store.flocks import held

if TYPE_CHECKING:
    import sqlite3

APPLICATION = 0x666C6F77
VERSION = 1
LEDGER = "ledger.db"
"""The file's name in a store."""
PATIENCE = 30.0
"""Seconds to wait for another writer."""
_LOCKED = (5, 6)
"""SQLITE_BUSY and SQLITE_LOCKED, https://sqlite.org/rescode.html."""

MOUNTS = Path("/proc/self/mounts")
_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "virtiofs",
}

CHANGED = """CREATE TRIGGER calls_changed AFTER UPDATE OF billed, paid, reserved ON calls
WHEN new.cost <> old.cost OR (new.billed <> 'no') <> (old.billed <> 'no') BEGIN
    UPDATE runs SET spent = spent + new.cost - old.cost,
        calls = calls + (new.billed <> 'no') - (old.billed <> 'no') WHERE id = new.run;
END"""
CHANGED_BEFORE = """CREATE TRIGGER calls_changed AFTER UPDATE ON calls BEGIN
    UPDATE runs SET spent = spent + new.cost - old.cost,
        calls = calls + (new.billed <> 'no') - (old.billed <> 'no') WHERE id = new.run;
END"""
"""What older ledgers have in its place. It keeps the same sums, and writes them also where they stay as they are."""

_TABLES = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, name TEXT NOT NULL, simulated INTEGER NOT NULL,
    status TEXT NOT NULL, started REAL NOT NULL, finished REAL, document TEXT,
    spent INTEGER NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX runs_of_name ON runs (name);
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs (id),
    cell TEXT NOT NULL, key TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    attempt INTEGER NOT NULL, simulated INTEGER NOT NULL,
    state TEXT NOT NULL CHECK
        (state IN ('intent', 'sent', 'replied', 'committed', 'failed', 'refused', 'unknown')),
    billed TEXT NOT NULL CHECK (billed IN ('no', 'yes', 'maybe')),
    reserved INTEGER CHECK (reserved >= 0), paid INTEGER CHECK (paid >= 0),
    client_request_id TEXT NOT NULL DEFAULT '', request_id TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '',
    begun REAL NOT NULL, sent REAL, replied REAL, ended REAL,
    cost INTEGER GENERATED ALWAYS AS (CASE billed WHEN 'no' THEN 0 ELSE coalesce(paid, reserved, 0) END) VIRTUAL
) STRICT;
CREATE INDEX calls_of_key ON calls (key);
CREATE INDEX calls_of_run ON calls (run);
CREATE TRIGGER calls_added AFTER INSERT ON calls BEGIN
    UPDATE runs SET spent = spent + new.cost, calls = calls + (new.billed <> 'no') WHERE id = new.run;
END;
CREATE TABLE receipts (
    id INTEGER PRIMARY KEY, call INTEGER NOT NULL REFERENCES calls (id),
    status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX receipts_of_call ON receipts (call);
CREATE TABLE outcomes (
    call INTEGER PRIMARY KEY REFERENCES calls (id), key TEXT NOT NULL, simulated INTEGER NOT NULL,
    artifacts TEXT NOT NULL, paid INTEGER, seconds REAL NOT NULL, usage TEXT
) STRICT;
CREATE INDEX outcomes_of_key ON outcomes (key);
CREATE TABLE remotes (
    provider TEXT NOT NULL, origin TEXT NOT NULL, simulated INTEGER NOT NULL, digest TEXT NOT NULL,
    handle TEXT NOT NULL, expires REAL, PRIMARY KEY (provider, origin, simulated, digest)
) STRICT;
CREATE TABLE swept (digest TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
"""


Done: TypeAlias = tuple[Any, BaseException | None]
"""What a write gave, or the exception that it ended with."""


class Database:
    """One process's way to the file; its threads take turns. Once writes share commits, what is read has a connection
    of its own: it sees what is committed, and waits for no disk."""

    def __init__(self, connection: "sqlite3.Connection", path: Path) -> None:
        self._connection = connection
        self._path = path
        self._turn = threading.Lock()
        self._inside: int | None = None
        """The thread whose writes are parts of one transaction now."""
        self._reader: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._patience = PATIENCE
        self._process = os.getpid()

    def rows(self, sql: str, *values: Any) -> "list[sqlite3.Row]":
        if self._reader is None:
            with self._turn, _Told(self._path):
                connection = self._own(self._connection)
                self._wait_for_others(PATIENCE)
                return connection.execute(sql, values).fetchall()
        with self._reading, _Told(self._path):
            return self._own(self._reader).execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> "sqlite3.Row | None":
        found = self.rows(sql, *values)
        return found[0] if found else None

    def write(self) -> "AbstractContextManager[sqlite3.Connection]":
        """One transaction, alone from its first statement on, durable when the block has ended; among writes that are
        done together, a part of theirs."""
        if self._inside == threading.get_ident():
            return _Part(self._connection, self._path)
        return self._alone()

    @contextmanager
    def _alone(self) -> "Iterator[sqlite3.Connection]":
        with self._turn, _Told(self._path):
            connection = self._own(self._connection)
            self._wait_for_others(PATIENCE)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._undo()
                raise

    def begin(self, writes: Sequence[Callable[[], Any]]) -> "list[Any] | None":
        """What each write gives, in one transaction that waits for `settle`. None, and nothing is changed, where that
        would take time, since another one writes, or where one of them fails."""
        if not self._turn.acquire(blocking=False):
            return None
        begun: list[Any] | None = None
        try:
            begun = self._begun(writes)
        except Exception:  # noqa: BLE001 - each of them is then done alone, and tells it of itself
            with suppress(StoreError), _Told(self._path):
                self._undo()
        finally:
            if begun is None:
                self._turn.release()
        return begun

    def _begun(self, writes: Sequence[Callable[[], Any]]) -> list[Any]:
        connection = self._own(self._connection)
        self._wait_for_others(0)
        connection.execute("BEGIN IMMEDIATE")
        return self._all(writes)

    def _wait_for_others(self, seconds: float) -> None:
        """How long a transaction waits where another process writes. To say so takes longer than to begin one."""
        if self._patience != seconds:
            self._connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
            self._patience = seconds

    def _all(self, writes: Sequence[Callable[[], Any]]) -> list[Any]:
        self._inside = threading.get_ident()
        try:
            return [write() for write in writes]
        finally:
            self._inside = None

    def settle(self) -> None:
        """Makes durable what was begun, in whichever thread; where that fails, nothing is changed. StoreError."""
        try:
            with _Told(self._path):
                try:
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._undo()
                    raise
        finally:
            self._turn.release()

    def together(self, writes: Sequence[Callable[[], Any]]) -> "list[Done]":
        """What each write gave, or the exception that it ended with, once all are durable: by one commit or, where one
        of them or the disk takes exception to that, each by its own."""
        if len(writes) > 1:
            with suppress(Exception), self.write():
                return [(gave, None) for gave in self._all(writes)]
        return [_ended(write) for write in writes]

    def _undo(self) -> None:
        _undo(self._connection)

    def read_apart(self) -> None:
        """From now on whoever reads does not wait for whoever writes."""
        if self._reader is None:
            with _Told(self._path):
                reader = _connected(f"{self._path.absolute().as_uri()}?mode=rw")
                reader.execute("PRAGMA query_only = ON")
            self._reader = reader

    def close(self) -> None:
        with self._turn, self._reading:
            if self._process == os.getpid():
                if self._reader is not None:
                    self._reader.close()
                self._connection.close()

    def _own(self, connection: "sqlite3.Connection") -> "sqlite3.Connection":
        if self._process != os.getpid():
            raise StoreError(f"{self._path} was opened by the parent process: open it again", path=str(self._path))
        return connection


def _undo(connection: "sqlite3.Connection") -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _ended(write: Callable[[], Any]) -> "Done":
    try:
        return write(), None
    except BaseException as fault:  # noqa: BLE001 - whoever asked for the write is told
        return None, fault


def open_database(root: Path, *, create: bool) -> Database:
    """The ledger below `root`, made if missing; without `create` for reading only, and empty where there is none."""
    path = root / LEDGER
    ensure_own(root)
    return _for_writing(path) if create else _for_reading(path)


def open_untouched(root: Path) -> Database:
    """The same for reading a ledger beside which nothing may be made: neither its log nor the log's index."""
    path = root / LEDGER
    ensure_own(root)
    return _checked_for_reading(path, _untouched)


def open_as_it_is(path: Path) -> Database:
    """A database file for looking at only, whatever its marks say and whatever state it is in. StoreError when it
    cannot be opened at all; what is wrong further in shows when it is read. A log that a crash left stays as it is: who
    may write would merge it into the file when he closes it."""
    log = path.with_name(f"{path.name}-wal")
    with _Told(path):
        left = log.exists() and log.stat().st_size
        connection = _connected(f"{path.absolute().as_uri()}?mode=ro" if left else _reading_uri(path))
        connection.execute("PRAGMA query_only = ON")
    return Database(connection, path)


def blank() -> Database:
    """An empty ledger in memory: what one looks like."""
    connection = _connected(":memory:")
    _make_tables(connection)
    return Database(connection, Path(":memory:"))


def _for_writing(path: Path) -> Database:
    with Explained("written", path):
        make_folder(path.parent)
    with held(path.parent / "locks" / "ledger"), _Told(path):
        with Explained("written", path), suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            sync_folder(path.parent)
        connection = _connected(f"{path.absolute().as_uri()}?mode=rw")
        try:
            blank = _checked(connection, path)
            connection.execute(f"PRAGMA journal_mode = {'DELETE' if _on_network(path) else 'WAL'}")
            connection.execute("PRAGMA synchronous = FULL")
            if blank:
                _make_tables(connection)
        except BaseException:
            connection.close()
            raise
    return Database(connection, path)


def _for_reading(path: Path) -> Database:
    return _checked_for_reading(path, lambda path: _connected(_reading_uri(path)))


def _checked_for_reading(path: Path, opened: "Callable[[Path], sqlite3.Connection]") -> Database:
    with _Told(path):
        connection = opened(path) if path.exists() else _connected(":memory:")
        try:
            if _checked(connection, path):
                connection.close()
                connection = _connected(":memory:")
                _make_tables(connection)
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    return Database(connection, path)


def _reading_uri(path: Path) -> str:
    """Where nothing can be written there is no shared memory for WAL: the file is then read as it lies."""
    uri = path.absolute().as_uri()
    if os.access(path.parent, os.W_OK):
        return f"{uri}?mode=rw"
    return f"{uri}?mode=ro" if path.with_name(f"{path.name}-wal").exists() else f"{uri}?mode=ro&immutable=1"


def _untouched(path: Path) -> "sqlite3.Connection":
    """Without a log the file is whole. With one whose index is there, others may be at work; a log that was left
    alone is merged in a copy, for that makes files."""
    uri = path.absolute().as_uri()
    log, index = (path.with_name(f"{path.name}-{part}") for part in ("wal", "shm"))
    if not log.exists() or not log.stat().st_size:
        return _connected(f"{uri}?mode=ro&immutable=1")
    if index.exists():
        return _connected(f"{uri}?mode=ro&readonly_shm=1")
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for part in (path, log):
            shutil.copyfile(part, Path(folder) / part.name)
        copied = _connected(f"{(Path(folder) / path.name).as_uri()}?mode=rw")
        found = _connected(":memory:")
        copied.backup(found)
        copied.close()
    return found


def _connected(uri: str) -> "sqlite3.Connection":
    import sqlite3

    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _checked(connection: "sqlite3.Connection", path: Path) -> bool:
    """Whether the file is blank. StoreError when it is something else, or a later version's ledger."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return True
    if application != APPLICATION:
        raise StoreError(f"{path} is not a ledger of flowrunner", "move it away", path=str(path))
    if version != VERSION:
        hint = "use that version, or set FLOWRUNNER_STORE to another folder"
        raise StoreError(f"{path} was written by a newer flowrunner (format {version})", hint, path=str(path))
    return False


def _make_tables(connection: "sqlite3.Connection") -> None:
    marks = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
    connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}{CHANGED};{marks}COMMIT;")


def _on_network(path: Path) -> bool:
    """Whether the file lies on a network file system, as far as the kernel tells."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    place = path.resolve()
    kinds = {Path(row[1]): row[2] for row in map(str.split, mounts.splitlines()) if len(row) > 2}
    return next((kinds[folder] in _NETWORK for folder in place.parents if folder in kinds), False)


@dataclass(slots=True)
class _Told:
    """SQLite's errors within as StoreError. A class, since it is entered often."""

    path: Path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if fault is not None:
            self.tell(fault)

    def tell(self, fault: BaseException) -> None:
        import sqlite3

        if isinstance(fault, sqlite3.Error):
            reason = str(fault)
            raise StoreError(f"{self.path} cannot be used: {reason}", _hint(reason), path=str(self.path)) from fault


@dataclass(slots=True)
class _Part:
    """A write among others of one transaction. A class, since there are three for each call."""

    connection: "sqlite3.Connection"
    path: Path

    def __enter__(self) -> "sqlite3.Connection":
        if not self.connection.in_transaction:
            raise StoreError(f"{self.path} cannot be used: the transaction was undone", path=str(self.path))
        return self.connection

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if fault is not None:
            with _Told(self.path):
                _undo(self.connection)  # all of it: half a write must not become durable with the others
            _Told(self.path).tell(fault)


def is_locked(fault: StoreError) -> bool:
    """Whether another one wrote for longer than anybody waits."""
    return getattr(fault.__cause__, "sqlite_errorcode", 0) & 0xFF in _LOCKED


def _hint(reason: str) -> str:
    if "full" in reason:
        return SPACE
    if "disk I/O" in reason:
        return FAULTY
    if "locked" in reason:
        return "another flowrunner writes to it; try again"
    if "readonly" in reason or "unable to open" in reason:
        return "set FLOWRUNNER_STORE to a folder that can be written"
    if "malformed" in reason or "not a database" in reason:
        return "keep it as evidence, move it away, and see `flowrunner store fsck`"
    return ""
