"""The commands that look after the store."""

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from command_projects import CHAIN
from shapes import MAYBE_TEXT, TEXT, WHOLE, YES_NO, fits, listed, obj, words
from support import Result, cli, picture, project

from flowrunner.store.inuse import share
from flowrunner.store.workspace import STATE

CLEARED = "verdicts, heat maps and copies of pictures that are gone"
AMOUNT = obj(files=WHOLE, bytes=WHOLE)
SWEEP = obj(
    dry_run=YES_NO,
    kept=AMOUNT,
    moved=AMOUNT,
    waiting=AMOUNT,
    deleted=AMOUNT,
    restored=AMOUNT,
    cleared=AMOUNT,
    busy=MAYBE_TEXT,
)
FINDINGS = obj(
    findings=listed(obj(kind=TEXT, severity=words("error", "warning", "info"), where=TEXT, message=TEXT, hint=TEXT))
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one rehearsed run."""
    made = project(tmp_path, {"chain.yaml": CHAIN})
    cli("run", "chain.yaml", "--simulate", cwd=made)
    return made


def store(folder: Path, *line: str) -> Result:
    return cli("store", *line, cwd=folder)


def unlock(folder: Path) -> None:
    (folder / STATE / "simulated" / "chain.lock.yaml").unlink()


def damage(folder: Path) -> Path:
    path = next((folder / STATE / "objects").glob("*/*"))
    path.chmod(0o644)
    path.write_bytes(b"")
    path.chmod(0o444)
    return path


def test_where_there_is_no_store_there_is_nothing_to_do_and_nothing_is_made(tmp_path: Path) -> None:
    project(tmp_path, {})
    assert store(tmp_path, "gc").out == "there is nothing to sweep\n"
    assert store(tmp_path, "fsck").out == "nothing is damaged and nothing is lost\n"
    assert [path.name for path in tmp_path.iterdir()] == ["flowrunner.toml"]


def test_a_sweep_says_what_became_of_how_much(folder: Path) -> None:
    assert re.fullmatch(r"kept  3 files  \d\.\d MB  needed\n", store(folder, "gc").out)
    unlock(folder)
    assert store(folder, "gc").out.startswith("kept  3 files")
    moved = r"moved  3 files  \d\.\d MB  into the trash, where they stay for 0 hours at least\n"
    assert re.fullmatch(moved, store(folder, "gc", "--grace", "0").out)
    assert re.fullmatch(r"restored  3 files  .* needed again\n", store(folder, "gc").out)
    assert store(folder, "gc", "--grace", "0").out.startswith("moved")
    assert re.fullmatch(r"deleted  3 files  .* for good\n", store(folder, "gc", "--grace", "0").out)
    assert not list((folder / STATE / "objects").glob("*/*"))
    assert store(folder, "fsck").out == "nothing is damaged and nothing is lost\n"


def test_what_was_found_of_a_picture_is_cleared_away_with_it(tmp_path: Path) -> None:
    checked = CHAIN.replace("with: {prompt", "check: [{not_flat: true}], with: {prompt", 1)
    folder = project(tmp_path, {"chain.yaml": checked})
    assert cli("run", "chain.yaml", "--simulate", cwd=folder).exit_code == 0
    (verdict,) = (folder / STATE / "checks").rglob("*.json")
    picture = json.loads(verdict.read_text())["picture"]
    assert "cleared" not in store(folder, "gc", "--grace", "0").out
    for path in (folder / STATE / "objects").glob("*/*"):
        path.unlink()
    assert "cleared" not in store(folder, "gc").out  # the lock names it
    unlock(folder)
    assert store(folder, "gc", "--dry-run").out == f"would be cleared  1 file  0.0 MB  {CLEARED}\n"
    assert (verdict.exists(), len(picture)) == (True, 64)
    assert store(folder, "gc").out == f"cleared  1 file  0.0 MB  {CLEARED}\n"
    assert not verdict.exists()


def test_a_dry_run_changes_nothing(folder: Path) -> None:
    unlock(folder)
    for _ in range(2):
        out = store(folder, "gc", "--dry-run", "--grace", "0").out
        assert out.startswith("would be moved  3 files")
    assert len(list((folder / STATE / "objects").glob("*/*"))) == 3


def test_while_a_run_goes_on_nothing_is_swept(folder: Path) -> None:
    unlock(folder)
    handle = share(folder / STATE)
    try:
        busy = store(folder, "gc", "--grace", "0")
        document = store(folder, "gc", "--grace", "0", "--format", "json")
    finally:
        os.close(handle)
    assert (busy.exit_code, busy.out) == (1, "")
    assert "is in use: a run is going on" in busy.err
    assert "try again when it has ended" in busy.err
    assert (document.exit_code, document.json["moved"]["files"]) == (1, 0)
    assert "in use" in document.json["busy"]


def test_machines_get_the_promised_shapes(folder: Path) -> None:
    fits(store(folder, "gc", "--dry-run", "--format", "json").json, SWEEP)
    damage(folder)
    fits(store(folder, "fsck", "--format", "json").json, FINDINGS)


def test_damage_is_told_with_what_to_do_and_ends_with_one(folder: Path) -> None:
    assert store(folder, "fsck").exit_code == 0
    path = damage(folder)
    found = store(folder, "fsck")
    assert (found.exit_code, found.err) == (1, "")
    assert f"error: {path} is empty  [object-damaged]\n     = whoever reads it next" in found.out
    assert found.out.endswith("\n1 error\n")
    assert store(folder, "fsck", "--format", "json").exit_code == 1


def test_what_is_only_missing_ends_with_nothing(folder: Path) -> None:
    for path in (folder / STATE / "objects").glob("*/*"):
        path.unlink()
    found = store(folder, "fsck")
    assert found.exit_code == 0
    assert found.out.endswith("\n3 notes\n")


def test_of_many_findings_alike_the_first_are_shown(folder: Path) -> None:
    for number in range(13):
        (folder / STATE / ".tmp" / f"{number}-ab").touch()
    lines = store(folder, "fsck").out.splitlines()
    assert sum(line.startswith("info: /") for line in lines) == 10
    assert lines[-2:] == ["info: 3 more like that  [draft]", "13 notes"]


def test_what_is_shown_is_harmless(folder: Path) -> None:
    (folder / STATE / "objects" / "\x1b[31mred\u202e").touch()
    out = store(folder, "fsck").out
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("store", "flowrunner store: gc|fsck|push|pull is missing"),
        ("store burn", "flowrunner store: there is no command burn"),
        ("store gc --grace=-1", "flowrunner store: --grace: -1 is not a whole number"),
        ("store fsck --repair", "flowrunner store: there is no option --repair"),
    ],
)
def test_a_mistake_on_the_command_line_is_told(folder: Path, line: str, message: str) -> None:
    result = cli(*line.split(), cwd=folder)
    assert (result.exit_code, result.out) == (2, "")
    assert result.err.startswith(f"error: {message}")


# Sharing

SHARED = obj(
    remote=TEXT,
    dry_run=YES_NO,
    copied=AMOUNT,
    there=WHOLE,
    missing=listed(obj(sha256=TEXT, named_by=listed(TEXT))),
    damaged=listed(TEXT),
    refused=listed(TEXT),
)


@pytest.fixture
def lent(tmp_path: Path) -> Path:
    """A project with a live lock, of a picture that is not here, and a shared folder."""
    made = project(tmp_path / "project", {"show/hero.yaml": CHAIN, "show/hero.lock.yaml": LOST, "other.yaml": CHAIN})
    (tmp_path / "shared").mkdir()
    return made


LOST = f"""\
lock: 1
cells:
  hero:
    model: m
    with: {{prompt: x}}
    samples:
      - {{images: [{{sha256: {"ab" * 32}, type: image/png, size: 8x8}}], key: {"cd" * 32}}}
    key: {"ef" * 32}
"""


def team_store(folder: Path, *line: str) -> Result:
    return cli("store", *line, cwd=folder, env={"FLOWRUNNER_REMOTE": str(folder.parent / "shared")})


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_what_is_on_neither_side_is_said_and_counts(lent: Path, verb: str) -> None:
    result = team_store(lent, verb, "show/hero.yaml")
    assert (result.exit_code, result.out.startswith(f"{verb}  0 files")) == (1, True)
    assert result.err.startswith("missing: abababababab is on neither side: hero (show/hero.lock.yaml)\n     = ")
    found = team_store(lent, verb, "--format", "json").json
    fits(found, SHARED)
    assert found["missing"] == [{"sha256": "ab" * 32, "named_by": ["hero (show/hero.lock.yaml)"]}]


@pytest.mark.parametrize("path", [".", "show", "show/hero.yaml", "show/hero.lock.yaml"])
def test_paths_say_which_locks_are_meant(lent: Path, path: str) -> None:
    assert team_store(lent, "pull", path, "--dry-run").exit_code == 1
    (lent / "show" / "hero@lamp.lock.yaml").write_text(LOST.replace("hero", "lamp"))
    assert ("lamp (show/hero@lamp" in team_store(lent, "pull", path).err) is not path.endswith("lock.yaml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("push other.yaml", "other.yaml has no lock"),
        ("pull absent.yaml", "absent.yaml does not exist"),
        ("pull show ..", ".. lies outside its project project"),
    ],
)
def test_paths_that_name_no_lock_are_refused(lent: Path, words: str, message: str) -> None:
    result = team_store(lent, *words.split())
    assert (result.exit_code, result.out) == (2, "")
    assert result.err.startswith(f"error: {message}")


def test_where_no_folder_is_shared_it_is_said_how_to_name_one(lent: Path) -> None:
    result = cli("store", "pull", cwd=lent)
    assert (result.exit_code, "set FLOWRUNNER_REMOTE, or in flowrunner.toml" in result.err) == (2, True)
    (lent / "flowrunner.toml").write_text('[store]\nremote = "../shared"\nread_only = true\n')
    assert cli("store", "pull", cwd=lent).exit_code == 1
    assert cli("store", "push", cwd=lent).err.startswith("error: flowrunner.toml says read_only")


def test_a_lock_with_a_cell_of_two_versions_is_not_shared(lent: Path) -> None:
    theirs = LOST.partition("cells:\n")[2].replace("prompt: x", "prompt: y")
    (lent / "show/hero.lock.yaml").write_text(LOST + theirs)
    result = team_store(lent, "push")
    assert (result.exit_code, "hero was changed on both sides" in result.err) == (2, True)


@pytest.mark.parametrize("line", ["store fsck", "store gc", "store push", "whence photo.png"])
def test_a_folder_of_the_project_that_cannot_be_read_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    data = project(tmp_path, {"data/notes.txt": ""}) / "data"
    picture(tmp_path / "photo.png")
    scandir = os.scandir

    def closed(path: str) -> Any:
        if str(path) == str(data):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    result = cli(*line.split(), cwd=tmp_path, env={"FLOWRUNNER_REMOTE": str(tmp_path / "remote")})
    assert result.exit_code == 1
    assert f"{data} cannot be read: Permission denied\n" in result.out + result.err
    assert "FLOWRUNNER_STORE" not in result.err
