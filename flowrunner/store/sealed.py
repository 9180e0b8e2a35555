"""Files that can be made again: each holds a digest of itself, for it is written without waiting for the disk."""

import errno
import hashlib
import os
from pathlib import Path

from flowrunner.digest import sha256
from flowrunner.store.durable import NEW, make_folder, write_all
from flowrunner.store.objects import plain_bytes


def write(path: Path, data: bytes) -> None:
    """In one step, into a folder that is made where it is missing. OSError, also for a link in the folder's place."""
    if path.parent.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent))
    make_folder(path.parent)
    draft = path.with_name(f".{os.getpid()}-{os.urandom(4).hex()}.draft")
    handle = os.open(draft, NEW, 0o600)
    try:
        try:
            write_all(handle, b"\n".join((sha256(data).encode(), data)))
        finally:
            os.close(handle)
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def read(path: Path) -> memoryview | None:
    """What was written; None for a file that is torn, larger than a picture may be, a link or none. OSError."""
    data = plain_bytes(path) or b""
    body = memoryview(data)[65:]
    return body if data[:65] == f"{hashlib.sha256(body).hexdigest()}\n".encode() else None
