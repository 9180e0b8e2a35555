"""The lock on disk: read, changed under a lock of the kernel's, and written in one step, only where bytes differ."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flowrunner.errors import InvalidPipeline, StoreError
from flowrunner.loading import document
from flowrunner.problems import Problem
from flowrunner.source import Source, Span
from flowrunner.store.durable import Explained, make_folder, replace
from flowrunner.store.flocks import held
from flowrunner.store.locked import LIMIT, Lock

if TYPE_CHECKING:
    from flowrunner.store.locktext import Written

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def digests_in(data: bytes) -> set[str]:
    """Every digest that a text names, whatever else it says."""
    return {found.decode() for found in _DIGEST.findall(data)}


class LockFile:
    """One lock. `guard` is the file whose flock its writers hold; `name` is how messages call the lock.

    What was last read is kept with its text, so that a run that writes often parses only what others wrote, and writes
    out only the cells that changed."""

    def __init__(self, path: Path, *, guard: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._guard = guard
        self._known: tuple[bytes, Lock] = (b"", Lock())
        self._written: Written = {}

    def read(self) -> tuple[Lock, list[Problem]]:
        """What can be read of it, and all that is wrong with it; an empty lock where there is none."""
        data = self.content()
        if data == self._known[0]:
            return self._known[1], []
        from flowrunner.store.lockread import parse, too_large

        if len(data) > LIMIT:
            return Lock(), [too_large(Span(Source(self.name, ""), 0, 0))]
        try:
            lock, problems = parse(document.decode(data, self.name))
        except InvalidPipeline as fault:
            return Lock(), fault.problems
        if not problems:
            self._known = (data, lock)
        return lock, problems

    def digests(self) -> set[str]:
        """Every digest in its text, sound or not: keys, too, and what stands in lines that a merge broke. StoreError
        when it cannot be read as a whole."""
        data = self.content()
        if len(data) > LIMIT:
            raise StoreError(f"{self.path} is larger than a lock may be", path=str(self.path))
        return digests_in(data)

    def update(self, change: Callable[[Lock], Lock]) -> bool:
        """Reads it again, lets `change` make the new lock of it, and writes that: whether there was anything to write.
        InvalidPipeline, and nothing is written, when it has problems."""
        from flowrunner.store.locktext import dump

        with held(self._guard):
            lock, problems = self.read()
            if problems:
                raise InvalidPipeline(problems)
            new = change(lock)
            data = self._known[0] if new == lock else dump(new, self._written).encode()
            if data == self._known[0]:
                return False
            with Explained("written", self.path, len(data), elsewhere=""):
                make_folder(self.path.parent)
                replace(self.path, data)
            self._known = (data, new)
            return True

    def content(self) -> bytes:
        """The bytes of the file, none where there is none. StoreError when it cannot be read as one."""
        with Explained("read", self.path, elsewhere=""):
            try:
                handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
            if not stat.S_ISREG(os.fstat(handle).st_mode):  # a pipe without a writer would read as an empty lock
                os.close(handle)
                raise StoreError(f"{self.path} is not a plain file", "remove it", path=str(self.path))
            with os.fdopen(handle, "rb") as file:
                return file.read(LIMIT + 1)
