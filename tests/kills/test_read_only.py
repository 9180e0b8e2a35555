"""A store that cannot be written: what is in it is used, what is not is refused before anything is paid."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kill_project
import pytest
from kill_servers import Counted, provider
from support import Result, cli

pytestmark = pytest.mark.slow

SETTING = '[store]\npath = "store"\nread_only = true\n'


@pytest.fixture
def counted() -> Iterator[Counted]:
    with provider() as counted:
        yield counted


@pytest.fixture
def folder(tmp_path: Path, counted: Counted) -> Path:
    """A project whose cells are all made, with its store beside it; nothing may be written there any more."""
    folder = kill_project.make(tmp_path / "project", cells=4)
    (folder / "flowrunner.toml").write_text('[store]\npath = "store"\n')
    assert ran(folder, counted).exit_code == 0
    (folder / "flowrunner.toml").write_text(SETTING)
    counted.posts.clear()
    return folder


def ran(folder: Path, counted: Counted, *words: str) -> Result:
    environment = kill_project.environment(folder, counted.origin, simulated=False)
    return cli(*(words or ("run", "show.yaml")), cwd=folder, env=environment)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_what_is_in_it_is_published_and_nothing_in_it_is_touched(folder: Path, counted: Counted) -> None:
    shutil.rmtree(folder / "outputs")
    before = contents(folder / "store")
    result = ran(folder, counted)
    assert (result.exit_code, result.err) == (0, "")
    assert "4 reused" in result.out
    assert len(list((folder / "outputs").rglob("*.png"))) == 4
    assert contents(folder / "store") == before
    assert counted.posts == {}


def test_what_is_not_in_it_is_refused_before_it_is_paid(folder: Path, counted: Counted) -> None:
    text = (folder / "show.yaml").read_text()
    (folder / "show.yaml").write_text(text.replace("Frame", "Another frame"))
    before = contents(folder / "store")
    for words in (("run", "show.yaml"), ("plan", "show.yaml")):
        result = ran(folder, counted, *words)
        assert result.exit_code == 3
        assert f"the store is read-only: {folder / 'store'}; 2 results are not in it: frame/n0, frame/n1" in result.err
    assert "Nothing was sent, nothing was paid." in result.err
    assert contents(folder / "store") == before
    assert counted.posts == {}


def test_without_a_lock_the_ledger_is_read_as_it_lies(folder: Path, counted: Counted) -> None:
    (folder / "show.lock.yaml").unlink()
    before = contents(folder / "store")
    assert ran(folder, counted).exit_code == 0
    assert (folder / "show.lock.yaml").exists()
    assert contents(folder / "store") == before


def test_a_log_that_a_crash_left_is_read_from_a_copy(folder: Path, counted: Counted) -> None:
    """The log holds the last results, and whoever opens it in place would merge it."""
    import sqlite3

    (folder / "show.lock.yaml").unlink()
    ledger = folder / "store" / "ledger.db"
    rows = sqlite3.connect(ledger)
    rows.execute("UPDATE outcomes SET seconds = 7")
    rows.commit()
    for part in ("ledger.db", "ledger.db-wal"):
        shutil.copy(folder / "store" / part, folder / part)
    rows.close()
    for part in ("ledger.db", "ledger.db-wal"):
        (folder / part).replace(folder / "store" / part)
    before = contents(folder / "store")
    assert ran(folder, counted).exit_code == 0
    assert contents(folder / "store") == before


def test_a_damaged_picture_is_told_and_stays_where_it_lies(folder: Path, counted: Counted) -> None:
    path = next((folder / "store" / "objects").glob("*/*"))
    path.chmod(0o644)
    path.write_bytes(b"no picture")
    before = contents(folder / "store")
    shutil.rmtree(folder / "outputs")
    ran(folder, counted)
    assert contents(folder / "store") == before
    assert len(list((folder / "outputs").rglob("*.png"))) == 3


def test_it_is_not_swept(folder: Path, counted: Counted) -> None:
    before = contents(folder / "store")
    result = ran(folder, counted, "store", "gc")
    assert (result.exit_code, "the store is read-only" in result.err) == (2, True)
    assert ran(folder, counted, "store", "gc", "--dry-run").exit_code == 0
    assert contents(folder / "store") == before


def test_a_file_system_that_is_read_only_says_so_itself(folder: Path, counted: Counted) -> None:
    store = folder / "store"
    shutil.copytree(store, folder / "kept")
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=0700", "tmpfs", str(store)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        shutil.copytree(folder / "kept", store, dirs_exist_ok=True)
        (folder / "flowrunner.toml").write_text('[store]\npath = "store"\n')
        subprocess.run(["mount", "-o", "remount,ro", str(store)], check=True)
        assert ran(folder, counted).exit_code == 0
        (folder / "show.yaml").write_text((folder / "show.yaml").read_text().replace("Frame", "Another frame"))
        result = ran(folder, counted)
        assert (result.exit_code, "the store is read-only" in result.err) == (3, True)
        assert counted.posts == {}
    finally:
        subprocess.run(["umount", str(store)], check=True)
