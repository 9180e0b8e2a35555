"""`whence`, as people and machines read it."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_projects import CHAIN
from support import cli, golden, picture, project

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = project(tmp_path_factory.mktemp("whence"), {"chain.yaml": CHAIN})
    cli("run", "chain.yaml", "--simulate", cwd=made)
    picture(made / "stranger.png")
    (made / "words.png").write_text("no picture")
    return made


FILES = (
    "outputs/simulated/chain/dressed.png",
    "outputs/simulated/chain/hero.png",
    "stranger.png",
    "words.png",
    "no.png",
)


def test_each_file_is_told_and_what_is_not_known_is_an_answer_of_its_own(folder: Path) -> None:
    result = cli("whence", *FILES, cwd=folder)
    assert (result.exit_code, result.err) == (1, "")
    golden(GOLDEN / "whence.txt", re.sub(r"\b[0-9a-f]{64}\b", "0" * 64, result.out))


def test_machines_get_one_document(folder: Path) -> None:
    found = cli("whence", *FILES, "--format", "json", cwd=folder).json["files"]
    assert [one["known_by"] for one in found] == ["bytes", "pixels", None, None, None]
    (made,) = found[0]["made"]
    assert (made["pipeline"], made["cell"], made["simulated"]) == ("chain.yaml", "dressed", True)
    assert made["parents"][0]["cell"] == "portrait"
    assert "not an image" in found[3]["error"]["message"]


def test_all_that_are_known_is_success(folder: Path) -> None:
    assert cli("whence", FILES[0], cwd=folder).exit_code == 0


def test_a_lock_that_cannot_be_read_is_told_beside_what_is_known(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "whence")
    lock = tmp_path / "whence/.flowrunner/simulated/chain.lock.yaml"
    lock.write_text(f"{lock.read_text()}<<<<<<< HEAD\n")
    result = cli("whence", FILES[0], cwd=tmp_path / "whence")
    assert (result.exit_code, "cell      dressed" in result.out) == (0, True)
    assert "error: a merge left its marks here  [lock-conflict]\n" in result.err
    assert result.err.endswith("What cannot be read of a lock is not known here.\n")
    machine = cli("whence", FILES[0], "--format", "json", cwd=tmp_path / "whence")
    assert ([one["code"] for one in machine.json["problems"]], machine.err) == (["lock-conflict"], "")


def test_a_lock_that_may_not_be_read_hides_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "whence")
    (tmp_path / "whence/a.lock.yaml").touch()
    real = os.open

    def denied(path: Any, *more: Any, **options: Any) -> int:
        if Path(path).name == "a.lock.yaml":
            raise PermissionError(13, "Permission denied")
        return real(path, *more, **options)

    monkeypatch.setattr(os, "open", denied)
    result = cli("whence", FILES[0], cwd=tmp_path / "whence")
    assert (result.exit_code, "cell      dressed" in result.out) == (0, True)
    assert "/a.lock.yaml cannot be read: Permission denied" in result.err
