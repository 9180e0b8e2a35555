"""Files of an outputs folder are made several at a time, within the memory that there is for it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowrunner import outputs
from flowrunner.outputs import Outputs, Room


class Taken:
    """What threads hold of a room: at most at once."""

    def __init__(self, size: int) -> None:
        self.room = Room(size)
        self.held: list[int] = []
        self.most = 0
        self.turn = threading.Lock()
        self.met = threading.Barrier(2)

    def take(self, size: int) -> None:
        with self.room.taken(size):
            with self.turn:
                self.held.append(size)
                self.most = max(self.most, sum(self.held))
            with self.turn:
                self.held.remove(size)

    def meet(self, size: int) -> None:
        """Comes back when two are in the room."""
        with self.room.taken(size):
            self.met.wait(timeout=20)


def test_threads_take_no_more_than_there_is() -> None:
    taken = Taken(100)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(taken.take, [60, 40, 30, 70, 10] * 40))
    assert taken.most <= 100


def test_two_that_fit_are_there_at_once() -> None:
    taken = Taken(100)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(taken.meet, [50, 50]))


def test_what_is_larger_than_the_room_is_there_alone() -> None:
    taken = Taken(100)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(taken.take, [500, 10] * 40))
    assert taken.most == 500


def test_files_are_made_within_the_room_that_they_say_to_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_ROOM", 100)
    made = Outputs(root=tmp_path, folder=tmp_path / "outputs", manifest=None)
    turn, held, most = threading.Lock(), 0, 0

    def make(size: int) -> bytes:
        nonlocal held, most
        with turn:
            held += size
            most = max(most, held)
        with turn:
            held -= size
        return bytes(size)

    for number in range(30):
        made.file(f"{number}.png", str(number), lambda: make(40), 40)
    made.make()
    assert most <= 80
    assert len(list((tmp_path / "outputs").iterdir())) == 30
