"""What a process does to the disk, the ledger and the network, as numbered events: it can be ended just before or
just after any of them. The product knows nothing of it: the standard library is wrapped, in the child only.
"""

import fcntl
import os
import signal
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

FILES = ("open", "write", "fchmod", "fsync", "link", "rename", "unlink", "mkdir", "close")
SOCKETS = ("connect", "send", "recv")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Events:
    """Counts events by kind. At the `number`th of a kind, `after` it or before, comes the strike: death, if nothing
    else is said."""

    kind: str = ""
    number: int = 0
    after: bool = False
    strike: Callable[[], object] = die
    seen: Counter[str] = field(default_factory=Counter)

    def event(self, kind: str, do: Callable[..., Any], *values: Any, **options: Any) -> Any:
        self.seen[kind] += 1
        ends = kind == self.kind and self.seen[kind] == self.number
        if ends and not self.after:
            self.strike()
        try:
            return do(*values, **options)
        finally:
            if ends and self.after:
                self.strike()

    def watch(self) -> None:
        """From now on, in this process, until it ends."""
        for name in FILES:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        fcntl.flock = self._wrapped("flock", fcntl.flock)
        for name in SOCKETS:
            setattr(socket.socket, name, self._wrapped(name, getattr(socket.socket, name)))
        events, connect = self, sqlite3.connect

        class Watched(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                kind = "commit" if sql == "COMMIT" else "execute"
                found: sqlite3.Cursor = events.event(kind, super().execute, sql, *values)
                return found

        def connected(*values: Any, **options: Any) -> sqlite3.Connection:
            return connect(*values, factory=Watched, **options)

        sqlite3.connect = connected  # type: ignore[assignment]

    def _wrapped(self, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def event(*values: Any, **options: Any) -> Any:
            return self.event(kind, real, *values, **options)

        return event
