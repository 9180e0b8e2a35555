"""Kernel locks on files: free the moment their owner ends, however it ends, and never stolen by a clock.

Two handles exclude each other even within one process, so the same lock serves tasks, threads and processes.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flowrunner.store.durable import Explained, make_folder


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
