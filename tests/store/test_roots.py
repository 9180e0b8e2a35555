"""What is needed: by the locks of every project that uses a store, in the work tree and on every branch."""

import os
import subprocess
from pathlib import Path

import pytest
from store_locks import cell, hexed, lock, lock_file

from flowrunner.errors import StoreError
from flowrunner.store import branches
from flowrunner.store.locked import LIMIT, Pick
from flowrunner.store.roots import named_by_locks
from flowrunner.store.workspace import STATE, Workspace


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    (tmp_path / "project").mkdir()
    return Workspace.of(tmp_path / "project", {})


def name(root: Path, path: str, *words: object) -> None:
    """Writes a file that names the digests of the words."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("".join(f"sha256:{hexed(word)}\n" for word in words))


def named(place: Workspace, *words: object) -> set[object]:
    found = named_by_locks(place)
    return {word for word in words if hexed(word) in found}


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "-C", str(root), *identity, *words], check=True, capture_output=True)


def test_all_that_a_lock_holds_is_needed(place: Workspace) -> None:
    made = cell("scene")
    picks = {"scene": Pick(image=1, digest=hexed("picked"))}
    file = lock_file(place.root)
    file.update(lambda _: lock(made, picks=picks, inputs={"logo": f"sha256:{hexed('outside')}"}))
    images = {image.sha256 for sample in made.samples for image in sample.images}
    assert {hexed("picked"), hexed("outside"), *images} <= named_by_locks(place)


@pytest.mark.parametrize(
    "path",
    [
        "a.lock.yaml",
        "pipelines/deep/a@lamp.lock.yaml",
        f"{STATE}/simulated/a.lock.yaml",
        f"{STATE}/trials/a/{hexed('trial')}.lock.yaml",
        ".hidden/a.lock.yaml",
    ],
)
def test_every_lock_of_the_project_counts(place: Workspace, path: str) -> None:
    name(place.root, path, "a")
    assert named(place, "a") == {"a"}


def test_a_lock_that_does_not_parse_counts_as_well(place: Workspace) -> None:
    (place.root / "a.lock.yaml").write_bytes(b"<<<<<<< ours\n\xff {" + hexed("a").encode() + b"\n=======")
    assert named(place, "a") == {"a"}


def test_what_is_no_lock_of_this_project_does_not(place: Workspace) -> None:
    name(place.root, "a.yaml", "a")
    name(place.root, "other/flowrunner.toml")
    name(place.root, "other/b.lock.yaml", "b")
    name(place.root, f"{STATE}/objects/ab/c.lock.yaml", "c")
    (place.root / "d.lock.yaml").symlink_to(place.root / "a.yaml")
    assert named(place, *"abcd") == set()


def test_a_lock_that_is_too_large_ends_it(place: Workspace) -> None:
    with (place.root / "a.lock.yaml").open("wb") as file:
        file.truncate(LIMIT + 1)
    with pytest.raises(StoreError, match="larger than a lock may be"):
        named_by_locks(place)


def test_a_folder_that_cannot_be_listed_ends_it(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StoreError, match="Permission denied"):
        named_by_locks(place)


# Other projects on the same store


def test_locks_of_all_projects_that_use_the_store_count(tmp_path: Path) -> None:
    environment = {"FLOWRUNNER_STORE": str(tmp_path / "store")}
    places = [Workspace.of(tmp_path / one, environment) for one in ("here", "there")]
    for place, word in zip(places, "ab", strict=True):
        place.root.mkdir()
        place.prepare()
        name(place.root, "x.lock.yaml", word)
    assert [named(place, *"ab") for place in places] == [{"a", "b"}] * 2


def test_a_store_in_the_state_of_a_project_belongs_to_that_project_too(tmp_path: Path, place: Workspace) -> None:
    guest = Workspace.of(tmp_path / "guest", {"FLOWRUNNER_STORE": str(place.store)})
    guest.root.mkdir()
    guest.prepare()
    name(place.root, "x.lock.yaml", "a")
    name(guest.root, "x.lock.yaml", "b")
    assert named(guest, *"ab") == named(place, *"ab") == {"a", "b"}


def test_a_store_of_one_project_notes_no_project(place: Workspace) -> None:
    place.prepare()
    assert not (place.store / "projects").exists()


def test_a_project_that_is_not_where_it_was_ends_it(tmp_path: Path) -> None:
    environment = {"FLOWRUNNER_STORE": str(tmp_path / "store")}
    gone = Workspace.of(tmp_path / "gone", environment)
    gone.root.mkdir()
    gone.prepare()
    gone.root.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is not there") as told:
        named_by_locks(Workspace.of(tmp_path / "elsewhere", environment))
    Path(told.value.path).unlink()
    named_by_locks(Workspace.of(tmp_path / "elsewhere", environment))


# What git keeps


def test_locks_of_other_branches_of_tags_and_of_the_stash_count(place: Workspace) -> None:
    git(place.root, "init", "-b", "main")
    name(place.root, "deep/x.lock.yaml", "main")
    git(place.root, "add", ".")
    git(place.root, "commit", "-m", "one")
    for word in ("branch", "tag"):
        git(place.root, "checkout", "-b", word, "main")
        name(place.root, "deep/x.lock.yaml", word)
        git(place.root, "commit", "-a", "-m", word)
    git(place.root, "tag", "v1")
    git(place.root, "checkout", "main")
    git(place.root, "branch", "-D", "tag")
    name(place.root, "deep/x.lock.yaml", "stash")
    git(place.root, "stash")
    name(place.root, "deep/x.lock.yaml", "work tree")
    words = ("main", "branch", "tag", "stash", "work tree", "nowhere")
    assert named(place, *words) == {*words} - {"nowhere"}


def test_a_repository_without_a_commit_has_no_branches(place: Workspace) -> None:
    git(place.root, "init")
    assert branches.locks(place.root) == []


def test_a_repository_without_locks_names_nothing(place: Workspace) -> None:
    git(place.root, "init")
    name(place.root, "a.yaml", "a")
    git(place.root, "add", ".")
    git(place.root, "commit", "-m", "one")
    assert branches.locks(place.root) == []


def test_a_partial_clone_names_what_it_has(tmp_path: Path, place: Workspace) -> None:
    git(place.root, "init", "-b", "main")
    for word in ("old", "new"):
        name(place.root, "x.lock.yaml", word)
        git(place.root, "add", ".")
        git(place.root, "commit", "-m", word)
        git(place.root, "branch", word)
    git(place.root, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--filter=blob:none", f"file://{place.root}", "clone")
    (tmp_path / "project").rename(tmp_path / "gone")
    assert branches.locks(tmp_path / "clone") == [f"sha256:{hexed('new')}\n".encode()]


def test_a_repository_that_git_cannot_read_ends_it(place: Workspace) -> None:
    (place.root / ".git").write_text("gitdir: nowhere")
    with pytest.raises(StoreError, match="git cannot list the branches") as told:
        named_by_locks(place)
    assert told.value.hint


def test_without_git_it_ends(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.root / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StoreError, match="git cannot be asked"):
        named_by_locks(place)
