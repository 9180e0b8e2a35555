"""Stores for the tests of sweeping and checking: real pictures, runs that make them, a clock that is told the time."""

import struct
import sys
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

from store_ledgers import intended

from flowrunner.artifact import Artifact
from flowrunner.call import Call, Outcome
from flowrunner.digest import sha256
from flowrunner.imagehead import artifact
from flowrunner.store.gc import DAY, Sweep, sweep
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Objects
from flowrunner.store.records import Receipt, RunStatus

THEN = 1_000_000_000.0
"""When the runs of these tests were, unless they say otherwise."""


def png(word: object) -> bytes:
    """A picture of one pixel, another one for each word."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    text = b"Title\0" + str(word).encode()
    parts = [(b"IHDR", head), (b"tEXt", text), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in parts)


def digest(word: object) -> str:
    return sha256(png(word))


def key(word: object) -> str:
    return sha256(f"key {word}".encode())


def make(ledger: Ledger, run: str, *words: object) -> None:
    """Pays for a picture of each word, and keeps it."""
    for word in words:
        call = intended(ledger, run, key(word))
        ledger.replied(Receipt(call=call, status=200, headers={}, body=b"{}", request_id="theirs"))
        keep(ledger, call, word)


def keep(ledger: Ledger, call: int, word: object, data: bytes = b"") -> None:
    """The reply of a call has brought a picture."""
    Objects(ledger._root).put(data or png(word))
    ledger.committed(call, Outcome(key=key(word), artifacts=(artifact(data or png(word)),), paid=8))


def draw(ledger: Ledger, run: str, word: object, *, simulated: bool = False) -> Artifact:
    """A picture of a local operation."""
    Objects(ledger._root).put(png(word))
    found = artifact(png(word))
    call = Call(provider="image", model="image/resize", adapter=1, params={"word": str(word)}, simulated=simulated)
    ledger.record(run, f"small/{word}", call, Outcome(key=call.key, artifacts=(found,), paid=0))
    return found


def ran(
    store: Path,
    *words: object,
    at: float = THEN,
    status: RunStatus | None = RunStatus.DONE,
    name: str = "spring",
    simulated: bool = False,
) -> str:
    """A whole run; without a status one that was killed."""
    with Ledger.open(store, now=lambda: at) as ledger:
        run = ledger.begin(pipeline=f"{name}.yaml", name=name, simulated=simulated)
        make(ledger, run, *words)
        if status is not None:
            ledger.finish(run, status, {"ended": "in order"})
    return run


def swept(store: Path, *words: object, at: float, grace: float = DAY) -> Sweep:
    """A sweep at a time; `words` are what locks name."""
    return sweep(store, lambda: {digest(word) for word in words}, grace=grace, now=lambda: at)


def here(store: Path, words: Iterable[object]) -> set[object]:
    """Those whose pictures lie at their places."""
    return {word for word in words if Objects(store).path(digest(word)).is_file()}


def gone(store: Path, words: Iterable[object]) -> set[object]:
    """Those whose pictures cannot be read, be it from the trash."""
    return {word for word in words if not Objects(store).has(digest(word))}


# What is swept while faults strike

LOCKED = ("locked", "thrown away and locked again")
YOUNG = ("young",)
CUT_OFF = ("cut off",)
WAITING = ("just thrown away",)
DROPPED = ("dropped 1", "dropped 2", "dropped 3")
OLD = ("thrown away long ago",)
NOW = THEN + 10 * DAY


def fill(store: Path) -> None:
    """A store with one picture of every fate."""
    ran(store, *LOCKED, *OLD)
    ran(store, *WAITING)
    swept(store, LOCKED[0], *WAITING, at=NOW - DAY)
    swept(store, LOCKED[0], at=NOW - DAY / 2)
    ran(store, *DROPPED)
    ran(store, *YOUNG, at=NOW - 1)
    ran(store, *CUT_OFF, name="autumn", status=None)
    draft = store / ".tmp" / "4242-abcdef"
    draft.write_bytes(b"half a pict")


def sweep_once(store: Path) -> None:
    swept(store, *LOCKED, at=NOW)


if __name__ == "__main__":
    sys.stdout.write("now\n")
    sys.stdout.flush()
    sweep_once(Path(sys.argv[1]))
    time.sleep(60)
