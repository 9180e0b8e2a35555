"""Pictures are looked at off the event loop, few at once, and never more of them than there is room for."""

import asyncio
import errno
import os
import stat
import threading
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Any

import pytest
from support import disk_order
from test_imagehead import encoded
from tills import Fetches
from wire import png

from flowrunner import decoding, imagehead, keeping
from flowrunner.artifact import Artifact
from flowrunner.digest import sha256
from flowrunner.jobs import Stop
from flowrunner.keeping import Desk, Keeper, NotKept
from flowrunner.providers.base import Delivery
from flowrunner.store import syncing, waiters
from flowrunner.store.durable import Steps
from flowrunner.store.objects import Objects, Writer
from flowrunner.store.syncing import AT_ONCE


class Visitors:
    """Pictures on a desk: how many bytes of them lie there, and how many at once."""

    def __init__(self, room: int = 100, seats: int = 3) -> None:
        self.desk = Desk(room, seats)
        self.lying: list[int] = []
        self.order: list[int] = []
        self.most = (0, 0)

    async def visit(self, size: int) -> None:
        async with self.desk.place(size):
            self.lying.append(size)
            self.order.append(size)
            self.most = max(self.most[0], sum(self.lying)), max(self.most[1], len(self.lying))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.lying.remove(size)

    def come(self, *sizes: int) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*map(self.visit, sizes))

        asyncio.run(all_of_them())


def test_so_many_bytes_lie_there_at_once() -> None:
    visitors = Visitors(seats=9)
    visitors.come(*[40] * 7)
    assert visitors.most == (80, 2)


def test_so_many_pictures_lie_there_at_once() -> None:
    visitors = Visitors()
    visitors.come(*[1] * 20)
    assert visitors.most == (3, 3)


def test_one_that_is_larger_than_the_desk_lies_there_alone() -> None:
    visitors = Visitors()
    visitors.come(10, 500, 10)
    assert visitors.order == [10, 500, 10]
    assert visitors.most == (500, 1)


def test_a_large_one_is_not_kept_waiting_by_small_ones_that_come_later() -> None:
    visitors = Visitors()
    visitors.come(60, 90, *[1] * 50)
    assert visitors.order[:2] == [60, 90]


def test_who_gives_up_waiting_takes_no_place() -> None:
    async def once() -> list[int]:
        visitors = Visitors(seats=1)
        tasks = [asyncio.ensure_future(visitors.visit(size)) for size in (1, 2, 3, 4)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await visitors.visit(5)
        return visitors.order

    assert asyncio.run(once()) == [1, 3, 4, 5]


def keeper(folder: Path, pictures: dict[str, bytes], *, simulated: bool = False) -> Keeper:
    fetches: Any = Fetches(pictures)
    return Keeper(simulated=simulated, objects=Objects(folder), downloads=fetches, stop=Stop())


def kept(folder: Path, delivery: Delivery, pictures: dict[str, bytes] | None = None) -> Artifact | NotKept:
    return asyncio.run(keeper(folder, pictures or {}).keep(delivery, 1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_what_is_kept_is_what_came_byte_by_byte(tmp_path: Path, kind: str) -> None:
    data = encoded(kind)
    found = kept(tmp_path, Delivery(url="https://cdn/a"), {"https://cdn/a": data})
    assert found == imagehead.artifact(data)
    assert Objects(tmp_path).read(sha256(data)) == data
    assert kept(tmp_path, Delivery(data=data)) == found
    assert Objects(tmp_path).drafts() == []


def test_bytes_in_hand_are_taken_before_a_url_is_fetched_and_the_url_where_they_are_no_picture(tmp_path: Path) -> None:
    good, url = png(8, 8), "https://cdn/a"
    assert kept(tmp_path, Delivery(data=good, url=url)) == imagehead.artifact(good)
    assert kept(tmp_path, Delivery(data=b"no", url=url), {url: good}) == imagehead.artifact(good)
    found = kept(tmp_path, Delivery(data=b"no", url=url))
    assert isinstance(found, NotKept)
    assert (found.gone, b"no") == (True, found.aside[0].read_bytes())


def test_nothing_is_left_of_what_is_not_kept(tmp_path: Path) -> None:
    marked = imagehead.mark(png(8, 8))
    found = kept(tmp_path, Delivery(data=marked))
    assert isinstance(found, NotKept)
    assert (found.reason[:21], found.aside) == ("it carries the mark o", ())
    assert (Objects(tmp_path).drafts(), list(Objects(tmp_path).digests())) == ([], [])


def test_a_picture_that_takes_much_room_is_decoded_in_a_place_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SMALL", 1000)
    monkeypatch.setattr(keeping, "BRIEF", 100)
    places: list[int] = []
    plain = Desk.place

    def noted(self: Desk, size: int) -> Any:
        places.append(size)
        return plain(self, size)

    monkeypatch.setattr(Desk, "place", noted)
    data = encoded("JPEG", (200, 100))
    assert isinstance(kept(tmp_path, Delivery(data=data)), Artifact)
    assert places == [max(1000, 2 * len(data)), 2 * len(data) + 4 * 200 * 100]
    places.clear()
    assert isinstance(kept(tmp_path, Delivery(data=png(200, 200))), Artifact)
    assert places == [1000]


def test_of_a_large_picture_the_event_loop_hashes_decodes_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[int]] = {}

    def watched(owner: Any, name: str) -> None:
        plain = getattr(owner, name)

        def noted(*args: Any, **more: Any) -> Any:
            threads.setdefault(name, set()).add(threading.get_ident())
            return plain(*args, **more)

        monkeypatch.setattr(owner, name, noted)

    for name in ("write", "read", "commit"):
        watched(Writer, name)
    for name in ("head", "check_complete", "simulated"):
        watched(imagehead, name)
    for name in ("_opened", "flows"):
        watched(decoding, name)
    monkeypatch.setattr(keeping, "BRIEF", 100)
    data = encoded("JPEG")
    deliveries = [Delivery(url="https://cdn/a"), Delivery(data=data)]

    async def both() -> list[Artifact | NotKept]:
        working = keeper(tmp_path, {"https://cdn/a": data})
        return [await working.keep(delivery, 1) for delivery in deliveries]

    assert [type(one) for one in asyncio.run(both())] == [Artifact, Artifact]
    here = threading.get_ident()
    # The fake download writes at once; the real one is watched with its own tests.
    assert {name for name, found in threads.items() if here in found} == {"write"}
    assert {"commit", "read", "head", "check_complete", "simulated", "_opened", "flows"} <= threads.keys()


def test_of_small_pictures_only_the_disk_is_waited_for_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed: list[int] = []
    plain = Writer.committed

    def noted(writer: Writer) -> Steps[str]:
        committed.append(threading.get_ident())
        return plain(writer)

    monkeypatch.setattr(Writer, "committed", noted)
    monkeypatch.setattr(Desk, "place", None)

    async def all_of_them() -> list[Artifact | NotKept]:
        working = keeper(tmp_path, {})
        found = await asyncio.gather(*(working.keep(Delivery(data=png(8, size)), 1) for size in range(1, 41)))
        working.close()
        return found

    found = asyncio.run(all_of_them())
    assert [Objects(tmp_path).is_sound(one.sha256) for one in found if isinstance(one, Artifact)] == [True] * 40
    assert len(committed) == 40
    assert threading.get_ident() not in committed
    assert len(set(committed)) <= AT_ONCE


def test_a_disk_that_does_not_take_one_of_several_pictures_takes_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synced = os.fsync, []

    def refused(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            synced.append(handle)
            if len(synced) == 3:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(os, "fsync", refused)

    async def all_of_them() -> list[Artifact | NotKept]:
        working = keeper(tmp_path, {})
        return await asyncio.gather(*(working.keep(Delivery(data=png(8, size)), 1) for size in range(1, 6)))

    assert [isinstance(one, Artifact) for one in asyncio.run(all_of_them())] == [True, True, False, True, True]
    assert len(Objects(tmp_path).drafts()) == 0


def ready(root: Path, count: int) -> list[bytes]:
    """Small pictures, whose folders are there."""
    objects, pictures = Objects(root), [png(8, size) for size in range(1, count + 1)]
    objects.put(b"makes the folder of drafts")
    for picture in pictures:
        objects.make_folder(objects.path(sha256(picture)).parent)
    return pictures


def kept_together(root: Path, *together: list[bytes]) -> None:
    """Keeps pictures, those of each list at once."""

    async def all_of_them() -> None:
        working = keeper(root, {})
        for pictures in together:
            found = await asyncio.gather(*(working.keep(Delivery(data=picture), 1) for picture in pictures))
            assert [one.sha256 for one in found if isinstance(one, Artifact)] == list(map(sha256, pictures))
        working.close()

    asyncio.run(all_of_them())


def test_small_pictures_that_come_together_are_waited_for_together(tmp_path: Path) -> None:
    pictures = ready(tmp_path, 16)
    with disk_order("write", "posix_fadvise", "fsync", "link") as order:
        kept_together(tmp_path, pictures)
    assert order == [*["write", "posix_fadvise"] * 16, *["fsync"] * 16, *["link"] * 16, *["fsync"] * 16]


def test_only_so_many_small_pictures_are_open_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "AT_ONCE", 1)
    pictures = ready(tmp_path, 100)
    with disk_order("write", "link") as order:
        kept_together(tmp_path, pictures)
    assert [(name, len(list(together))) for name, together in groupby(order)] == [
        ("write", 64),
        ("link", 64),
        ("write", 36),
        ("link", 36),
    ]


def test_a_small_picture_that_comes_after_another_needs_no_thread_and_two_at_once_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiters, "QUICK", inf)
    pictures, plain, committed = ready(tmp_path, 5), Writer.committed, []

    def noted(writer: Writer) -> Steps[str]:
        committed.append(threading.get_ident() == here)
        return plain(writer)

    here = threading.get_ident()
    monkeypatch.setattr(Writer, "committed", noted)
    kept_together(tmp_path, pictures[:1], pictures[1:2], pictures[2:4], pictures[4:])
    assert committed == [False, True, False, False, False]
