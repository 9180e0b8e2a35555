"""A spare of a megabyte beside the ledger, given up when the disk is full: so a reply that was paid for is kept."""

import os
from contextlib import suppress
from pathlib import Path

from flowrunner.store.durable import Explained, write_all

SIZE = 1024 * 1024


def keep(root: Path) -> None:
    """Makes the spare where it is not there, of blocks that are really taken. StoreError when there is no room."""
    path = root / "spare"
    with Explained("written", path, SIZE):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(handle).st_size < SIZE:
                _take_blocks(handle)
        finally:
            os.close(handle)


def spend(root: Path) -> None:
    """Gives its blocks back to the disk."""
    with suppress(OSError):
        os.truncate(root / "spare", 0)


def _take_blocks(handle: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, SIZE)
    else:
        write_all(handle, bytes(SIZE))
