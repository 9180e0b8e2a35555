"""Writing so that a crash leaves the old state or the new one, and so that every failure names its file and reason."""

import errno
import os
import stat
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeAlias, TypeVar

from flowrunner.digest import sha256
from flowrunner.errors import StoreError
from flowrunner.slotted import dataclass

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]
"""A work that pauses where others may catch up: what they make durable together costs little more than one of them."""

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a file is made that nobody else may have made, nor led elsewhere by a link."""

SPACE = "free some space and run the same command again: nothing that was paid for is asked for twice"
FAULTY = "the disk reports a fault: check it before anything else is paid for"
_HINTS = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EFBIG: SPACE,
    errno.EIO: FAULTY,
}
_ELSEWHERE = "set FLOWRUNNER_STORE to another folder"
_ACCESS = "give the user who runs flowrunner access to it"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP}


@dataclass(slots=True)
class Explained:
    """An OSError within becomes a StoreError: `PATH cannot be VERB: reason`, with the bytes that were to be written.
    `elsewhere` is how one has another place for what is not of the store; empty where there is no other.

    A class, since it is entered twenty times for each picture, and a generator takes four times as long."""

    verb: str
    path: Path
    size: int = 0
    elsewhere: str = _ELSEWHERE

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(fault, OSError):
            reason = os.strerror(fault.errno) if fault.errno else str(fault)
            reason += f" ({self.size:,} bytes)" if self.size and fault.errno in _FULL else ""
            hint = self._hint(fault.errno or 0)
            raise StoreError(f"{self.path} cannot be {self.verb}: {reason}", hint, path=str(self.path)) from fault

    def _hint(self, number: int) -> str:
        if number == errno.EACCES:
            return f"{_ACCESS}, or {self.elsewhere}" if self.elsewhere else _ACCESS
        return self.elsewhere if number == errno.EROFS else _HINTS.get(number, "")


def ensure_own(root: Path) -> bool:
    """Whether the folder is there. StoreError when another user owns it or everyone may write to it: what lies in it
    decides what is sent and paid."""
    try:
        status = root.stat()
    except FileNotFoundError:
        return False
    path = str(root)
    if status.st_uid != os.geteuid():
        raise StoreError(f"{path} belongs to another user", "set FLOWRUNNER_STORE to a folder of your own", path=path)
    if status.st_mode & stat.S_IWOTH:
        raise StoreError(f"{path} may be written by everyone", f"chmod o-w {path}", path=path)
    return True


def make_folder(path: Path, *, shared: bool = False) -> None:
    """The folder and those above it that are missing, each name durable: for this user only whatever the umask, or
    `shared` with whom the umask and the folder above say."""
    for holder in making(path, shared=shared):
        sync_folder(holder)


def making(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """The same, but for the names: the folder that holds each, for whoever makes many of them durable at once."""
    missing = []
    at = path
    while not at.is_dir():
        missing.append(at)
        at = at.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):  # someone else has just made it: its name may not be durable yet
            folder.mkdir(mode=0o777 if shared else 0o700)
            if not shared:
                folder.chmod(0o700)
        yield folder.parent


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable, where its file system knows such a thing."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as fault:
        if fault.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Every byte: one write may take fewer than it was given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def replace(path: Path, data: bytes) -> None:
    """Puts `data` under `path` in one step, name and all. Whoever calls holds a lock that keeps others from doing the
    same."""
    at_once(put(path, data))
    sync_folder(path.parent)


def put(path: Path, data: bytes, *, dated: int | None = None) -> Steps[os.stat_result]:
    """The same in steps, but for the name, which is durable with its folder. `dated` is the time that the file has, in
    nanoseconds since 1970, where it is not the present.

    The draft has one fixed name beside the file, so that what a crash leaves is cleared by the next attempt. A file
    that exists keeps its mode; a link in its place is replaced, never followed."""
    draft = path.with_name(f".{sha256(os.fsencode(path.name))[:12]}.draft")
    try:
        handle = os.open(draft, NEW, 0o666)
    except FileExistsError:  # what a crash left
        draft.unlink()
        handle = os.open(draft, NEW, 0o666)
    try:
        try:
            write_all(handle, data)
            del data  # it may be large, and is not needed while others are written
            _keep_mode(path, handle)
            if dated is not None:
                os.utime(handle, ns=(dated, dated))
            begin_writing(handle)
            yield
            os.fsync(handle)
            status = os.fstat(handle)
        finally:
            os.close(handle)
        yield
        draft.rename(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    return status


def begin_writing(handle: int) -> None:
    """Tells the disk of what was written to a file, without waiting for it. Who makes many files durable tells of all
    of them first: the first fsync then waits for what all of them need, and the others find it done.

    Before Linux forgets pages that nobody needs it starts to write those that are dirty. It is advice, no promise."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def in_step(works: Iterable[Steps[T]]) -> list[T | BaseException]:
    """What each work gives, or what it ends with. All take a step before any takes the next."""
    under_way = dict(enumerate(works))
    ended: dict[int, T | BaseException] = {}
    while under_way:
        for place, work in list(under_way.items()):
            try:
                next(work)
                continue
            except StopIteration as end:
                ended[place] = end.value
            except BaseException as fault:  # noqa: BLE001 - whoever asked for it is told
                ended[place] = fault
            del under_way[place]
    return [ended[place] for place in sorted(ended)]


def at_once(work: Steps[T]) -> T:
    """What a work gives whose steps nobody shares."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            gave: T = end.value
            return gave


def _keep_mode(path: Path, handle: int) -> None:
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            os.fchmod(handle, stat.S_IMODE(status.st_mode))
