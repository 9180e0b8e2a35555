"""Sweeping a store: what nothing needs goes to the trash, and is deleted by a later sweep if nobody asked for it.

    objects/ ───► trash/SECONDS/ ───► gone
        ▲______________│
        whoever reads it, or a sweep that finds it needed

What is needed is looked up anew whenever the store is had alone, just before anything moves. Each step is one rename
or one unlink, so a sweep may end anywhere. The ledger keeps all that it knows, and learns what is deleted.
"""

import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from flowrunner.slotted import dataclass
from flowrunner.store import trash
from flowrunner.store.database import LEDGER, Database, open_database
from flowrunner.store.durable import Explained, ensure_own, make_folder
from flowrunner.store.inuse import Busy, alone
from flowrunner.store.objects import Objects, is_digest
from flowrunner.store.roots import Named, Needed, needed

DAY = 24 * 60 * 60.0
_AT_ONCE = 200
"""Files that are moved while a run that begins has to wait."""

Clock: TypeAlias = Callable[[], float]


class Fate(StrEnum):
    """What becomes of a file of the store."""

    KEPT = "kept"
    """An object that is needed."""
    MOVED = "moved"
    """Into the trash: an object that nothing needs, or the draft of a writer that is gone."""
    WAITING = "waiting"
    """In the trash, and not for long enough."""
    DELETED = "deleted"
    RESTORED = "restored"
    """Out of the trash: it is needed after all."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep did, or would do: files and bytes by their fate. `busy` says why it ended early, because a run was
    going on or began; what was done until then stays done."""

    files: Counter[Fate]
    bytes: Counter[Fate]
    busy: str = ""


def plan_sweep(store: Path, named: Named, *, grace: float = DAY, now: Clock = time.time) -> Sweep:
    """What `sweep` would do now if no run were going on. Nothing is changed."""
    if not ensure_own(store):
        return Sweep(Counter(), Counter())
    with closing(open_database(store, create=False)) as database:
        return _Sweeper(store, named, database, grace, now()).planned()


def sweep(store: Path, named: Named, *, grace: float = DAY, now: Clock = time.time) -> Sweep:
    """Moves and deletes what neither `named` nor the ledger needs; what is needed comes back out of the trash.

    `grace` in seconds: results younger than that are needed, and what is in the trash for less stays there. StoreError
    when what is needed cannot be known."""
    if not ensure_own(store):
        return Sweep(Counter(), Counter())
    with closing(open_database(store, create=(store / LEDGER).exists())) as database:
        return _Sweeper(store, named, database, grace, now()).swept()


@dataclass(frozen=True, slots=True)
class _Item:
    """A plain file: `digest` is empty for a draft; `bin` holds it, or nothing does, and it lies at its place."""

    path: Path
    size: int
    digest: str
    bin: trash.Bin | None = None


@dataclass(slots=True)
class _Sweeper:
    store: Path
    named: Named
    database: Database
    grace: float
    now: float

    def planned(self) -> Sweep:
        done = Sweep(Counter(), Counter())
        wanted = self._needed()
        for item in self._items():
            _count(done, item, self._fate(item, wanted))
        return done

    def swept(self) -> Sweep:
        """In turns, so that a run that begins does not wait long."""
        done = Sweep(Counter(), Counter())
        wanted = self._needed()
        going = []
        for item in self._items():
            fate = self._fate(item, wanted)
            if fate in (Fate.KEPT, Fate.WAITING):
                _count(done, item, fate)
            else:
                going.append(item)
        try:
            for start in range(0, len(going), _AT_ONCE):
                with alone(self.store):
                    self._turn(going[start : start + _AT_ONCE], done)
            with alone(self.store):
                self._tidy()
        except Busy as fault:
            return Sweep(done.files, done.bytes, fault.message)
        return done

    def _turn(self, items: Sequence[_Item], done: Sweep) -> None:
        """Some files, the store had alone: what is needed is asked again, for it may have changed."""
        wanted = self._needed()
        fates = [(item, self._fate(item, wanted)) for item in items]
        self._record([item.digest for item, fate in fates if fate is Fate.DELETED and item.digest])
        for item, fate in fates:
            with Explained("swept", item.path), suppress(FileNotFoundError):
                self._act(item, fate)
                _count(done, item, fate)

    def _act(self, item: _Item, fate: Fate) -> None:
        if fate is Fate.MOVED:
            place = trash.bin_of(self.store, self.now).path
            make_folder(place)
            item.path.rename(place / (item.digest or item.path.name))
        elif fate is Fate.DELETED:
            item.path.unlink()
        elif fate is Fate.RESTORED:
            Objects(self.store).adopt(item.path, item.digest)

    def _record(self, digests: list[str]) -> None:
        """Before they are gone: what is missing later was deleted, not lost."""
        if digests and (self.store / LEDGER).exists():
            with self.database.write() as rows:
                rows.executemany("INSERT OR REPLACE INTO swept VALUES (?, ?)", [(one, self.now) for one in digests])

    def _tidy(self) -> None:
        for one in trash.bins(self.store):
            with suppress(OSError):
                one.path.rmdir()

    def _fate(self, item: _Item, wanted: Needed) -> Fate:
        if item.digest and item.digest in wanted:
            return Fate.RESTORED if item.bin else Fate.KEPT
        if item.bin is None:
            return Fate.MOVED
        return Fate.DELETED if self.now - item.bin.moved >= self.grace else Fate.WAITING

    def _needed(self) -> Needed:
        return needed(self.named(), self.database, self.now - self.grace)

    def _items(self) -> Iterator[_Item]:
        """Of the trash first: what goes there now outlasts this sweep."""
        for one in trash.bins(self.store):
            yield from _plain(((path, path.name if is_digest(path.name) else "") for path in one.files()), one)
        objects = Objects(self.store)
        yield from _plain((objects.path(digest), digest) for digest in objects.digests())
        yield from _plain((path, "") for path in objects.drafts())


def _plain(found: Iterable[tuple[Path, str]], place: trash.Bin | None = None) -> Iterator[_Item]:
    """The plain files: anything else is none of ours, and `fsck` tells of it."""
    for path, digest in found:
        with suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                yield _Item(path, status.st_size, digest, place)


def _count(done: Sweep, item: _Item, fate: Fate) -> None:
    done.files[fate] += 1
    done.bytes[fate] += item.size
