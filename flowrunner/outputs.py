"""The files of an outputs folder: what lies there already, what is made now, what goes away.

Files are made several at a time, for their bytes are hashed again and wait for the disk; each is durable before it has
its name, so that a crash leaves the old one or the new one, and the names of a folder are made durable together.
"""

import errno
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from flowrunner.digest import sha256
from flowrunner.errors import FlowError, StoreError
from flowrunner.slotted import dataclass
from flowrunner.store.bounds import Bounds
from flowrunner.store.durable import Explained, Steps, in_step, make_folder, making, put, replace, sync_folder
from flowrunner.store.objects import plain_bytes

Make: TypeAlias = Callable[[], bytes]
_WRITERS = 4
_PART = 4 * 1024 * 1024
"""Bytes of files for which another thread is begun: to hash them takes longer than to give way to each other."""
_FILES = 64
"""Files that one thread makes together, each of them open."""
_ROOM = 48 * 1024 * 1024
"""Bytes of files that are made at once; a larger one is made alone."""
_AGE = 1_000_000_000
"""Nanoseconds that a file is dated back when it is made: whoever changes it afterwards leaves another time, however
coarse the clock of its disk."""
_RECENT = 2 * _AGE


_NAME = "give the results another name or folder"
_MOVE = "move it, or name another folder"
_OTHER = "or name another folder for the results with --output"
_ELSEWHERE = {
    errno.EISDIR: f"remove the folder that lies there, {_OTHER}",
    errno.ENOTDIR: f"remove the file that lies in its way, {_OTHER}",
    errno.EACCES: f"give the user who runs flowrunner access to it, {_OTHER}",
    errno.EPERM: f"give the user who runs flowrunner access to it, {_OTHER}",
    errno.EROFS: "name a folder for the results that can be written with --output",
}


class NotPublished(FlowError):
    """A file that cannot be written under its name. `elsewhere`: in another folder it could, and here it cannot until
    somebody clears its place."""

    def __init__(self, message: str, hint: str = "", *, elsewhere: bool = False) -> None:
        super().__init__(message, hint)
        self.elsewhere = elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file that was written: its digest, what it was made of, and how the disk saw it then."""

    sha256: str
    made_of: str
    stamp: tuple[int, ...]


class Room:
    """Memory that threads share: each waits until there is as much as it needs."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: size <= self._free)
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


class Outputs:
    """One folder below `root`, or anywhere else. `manifest` names what was written before; None where nothing may be
    noted: then nothing is removed either. In a `foreign` folder lie files of others: only what was written before is
    replaced. `sources` are what the results are made of, and stay wherever they lie."""

    def __init__(
        self,
        *,
        root: Path,
        folder: Path,
        manifest: Path | None,
        foreign: bool = False,
        sources: Iterable[Path] = (),
    ) -> None:
        self.folder = folder
        self._foreign = foreign
        self._sources = sources
        self._manifest = manifest
        self._root = root
        self._bounds = Bounds(folder, root)
        self._shown = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)
        self._before = _entries(manifest) if manifest else {}
        self._kept: dict[str, Entry] = {}
        self._lacking: dict[str, tuple[str, Make, int]] = {}
        self._room = Room(_ROOM)
        self._failed: dict[str, FlowError] = {}
        self._folders: dict[Path, NotPublished | None] = {}
        self._unsynced: dict[Path, None] = {}
        """Folders that hold new names, in their order."""
        self._turn = threading.Lock()

    @property
    def is_whole(self) -> bool:
        """Whether every file that was asked for is there."""
        return not self._lacking

    def file(self, place: str, made_of: str, make: Make, size: int = 0) -> str:
        """The path, as it is shown, of a file that is made of this: it is there, or will be once all is made, which
        takes `size` bytes of memory. What kept it from being made is raised then."""
        if place in self._failed:
            raise self._failed[place]
        entry = self._kept.get(place) or self._before.get(place)
        if entry is None or entry.made_of != made_of or (place not in self._kept and entry.stamp != self._stamp(place)):
            self._lacking[place] = made_of, make, size
        else:
            self._kept[place] = entry
        return f"{self._shown}/{place}"

    def make(self) -> None:
        """Makes what lacks. The same questions then have their answers."""
        from concurrent.futures import ThreadPoolExecutor

        lacking, self._lacking = self._lacking, {}
        parts = _parts(lacking)
        writers = 1 + sum(size for _, _, size in lacking.values()) // _PART
        with ThreadPoolExecutor(min(_WRITERS, writers), "outputs") as pool:
            made = pool.map(lambda part: in_step(self._made(place, *lacking[place]) for place in part), parts)
            for place, found in zip(lacking, chain.from_iterable(made), strict=True):
                if isinstance(found, FlowError):
                    self._failed[place] = found
                elif isinstance(found, BaseException):
                    raise found
                else:
                    self._kept[place] = found
        self._sync(lacking)

    def tidy(self, *, whole: bool) -> list[StoreError]:
        """Removes what nothing makes any more, and writes the manifest where it changed; what could not be removed, and
        is tried again next time. Where a file could not be made nothing is removed: what was written before may be the
        only copy that is left."""
        whole = whole and not self._failed
        gone = [place for place in self._before if place not in self._kept] if whole else ()
        stays: dict[str, StoreError] = {}
        for place in gone:
            try:
                self._remove(place)
            except StoreError as fault:
                stays[place] = fault
        kept = {**self._kept, **{place: self._before[place] for place in stays}} if whole else self._left() | self._kept
        note = self._manifest
        if kept != self._before and note is not None:
            self._note(note, kept)
        return list(stays.values())

    def _remove(self, place: str) -> None:
        path = self.folder / place
        if self._is_as_left(place) and not self._is_source(place):
            with Explained("removed", path, elsewhere=""):
                path.unlink()
            self._prune(path.parent)

    def _left(self) -> dict[str, Entry]:
        """What was written before, but for the files that were to be replaced and are not what they were."""
        return {
            place: entry
            for place, entry in self._before.items()
            if place not in self._failed or self._is_as_left(place)
        }

    def _is_as_left(self, place: str) -> bool:
        """Whether what lies at a place that the manifest names was written here, and nobody has changed it."""
        path = self.folder / place
        try:
            data = plain_bytes(path) if self._bounds.left_by(path.parent) is None else None
        except (OSError, ValueError):
            return False
        return data is not None and sha256(data) == self._before[place].sha256

    def _note(self, note: Path, kept: Mapping[str, Entry]) -> None:
        out_of = Bounds(note.parent, self._root).left_by(note.parent)
        if out_of is not None:
            raise StoreError(f"{note.parent} leads out of {out_of}", "remove the link", path=str(note.parent))
        record = {place: [entry.sha256, entry.made_of, *entry.stamp] for place, entry in sorted(kept.items())}
        with Explained("written", note):
            make_folder(note.parent)
            replace(note, json.dumps(record, indent=0).encode())

    def _made(self, place: str, made_of: str, make: Make, size: int) -> Steps[Entry]:
        path = Path(f"{self.folder}/{place}")
        with self._room.taken(size):
            lies = os.path.lexists(path)
            taken = self._taken(place) if lies else None
            data = make()
            digest = sha256(data)
            if lies and _holds(path, data):
                return Entry(sha256=digest, made_of=made_of, stamp=self._settled(place))
            if taken is not None:
                raise taken
            writing = self._writing(path, data)
            next(writing)
            del data
        yield
        stamp = yield from writing
        return Entry(sha256=digest, made_of=made_of, stamp=stamp)

    def _taken(self, place: str) -> NotPublished | None:
        """Why another file must not take the place of what lies there; None where it may."""
        path = f"{self.folder}/{place}"
        if self._is_source(place):
            return NotPublished(f"{path} is read by the pipeline, and stays", _NAME, elsewhere=True)
        if self._foreign and not (place in self._before and self._is_as_left(place)):
            return NotPublished(f"{path} is not as flowrunner wrote it, and stays", _MOVE, elsewhere=True)
        return None

    def _is_source(self, place: str) -> bool:
        try:
            return _identity(self.folder / place) in self._source_files
        except (OSError, ValueError):
            return False

    @cached_property
    def _source_files(self) -> set[tuple[int, int]]:
        """By what tells files apart on a disk: one may be reached by several names."""
        found = set()
        for path in self._sources:
            with suppress(OSError):
                found.add(_identity(path))
        return found

    def _writing(self, path: Path, data: bytes) -> Steps[tuple[int, ...]]:
        self._make_folder(path.parent)
        steps, size = put(path, data, dated=time.time_ns() - _AGE), len(data)
        del data
        try:
            with Explained("written", path, size):
                return _seen((yield from steps))
        except StoreError as fault:
            raise _not_published(fault) from None

    def _make_folder(self, folder: Path) -> None:
        """The folder of a file; a link on the way to it must not lead out of where results are to lie."""
        with self._turn:
            if folder not in self._folders:
                self._folders[folder] = self._unusable(folder)
        fault = self._folders[folder]
        if fault is not None:
            raise fault

    def _unusable(self, folder: Path) -> NotPublished | None:
        out_of = self._bounds.left_by(folder)
        if out_of is not None:
            return NotPublished(f"{folder} leads out of {out_of}", "remove the link")
        try:
            for holder in making(folder, shared=True):
                self._unsynced[holder] = None
            if folder.exists() and not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        except OSError as fault:
            hint = _ELSEWHERE.get(fault.errno or 0, "")
            return NotPublished(f"{folder} cannot be made: {fault.strerror}", hint, elsewhere=bool(hint))
        self._unsynced[folder] = None
        return None

    def _sync(self, made: Iterable[str]) -> None:
        """The names that were given now; what may be lost with the power was not published."""
        for folder in self._unsynced:
            try:
                with Explained("written", folder):
                    sync_folder(folder)
            except StoreError as fault:
                for place in made:
                    if place in self._kept and (self.folder / place).is_relative_to(folder):
                        del self._kept[place]
                        self._failed[place] = _not_published(fault)

    def _prune(self, folder: Path) -> None:
        """Folders that are empty now."""
        while folder != self.folder and folder.is_relative_to(self.folder):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _stamp(self, place: str) -> tuple[int, ...]:
        try:
            return _seen(os.lstat(f"{self.folder}/{place}"))
        except OSError:
            return ()

    def _settled(self, place: str) -> tuple[int, ...]:
        """How the disk sees a file that somebody else may have written just now: not at all, while a change might not
        show."""
        stamp = self._stamp(place)
        return stamp if stamp and stamp[-1] < time.time_ns() - _RECENT else ()


def _parts(lacking: Mapping[str, tuple[str, Make, int]]) -> list[list[str]]:
    """Which files are made together, in their order."""
    parts: list[list[str]] = [[]]
    room = _PART
    for place, (_, _, size) in lacking.items():
        if parts[-1] and (size > room or len(parts[-1]) == _FILES):
            parts.append([])
            room = _PART
        parts[-1].append(place)
        room -= size
    return parts


def _entries(path: Path) -> dict[str, Entry]:
    """What was written before; nothing where that cannot be read: then everything is looked at. It may be damaged, or
    have come with the repository."""
    try:
        found: Any = json.loads(plain_bytes(path) or b"{}")
        return {place: _entry(entry) for place, entry in found.items()}
    except (OSError, ValueError, AttributeError, TypeError, LookupError, OverflowError, RecursionError):
        return {}


def _entry(record: Any) -> Entry:
    return Entry(sha256=str(record[0]), made_of=str(record[1]), stamp=tuple(map(int, record[2:])))


def _seen(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_ino, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else ()


def _not_published(fault: StoreError) -> NotPublished:
    number = fault.__cause__.errno if isinstance(fault.__cause__, OSError) else None
    hint = _ELSEWHERE.get(number or 0, "")
    return NotPublished(fault.message, hint or fault.hint, elsewhere=bool(hint))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _holds(path: Path, data: bytes) -> bool:
    try:
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
