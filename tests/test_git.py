import os
import subprocess
from pathlib import Path

import pytest

from flowrunner.git import user_name


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}.items():
        monkeypatch.setenv(name, value)
    root = tmp_path / "project"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def named(root: Path, name: str) -> Path:
    subprocess.run(["git", "-C", str(root), "config", "user.name", name], check=True)
    return root


def test_the_name_is_that_of_the_repository(repository: Path) -> None:
    assert user_name(named(repository, "Anna Berg")) == "Anna Berg"


def test_a_name_is_one_line_of_sane_length(repository: Path) -> None:
    assert user_name(named(repository, "Anna\n  Berg")) == "Anna Berg"
    assert user_name(named(repository, "x" * 500)) == "x" * 100


def test_without_a_name_there_is_none(repository: Path) -> None:
    assert user_name(repository) is None
    assert user_name(named(repository, "  ")) is None
    assert user_name(repository / "absent") is None


def test_another_repository_in_the_environment_does_not_answer(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(repository, "Anna Berg")
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    monkeypatch.setenv("GIT_DIR", str(named(other, "Somebody Else") / ".git"))
    assert user_name(repository) == "Anna Berg"


def test_without_git_there_is_no_name(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert user_name(named_before(repository)) is None


def named_before(root: Path) -> Path:
    (root / ".git" / "config").write_text("[user]\n\tname = Anna Berg\n")
    return root


def test_a_git_that_hangs_or_fails_gives_no_name(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "git"
    script.write_text("#!/bin/sh\necho Anna\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("flowrunner.git._SECONDS", 0.2)
    assert user_name(repository) is None
    script.write_text("#!/bin/sh\necho Anna\nexit 1\n")
    assert user_name(repository) is None
