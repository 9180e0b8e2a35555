"""Checking: every class of damage is found and named, and nothing is changed."""

import base64
import json
import os
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest
from store_damage import DAMAGES, IMAGE, LIVE, Place, cell, lock, sound, sql, written
from store_ledgers import begin, intended
from store_processes import in_processes, spend_and_die
from store_sweeps import THEN, digest, keep, key, png, ran

from flowrunner.store.database import CHANGED_BEFORE
from flowrunner.store.fsck import Finding, Kind, Severity, check
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Absent, Damaged, Objects
from flowrunner.store.records import Receipt, RunStatus


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sound(tmp_path_factory.mktemp("sound") / "project").root


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Place:
    return Place(Path(shutil.copytree(template, tmp_path / "project")))


def found(place: Place) -> list[Finding]:
    return check(place.store, place.locks)


def kinds(place: Place) -> set[Kind]:
    return {one.kind for one in found(place)}


def only(place: Place, kind: Kind) -> Finding:
    (one,) = [one for one in found(place) if one.kind is kind]
    return one


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    paths = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path): (path.stat().st_mode, path.read_bytes()) for path in paths}


def test_a_sound_store_has_nothing_to_tell(place: Place) -> None:
    assert found(place) == []


def test_a_ledger_that_an_older_flowrunner_made_is_sound(place: Place) -> None:
    swapped = sql("DROP TRIGGER calls_changed", CHANGED_BEFORE)
    swapped(place, Random(0))
    assert found(place) == []


def test_where_there_is_no_store_there_is_nothing_to_check_and_nothing_is_made(tmp_path: Path) -> None:
    assert check(tmp_path / "store", []) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_told_in_sentences_and_left_as_it_is(place: Place, name: str) -> None:
    DAMAGES[name].do(place, Random(name))
    before = tree(place.root)
    told = found(place)
    assert DAMAGES[name].kind in {one.kind for one in told}
    assert all(one.where and one.hint and "None" not in one.message + one.hint for one in told)
    assert not [one.message for one in told if re.search(r"[{}]|\.$", one.message)]
    assert tree(place.root) == before


def test_many_classes_of_damage_are_known() -> None:
    assert len(DAMAGES) >= 25
    assert len({damage.kind for damage in DAMAGES.values()}) >= 25


@pytest.mark.parametrize("seed", range(12))
def test_damage_hides_no_other_damage(place: Place, seed: int) -> None:
    """A few classes at once, of those that do not undo each other."""
    random = Random(seed)
    apart = [DAMAGES[name] for name in APART]
    chosen = random.sample(apart, 5)
    for damage in chosen:
        damage.do(place, random)
    assert {damage.kind for damage in chosen} <= kinds(place)


APART = (
    "a flipped bit",
    "an object of the ledger that is gone",
    "an input of the lock that is gone",
    "a stranger among the objects",
    "a draft that was left",
    "a quarantined object",
    "damage in the trash",
    "a folder that everyone may write",
    "a ledger that others may read",
    "a missing trigger",
    "a receipt of no call",
    "an outcome that says another price",
    "a reply that is gone",
    "a document that does not parse",
    "a sum that does not add up",
    "a status that does not exist",
    "a lock of a run that was not",
    "a live run's picture in the lock of rehearsals",
)


@pytest.mark.parametrize("at", range(0, len(png("scene")), 6))
def test_any_flipped_byte_of_any_object_is_found(place: Place, at: int) -> None:
    data = bytearray(png("scene"))
    data[at] ^= 0xFF
    written(place.object("scene"), bytes(data))
    assert only(place, Kind.OBJECT_DAMAGED).where == str(place.object("scene"))


def test_the_worst_comes_first(place: Place) -> None:
    for name in ("a draft that was left", "a ledger that others may read", "an empty object"):
        DAMAGES[name].do(place, Random(0))
    assert [one.severity for one in found(place)] == [Severity.ERROR, Severity.WARNING, Severity.INFO]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("an empty object", "is empty"),
        ("a truncated object", r"is cut off: \d+ of 90 bytes"),
        ("two swapped objects", r"holds another picture, sha256:[0-9a-f]{64} \(spring.lock.yaml: (scene|frame)\)"),
        ("an object too large", "is larger than a picture may be"),
    ],
)
def test_it_says_how_an_object_is_damaged(place: Place, name: str, says: str) -> None:
    DAMAGES[name].do(place, Random(1))
    assert all(re.search(says, one.message) for one in found(place) if one.kind is Kind.OBJECT_DAMAGED)


# What it takes to have something again


def test_what_was_paid_for_says_what_another_costs(place: Place) -> None:
    place.object("scene").unlink()
    hint = only(place, Kind.LOCK_MISSING).hint
    assert "`flowrunner store pull` may bring it back" in hint
    assert (
        f"`flowrunner run spring.yaml --force scene/{key('scene')}` pays for another, which cost $0.000000008" in hint
    )


def test_without_a_ledger_the_lock_says_what_it_cost(place: Place) -> None:
    place.object("scene").unlink()
    place.ledger.unlink()
    assert "another picture cost $0.000000008 then" in only(place, Kind.LOCK_MISSING).hint


def test_what_costs_nothing_is_made_again(place: Place) -> None:
    place.object("small").unlink()
    assert only(place, Kind.LOCK_MISSING).hint == "the next run that needs it makes it again, for nothing"
    shutil.rmtree(place.store / "objects")
    (rehearsed,) = [one for one in found(place) if "simulated" in one.where]
    assert rehearsed.hint.endswith("--simulate` makes another, for nothing")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"data": [{"b64_json": base64.b64encode(png("kept")).decode()}]}, "holds this very picture"),
        ({"data": [f"data:image/png;base64,{base64.b64encode(png('kept')).decode()}"]}, "holds this very picture"),
        ({"data": [{"url": "https://cdn.example/x.png"}]}, "names the URL where it lay"),
        ({"data": "nothing"}, "bring it back; `flowrunner run"),
        (None, "bring it back; `flowrunner run"),
    ],
)
def test_it_says_what_the_kept_reply_can_do(place: Place, body: object, says: str) -> None:
    data = b"\xff no JSON" if body is None else json.dumps(body).encode()
    with Ledger.open(place.store) as ledger:
        run = begin(ledger)
        call = intended(ledger, run, key("kept"))
        ledger.replied(Receipt(call=call, status=200, headers={}, body=data))
        keep(ledger, call, "kept")
        ledger.finish(run, RunStatus.DONE)
    place.object("kept").unlink()
    assert says in only(place, Kind.OUTCOME_LOST).hint


def test_what_a_sweep_deleted_is_not_lost(place: Place) -> None:
    assert not Objects(place.store).has(digest("swept"))
    assert not found(place)


def test_what_was_made_again_after_a_sweep_can_be_lost(place: Place) -> None:
    ran(place.store, "swept", at=THEN + 99 * 86400)
    place.object("swept").unlink()
    assert digest("swept") in only(place, Kind.OUTCOME_LOST).message


# Repair: `fsck` reports, and whoever needs an object next sets a damaged one aside


@pytest.mark.parametrize("name", [name for name in DAMAGES if DAMAGES[name].kind is Kind.OBJECT_DAMAGED])
def test_what_is_found_damaged_is_set_aside_by_the_next_reader_and_can_be_put_again(place: Place, name: str) -> None:
    DAMAGES[name].do(place, Random(2))
    objects = Objects(place.store)
    with pytest.raises(Damaged, match="set aside"):
        objects.read(digest("scene"))
    with pytest.raises(Absent):
        objects.read(digest("scene"))
    assert Kind.LOCK_MISSING in kinds(place)
    objects.put(png("scene"))
    objects.put(png("frame"))
    assert kinds(place) == {Kind.QUARANTINED}
    assert "another one has taken its place" in found(place)[0].hint


# While runs go on, and after they died


def test_a_run_that_goes_on_is_no_finding(place: Place) -> None:
    with Ledger.open(place.store) as ledger, Objects(place.store).writer() as writer:
        ledger.sent(intended(ledger, begin(ledger), "new"))
        writer.write(b"half")
        assert found(place) == []


def test_a_run_that_was_killed_is_told_and_its_log_is_left_as_it_is(tmp_path: Path) -> None:
    assert in_processes(partial(spend_and_die, tmp_path)) == [9]
    before = {path.name: path.read_bytes() for path in tmp_path.glob("ledger.db*") if not path.name.endswith("-shm")}
    assert before["ledger.db-wal"]
    told = check(tmp_path, [])
    assert {one.kind for one in told} == {Kind.RUN_CUT_OFF, Kind.OUTCOME_LOST}
    assert "2 of its calls may have been billed" in next(one.message for one in told if one.kind is Kind.RUN_CUT_OFF)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    with Ledger.open(tmp_path) as ledger:
        ledger.recover()
    assert {one.kind for one in check(tmp_path, [])} == {Kind.OUTCOME_LOST}


def test_a_log_without_its_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.db-wal").touch()
    assert [one.kind for one in check(tmp_path, [])] == [Kind.LEDGER_GONE]


def test_a_ledger_that_is_only_just_begun_is_sound(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch(0o600)
    assert check(tmp_path, []) == []


# Owners and places


def test_another_user_s_store_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert kinds(place) == {Kind.STORE_FOREIGN, Kind.OBJECT_OWNER}


def test_an_object_that_the_disk_cannot_give_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("flowrunner.store.fsck.plain_bytes", fails)
    assert kinds(place) == {Kind.OBJECT_UNREADABLE}
    assert "Input/output error" in found(place)[0].message


def test_a_store_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    assert [one.kind for one in check(tmp_path / "store", [])] == [Kind.STORE_PLACE]


def test_a_store_behind_a_link_is_sound(place: Place, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place.store)
    assert check(tmp_path / "link", place.locks) == []


def test_another_program_s_lock_is_none_of_ours(place: Place) -> None:
    (place.root / "conda.lock.yaml").write_text("version: 1\nmetadata: {}\n")
    assert found(place) == []


def test_a_lock_that_cannot_be_opened_is_told(place: Place) -> None:
    locks = place.locks
    (place.root / LIVE).unlink()
    (place.root / LIVE).symlink_to(place.root)
    assert Kind.LOCK_UNREADABLE in {one.kind for one in check(place.store, locks)}


def test_a_file_that_is_no_picture_is_told_where_a_lock_says_that_it_is(place: Place) -> None:
    other = Objects(place.store).put(b"no picture")
    assert found(place) == []
    lock(place, LIVE, cell("scene", key("other"), replace(IMAGE, sha256=other)))
    assert "spring.lock.yaml: scene says otherwise" in only(place, Kind.OBJECT_DIFFERS).message
