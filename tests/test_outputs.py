"""Files of an outputs folder are made several at a time, within the memory that there is for it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowrunner import outputs
from flowrunner.outputs import Outputs, Room


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
