"""A program whose runs meet a disk that fails: at an event of its own each, once or from then on.

kill_faults.py FOLDER ORIGIN CELLS
"""

import errno
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kill_events import Events
from kill_runs import RESEND, Chain, say

KINDS = ("open", "write", "fsync", "link", "rename", "mkdir", "execute", "commit")
STEPS = (1, 2, 4, 7, 12, 20)
CODES = (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT)


class Failing(Events):
    """The disk fails from the nth event on: once, or `sticky`. Only what the project's own files and
    its ledger do is struck."""

    sticky = False
    code = errno.EIO
    store: Path

    def event(self, kind: str, do: Callable[..., Any], *values: Any, **options: Any) -> Any:
        if kind == self.kind and self._is_ours(kind, values):
            self.seen[kind] += 1
            if self.seen[kind] == self.number or (self.sticky and self.seen[kind] > self.number):
                raise self._fault(kind)
        return do(*values, **options)

    def _is_ours(self, kind: str, values: tuple[Any, ...]) -> bool:
        if kind == "execute":
            return str(values[0]).startswith(("INSERT", "UPDATE", "BEGIN"))
        if kind == "open":
            return str(values[0]).startswith(str(self.store)) and bool(values[1] & (os.O_WRONLY | os.O_RDWR))
        return True

    def _fault(self, kind: str) -> Exception:
        if kind in ("execute", "commit"):
            full = self.code == errno.ENOSPC
            return sqlite3.OperationalError("database or disk is full" if full else "disk I/O error")
        return OSError(self.code, os.strerror(self.code))


def main(folder: Path, origin: str, cells: int) -> None:
    Chain(folder / "first", origin, simulated=False, cells=cells).told()
    say({"ready": True})
    number = 0
    for kind in KINDS:
        for sticky in (False, True):
            sys.stdin.readline()
            chain = Chain(folder / f"{kind}-{sticky}", origin, simulated=False, cells=cells)
            for step in STEPS:
                number += 1
                events = Failing(kind=kind, number=step)
                events.sticky, events.store = sticky, chain.folder
                events.code = CODES[number % len(CODES)]
                status, document = chain.run(events)
                chain.tell({"failed": f"{kind} {step}", "status": status, "document": document, "err": chain.said})
            for more in ([], [RESEND]):
                chain.run(Events(), *more)
            chain.tell({"end": chain.ended()})


if __name__ == "__main__":
    place, base, many = sys.argv[1:]
    main(Path(place), base, int(many))
