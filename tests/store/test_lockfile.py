"""The lock on disk: always the old one or the new one, and no writer loses what another wrote."""

import errno
import stat
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import store_faults
from store_locks import added, cell, lock, lock_file
from store_processes import add_cells, in_processes

from flowrunner.errors import InvalidPipeline, StoreError
from flowrunner.store.locked import Lock
from flowrunner.store.locktext import dump

NEW = dump(store_faults.NEW)


def test_a_lock_that_is_not_there_is_empty_and_stays_away(tmp_path: Path) -> None:
    file = lock_file(tmp_path)
    assert file.read() == (Lock(), [])
    assert not file.update(lambda before: before)
    assert not file.path.exists()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert lock_file(tmp_path).update(lambda before: added("a", before))
    assert lock_file(tmp_path).read() == (lock(cell("a")), [])


def test_a_lock_that_does_not_change_is_not_written(tmp_path: Path) -> None:
    file = lock_file(tmp_path)
    file.update(lambda before: added("a", before))
    before = file.path.stat()
    assert not lock_file(tmp_path).update(lambda before: added("a", before))
    after = file.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_a_person_wrote_stays_as_it_is_until_something_changes(tmp_path: Path) -> None:
    file = lock_file(tmp_path)
    file.path.write_text("lock: 1   # ours\npicks: {a: {image: 3}}\n")
    assert not file.update(lambda before: before)
    assert file.path.read_text().startswith("lock: 1   # ours")


def test_each_change_sees_what_others_wrote(tmp_path: Path) -> None:
    one, two = lock_file(tmp_path), lock_file(tmp_path)
    one.update(lambda before: added("a", before))
    two.update(lambda before: added("b", before))
    one.update(lambda before: added("c", before))
    assert set(two.read()[0].cells) == {"a", "b", "c"}


@pytest.mark.slow
def test_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    assert in_processes(*(partial(add_cells, tmp_path, letter) for letter in "ab")) == [0, 0]
    assert set(lock_file(tmp_path).read()[0].cells) == {f"{letter}{number}" for letter in "ab" for number in range(5)}


def test_a_lock_with_problems_is_not_written_over(tmp_path: Path) -> None:
    file = lock_file(tmp_path)
    file.path.write_text("lock: 1\npicks:\n  a: {image: x}\n")
    with pytest.raises(InvalidPipeline):
        file.update(lambda _: lock(cell("a")))
    assert "image: x" in file.path.read_text()


@pytest.mark.parametrize("data", [b"lock: 1\n# \xff\n", b"lock: 2\n", b"lock: [\n"])
def test_what_cannot_be_read_is_told_every_time(tmp_path: Path, data: bytes) -> None:
    file = lock_file(tmp_path)
    file.path.write_bytes(data)
    assert [len(file.read()[1]) for _ in range(2)] == [1, 1]


def test_a_link_is_neither_read_nor_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("lock: 1\n")
    file = lock_file(tmp_path)
    file.path.symlink_to(victim)
    with pytest.raises(StoreError, match="cannot be read"):
        file.update(lambda before: added("a", before))
    assert victim.read_text() == "lock: 1\n"


@pytest.mark.parametrize("mode", [0o644, 0o664, 0o600])
def test_a_lock_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    file = lock_file(tmp_path)
    file.path.write_text("lock: 1\n")
    file.path.chmod(mode)
    file.update(lambda before: added("a", before))
    assert stat.S_IMODE(file.path.stat().st_mode) == mode


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("sticky", [False, True])
def test_a_failure_at_any_change_leaves_the_old_lock_or_the_new(tmp_path: Path, code: int, sticky: bool) -> None:
    seen = set()
    for number in range(1, 60):
        folder = tmp_path / str(number)
        store_faults.old_lock(folder)
        with store_faults.nth(number, store_faults.fails(code), sticky=sticky) as counter, suppress(StoreError):
            store_faults.write_lock(folder)
        seen.add((folder / "a.lock.yaml").read_text())
        store_faults.write_lock(folder)
        assert [path.name for path in sorted(folder.iterdir())] == ["a.lock.yaml", "guard"]
        if not counter.came:
            break
    assert seen == {store_faults.OLD, NEW}
    assert number > 5


@pytest.mark.slow
def test_death_before_any_change_leaves_the_old_lock_or_the_new(tmp_path: Path) -> None:
    command = [sys.executable, store_faults.__file__, "lock", str(tmp_path)]
    deaths = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert deaths > 5
    found = [(tmp_path / str(number) / "a.lock.yaml").read_text() for number in range(1, deaths + 2)]
    assert found[0] == store_faults.OLD
    assert found[-1] == NEW
    assert set(found) == {store_faults.OLD, NEW}
