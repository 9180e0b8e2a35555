"""Who uses a store: runs share it for as long as they live, a sweep has it to itself for moments."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowrunner.errors import StoreError
from flowrunner.store.durable import Explained, make_folder
from flowrunner.store.flocks import is_shared, shared, take


class Busy(StoreError):
    """Someone uses the store, so it cannot be had alone."""


def share(root: Path) -> int:
    """Uses the store until the handle is closed. Whoever puts objects, or relies on those that it saw, holds this."""
    return shared(_lock(root))


def is_used(root: Path) -> bool:
    return is_shared(_lock(root))


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Has the store to itself for a moment: what wants to use it waits. Busy, at once, when it is in use."""
    path = _lock(root)
    with Explained("locked", path):
        make_folder(path.parent)
        handle = take(path)
    if handle is None:
        raise Busy(f"{root} is in use: a run is going on", "try again when it has ended", path=str(root))
    try:
        yield
    finally:
        os.close(handle)


def _lock(root: Path) -> Path:
    return root / "locks" / "in-use"
