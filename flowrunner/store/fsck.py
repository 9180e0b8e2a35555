"""Checking a store: it finds and names, and changes nothing.

A damaged object is set aside by whoever reads it next, and fetched or made again by whoever needs it; a damaged ledger
is evidence, and is left as it is.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from flowrunner.artifact import Artifact
from flowrunner.digest import sha256
from flowrunner.errors import FlowError, StoreError
from flowrunner.imagehead import BadImage, artifact, simulated
from flowrunner.slotted import dataclass, field
from flowrunner.store import audit, claims, evidence, trash
from flowrunner.store.claims import Claim
from flowrunner.store.database import Database
from flowrunner.store.findings import Finding, Kind, Severity
from flowrunner.store.inuse import is_used
from flowrunner.store.locked import Lock
from flowrunner.store.lockfile import LockFile
from flowrunner.store.objects import DRAFTS, Objects, is_digest, plain_bytes
from flowrunner.store.records import RunStatus
from flowrunner.store.workspace import STATE

__all__ = ["Finding", "Kind", "Severity", "check"]

_FOLDERS = ("objects", DRAFTS, evidence.QUARANTINE, "trash", "locks", "runs", "projects")
_ORDER = list(Severity)
_CLEARED = "`flowrunner store gc` clears it away"
_EVIDENCE = "keep a copy of the ledger as evidence"
_NEXT = "whoever reads it next sets it aside"


def check(store: Path, locks: Iterable[LockFile]) -> list[Finding]:
    """Whatever is wrong with a store, and with what `locks` say of it, the worst first. It reads every object; nothing
    is changed."""
    found = list(_folders(store))
    if store.is_dir():
        with ExitStack() as stack:
            database, more = audit.open_ledger(store)
            if database is not None:
                stack.enter_context(closing(database))
            found += more
            work = _Check(store, database)
            for part in (work.ledger(), work.locks(locks), work.objects(), work.missing(), work.aside(), work.runs()):
                found += part
    return sorted(found, key=lambda one: (_ORDER.index(one.severity), one.kind, one.where))


def _folders(store: Path) -> Iterator[Finding]:
    """The store's folders must be folders of this user, which nobody else may write to."""
    if store.exists() and not store.is_dir():
        yield _damage(Kind.STORE_PLACE, store, f"{store} is no folder", "set FLOWRUNNER_STORE to another place")
        return
    for path in (store, *(store / name for name in _FOLDERS), *sorted((store / "objects").glob("??"))):
        try:
            status = path.stat() if path == store else path.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(status.st_mode):
            if path.parent.name != "objects":
                yield _damage(Kind.STORE_PLACE, path, f"{path} is no folder", "move it away")
            continue
        if status.st_uid != os.geteuid():
            hint = (
                f"chown it, or set FLOWRUNNER_STORE to a folder of your own: what lies in {store} decides what is paid"
            )
            yield _damage(Kind.STORE_FOREIGN, path, f"{path} belongs to another user", hint)
        if status.st_mode & stat.S_IWOTH:
            yield _damage(Kind.STORE_OPEN, path, f"{path} may be written by everyone", f"chmod o-w {path}")


@dataclass(slots=True)
class _Check:
    """One check of a store whose ledger is open, where it has one."""

    store: Path
    database: Database | None
    said: dict[str, list[Claim]] = field(default_factory=dict)
    """By digest, all that is said of an object; outcomes in the order of their calls."""

    def _say(self, claim: Claim) -> None:
        self.said.setdefault(claim.digest, []).append(claim)

    def _remedy(self, digest: str) -> str:
        return claims.remedy(self.said.get(digest, []), self.database)

    # The ledger and the locks

    def ledger(self) -> Iterator[Finding]:
        if self.database is None:
            return
        yield from audit.rows(self.store, self.database)
        with suppress(StoreError):
            made, broken = claims.of_ledger(self.database)
            for claim in made:
                self._say(claim)
            for call in broken:
                message = f"the outcome of attempt {call} cannot be read"
                yield _damage(Kind.TEXT, f"ledger: attempt {call}", message, _EVIDENCE)

    def locks(self, locks: Iterable[LockFile]) -> Iterator[Finding]:
        kinds: dict[str, set[bool]] = {}
        for claim in (claim for said in self.said.values() for claim in said):
            kinds.setdefault(claim.key, set()).add(claim.simulated)
        for file in locks:
            lock, found = _read(file)
            yield from found
            for claim in claims.of_lock(file.name, lock, simulated=file.name.startswith(f"{STATE}/simulated/")):
                self._say(claim)
                if claim.key in kinds and claim.simulated not in kinds[claim.key]:
                    one, other = ("simulated", "live") if claim.simulated else ("live", "simulated")
                    message = f"{claim.where} stands in a lock of {one} runs, and a {other} run made it"
                    hint = "take the cell out of the lock: the next run plans it anew"
                    yield Finding(kind=Kind.MIXED, where=claim.where, message=message, hint=hint)

    # Objects

    def objects(self) -> Iterator[Finding]:
        for folder in _entries(self.store / "objects"):
            if len(folder.name) == 2 and is_digest(folder.name * 32) and folder.is_dir() and not folder.is_symlink():
                for path in _entries(folder):
                    digest = folder.name + path.name
                    yield from self._object(path, digest) if is_digest(digest) else self._stray(path)
            else:
                yield from self._stray(folder)

    def _object(self, path: Path, digest: str) -> Iterator[Finding]:
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                yield _damage(Kind.OBJECT_NO_FILE, path, f"{path} is no plain file", f"{_NEXT}; {self._remedy(digest)}")
                return
            yield from _manners(path, status)
            data = plain_bytes(path)
        except FileNotFoundError:
            return
        except OSError as fault:
            message = f"{path} cannot be read: {fault.strerror}"
            yield _damage(Kind.OBJECT_UNREADABLE, path, message, self._remedy(digest))
            return
        yield from self._bytes(path, digest, data)

    def _bytes(self, path: Path, digest: str, data: bytes | None) -> Iterator[Finding]:
        real = "" if data is None else sha256(data)
        if data is not None and real == digest:
            yield from self._content(path, digest, data)
        elif real[2:] == digest[2:]:
            yield self._misplaced(path, real)
        else:
            message = f"{path} {self._how_damaged(digest, data, real)}"
            yield _damage(Kind.OBJECT_DAMAGED, path, message, f"{_NEXT}; {self._remedy(digest)}")

    def _how_damaged(self, digest: str, data: bytes | None, real: str) -> str:
        size = max((claim.artifact.bytes for claim in self.said.get(digest, ()) if claim.artifact), default=0)
        if data is None:
            return "is larger than a picture may be"
        if not data:
            return "is empty"
        if real in self.said:
            return f"holds another picture, sha256:{real} ({self.said[real][-1].where})"
        if len(data) < size:
            return f"is cut off: {len(data):,} of {size:,} bytes"
        return "does not hold what its name says"

    def _content(self, path: Path, digest: str, data: bytes) -> Iterator[Finding]:
        """A sound object against what is said of it."""
        said = self.said.get(digest, ())
        claim, how = next(((claim, how) for claim in said if (how := _differs(claim.artifact, data))), (None, ""))
        if claim is not None:
            hint = (
                _EVIDENCE if claim.call else "take it out of the lock: the next run finds in the ledger what is right"
            )
            yield _damage(Kind.OBJECT_DIFFERS, path, f"{claim.where} says otherwise of {path}: {how}", hint)
        live = next((one for one in said if not one.simulated and not one.local and one.paid is not None), None)
        if live is not None and simulated(data):
            message = f"{path} was made by a simulator, and {live.where} has it from a live call"
            yield _damage(Kind.OBJECT_SIMULATED, path, message, self._remedy(digest))

    def _stray(self, path: Path) -> Iterator[Finding]:
        data = None
        with suppress(OSError):
            data = plain_bytes(path)
        real = sha256(data) if data else ""
        if real in self.said or (real and path.name.endswith(real[2:])):
            yield self._misplaced(path, real)
        else:
            yield _note(Kind.STRAY, path, f"{path} is none of flowrunner's", "move it away")

    def _misplaced(self, path: Path, digest: str) -> Finding:
        place = Objects(self.store).path(digest)
        hint = "a sound one lies at its place: move this one away" if place.exists() else f"move it to {place}"
        return _damage(Kind.OBJECT_MISPLACED, path, f"{path} is sha256:{digest}, which is not looked for there", hint)

    def missing(self) -> Iterator[Finding]:
        """What is said to exist and does not. It is information where a lock says so: a clone brings no pictures."""
        deleted = self._deleted()
        for digest, said in self.said.items():
            if Objects(self.store).path(digest).exists() or trash.find(self.store, digest):
                continue
            locked = [claim for claim in said if claim.call is None]
            last = max(said, key=lambda claim: claim.at)
            if locked:
                more = f" and {len(locked) - 1} more" if len(locked) > 1 else ""
                message = f"sha256:{digest} is not here: {locked[0].where}{more}"
                yield _note(Kind.LOCK_MISSING, locked[0].where, message, self._remedy(digest))
            elif deleted.get(digest, -1.0) < last.at:
                message = f"the picture of {last.cell}, sha256:{digest}, is gone, and no sweep deleted it"
                costs = any(not claim.local and not claim.simulated for claim in said)
                severity = Severity.WARNING if costs else Severity.INFO
                yield _damage(Kind.OUTCOME_LOST, last.where, message, self._remedy(digest), severity)

    def _deleted(self) -> dict[str, float]:
        """When sweeps deleted what."""
        with suppress(StoreError):
            if self.database is not None:
                return {row["digest"]: row["at"] for row in self.database.rows("SELECT * FROM swept")}
        return {}

    # What lies beside the objects

    def aside(self) -> Iterator[Finding]:
        for path in _entries(self.store / evidence.QUARANTINE):
            yield from self._set_aside(path)
        for path in () if is_used(self.store) else Objects(self.store).drafts():
            yield _note(Kind.DRAFT, path, f"{path} was left by a writer that is gone", _CLEARED)
        yield from self._trash()

    def _set_aside(self, path: Path) -> Iterator[Finding]:
        digest, attempt = path.name.partition("-")[0], evidence.attempt_of(path)
        if not is_digest(digest):
            yield _note(Kind.STRAY, path, f"{path} is none of flowrunner's", "move it away")
        elif attempt is None:
            hint = self._remedy(digest)
            if Objects(self.store).path(digest).exists():
                hint = "another one has taken its place: remove this one when you know what damaged it"
            yield _note(Kind.QUARANTINED, path, f"{path} was set aside because it was damaged", hint)
        else:
            yield from self._evidence(path, digest, attempt)

    def _evidence(self, path: Path, digest: str, attempt: int) -> Iterator[Finding]:
        """What was paid for and is no picture."""
        with suppress(OSError):
            if sha256(plain_bytes(path) or b"") != digest:
                message = f"{path} is no longer what came"
                yield _damage(Kind.EVIDENCE_DAMAGED, path, message, "bring it back from a backup", Severity.WARNING)
        of, hint = claims.evidence(attempt, self.database)
        yield _note(Kind.EVIDENCE, path, f"{path} was set aside: it came in the place of {of}", hint)

    def _trash(self) -> Iterator[Finding]:
        bins = trash.bins(self.store)
        for path in _entries(self.store / "trash"):
            if path not in {one.path for one in bins}:
                yield _note(Kind.STRAY, path, f"{path} is none of flowrunner's", "move it away")
        for path in (path for one in bins for path in one.files() if is_digest(path.name)):
            with suppress(OSError):
                data = plain_bytes(path)
                if data is None or sha256(data) != path.name:
                    message = f"{path} does not hold what its name says"
                    yield _damage(Kind.TRASH_DAMAGED, path, message, _CLEARED, Severity.WARNING)

    def runs(self) -> Iterator[Finding]:
        """Locks of runs that nobody holds any more; those of runs that were cut off are told with them."""
        for path in _entries(self.store / "runs"):
            run = path.name.removesuffix(".lock")
            if path.is_dir() or path.suffix != ".lock":
                yield _note(Kind.STRAY, path, f"{path} is none of flowrunner's", "move it away")
            elif not audit.lives(self.store, run) and self._status(run) != RunStatus.RUNNING and path.exists():
                yield _note(Kind.RUN_LOCK, path, f"{path} belongs to no run that is going on", f"rm {path}")

    def _status(self, run: str) -> str:
        with suppress(StoreError):
            row = self.database.row("SELECT status FROM runs WHERE id = ?", run) if self.database else None
            return str(row["status"]) if row else ""
        return ""


def _read(file: LockFile) -> tuple[Lock, list[Finding]]:
    """What can be read of a lock. A file of that name that is another program's is passed over."""
    try:
        lock, problems = file.read()
    except FlowError as fault:
        return Lock(), [_unreadable(file, fault.message, fault.hint)]
    if not problems or (lock == Lock() and not _is_ours(file)):
        return lock, []
    first = problems[0]
    place = f"{file.name}:{first.span.line}" if first.span else file.name
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return lock, [_unreadable(file, f"{place}: {first.message}{more}", first.hint)]


def _unreadable(file: LockFile, message: str, hint: str) -> Finding:
    hint = hint or "bring it back with git; what was paid for is found again in the ledger"
    return Finding(kind=Kind.LOCK_UNREADABLE, where=file.name, message=message, hint=hint)


def _is_ours(file: LockFile) -> bool:
    """Whether it lies in our own folder, or beside a pipeline of its name."""
    stem = file.path.name.removesuffix(".lock.yaml")
    names = {f"{one}{suffix}" for one in (stem, stem.rpartition("@")[0] or stem) for suffix in (".yaml", ".yml")}
    return file.name.startswith(f"{STATE}/") or any(file.path.with_name(name).exists() for name in names)


def _differs(said: Artifact | None, data: bytes) -> str:
    """How a picture is not what is said of it; empty where it is, or where only its digest is said."""
    if said is None:
        return ""
    try:
        real = artifact(data)
    except BadImage as fault:
        return fault.message
    if (said.media_type, said.width, said.height) != (real.media_type, real.width, real.height):
        one, other = (f"{it.media_type} of {it.width}x{it.height}" for it in (said, real))
        return f"not {one}, but {other}"
    return f"not {said.bytes:,} bytes, but {real.bytes:,}" if said.bytes not in (0, real.bytes) else ""


def _manners(path: Path, status: os.stat_result) -> Iterator[Finding]:
    """Objects are made with mode 0444 by this user; another mode or owner harms nothing yet."""
    if stat.S_IMODE(status.st_mode) != 0o444:
        message = f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, and objects have 0444"
        yield _damage(Kind.OBJECT_MODE, path, message, f"chmod 444 {path}", Severity.WARNING)
    if status.st_uid != os.geteuid():
        message = f"{path} belongs to another user, who can change it"
        yield _damage(Kind.OBJECT_OWNER, path, message, f"chown it: {path}", Severity.WARNING)


def _entries(folder: Path) -> Sequence[Path]:
    """What lies in a folder of the store. A link in its place is told as such, and leads to what is not ours."""
    if folder.is_symlink():
        return ()
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _damage(kind: Kind, where: object, message: str, hint: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(kind=kind, where=str(where), message=message, hint=hint, severity=severity)


def _note(kind: Kind, where: object, message: str, hint: str) -> Finding:
    return _damage(kind, where, message, hint, Severity.INFO)
