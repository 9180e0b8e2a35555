"""A project read from a commit, in real repositories."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import environment

from flowrunner.digest import sha256
from flowrunner.files import Away, FileProblem, WorkTree
from flowrunner.repository import repository
from flowrunner.revision import Revision

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 9\n"
CONTENT = b"a picture"
DIGEST = sha256(CONTENT)


def git(root: Path, *words: str) -> str:
    who = {f"GIT_{role}_{part}": "a@b.invalid" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    env = environment(root, {"GIT_CONFIG_NOSYSTEM": "1", **who})
    return subprocess.run(["git", *words], cwd=root, env=env, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose project lies in its folder `studio`."""
    top = tmp_path_factory.mktemp("repository")
    git(top, "init", "-q", "-b", "main")
    studio = top / "studio"
    for name, text in {
        "a.yaml": "first\n",
        "data/one.csv": "x\n",
        "data/two.csv": "y\n",
        "data/.hidden.csv": "z\n",
        "data/deep/three.csv": "w\n",
        ".env": "KEY=secret\n",
        "large.png": POINTER.format(DIGEST),
        "odd name\n.txt": "odd\n",
    }.items():
        (studio / name).parent.mkdir(parents=True, exist_ok=True)
        (studio / name).write_text(text)
    (top / "outside.txt").write_text("not the project's\n")
    for name, target in {
        "link.csv": "data/one.csv",
        "folder": "data",
        "up.csv": "data/../data/two.csv",
        "out.txt": "../outside.txt",
        "absolute.txt": "/etc/passwd",
        "ring": "ring",
        "secret.txt": ".env",
    }.items():
        (studio / name).symlink_to(target)
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "first")
    (studio / "a.yaml").write_text("second\n")
    return studio


@pytest.fixture
def revision(root: Path) -> Iterator[Revision]:
    with head(root) as found:
        yield found


@contextmanager
def head(root: Path) -> Iterator[Revision]:
    around = repository(root)
    with closing(around.contents()) as contents:
        yield Revision(around, around.commit("HEAD"), contents)


def test_what_is_read_is_what_the_commit_has(root: Path, revision: Revision) -> None:
    assert (revision.read("a.yaml"), WorkTree(root).read("a.yaml")) == (b"first\n", b"second\n")
    assert revision.digest("a.yaml") == sha256(b"first\n")
    assert revision.read("odd name\n.txt") == b"odd\n"
    assert revision.has("data")
    assert not revision.has("outside.txt")


@pytest.mark.parametrize("pattern", ["data/*.csv", "folder/*.csv", "*.csv", "data/one.csv", "absent/*.csv", "data/*"])
def test_a_pattern_lists_what_it_lists_in_the_work_tree(root: Path, revision: Revision, pattern: str) -> None:
    assert revision.list(pattern) == WorkTree(root).list(pattern)


@pytest.mark.parametrize("path", ["link.csv", "folder/two.csv", "up.csv", "data/deep/three.csv"])
def test_a_link_inside_the_project_is_followed(root: Path, revision: Revision, path: str) -> None:
    assert revision.read(path) == WorkTree(root).read(path)


@pytest.mark.parametrize("path", ["out.txt", "absolute.txt", "ring", "secret.txt", "../outside.txt", "data", "absent"])
def test_nothing_leads_out_of_the_project(root: Path, revision: Revision, path: str) -> None:
    for files in (revision, WorkTree(root)):
        with pytest.raises(FileProblem):
            files.read(path)


def test_a_pointer_has_the_digest_of_its_content(root: Path, revision: Revision) -> None:
    for files in (revision, WorkTree(root)):
        assert files.digest("large.png") == DIGEST
        with pytest.raises(Away) as away:
            files.read("large.png")
        assert away.value.digest == DIGEST


def test_the_content_of_a_pointer_is_read_where_git_lfs_keeps_it(root: Path, revision: Revision) -> None:
    place = root.parent / ".git/lfs/objects" / DIGEST[:2] / DIGEST[2:4] / DIGEST
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert revision.read("large.png") == CONTENT
    place.write_bytes(b"something else")
    with pytest.raises(Away):
        revision.read("large.png")
    place.unlink()


def test_what_is_too_large_is_refused_and_the_next_is_read(revision: Revision) -> None:
    with pytest.raises(FileProblem, match="larger than 0 KiB"):
        revision.read("large.png", 10)
    assert revision.read("a.yaml") == b"first\n"


def test_one_process_reads_all(root: Path, revision: Revision, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    real = subprocess.Popen

    def counted(command: list[str], **more: Any) -> object:
        begun.append(command)
        return real(command, **more)

    monkeypatch.setattr(subprocess, "Popen", counted)
    for path in ("a.yaml", "data/one.csv", "link.csv", "large.png"):
        revision.digest(path)
    assert len(begun) == 1


def test_nothing_of_the_repository_is_run(root: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho run >> {told}\n")
    script.chmod(0o755)
    config = root.parent / ".git/config"
    before = config.read_text()
    more = f"[core]\nfsmonitor = {script}\npager = {script}\nhooksPath = {tmp_path}\nsshCommand = {script}\n"
    config.write_text(f'{before}{more}[filter "x"]\nsmudge = {script}\n[diff "x"]\ntextconv = {script}\n')
    (root / ".gitattributes").write_text("* filter=x diff=x\n")
    try:
        around = repository(root)
        with head(root) as revision:
            assert revision.read("a.yaml") == b"first\n"
        around.merge_base("HEAD", around.main())
    finally:
        config.write_text(before)
        (root / ".gitattributes").unlink()
    assert not told.exists()


@pytest.mark.slow
def test_a_content_that_a_partial_clone_lacks_is_a_problem(root: Path, tmp_path: Path) -> None:
    git(root.parent, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{root.parent}", "partial")
    with head(tmp_path / "partial") as revision, pytest.raises(FileProblem, match="git has no content") as told:
        revision.read("studio/a.yaml")
    assert told.value.hint == "git fetch --refetch origin"


def test_a_variable_of_the_environment_leads_nowhere_else(root: Path, tmp_path: Path) -> None:
    os.environ["GIT_DIR"] = str(tmp_path)
    try:
        assert repository(root).prefix == "studio/"
    finally:
        del os.environ["GIT_DIR"]
