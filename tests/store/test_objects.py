"""The object store: every name is right, whatever fails or dies while it is written."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import store_faults
from hypothesis import given, settings
from hypothesis import strategies as st
from store_processes import in_processes, put_often
from support import disk_order

from flowrunner.errors import StoreError
from flowrunner.store import objects as module
from flowrunner.store.objects import Absent, Damaged, Objects, TooLarge

PICTURE = store_faults.PICTURE
DIGEST = hashlib.sha256(PICTURE).hexdigest()


def stored(root: Path) -> tuple[Objects, Path]:
    objects = Objects(root)
    path = objects.path(objects.put(PICTURE))
    path.chmod(0o644)
    return objects, path


def wrong_names(root: Path) -> list[Path]:
    files = [path for path in (root / "objects").rglob("*") if path.is_file()]
    return [path for path in files if hashlib.sha256(path.read_bytes()).hexdigest() != path.parent.name + path.name]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_put_can_be_read_by_its_digest(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "store")
    assert not objects.has(DIGEST)
    assert objects.put(PICTURE) == DIGEST
    assert objects.has(DIGEST)
    assert objects.read(DIGEST) == PICTURE
    assert objects.path(DIGEST) == tmp_path / "store" / "objects" / DIGEST[:2] / DIGEST[2:]


def test_reading_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Absent, match=DIGEST):
        Objects(tmp_path / "store").read(DIGEST)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", DIGEST.upper(), f"{DIGEST}\n", DIGEST[:63]])
def test_only_a_digest_names_an_object(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="sha256"):
        Objects(tmp_path).path(digest)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = Objects(tmp_path / "store").path(Objects(tmp_path / "store").put(PICTURE))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, *path.parents[1:3])} == {0o700}


def test_a_writer_takes_chunks_and_gives_the_digest(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    with objects.writer() as writer:
        for start in range(0, len(PICTURE), 999):
            writer.write(PICTURE[start : start + 999])
        assert writer.commit() == DIGEST
    assert objects.read(DIGEST) == PICTURE
    assert not files(tmp_path / ".tmp")


def test_a_writer_stops_at_its_limit_and_leaves_nothing(tmp_path: Path) -> None:
    with Objects(tmp_path).writer(10) as writer:
        writer.write(b"12345")
        with pytest.raises(TooLarge, match="more than 10 bytes"):
            writer.write(b"678901")
    assert not files(tmp_path)


@pytest.mark.parametrize(("pieces", "early"), [([b"ab", b"c"], 0), ([b"a" * 60_000, b"b" * 60_000, b"c"], 1)])
def test_a_little_is_not_written_before_it_is_to_be_durable(tmp_path: Path, pieces: list[bytes], early: int) -> None:
    objects = Objects(tmp_path)
    writer = objects.writer()
    for piece in pieces:
        writer.write(piece)
    assert len(objects.drafts()) == early
    assert writer.read() == b"".join(pieces)
    assert objects.read(writer.commit()) == b"".join(pieces)
    assert not objects.drafts()


def test_nothing_is_written_once_a_writer_has_ended(tmp_path: Path) -> None:
    writer = Objects(tmp_path).writer()
    writer.discard()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"late")


def test_a_writer_that_is_left_early_leaves_nothing(tmp_path: Path) -> None:
    with Objects(tmp_path).writer() as writer:
        writer.write(b"half of")
    assert not files(tmp_path)
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"it")


def test_nothing_larger_than_an_image_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IMAGE_LIMIT", 8)
    with pytest.raises(TooLarge):
        Objects(tmp_path).put(b"123456789")


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(PICTURE) - 1), cut=st.booleans())
def test_any_flipped_byte_and_any_truncation_is_found(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: bool
) -> None:
    objects, path = stored(tmp_path_factory.mktemp("store"))
    path.write_bytes(PICTURE[:at] if cut else flip(PICTURE, at))
    path.chmod(0o444)
    with pytest.raises(Damaged):
        objects.read(DIGEST)


def test_two_swapped_objects_are_both_found(tmp_path: Path) -> None:
    objects, path = stored(tmp_path)
    other = objects.put(b"another picture")
    path.rename(tmp_path / "aside")
    objects.path(other).rename(path)
    (tmp_path / "aside").rename(objects.path(other))
    for digest in (DIGEST, other):
        with pytest.raises(Damaged):
            objects.read(digest)


def test_a_damaged_object_is_set_aside_and_named_but_never_deleted(tmp_path: Path) -> None:
    objects, path = stored(tmp_path)
    path.write_bytes(b"evidence")
    with pytest.raises(Damaged, match="set aside") as told:
        objects.read(DIGEST)
    assert told.value.path == str(path)
    assert [found.read_bytes() for found in files(tmp_path / "quarantine")] == [b"evidence"]
    assert not objects.has(DIGEST)


def as_folder(path: Path) -> None:
    path.mkdir()


def as_link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_bytes(PICTURE)
    path.symlink_to(elsewhere)


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("plant", [as_folder, as_link, as_pipe])
def test_what_is_no_plain_file_is_no_object(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    objects, path = stored(tmp_path)
    path.unlink()
    plant(path)
    with pytest.raises(Damaged):
        objects.read(DIGEST)
    assert objects.put(PICTURE) == DIGEST
    assert objects.read(DIGEST) == PICTURE


def test_putting_takes_the_place_of_a_damaged_object(tmp_path: Path) -> None:
    objects, path = stored(tmp_path)
    path.write_bytes(b"bad")
    objects.put(PICTURE)
    assert objects.read(DIGEST) == PICTURE
    assert [found.read_bytes() for found in files(tmp_path / "quarantine")] == [b"bad"]


def test_a_sound_object_stays_the_same_file(tmp_path: Path) -> None:
    objects, path = stored(tmp_path)
    before = path.stat().st_ino
    objects.put(PICTURE)
    with objects.writer() as writer:
        writer.write(PICTURE)
        writer.commit()
    assert path.stat().st_ino == before


def test_an_object_that_was_just_replaced_by_a_sound_one_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, path = stored(tmp_path)
    reads = iter([b"bad"])
    real = module.plain_bytes
    monkeypatch.setattr(module, "plain_bytes", lambda at: next(reads, None) or real(at))
    assert objects.read(DIGEST) == PICTURE
    assert path.read_bytes() == PICTURE
    assert not files(tmp_path / "quarantine")


def test_without_hard_links_a_draft_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda *_: store_faults.fails(errno.EPERM)())
    objects = Objects(tmp_path)
    for _ in range(2):
        with objects.writer() as writer:
            writer.write(PICTURE)
            writer.commit()
    assert objects.read(DIGEST) == PICTURE
    assert not files(tmp_path / ".tmp")


@pytest.mark.slow
@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("action", ["put", "mend"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failure_at_any_change_leaves_no_wrong_name(tmp_path: Path, action: str, code: int, sticky: bool) -> None:
    prepare, act = store_faults.ACTIONS[action]
    for number in range(1, 100):
        root = tmp_path / str(number)
        prepare(root)
        with store_faults.nth(number, store_faults.fails(code), sticky=sticky) as counter:
            fault = store_faults.failure(act, root)
        assert fault is None or (str(root) in fault.message and os.strerror(code) in fault.message)
        Objects(root).put(PICTURE)
        assert not wrong_names(root)
        if not counter.came:
            break
    assert number > 10


@pytest.mark.slow
@pytest.mark.parametrize("action", ["put", "mend"])
def test_death_before_any_change_leaves_no_wrong_name(tmp_path: Path, action: str) -> None:
    deaths = store_faults.deaths(action, tmp_path)
    assert deaths > 10
    for number in range(1, deaths + 2):
        root = tmp_path / str(number)
        assert all(path.read_bytes() == store_faults.DAMAGED for path in wrong_names(root))
        Objects(root).put(PICTURE)
        assert not wrong_names(root)
        assert Objects(root).read(DIGEST) == PICTURE


def test_the_name_comes_once_the_bytes_are_durable_and_is_made_durable_itself(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    objects.make_folder(objects.path(DIGEST).parent)
    with disk_order("write", "fchmod", "fsync", "link") as order:
        objects.put(PICTURE)
    steps = order[order.index("write") :]
    assert steps[:3] == ["write", "fchmod", "fsync"]
    assert steps[-2:] == ["link", "fsync"]
    assert steps.count("link") == 1


@pytest.mark.parametrize(("size", "told"), [(64 * 1024, 1), (64 * 1024 + 1, 0)])
def test_the_disk_is_told_beforehand_of_little_files_only(tmp_path: Path, size: int, told: int) -> None:
    with disk_order("posix_fadvise") as order:
        Objects(tmp_path).put(bytes(size))
    assert len(order) == told


def test_a_store_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(StoreError, match="another user"):
        Objects(tmp_path).read(DIGEST)
    with pytest.raises(StoreError, match="another user"):
        Objects(tmp_path).put(b"new")


def test_a_store_that_everyone_may_write_to_is_refused(tmp_path: Path) -> None:
    stored(tmp_path)
    tmp_path.chmod(0o777)
    with pytest.raises(StoreError, match="everyone"):
        Objects(tmp_path).read(DIGEST)


def test_room_is_asked_for_before_anything_is_paid_for(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "store")
    objects.ensure_room(1)
    with pytest.raises(StoreError, match="No space left"):
        objects.ensure_room(2**62)


def test_a_store_on_a_read_only_file_system_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    fields = [*real[:8], real.f_flag | os.ST_RDONLY, real.f_namemax]
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    with pytest.raises(StoreError, match="Read-only"):
        Objects(tmp_path).ensure_room(1)


@pytest.mark.slow
def test_processes_that_put_the_same_bytes_agree(tmp_path: Path) -> None:
    assert in_processes(*[partial(put_often, tmp_path)] * 2) == [0, 0]
    assert Objects(tmp_path).read(DIGEST) == PICTURE
    assert not wrong_names(tmp_path)
    assert not files(tmp_path / ".tmp")
    assert not files(tmp_path / "quarantine")
