"""Image bytes by the digest of their content: `objects/ab/cdef…`. What is read is always hashed again.

.tmp/         drafts: a file gets its name only when it is whole
objects/      mode 0444, never changed
quarantine/   what stood under a digest that it did not have, and what was paid for and is no picture; evidence, never
              deleted here
trash/        what a sweep found needed by nothing; whoever asks for it gets it back
"""

import errno
import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from flowrunner.digest import sha256
from flowrunner.errors import StoreError
from flowrunner.files import IMAGE_LIMIT
from flowrunner.store import evidence, trash
from flowrunner.store.durable import (
    NEW,
    SPACE,
    Explained,
    Steps,
    at_once,
    begin_writing,
    ensure_own,
    make_folder,
    sync_folder,
    write_all,
)

_DIGEST = re.compile(r"[0-9a-f]{64}")
DRAFTS = ".tmp"
_LITTLE = 64 * 1024
"""Bytes that are sooner kept than read again."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}


READ_ONLY = "leave read_only out of [store], or set FLOWRUNNER_STORE to a folder that can be written"


class Absent(StoreError):
    """No object has this digest."""


class Damaged(StoreError):
    """What lies under a digest does not have it. It was set aside; `path` is where it lay."""


class TooLarge(StoreError):
    """More bytes came than the writer may take."""


class Objects:
    """The objects below the folder `root`. Nothing is made before the first write.

    Below a `read_only` root nothing is made, moved or brought back. A `shared` folder is one that others write to as
    well: its folders are not for this user only, and whoever owns them, what is read is hashed again."""

    def __init__(self, root: Path, *, shared: bool = False, read_only: bool = False) -> None:
        self.root = root
        self._read_only = read_only
        self._shared = shared
        self._trusted = shared

    def path(self, digest: str) -> Path:
        """Where an object lies, or would lie."""
        if not is_digest(digest):
            raise ValueError(f"{digest!r} is no sha256 in hexadecimal")
        return Path(f"{self.root}/objects/{digest[:2]}/{digest[2:]}")

    def has(self, digest: str) -> bool:
        """Whether the name is there; only `read` tells whether it is right. What was in the trash is brought back."""
        return self.path(digest).is_file() or self._recalled(digest) is not None

    def knows(self, digest: str) -> bool:
        """Whether the name is there, or in the trash; nothing is brought back."""
        return is_digest(digest) and (self.path(digest).exists() or trash.find(self.root, digest) is not None)

    def digests(self) -> Iterator[str]:
        """The name of every object, right or not, in order."""
        for folder in _listed(self.root / "objects"):
            for rest in _listed(self.root / "objects" / folder):
                if len(folder) == 2 and is_digest(folder + rest):
                    yield folder + rest

    def drafts(self) -> list[Path]:
        """What writers are at work on, or left behind when they died."""
        return [self.root / DRAFTS / name for name in _listed(self.root / DRAFTS)]

    def put(self, data: bytes) -> str:
        """Stores the bytes durably, once; their digest."""
        digest = sha256(data)
        path = self.path(digest)
        if path.exists() and self.is_sound(digest):
            if self._read_only:
                return digest
            with Explained("written", path):
                sync_folder(path.parent)
            return digest
        with self.writer() as writer:
            writer.write(data)
            return writer.commit()

    def writer(self, limit: int = IMAGE_LIMIT) -> "Writer":
        """Takes at most `limit` bytes as they come; never more than an object may have. StoreError where nothing may
        be written."""
        if self._read_only:
            raise StoreError(f"{self.root} is read-only", READ_ONLY, path=str(self.root))
        self._trust()
        return Writer(self, min(limit, IMAGE_LIMIT))

    def read(self, digest: str) -> bytes:
        """The bytes, hashed again. Absent; Damaged when they have another digest or cannot be an object at all."""
        path = self.path(digest)
        self._trust()
        with Explained("read", path):
            data = self._lying(digest, path)
        if data is not None and sha256(data) == digest:
            return data
        place = self._set_aside(digest)
        if place is None:
            return self.read(digest)
        raise Damaged(
            f"{path} does not hold what its name says; {place}",
            "restore it with `flowrunner store pull`, or make it anew with `flowrunner run --force`",
            path=str(path),
        )

    def adopt(self, draft: Path, digest: str) -> None:
        """Gives a whole and durable draft, on the same file system, its name; a sound object of that name is kept, a
        damaged one set aside. OSError, or Damaged when that cannot be set aside."""
        at_once(self.adopted(draft, digest))

    def adopted(self, draft: Path, digest: str) -> Steps[None]:
        """`adopt` in steps."""
        path = self.path(digest)
        try:
            linked = _linked(draft, path)
        except FileNotFoundError:
            self.make_folder(path.parent)
            linked = _linked(draft, path)
        if not linked and not self.is_sound(digest) and not _linked(draft, path):
            self.read(digest)
        draft.unlink(missing_ok=True)
        yield
        sync_folder(path.parent)

    def ensure_room(self, size: int) -> None:
        """StoreError when `size` more bytes could not be stored: asked before anything is paid for."""
        with Explained("written", self.root):
            self._trust()
            self.make_folder(self.root)
            room = os.statvfs(self.root)
            if room.f_flag & os.ST_RDONLY:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        free = room.f_bavail * room.f_frsize
        if free < size or (room.f_files and not room.f_favail):
            reason = f"No space left on device: {_mb(size)} are needed, {_mb(free)} are free"
            raise StoreError(f"{self.root} cannot be written: {reason}", SPACE, path=str(self.root))

    def make_folder(self, folder: Path) -> None:
        """A folder of this store. OSError."""
        make_folder(folder, shared=self._shared)

    def is_sound(self, digest: str) -> bool:
        """Whether an object is there and right; a damaged one is set aside."""
        try:
            self.read(digest)
        except (Absent, Damaged):
            return False
        return True

    def _lying(self, digest: str, path: Path) -> bytes | None:
        """What lies under a digest, at its path; None for what cannot be an object. OSError; Absent."""
        for _ in range(3):
            try:
                return plain_bytes(path)
            except FileNotFoundError:
                place = self._recalled(digest)
            if place is None:
                break
            with suppress(FileNotFoundError):
                return plain_bytes(place)
        raise Absent(f"no object sha256:{digest} is here", path=str(path))

    def _recalled(self, digest: str) -> Path | None:
        """Where an object that a sweep moved to the trash lies now: at its place again or, where nothing can be
        written, still there. None when it is not there."""
        found = trash.find(self.root, digest)
        if found is None or self._read_only:
            return found
        path = self.path(digest)
        try:
            self.adopt(found, digest)
        except FileNotFoundError:  # someone else has just brought it back, or it was just deleted
            return path if path.is_file() else None
        except OSError:
            return found
        return path

    def _trust(self) -> None:
        if not self._trusted:
            self._trusted = ensure_own(self.root)

    def _set_aside(self, digest: str) -> str | None:
        """Moves what lies under a digest to quarantine/ and looks again: None when it was right after all (another
        process has just put it in place of the bad one), else a clause that says where it is now."""
        if self._read_only:
            return "the store is read-only, so it stays there"
        target = self.root / evidence.QUARANTINE / f"{digest}-{os.urandom(4).hex()}"
        path = self.path(digest)
        try:
            self.make_folder(target.parent)
            path.rename(target)
            data = plain_bytes(target)
            if data is not None and sha256(data) == digest:
                self.adopt(target, digest)
                return None
            sync_folder(path.parent)
            sync_folder(target.parent)
        except FileNotFoundError:
            return "someone else has just set it aside"
        except OSError as fault:
            return f"it cannot be set aside: {fault.strerror}"
        return f"it was set aside as {target}"


class Writer:
    """A draft that becomes an object with `commit`; leaving the block without it, or `discard`, leaves nothing. Its
    file is made when there is more than a little to write, or when it ends; any thread may write or discard."""

    def __init__(self, objects: Objects, limit: int) -> None:
        self.size = 0
        self._objects = objects
        self._limit = limit
        self._hash = hashlib.sha256()
        self._kept = b""
        """What was written, while that is little and not in the file yet."""
        self._handle: int | None = None
        self._lies = False
        """There is a draft."""
        self._over = False
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        with self._turn:
            self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        with self._turn:
            self._over = True
            if self._lies:
                with Explained("written", self._draft):
                    self._close()
                    self._draft.unlink(missing_ok=True)
                self._lies = False

    @cached_property
    def _draft(self) -> Path:
        return Path(f"{self._objects.root}/{DRAFTS}/{os.getpid()}-{os.urandom(8).hex()}")

    @property
    def sha256(self) -> str:
        """Digest of what was written."""
        return self._hash.hexdigest()

    def discard(self) -> None:
        """Ends it without a word: what a disk does not give up is cleared away by the next sweep."""
        with suppress(StoreError):
            self.__exit__(None, None, None)

    def write(self, chunk: bytes) -> None:
        """TooLarge when the limit is passed; StoreError when the disk does not take it."""
        with self._turn:
            self.size += len(chunk)
            if self.size > self._limit:
                raise TooLarge(f"more than {self._limit:,} bytes came", path=str(self._draft))
            self._hash.update(chunk)
            self._kept += chunk
            if self._over or self._handle is not None or self.size > _LITTLE:
                self._hand_over()

    def read(self) -> bytes:
        """What was written."""
        if self._kept:
            return self._kept
        with Explained("read", self._draft):
            return plain_bytes(self._draft) or b"" if self.size else b""

    def commit(self) -> str:
        """The digest, once the object is durable under it. An fsync that fails is final: this draft is given up."""
        return at_once(self.committed())

    def committed(self) -> Steps[str]:
        """`commit` in steps, all of one thread."""
        digest = self.sha256
        with self._turn, Explained("written", self._objects.path(digest), self.size):
            yield from self._sealed()
            yield from self._objects.adopted(self._draft, digest)
            self._lies = False
        return digest

    def set_aside(self, attempt: int) -> Path:
        """Keeps the draft as evidence of what a paid attempt gave: where it is. The same bytes lie there once."""
        path = evidence.place(self._objects.root, self.sha256, attempt)
        with self._turn, Explained("written", path, self.size):
            at_once(self._sealed())
            self._objects.make_folder(path.parent)
            self._draft.rename(path)
            self._lies = False
            sync_folder(path.parent)
        return path

    def _hand_over(self) -> int:
        """Writes what was kept; the file."""
        handle = self._open()
        with Explained("written", self._draft, self.size):
            write_all(handle, self._kept)
        self._kept = b""
        return handle

    def _sealed(self) -> Steps[None]:
        handle = self._hand_over()
        os.fchmod(handle, 0o444)
        if self.size <= _LITTLE:  # much of a large one is written by now, and the system would forget that much
            begin_writing(handle)
        yield
        os.fsync(handle)
        self._close()
        yield

    def _open(self) -> int:
        if self._over:
            raise ValueError("the writer is closed")
        if self._handle is None:
            with Explained("written", self._draft):
                try:
                    self._handle = os.open(self._draft, NEW, 0o600)
                except FileNotFoundError:
                    self._objects.make_folder(self._draft.parent)
                    self._handle = os.open(self._draft, NEW, 0o600)
            self._lies = True
        return self._handle

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        self._over = True
        if handle is not None:
            os.close(handle)


def is_digest(name: str) -> bool:
    return _DIGEST.fullmatch(name) is not None


def _listed(folder: Path) -> list[str]:
    """The names in a folder, none where there is no such folder."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def _linked(draft: Path, path: Path) -> bool:
    """Whether the draft now has the name; False when something has it already."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as fault:
        if fault.errno not in _NO_LINKS:
            raise
        if path.exists():
            return False
        draft.rename(path)
    return True


def plain_bytes(path: Path) -> bytes | None:
    """A plain file's bytes; None for what cannot be an object. O_NONBLOCK: a named pipe must not hold us."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        if fault.errno in (errno.ELOOP, errno.ENXIO):
            return None
        raise
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return None
        pieces, room = [], IMAGE_LIMIT + 1
        # Where much is asked for, the allocator maps it, and gives it back as soon as it is free: it would keep some
        # tens of megabytes for each thread.
        size = status.st_size + 1 if status.st_size < _LITTLE else room
        while room and (piece := os.read(handle, min(size, room))):
            pieces.append(piece)
            room -= len(piece)
    finally:
        os.close(handle)
    return b"".join(pieces) if room else None
