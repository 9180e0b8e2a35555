"""Files of an outputs folder are made several at a time, within the memory that there is for it."""

import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from support import disk_order

from flowrunner import outputs
from flowrunner.errors import FlowError, StoreError
from flowrunner.outputs import NotPublished, Outputs, Room


@pytest.mark.parametrize(("first", "second"), [(60, 60), (100, 1), (1, 100), (500, 10), (10, 500)])
def test_a_thread_waits_until_there_is_room(first: int, second: int) -> None:
    room = Room(100)
    entered = threading.Event()

    def take() -> None:
        with room.taken(second):
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with room.taken(first):
            waiting = pool.submit(take)
            while not room._changed._waiters:  # type: ignore[attr-defined]
                assert not waiting.done(), "it was let in"
            assert not entered.is_set()
        waiting.result(20)
    assert entered.is_set()


def test_two_that_fit_are_there_at_once() -> None:
    room, met = Room(100), threading.Barrier(2)

    def meet(size: int) -> None:
        with room.taken(size):
            met.wait(timeout=20)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(meet, [50, 50]))


def test_files_are_made_within_the_room_that_they_say_to_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_ROOM", 100)
    monkeypatch.setattr(outputs, "_PART", 1)
    made = Outputs(root=tmp_path, folder=tmp_path / "outputs", manifest=None)
    free: list[int] = []

    def make() -> bytes:
        free.append(made._room._free)
        return b"x"

    for number in range(30):
        made.file(f"{number}.png", str(number), make, 40)
    made.make()
    assert set(free) <= {60, 20}
    assert made._room._free == 100
    assert len(list((tmp_path / "outputs").iterdir())) == 30


def test_small_files_are_written_before_the_first_is_waited_for_and_named_after_the_last(tmp_path: Path) -> None:
    made = Outputs(root=tmp_path, folder=tmp_path / "outputs", manifest=None)
    for number in range(200):
        made.file(f"{number}.png", str(number), f"{number}".encode, 10)
    with disk_order("write", "posix_fadvise", "fsync", "rename") as order:
        made.make()
    assert order[:128] == ["write", "posix_fadvise"] * 64
    steps = [(name, len(list(together))) for name, together in groupby(n for n in order if n != "posix_fadvise")]
    assert steps == [
        *[("write", 64), ("fsync", 64), ("rename", 64)] * 3,
        *[("write", 8), ("fsync", 8), ("rename", 8), ("fsync", 2)],
    ]
    assert {path.name: path.read_text() for path in made.folder.iterdir()} == {f"{n}.png": f"{n}" for n in range(200)}


def test_a_file_that_cannot_be_written_leaves_those_beside_it_alone(tmp_path: Path) -> None:
    made = Outputs(root=tmp_path, folder=tmp_path / "outputs", manifest=None)
    (tmp_path / "outputs" / "2.png").mkdir(parents=True)
    for number in range(5):
        made.file(f"{number}.png", str(number), f"{number}".encode, 10)
    made.make()
    for number in (0, 1, 3, 4):
        assert made.file(f"{number}.png", str(number), bytes) == f"outputs/{number}.png"
    with pytest.raises(NotPublished, match="Is a directory"):
        made.file("2.png", "2", bytes)
    assert made.is_whole
    assert sorted(path.name for path in made.folder.iterdir()) == [f"{number}.png" for number in range(5)]


class Folder:
    """Files that are made again and again, below a project's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "outputs"
        self.foreign = False
        self.sources: list[Path] = []
        self.stayed: list[StoreError] = []

    def make(self, **files: str | None) -> Outputs:
        """One run: each file is made of its text, or cannot be made where that is None."""
        outputs = Outputs(
            root=self.root,
            folder=self.path,
            manifest=self.root / "manifest.json",
            foreign=self.foreign,
            sources=self.sources,
        )
        for name, text in files.items():
            outputs.file(f"{name}.png", str(text), partial(bytes_of, text), 10)
        outputs.make()
        self.stayed = outputs.tidy(whole=True)
        return outputs

    @property
    def texts(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in sorted(self.path.iterdir())}

    @property
    def noted(self) -> list[str]:
        return [place.removesuffix(".png") for place in json.loads((self.root / "manifest.json").read_bytes())]


def bytes_of(text: str | None) -> bytes:
    if text is None:
        raise FlowError("not here")
    return text.encode()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def strikes(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, at: str) -> None:
    """A function fails where it is given a path that ends so."""
    real = getattr(module, name)

    def struck(*values: Any) -> Any:
        if any(str(value).endswith(at) for value in values):
            raise OSError(errno.EIO, "EIO")
        return real(*values)

    monkeypatch.setattr(module, name, struck)


def test_a_file_that_cannot_be_replaced_stays(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.make(a="old", b="same")
    with monkeypatch.context() as patch:
        strikes(patch, os, "rename", "a.png")
        folder.make(a="new", b="same")
    assert (folder.texts, folder.noted) == ({"a": "old", "b": "same"}, ["a", "b"])
    folder.make(b="same")
    assert (folder.texts, folder.noted) == ({"b": "same"}, ["b"])


def test_a_file_that_cannot_be_removed_stays_alone_and_is_tried_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.make(a="old", b="old", c="same")
    with monkeypatch.context() as patch:
        strikes(patch, os, "unlink", "a.png")
        folder.make(c="same")
    assert (folder.texts, folder.noted) == ({"a": "old", "c": "same"}, ["a", "c"])
    assert [fault.message for fault in folder.stayed] == [f"{folder.path}/a.png cannot be removed: Input/output error"]
    folder.make(c="same")
    assert (folder.texts, folder.noted, folder.stayed) == ({"c": "same"}, ["c"], [])


def test_the_names_of_new_folders_are_made_durable_once_each(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(outputs, "sync_folder", synced.append)
    folder.make(**{"b/x/1": "one", "b/x/2": "two", "b/y/1": "one"})
    path = folder.path
    assert sorted(synced) == [folder.root, path, path / "b", path / "b/x", path / "b/y"]
    synced.clear()
    folder.make(**{"b/x/1": "other", "b/x/2": "two", "b/y/1": "one"})
    assert synced == [path / "b/x"]


def test_a_file_in_a_new_folder_whose_name_cannot_be_made_durable_is_not_published(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.make(**{"old/1": "one"})
    strikes(monkeypatch, outputs, "sync_folder", "outputs")
    made = folder.make(**{"old/1": "one", "new/1": "one"})
    with pytest.raises(NotPublished, match="outputs cannot be written"):
        made.file("new/1.png", "one", bytes)
    assert folder.noted == ["old/1"]


def test_a_folder_whose_names_cannot_be_made_durable_keeps_its_files(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.make(a="old", b="same")
    strikes(monkeypatch, outputs, "sync_folder", "outputs")
    made = folder.make(a="new", b="same")
    assert (folder.texts, folder.noted) == ({"a": "new", "b": "same"}, ["b"])
    with pytest.raises(NotPublished):
        made.file("a.png", "new", bytes)
    assert made.file("b.png", "same", bytes) == "outputs/b.png"


def test_a_file_whose_picture_is_not_here_stays_and_so_does_what_it_was_called_before(folder: Folder) -> None:
    folder.make(a="old", b="same")
    folder.make(a=None, b="same")
    folder.make(b="same", c=None)
    assert (folder.texts, folder.noted) == ({"a": "old", "b": "same"}, ["a", "b"])


def test_a_file_that_was_changed_and_cannot_be_replaced_is_written_by_nobody_here(folder: Folder) -> None:
    folder.make(a="old", b="same")
    (folder.path / "a.png").write_text("mine")
    folder.make(a=None, b="same")
    folder.make(b="same")
    assert (folder.texts, folder.noted) == ({"a": "mine", "b": "same"}, ["b"])


def test_what_others_have_in_a_folder_of_theirs_stays(folder: Folder) -> None:
    folder.foreign = True
    folder.path.mkdir()
    (folder.path / "a.png").write_text("theirs")
    (folder.path / "b.png").symlink_to("a.png")
    (folder.path / "c.png").write_text("same")
    made = folder.make(a="new", b="new", c="same", d="new")
    assert (folder.texts, folder.noted) == ({"a": "theirs", "b": "theirs", "c": "same", "d": "new"}, ["c", "d"])
    for place in ("a.png", "b.png"):
        with pytest.raises(NotPublished, match=f"{place} is not as flowrunner wrote it, and stays"):
            made.file(place, "new", bytes)


def test_in_a_folder_of_others_what_was_written_before_is_replaced_until_somebody_changes_it(folder: Folder) -> None:
    folder.foreign = True
    folder.make(a="old", b="old")
    (folder.path / "b.png").write_text("mine")
    folder.make(a="new", b="new")
    assert folder.texts == {"a": "new", "b": "mine"}
    (folder.path / "b.png").unlink()
    folder.make(a="new", b="new")
    assert folder.texts == {"a": "new", "b": "new"}


def test_what_the_results_are_made_of_is_neither_replaced_nor_removed(folder: Folder) -> None:
    folder.make(a="old", b="old", c="old")
    (folder.root / "link.png").symlink_to(folder.path / "b.png")
    folder.sources = [folder.path / "a.png", folder.root / "link.png", folder.root / "gone.png"]
    made = folder.make(a="new", c="new")
    assert folder.texts == {"a": "old", "b": "old", "c": "new"}
    with pytest.raises(NotPublished, match=r"a\.png is read by the pipeline, and stays"):
        made.file("a.png", "new", bytes)
    folder.make(c="new")
    assert folder.texts == {"a": "old", "b": "old", "c": "new"}


HOSTILE = {
    "nothing": "",
    "half": '{"a.png": ["',
    "bytes": "\udcff",
    "a list": "[1]",
    "a number": "1",
    "a record": '{"a.png": {}}',
    "an empty record": '{"a.png": []}',
    "a short record": '{"a.png": ["x"]}',
    "infinity": '{"a.png": ["x", "y", 1e400]}',
    "no number": '{"a.png": ["x", "y", NaN]}',
    "digits": f'{{"a.png": ["x", "y", {"9" * 5000}]}}',
    "depth": "[" * 100_000,
    "depth in a record": f'{{"a.png": {"[" * 100_000}',
    "half a pair": '{"\\ud800": ["x", "y", 1]}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_cannot_be_used_is_none(folder: Folder, name: str) -> None:
    (folder.root / "manifest.json").write_bytes(HOSTILE[name].encode("utf-8", "surrogateescape"))
    folder.make(a="text")
    assert (folder.texts, folder.noted) == ({"a": "text"}, ["a"])


def test_a_manifest_that_is_no_plain_file_is_not_read(folder: Folder) -> None:
    manifest = folder.root / "manifest.json"
    os.mkfifo(manifest)
    folder.make(a="text")
    assert folder.noted == ["a"]
    manifest.rename(folder.root / "other.json")
    manifest.symlink_to("other.json")
    folder.make(b="text")
    assert (folder.texts, folder.noted) == ({"a": "text", "b": "text"}, ["b"])


def test_large_files_are_made_by_several_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_PART", 10)
    made, met = Outputs(root=tmp_path, folder=tmp_path / "outputs", manifest=None), threading.Barrier(2)

    def make() -> bytes:
        met.wait(timeout=20)
        return b"x"

    for number in range(2):
        made.file(f"{number}.png", str(number), make, 10)
    made.make()
    assert made.is_whole
    assert [made.file(f"{number}.png", str(number), make) for number in range(2)] == ["outputs/0.png", "outputs/1.png"]


def test_files_that_are_made_together_are_small_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_PART", 100)
    sizes = {"a": 40, "b": 60, "c": 1, "d": 500, "e": 100, "f": 0, "g": 1}
    assert outputs._parts({name: ("", bytes, size) for name, size in sizes.items()}) == [
        ["a", "b"],
        ["c"],
        ["d"],
        ["e", "f"],
        ["g"],
    ]
