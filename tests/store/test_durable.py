"""Replacing files and making folders durably."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest
import store_faults

from flowrunner.errors import StoreError
from flowrunner.store import durable
from flowrunner.store.durable import (
    Explained,
    Steps,
    at_once,
    begin_writing,
    in_step,
    make_folder,
    put,
    replace,
    sync_folder,
    write_all,
)


def test_a_file_of_the_longest_name_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    for data in (b"old", b"new"):
        replace(path, data)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_that_a_crash_left_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", lambda *_: store_faults.fails(errno.EIO)())
        patch.setattr(os, "unlink", lambda *_: store_faults.fails(errno.EIO)())
        with pytest.raises(OSError, match="EIO"):
            replace(path, b"half")
    assert [found.suffix for found in tmp_path.iterdir()] == [".draft"]
    replace(path, b"whole")
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"theirs")
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    replace(tmp_path / "file", b"ours")
    assert (tmp_path / "victim").read_bytes() == b"theirs"
    assert (tmp_path / "file").read_bytes() == b"ours"


def test_a_new_file_takes_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_write_that_takes_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data[:3])))
    handle = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    write_all(handle, b"ten bytes!")
    os.close(handle)
    assert (tmp_path / "file").read_bytes() == b"ten bytes!"


@pytest.mark.parametrize(("code", "fatal"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_synced_is_no_failure_but_a_fault_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, fatal: bool
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: store_faults.fails(code)())
    if fatal:
        with pytest.raises(OSError, match="EIO"):
            sync_folder(tmp_path)
    else:
        sync_folder(tmp_path)


def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose names are made durable from now on."""
    folders: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", folders.append)
    return folders


def test_each_new_folder_is_durable_in_the_one_above_and_old_ones_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = synced(monkeypatch)
    make_folder(tmp_path / "a" / "b")
    assert folders == [tmp_path, tmp_path / "a"]
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "c")
    assert folders == [tmp_path, tmp_path / "a", tmp_path / "a"]


def test_a_folder_that_someone_else_has_just_made_is_made_durable_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.mkdir

    def late(path: Path, mode: int) -> None:
        real(path, mode)
        raise FileExistsError(errno.EEXIST, "EEXIST")

    folders = synced(monkeypatch)
    monkeypatch.setattr(os, "mkdir", late)
    make_folder(tmp_path / "a" / "b")
    assert folders == [tmp_path, tmp_path / "a"]


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"), Explained("written", tmp_path / "file"):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("code", "hint"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "FLOWRUNNER_STORE"), (errno.EIO, "disk"), (errno.EISDIR, "")],
)
def test_a_failure_names_its_file_its_reason_and_what_to_do(code: int, hint: str) -> None:
    with pytest.raises(StoreError) as told, Explained("written", Path("/store/x")):
        store_faults.fails(code)()
    assert told.value.message == f"/store/x cannot be written: {os.strerror(code)}"
    assert hint in told.value.hint
    assert told.value.path == "/store/x"


@pytest.mark.parametrize(
    ("elsewhere", "hint"), [("name another file with -o", ", or name another file with -o"), ("", "")]
)
def test_the_store_is_not_named_for_what_is_not_of_it(elsewhere: str, hint: str) -> None:
    with pytest.raises(StoreError) as told, Explained("written", Path("/x"), elsewhere=elsewhere):
        store_faults.fails(errno.EACCES)()
    assert told.value.hint == f"give the user who runs flowrunner access to it{hint}"


def walk(name: str, steps: int, told: list[str]) -> Steps[str]:
    for step in range(steps):
        told.append(f"{name}{step}")
        yield
    if name == "bad":
        raise ValueError(name)
    return name


def test_works_take_their_steps_together_and_give_what_they_give_in_their_order() -> None:
    told: list[str] = []
    found = in_step([walk("a", 2, told), walk("b", 0, told), walk("bad", 1, told), walk("c", 3, told)])
    assert told == ["a0", "bad0", "c0", "a1", "c1", "c2"]
    assert [str(one) for one in found] == ["a", "b", "bad", "c"]
    assert [type(one) for one in found] == [str, str, ValueError, str]


def test_a_work_that_shares_its_steps_with_nobody_gives_the_same() -> None:
    told: list[str] = []
    assert at_once(walk("a", 3, told)) == "a"
    assert told == ["a0", "a1", "a2"]
    with pytest.raises(ValueError, match="bad"):
        at_once(walk("bad", 1, told))


def test_a_file_that_is_given_up_between_two_steps_leaves_nothing(tmp_path: Path) -> None:
    for steps in (1, 2):
        work = put(tmp_path / "file", b"data")
        for _ in range(steps):
            next(work)
        assert [path.suffix for path in tmp_path.iterdir()] == [".draft"]
        work.close()
        assert not list(tmp_path.iterdir())


def test_where_a_disk_takes_no_advice_a_file_is_durable_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fadvise", lambda *_: store_faults.fails(errno.ENOSYS)())
    replace(tmp_path / "file", b"one")
    monkeypatch.delattr(os, "posix_fadvise")
    with (tmp_path / "file").open("rb") as file:
        begin_writing(file.fileno())
    replace(tmp_path / "file", b"two")
    assert (tmp_path / "file").read_bytes() == b"two"


def test_what_was_written_is_not_kept_while_others_are_written(tmp_path: Path) -> None:
    data = b"many " * 1000
    before = sys.getrefcount(data)
    work = put(tmp_path / "file", data)
    next(work)
    assert sys.getrefcount(data) == before
    at_once(work)
    assert (tmp_path / "file").read_bytes() == data
