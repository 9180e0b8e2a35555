import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.store import sealed

DATA = b"what can be made again\nin two lines"


def read(path: Path) -> bytes | None:
    found = sealed.read(path)
    return None if found is None else bytes(found)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "name"
    sealed.write(path, DATA)
    return path


def test_what_was_written_is_read_and_may_be_written_again(path: Path) -> None:
    assert read(path) == DATA
    sealed.write(path, b"")
    assert read(path) == b""
    assert [one.name for one in path.parent.iterdir()] == ["name"]


def test_it_is_for_this_user_only(path: Path) -> None:
    assert [one.stat().st_mode & 0o077 for one in (path, path.parent)] == [0, 0]


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(DATA) + 64), cut=st.booleans())
def test_any_flipped_byte_and_any_truncation_is_found(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: bool
) -> None:
    path = tmp_path_factory.mktemp("folder") / "name"
    sealed.write(path, DATA)
    whole = path.read_bytes()
    path.write_bytes(whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert read(path) is None


def as_link(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("elsewhere")))


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_too_much(path: Path) -> None:
    os.truncate(path, 2**40)


@pytest.mark.parametrize("plant", [as_link, as_pipe, as_too_much])
def test_what_is_no_plain_file_of_some_size_is_not_read(path: Path, plant: Callable[[Path], None]) -> None:
    plant(path)
    assert read(path) is None


def test_nothing_is_written_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError):
        sealed.write(tmp_path / "folder" / "name", DATA)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(path: Path) -> None:
    as_link(path)
    sealed.write(path, b"new")
    assert (read(path), read(path.with_name("elsewhere"))) == (b"new", DATA)


def test_a_disk_that_takes_only_a_part_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def part(handle: int, data: bytes) -> None:
        os.write(handle, data[:70])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealed, "write_all", part)
    with pytest.raises(OSError, match="No space"):
        sealed.write(path, b"new" * 100)
    assert [one.name for one in path.parent.iterdir()] == ["name"]
    assert read(path) == DATA
