"""Pictures to and from a shared folder: hashed at both ends, skipped where they are, whole whatever happens."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import pytest
from store_locks import hexed
from wire import png

from flowrunner.errors import StoreError, UsageError
from flowrunner.imagehead import artifact, mark
from flowrunner.store import remote
from flowrunner.store.locked import Lock, LockedCell, LockedSample
from flowrunner.store.objects import Objects, TooLarge, Writer
from flowrunner.store.remote import Wanted, pull, push, wanted


class Team:
    """Two stores and the folder between them, and pictures of a lock."""

    def __init__(self, folder: Path, count: int = 3) -> None:
        (folder / "shared").mkdir()
        self.anna, self.ben = Objects(folder / "anna"), Objects(folder / "ben")
        self.shared = remote.folder(folder / "shared", self.anna)
        self.data = [png(8, 8, f"{number}") for number in range(count)]
        for data in self.data:
            self.anna.put(data)
        cells = {f"cell{number}": cell(f"cell{number}", data) for number, data in enumerate(self.data)}
        self.asked = wanted([("a.lock.yaml", Lock(cells=cells))])

    @property
    def digests(self) -> list[str]:
        return list(self.asked.needed)


def cell(name: str, data: bytes, with_: Mapping[str, object] | None = None) -> LockedCell:
    sample = LockedSample(key=hexed(name), images=(artifact(data),))
    return LockedCell(cell=name, model="m", with_=with_ or {}, samples=(sample,), key=hexed(name, "key"))


def damage(objects: Objects, digest: str, data: bytes) -> None:
    path = objects.path(digest)
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def test_what_one_pushes_another_pulls(team: Team) -> None:
    sent = push(team.anna, team.shared, team.asked)
    assert (sent.copied, sent.bytes, sent.there, sent.is_whole) == (3, sum(map(len, team.data)), 0, True)
    got = pull(team.ben, team.shared, team.asked)
    assert (got.copied, got.is_whole) == (3, True)
    assert [team.ben.read(digest) for digest in team.digests] == team.data


def test_what_is_there_is_skipped(team: Team) -> None:
    team.shared.put(team.data[0])
    assert (push(team.anna, team.shared, team.asked).copied, push(team.anna, team.shared, team.asked).there) == (2, 3)
    team.ben.put(team.data[1])
    assert (pull(team.ben, team.shared, team.asked).copied, pull(team.ben, team.shared, team.asked).there) == (2, 3)


def test_what_is_on_neither_side_is_named(team: Team) -> None:
    team.anna.path(team.digests[1]).unlink()
    for done in (push(team.anna, team.shared, team.asked), pull(team.ben, team.shared, team.asked)):
        assert done.missing == {team.digests[1]: ("cell1 (a.lock.yaml)",)}
        assert (done.copied, done.is_whole) == (2, False)


def test_what_is_shared_already_is_not_missing_here(team: Team) -> None:
    push(team.anna, team.shared, team.asked)
    team.anna.path(team.digests[1]).unlink()
    assert push(team.anna, team.shared, team.asked).is_whole


def test_a_damaged_file_is_not_taken_and_the_next_push_mends_it(team: Team) -> None:
    push(team.anna, team.shared, team.asked)
    damage(team.shared, team.digests[0], team.data[1])
    got = pull(team.ben, team.shared, team.asked)
    assert (got.copied, got.is_whole, team.ben.has(team.digests[0])) == (2, False, False)
    assert got.damaged[0].startswith("cell0 (a.lock.yaml): ")
    assert "quarantine" in got.damaged[0]
    assert push(team.anna, team.shared, team.asked).copied == 1
    assert pull(team.ben, team.shared, team.asked).is_whole


def test_a_shared_file_of_another_size_is_sent_anew(team: Team) -> None:
    push(team.anna, team.shared, team.asked)
    damage(team.shared, team.digests[0], team.data[0][:-1])
    assert push(team.anna, team.shared, team.asked, dry_run=True).copied == 1
    assert push(team.anna, team.shared, team.asked).copied == 1
    assert team.shared.read(team.digests[0]) == team.data[0]


def test_a_damaged_picture_is_not_pushed_and_is_pulled_anew(team: Team) -> None:
    team.ben.put(team.data[0])
    damage(team.ben, team.digests[0], b"")
    assert len(push(team.ben, team.shared, team.asked).damaged) == 1
    push(team.anna, team.shared, team.asked)
    damage(team.anna, team.digests[1], b"")
    assert pull(team.anna, team.shared, team.asked).copied == 1
    assert team.anna.read(team.digests[1]) == team.data[1]


def test_a_dry_run_copies_nothing(team: Team) -> None:
    assert push(team.anna, team.shared, team.asked, dry_run=True).copied == 3
    assert not list(team.shared.digests())
    push(team.anna, team.shared, team.asked)
    assert pull(team.ben, team.shared, team.asked, dry_run=True).copied == 3
    assert not team.ben.root.exists()


def test_simulated_pictures_are_refused(team: Team) -> None:
    data = mark(team.data[0])
    digest = team.anna.put(data)
    done = push(team.anna, team.shared, Wanted({digest: ("cell (a.lock.yaml)",)}, frozenset()))
    assert (done.copied, team.shared.has(digest)) == (0, False)
    assert done.refused == [f"{digest[:12]} is a simulated picture: cell (a.lock.yaml)"]


def test_images_that_requests_were_made_of_go_along_where_they_are_in_the_store(team: Team) -> None:
    old, file = team.anna.put(png(9, 9)), hexed("a file of the project")
    asked = wanted(
        [("b.lock.yaml", Lock(cells={"x": cell("x", team.data[0], {"images": [f"sha256:{old}", f"sha256:{file}"]})}))]
    )
    assert asked.inputs == {old, file}
    assert (push(team.anna, team.shared, asked).copied, pull(team.ben, team.shared, asked).copied) == (2, 2)
    assert team.ben.has(old)


def test_given_images_from_elsewhere_are_needed() -> None:
    asked = wanted([("b.lock.yaml", Lock(inputs={"logo": f"sha256:{hexed(1)}", "season": "winter"}))])
    assert asked.needed == {hexed(1): ("input logo (b.lock.yaml)",)}


def test_a_push_that_is_cut_off_leaves_only_what_is_whole_and_goes_on(team: Team) -> None:
    commits = []

    def cut(writer: Writer) -> str:
        commits.append(writer)
        if len(commits) == 2:
            raise KeyboardInterrupt
        return commit(writer)

    commit = Writer.commit
    with patch.object(Writer, "commit", cut), pytest.raises(KeyboardInterrupt):
        push(team.anna, team.shared, team.asked)
    assert (len(list(team.shared.digests())), team.shared.drafts()) == (1, [])
    assert (push(team.anna, team.shared, team.asked).copied, team.shared.read(team.digests[0])) == (2, team.data[0])


def test_a_full_disk_is_told_with_what_was_done_and_how_to_go_on(team: Team) -> None:
    put = patch.object(Objects, "put", side_effect=["", TooLarge("no space")])
    with put, patch.object(team.shared, "read"), pytest.raises(StoreError, match="no space, after 1 files") as fault:
        push(team.anna, team.shared, team.asked)
    assert "goes on from there" in fault.value.hint


def test_drafts_of_the_dead_are_cleared_and_those_of_the_living_stay(team: Team) -> None:
    drafts = team.shared.root / ".tmp"
    drafts.mkdir()
    for name, age in (("old", 2), ("new", 0)):
        (drafts / name).touch()
        os.utime(drafts / name, (time.time() - age * 86_400,) * 2)
    push(team.anna, team.shared, team.asked)
    assert [path.name for path in team.shared.drafts()] == ["new"]


def test_what_is_shared_is_for_those_whom_the_folder_is_for(team: Team) -> None:
    before = os.umask(0o002)
    try:
        push(team.anna, team.shared, team.asked)
    finally:
        os.umask(before)
    path = team.shared.path(team.digests[0])
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o444, 0o775)
    assert (team.anna.root / "objects").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        remote.folder(tmp_path / "absent", Objects(tmp_path))
    with pytest.raises(UsageError, match="own store"):
        remote.folder(tmp_path, Objects(tmp_path))


@pytest.mark.slow
def test_many_push_the_same_at_once(tmp_path: Path) -> None:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    team = Team(tmp_path, 60)
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        copied = list(pool.map(_push, [tmp_path] * 4, [team.asked.needed] * 4))
    assert sum(copied) >= 60
    assert [team.shared.read(digest) for digest in team.digests] == team.data
    assert (team.shared.drafts(), (team.shared.root / "quarantine").exists()) == ([], False)


def _push(folder: Path, needed: Mapping[str, tuple[str, ...]]) -> int:
    done = push(Objects(folder / "anna"), Objects(folder / "shared", shared=True), Wanted(needed, frozenset()))
    assert done.is_whole
    return done.copied
