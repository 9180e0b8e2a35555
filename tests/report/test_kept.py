"""Copies that are kept for the next page: what is shown never depends on them, and what is spared does."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from report_pages import page_of
from support import cli, environment, picture

from flowrunner.artifact import Artifact
from flowrunner.checks.clearing import Cleared
from flowrunner.digest import sha256
from flowrunner.imagehead import artifact
from flowrunner.imaging import picture as pictures
from flowrunner.report.page import kept as module
from flowrunner.report.page.copies import Copies, Copy, Sizes
from flowrunner.report.page.kept import Kept, Made, clear, fitting
from flowrunner.report.page.shelf import Shelf, Supply
from flowrunner.store import sealed
from flowrunner.store.workspace import Workspace

pytestmark = pytest.mark.slow

SIZES = Sizes.of(1)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The pictures that are decoded meanwhile."""
    seen: list[bytes] = []
    decode = pictures.decode

    def heard(data: bytes, enough: int | None = None) -> Any:
        seen.append(data)
        return decode(data, enough)

    monkeypatch.setattr(pictures, "decode", heard)
    return seen


def page(folder: Path) -> str:
    return page_of(folder, "--simulate")


def file_of(folder: Path) -> Path:
    """What is kept for the page."""
    (path,) = (folder / ".flowrunner" / "copies").iterdir()
    return path


def head_of(folder: Path) -> tuple[dict[str, Any], bytes]:
    """What is said there of the copies, and the copies."""
    found = sealed.read(file_of(folder))
    assert found is not None
    head, _, copies = bytes(found).partition(b"\n")
    return json.loads(head), copies


def stamps(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (folder / ".flowrunner").rglob("*")}


def test_the_next_page_is_the_same_and_looks_at_no_picture(
    folder: Path, decoded: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = page(folder)
    assert len(decoded) == len(set(decoded)) > 3
    before = stamps(folder)
    decoded.clear()
    monkeypatch.setattr("flowrunner.images.read", lambda *_, **__: pytest.fail("a picture is read"))
    assert (page(folder) == first, decoded, stamps(folder)) == (True, [], before)


def test_a_picture_that_is_new_is_the_only_one_that_is_decoded(folder: Path, decoded: list[bytes]) -> None:
    page(folder)
    decoded.clear()
    picture(folder / "vase.png", (64, 64), "#335500")
    page(folder)
    assert decoded == [(folder / "vase.png").read_bytes()]
    decoded.clear()
    page(folder)
    assert decoded == []


def test_what_a_page_does_not_show_any_more_is_not_kept(folder: Path, once: Path) -> None:
    page(folder)
    before = set(head_of(folder)[0]["pictures"])
    picture(folder / "vase.png", (64, 64), "#335500")
    page(folder)
    after = set(head_of(folder)[0]["pictures"])
    old, new = (sha256((where / "vase.png").read_bytes()) for where in (once, folder))
    assert (old in before - after, after - before) == (True, {new})


def test_a_picture_that_is_gone_is_not_shown(folder: Path) -> None:
    page(folder)
    shutil.rmtree(folder / ".flowrunner" / "objects")
    assert "Not on this machine" in page(folder)


def test_a_picture_that_was_touched_is_looked_at_again(folder: Path, decoded: list[bytes]) -> None:
    first = page(folder)
    decoded.clear()
    touched = next((folder / ".flowrunner" / "objects").glob("*/*"))
    os.utime(touched)
    assert page(folder) == first
    assert decoded == [touched.read_bytes()]


def test_a_picture_that_was_damaged_is_not_shown(folder: Path) -> None:
    page(folder)
    for path in (folder / ".flowrunner" / "objects").glob("*/*"):
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    assert "Not on this machine" in page(folder)


def test_a_project_that_is_copied_with_its_copies_makes_its_own(folder: Path, decoded: list[bytes]) -> None:
    """They came with the folder, and may be anything."""
    first = page(folder)
    decoded.clear()
    assert page(shutil.copytree(folder, folder.with_name("other"))) == first
    assert len(decoded) > 3


Harm = Callable[[Path], None]


def says(change: Callable[[dict[str, Any]], Any]) -> Harm:
    """Something else is said of the copies, with the right digest."""

    def harm(folder: Path) -> None:
        head, copies = head_of(folder)
        head = change(head) or head
        sealed.write(file_of(folder), b"\n".join((json.dumps(head).encode(), copies)))

    return harm


def each(**changes: Any) -> Harm:
    def change(head: dict[str, Any]) -> None:
        for said in head["pictures"].values():
            said.update(changes)

    return says(change)


def holds(data: bytes) -> Harm:
    return lambda folder: sealed.write(file_of(folder), data)


def is_text(data: bytes) -> Harm:
    def harm(folder: Path) -> None:
        file_of(folder).write_bytes(data)

    return harm


def is_cut(folder: Path) -> None:
    path = file_of(folder)
    os.truncate(path, path.stat().st_size - 1)


def is_huge(folder: Path) -> None:
    os.truncate(file_of(folder), 2**40)


def is_link(folder: Path) -> None:
    path = file_of(folder)
    path.symlink_to(path.rename(folder / "elsewhere"))


def is_pipe(folder: Path) -> None:
    path = file_of(folder)
    path.unlink()
    os.mkfifo(path)


def is_folder(folder: Path) -> None:
    path = file_of(folder)
    path.unlink()
    path.mkdir()


def is_unreadable(folder: Path) -> None:
    shutil.rmtree(folder / ".flowrunner" / "copies")
    (folder / ".flowrunner" / "copies").write_bytes(b"")


HARMS: dict[str, Harm] = {
    "nothing": is_text(b""),
    "a text": is_text(b"{}\n" * 40),
    "a part": is_cut,
    "too much": is_huge,
    "a link": is_link,
    "a pipe": is_pipe,
    "a folder": is_folder,
    "a file in the folder's place": is_unreadable,
    "no JSON": holds(b"\xff\n"),
    "deep JSON": holds(b"[" * 100_000),
    "a long line": holds(b"1" * 5_000_000),
    "a number": holds(b"7\n"),
    "a list": says(lambda head: [head]),
    "nothing said": says(lambda _: {"none": 1}),
    "pictures in a list": says(lambda head: head | {"pictures": [1]}),
    "a picture that is none": says(lambda head: head | {"pictures": dict.fromkeys(head["pictures"])}),
    "another way": says(lambda head: head | {"how": [0, *head["how"][1:]]}),
    "another Pillow": says(lambda head: head | {"how": [head["how"][0], "12.0.0", *head["how"][2:]]}),
    "other sizes": says(lambda head: head | {"how": [*head["how"][:2], 9, 9, 9]}),
    "no copies": each(copies=[]),
    "copies that are none": each(copies=[1, 2]),
    "lengths that are none": each(copies=[["a", 1, 1]] * 2),
    "another stamp": each(stamp=[1, 2, 3, 4, 5, 6]),
    "no stamp": each(stamp=[]),
    "a stamp that is none": each(stamp=None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HARMS)
def test_whatever_lies_in_their_place_the_page_stays_as_it_is(folder: Path, decoded: list[bytes], name: str) -> None:
    first = page(folder)
    count = len(decoded)
    HARMS[name](folder)
    decoded.clear()
    assert (page(folder) == first, len(decoded)) == (True, count)


def test_copies_that_came_with_the_repository_are_not_shown(folder: Path) -> None:
    """Whoever made them knows the pictures and how copies are made, but not the files on this disk."""
    first = page(folder)
    head, copies = head_of(folder)
    for one in head["pictures"].values():
        one["stamp"][1:] = [status + 1 for status in one["stamp"][1:]]
    forged = copies.replace(b"WEBPVP8", b"FORGED!")
    assert forged != copies
    sealed.write(file_of(folder), b"\n".join((json.dumps(head).encode(), forged)))
    assert page(folder) == first


def test_they_are_made_anew_by_the_page_after_the_damage(folder: Path, decoded: list[bytes]) -> None:
    page(folder)
    is_cut(folder)
    page(folder)
    decoded.clear()
    page(folder)
    assert decoded == []


def test_a_state_that_everyone_may_write_to_is_not_believed(folder: Path, decoded: list[bytes]) -> None:
    first = page(folder)
    (folder / ".flowrunner" / "store").mkdir(mode=0o700)
    for name in ("objects", "ledger.db"):
        (folder / ".flowrunner" / name).rename(folder / ".flowrunner" / "store" / name)
    (folder / "flowrunner.toml").write_text('[store]\npath = ".flowrunner/store"\n')
    lying = file_of(folder).stat()
    decoded.clear()
    (folder / ".flowrunner").chmod(0o777)
    assert page(folder) == first
    assert (len(decoded) > 3, file_of(folder).stat().st_ino) == (True, lying.st_ino)


def test_beside_a_store_that_is_read_only_nothing_is_written(folder: Path) -> None:
    (folder / "flowrunner.toml").write_text("[store]\nread_only = true\n")
    before = stamps(folder)
    page(folder)
    assert stamps(folder) == before


def test_what_is_kept_is_used_where_nothing_may_be_written(folder: Path, decoded: list[bytes]) -> None:
    first = page(folder)
    decoded.clear()
    (folder / "flowrunner.toml").write_text("[store]\nread_only = true\n")
    assert (page(folder) == first, decoded) == (True, [])


def test_a_state_is_not_made_for_them(folder: Path) -> None:
    shutil.rmtree(folder / ".flowrunner")
    page(folder)
    assert not (folder / ".flowrunner").exists()


@pytest.mark.parametrize("name", [".flowrunner", ".flowrunner/copies"])
def test_they_are_not_written_where_a_link_leads_away(folder: Path, tmp_path: Path, name: str) -> None:
    first = page(folder)
    (folder / name).rename(tmp_path / "elsewhere")
    for path in (tmp_path / "elsewhere").rglob("copies/*"):
        path.unlink()
    (folder / name).symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.joinpath("elsewhere").rglob("*"))
    assert page(folder) == first
    assert sorted(tmp_path.joinpath("elsewhere").rglob("*")) == before


def test_a_disk_that_takes_no_copies_takes_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    first = page(folder)
    file_of(folder).unlink()
    monkeypatch.setattr(sealed, "write_all", full)
    assert page(folder) == first
    assert list((folder / ".flowrunner" / "copies").iterdir()) == []


def test_two_reports_at_once_give_the_same_page(folder: Path, decoded: list[bytes]) -> None:
    words = [sys.executable, "-m", "flowrunner", "report", "spring.yaml", "--simulate", "-o"]
    both = [subprocess.Popen([*words, f"{name}.html"], cwd=folder, env=environment(folder)) for name in "ab"]
    assert [one.wait(60) for one in both] == [0, 0]
    assert (folder / "a.html").read_bytes() == (folder / "b.html").read_bytes() == page(folder).encode()
    assert decoded == []


def one(number: int, size: int = 1000) -> dict[str, Made]:
    """A picture with copies of so many bytes together."""
    mini, small = Copy(bytes([number]) * (size // 2), 1, 1), Copy(bytes([number]) * (size - size // 2), 2, 2)
    return {f"{number}": Made(Copies(mini, small, None, see_through=False, is_preview=False), large=False, stamp=[1])}


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    workspace = Workspace.of(tmp_path, {})
    workspace.prepare()
    return Kept(workspace, "show.lock.yaml")


def shelf(
    kept: Kept, found: Mapping[str, bytes], previews: Mapping[str, bytes], lies_in: Sequence[int] = (1,)
) -> Shelf:
    """Of pictures that all lie in one file."""

    def stamp(_: Artifact) -> list[int]:
        return list(lies_in)

    def nothing(_: str) -> None:
        return None

    def at(place: Mapping[str, bytes]) -> Callable[[Artifact], bytes | None]:
        return lambda artifact: place.get(artifact.sha256)

    return Shelf(Supply(picture=at(found), preview=at(previews), heat=nothing, stamp=stamp, kept=kept))


@pytest.fixture
def drawn(tmp_path: Path) -> list[Artifact]:
    """Two pictures."""
    paths = [picture(tmp_path / f"{colour}.png", (900, 700), colour) for colour in ("red", "blue")]
    return [artifact(path.read_bytes()) for path in paths]


def test_copies_of_a_preview_are_not_taken_for_those_of_the_picture(
    kept: Kept, drawn: list[Artifact], tmp_path: Path
) -> None:
    data = {drawn[0].sha256: (tmp_path / "red.png").read_bytes()}
    for found, is_preview in (({}, True), ({}, True), (data, False)):
        made = shelf(kept, found, data)
        made.put(drawn[:1])
        copies = made.of(drawn[0])
        assert copies is not None
        assert copies.is_preview == is_preview


def test_copies_of_a_picture_that_lies_in_no_file_are_neither_kept_nor_taken(
    kept: Kept, drawn: list[Artifact], tmp_path: Path
) -> None:
    data = {drawn[0].sha256: (tmp_path / "red.png").read_bytes()}
    shelf(kept, data, {}, []).put(drawn[:1])
    assert kept.read(SIZES) == {}
    (forged,) = one(1).values()
    kept.write(SIZES, {drawn[0].sha256: Made(forged.copies, large=True, stamp=[])})
    made = shelf(kept, {}, {}, [])
    made.put(drawn[:1])
    assert made.of(drawn[0]) is None


def test_a_large_copy_is_there_whenever_the_page_asks_for_one(
    kept: Kept, drawn: list[Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowrunner.report.page.shelf._MOST_LARGE", 1)
    data = {
        one.sha256: (tmp_path / name).read_bytes() for one, name in zip(drawn, ("red.png", "blue.png"), strict=True)
    }
    for wanted in (drawn, drawn[::-1]):
        made = shelf(kept, data, {})
        made.put(wanted)
        assert [bool(copies and copies.large) for copies in map(made.of, wanted)] == [True, False]


def test_whoever_reads_meanwhile_gets_what_one_has_written_or_nothing(kept: Kept) -> None:
    """Each writes other copies; a mixture would be neither."""
    all_made = [one(number, 200_000) for number in range(4)]
    kept.write(SIZES, all_made[0])

    def write(made: dict[str, Made]) -> None:
        for _ in range(20):
            kept.write(SIZES, made)

    threads = [Thread(target=write, args=(made,)) for made in all_made]
    for thread in threads:
        thread.start()
    seen = [kept.read(SIZES) for _ in range(40)]
    for thread in threads:
        thread.join()
    assert all(found in all_made for found in seen)
    assert len(list(kept._path.parent.iterdir())) == 1


def test_only_as_many_are_kept_as_are_read_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROOM", 2500)
    found = fitting(one(1) | one(2) | one(3) | one(4))
    assert list(found) == ["1", "2"]
    monkeypatch.setattr(module, "_MOST", 1)
    assert list(fitting(found)) == ["1"]


@pytest.mark.slow
def test_the_most_that_is_kept_is_read_again(kept: Kept) -> None:
    stamp = [0o100444, 2**63, 2**63, 2**40, 2**63, 2**63]
    many = {
        f"{number:064}": Made(
            Copies(Copy(b"a" * 3300, 9999, 9999), Copy(b"b" * 3300, 9999, 9999), None, True, False), False, stamp
        )
        for number in range(module._MOST)
    }
    found = fitting(many)
    kept.write(SIZES, found)
    assert len(found) == module._ROOM // 6600
    assert kept.read(SIZES) == found


def test_the_oldest_of_a_project_go(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ALL", 3500)
    for number in range(5):
        other = Kept(kept.workspace, f"{number}.lock.yaml")
        other.write(SIZES, one(number))
        os.utime(other._path, (number, number))
    found = [bool(Kept(kept.workspace, f"{number}.lock.yaml").read(SIZES)) for number in range(5)]
    assert found == [False, False, False, True, True]


def test_copies_outlast_no_picture_of_theirs(folder: Path) -> None:
    page(folder)
    kept = file_of(folder)
    assert "cleared" not in swept(folder)
    unread = kept.with_name("unread")
    unread.write_bytes(b"anything")
    shutil.rmtree(folder / ".flowrunner" / "objects")
    for lock in folder.rglob("*.lock.yaml"):
        lock.unlink()
    assert swept(folder, "--dry-run").startswith("would be cleared  2 files")
    assert kept.exists()
    assert swept(folder).startswith("cleared  2 files")
    assert not kept.exists()
    assert not unread.exists()


def test_a_sweep_follows_no_link_to_copies(folder: Path, tmp_path: Path) -> None:
    page(folder)
    shutil.move(folder / ".flowrunner" / "copies", tmp_path / "theirs")
    for where in (folder / ".flowrunner" / "copies", tmp_path / "theirs" / "link"):
        where.symlink_to(tmp_path / "theirs")
    before = sorted((tmp_path / "theirs").iterdir())
    assert clear(folder / ".flowrunner", lambda _: False, dry_run=False) == Cleared()
    assert sorted((tmp_path / "theirs").iterdir()) == before


def swept(folder: Path, *words: str) -> str:
    done = cli("store", "gc", "--grace", "0", *words, cwd=folder)
    assert done.exit_code == 0, done.err
    return done.out
