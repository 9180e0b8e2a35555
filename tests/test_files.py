"""The door through which a project's files are read."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.digest import sha256
from flowrunner.files import FileProblem, WorkTree, join, relative


@pytest.fixture
def tree(tmp_path: Path) -> WorkTree:
    root = tmp_path / "project"
    for name in ("a.txt", "sub/b.txt", "sub/c.md", "sub/.hidden.txt", "sub/deep/d.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (tmp_path / "outside.txt").write_text("secret")
    return WorkTree(root)


def refused(tree: WorkTree, path: str) -> str:
    with pytest.raises(FileProblem) as caught:
        tree.read(path)
    with pytest.raises(FileProblem):
        tree.digest(path)
    return caught.value.message


def test_a_file_is_read_and_digested(tree: WorkTree) -> None:
    assert tree.read("sub/b.txt") == b"sub/b.txt"
    assert tree.digest("sub/b.txt") == sha256(b"sub/b.txt")


def test_a_digest_follows_the_file(tree: WorkTree) -> None:
    tree.digest("a.txt")
    path = tree.root / "a.txt"
    path.write_text("other")
    os.utime(path, (1, 1))
    assert tree.digest("a.txt") == sha256(b"other")


def test_what_is_not_there_or_no_plain_file_is_refused(tree: WorkTree) -> None:
    os.mkfifo(tree.root / "pipe")
    (tree.root / "closed").write_text("x")
    (tree.root / "closed").chmod(0)
    assert "does not exist" in refused(tree, "nowhere.txt")
    assert "not a plain file" in refused(tree, "sub")
    assert "not a plain file" in refused(tree, "pipe")
    assert "not a usable path" in refused(tree, "a\0b")
    assert "does not exist" in refused(tree, "x/" * 3 + "y")


def test_a_file_over_the_limit_is_refused(tree: WorkTree) -> None:
    assert tree.read("a.txt", limit=5) == b"a.txt"
    with pytest.raises(FileProblem, match="larger"):
        tree.read("a.txt", limit=4)


@pytest.mark.parametrize("target", ["../outside.txt", "/etc/passwd", ".."])
def test_a_link_does_not_lead_out_of_the_project(tree: WorkTree, target: str) -> None:
    (tree.root / "link").symlink_to(target)
    path = "link/outside.txt" if target == ".." else "link"
    assert "outside the project" in refused(tree, path)


def test_a_link_inside_the_project_is_followed(tree: WorkTree) -> None:
    (tree.root / "link.txt").symlink_to("sub/b.txt")
    assert tree.read("link.txt") == b"sub/b.txt"


def test_a_ring_of_links_is_refused(tree: WorkTree) -> None:
    (tree.root / "one").symlink_to("two")
    (tree.root / "two").symlink_to("one")
    refused(tree, "one")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("sub/*.txt", ["sub/b.txt"]),
        ("sub/*", ["sub/b.txt", "sub/c.md"]),
        ("sub/?.md", ["sub/c.md"]),
        ("*.txt", ["a.txt"]),
        ("nowhere/*", []),
        ("sub/*.TXT", []),
    ],
)
def test_a_pattern_lists_plain_files_in_order(tree: WorkTree, pattern: str, found: list[str]) -> None:
    assert tree.list(pattern) == found


def test_a_listing_does_not_follow_a_link_out(tree: WorkTree) -> None:
    (tree.root / "sub/z.txt").symlink_to("../../outside.txt")
    with pytest.raises(FileProblem):
        tree.list("sub/*.txt")


def test_names_are_listed_by_code_points(tree: WorkTree) -> None:
    for name in ("b", "a", "B", "é", "Z", "10", "9"):
        (tree.root / f"n/{name}.md").parent.mkdir(exist_ok=True)
        (tree.root / f"n/{name}.md").touch()
    assert tree.list("n/*.md") == [f"n/{name}.md" for name in ("10", "9", "B", "Z", "a", "b", "é")]


@pytest.mark.parametrize(
    ("home", "path", "joined"),
    [
        ("show.yaml", "a.png", "a.png"),
        ("shows/show.yaml", "a.png", "shows/a.png"),
        ("shows/show.yaml", "./pics/a.png", "shows/pics/a.png"),
        ("shows/show.yaml", "../a.png", "a.png"),
        ("shows/deep/show.yaml", "../../shared/x/../a.png", "shared/a.png"),
        ("show.yaml", "a b/ü.png", "a b/ü.png"),
    ],
)
def test_a_path_is_relative_to_the_file_that_names_it(home: str, path: str, joined: str) -> None:
    assert join(home, path) == joined


@pytest.mark.parametrize(
    "path",
    [
        *[
            "../a.png",
            "x/../../a.png",
            "/a.png",
            "~/a.png",
            "~root/a.png",
            "C:/a.png",
            "C:a.png",
            "a\\b.png",
            ".env",
            ".git/config",
            "x/.ssh/id",
        ],
        "a\0b",
    ],
)
def test_a_path_out_of_the_project_or_to_what_is_hidden_is_refused(path: str) -> None:
    with pytest.raises(FileProblem):
        join("show.yaml", path)


_FOLDERS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)


@given(_FOLDERS, _FOLDERS)
def test_a_path_written_in_a_file_leads_back(there: list[str], here: list[str]) -> None:
    path, home = "/".join([*there, "x.png"]), "/".join([*here, "show.yaml"])
    assert join(home, relative(path, home)) == path
