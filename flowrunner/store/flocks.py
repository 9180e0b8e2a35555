"""Kernel locks on files: free the moment their owner ends, however it ends, and never stolen by a clock.

Two handles exclude each other even within one process, so the same lock serves tasks, threads and processes.
"""

import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flowrunner.store.durable import Explained, make_folder

PLACES = sys.platform == "linux"
"""Whether there are locks on single places of a file that belong to a handle, not to the whole process."""


class Places:
    """Locks on single places of one file, which keep nobody waiting but who wants the same place. A handle has them
    all, and never excludes itself. OSError where the file cannot be made or locked."""

    def __init__(self, path: Path) -> None:
        self._handle: int | None = _opened(path)

    def take(self, place: int) -> bool:
        """Whether nobody else has it; below 2**63."""
        try:
            self._lock(fcntl.F_WRLCK, place)
        except (BlockingIOError, PermissionError):  # POSIX allows both
            return False
        return True

    def free(self, place: int) -> None:
        """Also where all are free by now."""
        if self._handle is not None:
            self._lock(fcntl.F_UNLCK, place)

    def close(self) -> None:
        """Frees them all."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _lock(self, kind: int, place: int) -> None:
        assert self._handle is not None
        # struct flock of fcntl(2): kind, from where, start, length, process (0 for locks of a handle), and its end.
        fcntl.fcntl(self._handle, fcntl.F_OFD_SETLK, struct.pack("hhqqi0q", kind, os.SEEK_SET, place, 1, 0))


def take(path: Path) -> int | None:
    """The lock, made where it is missing, as a handle whose closing frees it; None while another holds it."""
    handle = _opened(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


def is_held(path: Path) -> bool:
    """Whether someone has the lock for himself now. Changes nothing, works in a folder that cannot be written."""
    return _would_wait(path, fcntl.LOCK_SH)


def shared(path: Path) -> int:
    """Shares the lock with others that share it, waiting while one has it for itself; as `take` gives it."""
    with Explained("locked", path):
        make_folder(path.parent)
        handle = _opened(path)
        with _closing(handle):
            fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def is_shared(path: Path) -> bool:
    """Whether someone shares the lock now, or has it. Changes nothing."""
    return _would_wait(path, fcntl.LOCK_EX)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the lock, waiting for it as long as it takes: for what is done in milliseconds."""
    with Explained("locked", path):
        make_folder(path.parent)
        handle = _opened(path)
        with _closing(handle):
            fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _would_wait(path: Path, kind: int) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def _closing(handle: int) -> Iterator[None]:
    """Closes the handle only when the block fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.close(handle)
        raise
