"""A sound store with a bit of everything, and a script of damage to it: each entry is one class that must be found."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

from store_ledgers import begin, intended
from store_sweeps import THEN, digest, draw, keep, key, make, png

from flowrunner.artifact import Artifact
from flowrunner.imagehead import artifact, mark
from flowrunner.store.findings import Kind
from flowrunner.store.gc import DAY, sweep
from flowrunner.store.ledger import Ledger
from flowrunner.store.locked import Lock, LockedCell, LockedSample, cell_key
from flowrunner.store.lockfile import LockFile
from flowrunner.store.objects import Objects
from flowrunner.store.records import Receipt, RunStatus
from flowrunner.store.roots import named_by_locks
from flowrunner.store.workspace import Workspace

LIVE, REHEARSED = "spring.lock.yaml", ".flowrunner/simulated/spring.lock.yaml"
PAID = ("scene", "frame", "unlocked")


@dataclass(frozen=True, slots=True)
class Place:
    """A project with its store."""

    root: Path

    @property
    def store(self) -> Path:
        return self.root / ".flowrunner"

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root, self.store)

    @property
    def locks(self) -> list[LockFile]:
        return self.workspace.lock_files()

    @property
    def ledger(self) -> Path:
        return self.store / "ledger.db"

    def object(self, word: object) -> Path:
        return Objects(self.store).path(digest(word))


def cell(name: str, key: str, image: Artifact) -> LockedCell:
    sample = LockedSample(key=key, images=(image,), paid=8)
    return LockedCell(cell=name, model="flux", with_={"prompt": name}, samples=(sample,), key=cell_key([key]))


def lock(place: Place, name: str, *cells: LockedCell, inputs: dict[str, str] | None = None) -> None:
    file = LockFile(place.root / name, guard=place.store / "locks" / "guard", name=name)
    file.update(lambda _: Lock(cells={one.cell: one for one in cells}, inputs=inputs or {}))


def sound(root: Path) -> Place:
    """Paid, drawn, rehearsed and swept pictures; locks of live runs and of rehearsals; an input from outside."""
    place = Place(root)
    place.workspace.prepare()
    (root / "spring.yaml").write_text("flowrunner: 1\nsteps: {}\n")
    with Ledger.open(place.store, now=lambda: THEN) as ledger:
        run = begin(ledger)
        make(ledger, run, *PAID, "swept")
        small = draw(ledger, run, "small")
        ledger.not_sent(intended(ledger, run, key("not sent")), "no route")
        ledger.finish(run, RunStatus.DONE, {"cells": []})
        run = begin(ledger, simulated=True)
        rehearse(ledger, run)
        ledger.finish(run, RunStatus.WAITING, {})
    outside = Objects(place.store).put(png("outside"))
    paid = [cell(word, key(word), artifact(png(word))) for word in PAID[:2]]
    lock(place, LIVE, *paid, cell("small", key("small"), small), inputs={"logo": f"sha256:{outside}"})
    lock(place, REHEARSED, cell("scene", key("rehearsed"), artifact(mark(png("rehearsed")))))
    named = named_by_locks(place.workspace) | {digest("unlocked")}
    for now in (THEN + 9 * DAY, THEN + 10 * DAY):
        sweep(place.store, lambda: named, now=partial(float, now))
    return place


def rehearse(ledger: Ledger, run: str) -> None:
    call = intended(ledger, run, key("rehearsed"))
    ledger.replied(Receipt(call=call, status=200, headers={}, body=b"{}"))
    keep(ledger, call, "rehearsed", mark(png("rehearsed")))


# The script


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done, and the class as which it must be found."""

    do: Callable[[Place, Random], object]
    kind: Kind


def written(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def flipped(place: Place, random: Random) -> None:
    path = place.object("scene")
    data = bytearray(path.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    written(path, bytes(data))


def cut(place: Place, random: Random) -> None:
    path = place.object("scene")
    data = path.read_bytes()
    written(path, data[: random.randrange(1, len(data))])


def swapped(place: Place, _: Random) -> None:
    one, other = place.object("scene"), place.object("frame")
    one.rename(place.root / "aside")
    other.rename(one)
    (place.root / "aside").rename(other)


def in_place(plant: Callable[[Path], object]) -> Callable[[Place, Random], None]:
    def do(place: Place, _: Random) -> None:
        path = place.object("scene")
        path.unlink()
        plant(path)

    return do


def moved(to: str) -> Callable[[Place, Random], None]:
    """`to` is filled with the digest's first two digits and its rest."""

    def do(place: Place, _: Random) -> None:
        path = place.object("scene")
        target = place.store / to.format(path.parent.name, path.name)
        target.parent.mkdir(exist_ok=True)
        path.rename(target)

    return do


def said(image: Artifact) -> Callable[[Place, Random], None]:
    """The lock says this of a picture."""
    return lambda place, _: lock(place, LIVE, cell("scene", key("scene"), replace(image, sha256=digest("scene"))))


def sql(*statements: str) -> Callable[[Place, Random], None]:
    def do(place: Place, _: Random) -> None:
        connection = sqlite3.connect(place.ledger)
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    return do


def outcome_of(word: str) -> str:
    return f"(SELECT call FROM outcomes WHERE key = '{key(word)}')"


def file_bytes(change: Callable[[bytearray, Random], object]) -> Callable[[Place, Random], None]:
    def do(place: Place, random: Random) -> None:
        data = bytearray(place.ledger.read_bytes())
        change(data, random)
        place.ledger.write_bytes(data)

    return do


def page_of_rows(data: bytearray, _: Random) -> None:
    """Overwrites the page that holds the keys of the calls, but not the database's head."""
    at = data.find(key("scene").encode())
    start = at // 4096 * 4096
    data[start : start + 4096] = b"\xaa" * 4096


def folder_as_ledger(place: Place, _: Random) -> None:
    place.ledger.unlink()
    place.ledger.mkdir()


def died(place: Place, _: Random) -> None:
    """A run that ended without a word, with a call under way."""
    with Ledger.open(place.store, now=lambda: THEN) as ledger:
        intended(ledger, begin(ledger), key("under way"))


def text(path: str, data: str) -> Callable[[Place, Random], None]:
    def do(place: Place, _: Random) -> None:
        (place.root / path).parent.mkdir(parents=True, exist_ok=True)
        (place.root / path).write_text(data)

    return do


def simulated_object(place: Place, _: Random) -> None:
    """A simulator's picture that a live call is said to have made."""
    data = mark(png("fake"))
    with Ledger.open(place.store, now=lambda: THEN) as ledger:
        run = begin(ledger)
        call = intended(ledger, run, key("fake"))
        ledger.replied(Receipt(call=call, status=200, headers={}, body=b"{}"))
        keep(ledger, call, "fake", data)
        ledger.finish(run, RunStatus.DONE, {})


def in_trash(place: Place, _: Random) -> None:
    bin_ = place.store / "trash" / "1000000000"
    bin_.mkdir(parents=True, exist_ok=True)
    (bin_ / digest("scene")).write_bytes(b"not it")


def merge(place: Place, _: Random) -> None:
    """Both sides of a merge changed a cell."""
    path = place.root / LIVE
    lines = path.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if line.startswith("  scene:"))
    path.write_text("".join([*lines[: at + 2], *lines[at + 1 :]]))


IMAGE = artifact(png("scene"))
SCENE = f"WHERE id = {outcome_of('scene')}"
OF_SCENE = f"WHERE call = {outcome_of('scene')}"

DAMAGES = {
    "a flipped bit": Damage(flipped, Kind.OBJECT_DAMAGED),
    "a truncated object": Damage(cut, Kind.OBJECT_DAMAGED),
    "an empty object": Damage(lambda place, _: written(place.object("scene"), b""), Kind.OBJECT_DAMAGED),
    "two swapped objects": Damage(swapped, Kind.OBJECT_DAMAGED),
    "an object too large": Damage(lambda place, _: os.truncate(place.object("scene"), 2**27), Kind.OBJECT_DAMAGED),
    "a link to an object": Damage(in_place(lambda path: path.symlink_to("/dev/null")), Kind.OBJECT_NO_FILE),
    "a link to nothing": Damage(in_place(lambda path: path.symlink_to("nowhere")), Kind.OBJECT_NO_FILE),
    "a folder as an object": Damage(in_place(Path.mkdir), Kind.OBJECT_NO_FILE),
    "a pipe as an object": Damage(in_place(os.mkfifo), Kind.OBJECT_NO_FILE),
    "an object that can be written": Damage(lambda place, _: place.object("scene").chmod(0o644), Kind.OBJECT_MODE),
    "an object in no folder": Damage(moved("objects/{0}{1}"), Kind.OBJECT_MISPLACED),
    "an object in another's folder": Damage(moved("objects/00/{1}"), Kind.OBJECT_MISPLACED),
    "an object under its whole digest": Damage(moved("objects/{0}/{0}{1}"), Kind.OBJECT_MISPLACED),
    "a stranger among the objects": Damage(text(".flowrunner/objects/notes.txt", "mine"), Kind.STRAY),
    "another type in the lock": Damage(said(replace(IMAGE, media_type="image/webp")), Kind.OBJECT_DIFFERS),
    "another size in the lock": Damage(said(replace(IMAGE, width=99)), Kind.OBJECT_DIFFERS),
    "another length in the lock": Damage(said(replace(IMAGE, bytes=99)), Kind.OBJECT_DIFFERS),
    "a simulator's picture for a live one": Damage(simulated_object, Kind.OBJECT_SIMULATED),
    "a draft that was left": Damage(text(".flowrunner/.tmp/1-ab", "half"), Kind.DRAFT),
    "a quarantined object": Damage(text(f".flowrunner/quarantine/{'ab' * 32}-01", "bad"), Kind.QUARANTINED),
    "evidence of nothing known": Damage(text(f".flowrunner/quarantine/{'ab' * 32}-attempt-99", "x"), Kind.EVIDENCE),
    "evidence that was changed": Damage(
        text(f".flowrunner/quarantine/{'ab' * 32}-attempt-1", "x"), Kind.EVIDENCE_DAMAGED
    ),
    "a stranger in quarantine": Damage(text(".flowrunner/quarantine/x", "bad"), Kind.STRAY),
    "damage in the trash": Damage(in_trash, Kind.TRASH_DAMAGED),
    "a stranger in the trash": Damage(text(".flowrunner/trash/mine", "x"), Kind.STRAY),
    "an object of the lock that is gone": Damage(lambda place, _: place.object("scene").unlink(), Kind.LOCK_MISSING),
    "an input of the lock that is gone": Damage(lambda place, _: place.object("outside").unlink(), Kind.LOCK_MISSING),
    "an object of the ledger that is gone": Damage(
        lambda place, _: place.object("unlocked").unlink(), Kind.OUTCOME_LOST
    ),
    "all objects gone": Damage(lambda place, _: shutil.rmtree(place.store / "objects"), Kind.OUTCOME_LOST),
    "a store that everyone may write": Damage(lambda place, _: place.store.chmod(0o777), Kind.STORE_OPEN),
    "a folder that everyone may write": Damage(
        lambda place, _: place.object("scene").parent.chmod(0o777), Kind.STORE_OPEN
    ),
    "a link for a folder": Damage(
        lambda place, _: (place.store / "quarantine").symlink_to(place.root), Kind.STORE_PLACE
    ),
    "a ledger that is none": Damage(lambda place, _: place.ledger.write_bytes(b"x" * 9999), Kind.LEDGER_UNREADABLE),
    "a ledger that is a folder": Damage(folder_as_ledger, Kind.LEDGER_UNREADABLE),
    "a ledger that is empty": Damage(lambda place, _: os.truncate(place.ledger, 0), Kind.LEDGER_FOREIGN),
    "a ledger cut off": Damage(
        file_bytes(lambda data, _: data.__delitem__(slice(4096 * 3, None))), Kind.LEDGER_UNREADABLE
    ),
    "a damaged page": Damage(file_bytes(page_of_rows), Kind.LEDGER_DAMAGED),
    "another program's database": Damage(sql("PRAGMA application_id = 7"), Kind.LEDGER_FOREIGN),
    "a ledger of another version": Damage(sql("PRAGMA user_version = 9"), Kind.LEDGER_VERSION),
    "a ledger that is gone": Damage(lambda place, _: place.ledger.unlink(), Kind.LEDGER_GONE),
    "a ledger that others may read": Damage(lambda place, _: place.ledger.chmod(0o644), Kind.LEDGER_MODE),
    "a missing trigger": Damage(sql("DROP TRIGGER calls_changed"), Kind.LEDGER_SCHEMA),
    "a missing table": Damage(sql("DROP TABLE remotes"), Kind.LEDGER_SCHEMA),
    "another's table": Damage(sql("CREATE TABLE theirs (x)"), Kind.LEDGER_SCHEMA),
    "a receipt of no call": Damage(
        sql("INSERT INTO receipts (call, status, headers, body) VALUES (99, 200, '{}', x'')"), Kind.ROW_ORPHAN
    ),
    "an outcome of no call": Damage(sql(f"UPDATE outcomes SET call = 99 {OF_SCENE}"), Kind.ROW_ORPHAN),
    "a call of no run": Damage(sql("DELETE FROM runs WHERE simulated"), Kind.ROW_ORPHAN),
    "a commit without its outcome": Damage(sql(f"DELETE FROM outcomes {OF_SCENE}"), Kind.CALL_WITHOUT_OUTCOME),
    "a reply that is gone": Damage(sql(f"DELETE FROM receipts {OF_SCENE}"), Kind.CALL_WITHOUT_REPLY),
    "an outcome of a failed call": Damage(sql(f"UPDATE calls SET state = 'failed' {SCENE}"), Kind.OUTCOME_STATE),
    "a commit that may not be billed": Damage(sql(f"UPDATE calls SET billed = 'maybe' {SCENE}"), Kind.CALL_STATE),
    "a state that does not exist": Damage(sql(f"UPDATE calls SET state = 'lost' {SCENE}"), Kind.CALL_STATE),
    "a call under way in a run that ended": Damage(
        sql("UPDATE calls SET state = 'sent', billed = 'maybe', paid = NULL WHERE state = 'failed'"), Kind.CALL_OPEN
    ),
    "an outcome of another key": Damage(sql(f"UPDATE outcomes SET key = 'k' {OF_SCENE}"), Kind.OUTCOME_DIFFERS),
    "an outcome that says another price": Damage(sql(f"UPDATE outcomes SET paid = 9 {OF_SCENE}"), Kind.OUTCOME_DIFFERS),
    "an outcome that does not parse": Damage(sql(f"UPDATE outcomes SET artifacts = '[{{' {OF_SCENE}"), Kind.TEXT),
    "an outcome of no digest": Damage(
        sql(f"UPDATE outcomes SET artifacts = replace(artifacts, '{digest('scene')}', 'x') {OF_SCENE}"), Kind.TEXT
    ),
    "headers that do not parse": Damage(sql(f"UPDATE receipts SET headers = '[]' {OF_SCENE}"), Kind.TEXT),
    "a status that no reply has": Damage(sql(f"UPDATE receipts SET status = 7 {OF_SCENE}"), Kind.TEXT),
    "a document that does not parse": Damage(sql("UPDATE runs SET document = 'done'"), Kind.TEXT),
    "a negative price": Damage(sql(f"UPDATE calls SET paid = -8 {SCENE}"), Kind.NEGATIVE),
    "a negative sum": Damage(sql("UPDATE runs SET spent = -1 WHERE simulated"), Kind.NEGATIVE),
    "a sum that does not add up": Damage(sql("UPDATE runs SET spent = spent + 1"), Kind.SUMS),
    "a count that does not add up": Damage(sql("UPDATE runs SET calls = 0"), Kind.SUMS),
    "a simulated call in a live run": Damage(sql(f"UPDATE calls SET simulated = 1 {SCENE}"), Kind.MIXED),
    "a simulated outcome of a live call": Damage(sql(f"UPDATE outcomes SET simulated = 1 {OF_SCENE}"), Kind.MIXED),
    "a live run's picture in the lock of rehearsals": Damage(
        lambda place, _: lock(place, REHEARSED, cell("scene", key("scene"), IMAGE)), Kind.MIXED
    ),
    "a rehearsal in the lock": Damage(
        lambda place, _: lock(place, LIVE, cell("scene", key("rehearsed"), IMAGE)), Kind.MIXED
    ),
    "a status that does not exist": Damage(sql("UPDATE runs SET status = 'odd' WHERE simulated"), Kind.RUN_STATE),
    "a run that ended without an end": Damage(sql("UPDATE runs SET finished = NULL"), Kind.RUN_STATE),
    "a run that was cut off": Damage(died, Kind.RUN_CUT_OFF),
    "a lock of a run that was not": Damage(text(".flowrunner/runs/r-0000.lock", ""), Kind.RUN_LOCK),
    "a stranger among the locks of runs": Damage(text(".flowrunner/runs/x", ""), Kind.STRAY),
    "a lock that is no YAML": Damage(text(LIVE, "lock: 1\ncells: ["), Kind.LOCK_UNREADABLE),
    "a lock that is no lock": Damage(text(LIVE, "other: thing\n"), Kind.LOCK_UNREADABLE),
    "a lock of another version": Damage(text(LIVE, "lock: 2\n"), Kind.LOCK_UNREADABLE),
    "a lock that a merge broke": Damage(merge, Kind.LOCK_UNREADABLE),
    "a lock that is not text": Damage(lambda place, _: (place.root / LIVE).write_bytes(b"\xff"), Kind.LOCK_UNREADABLE),
}
