"""Kernel locks: one holder at a time over tasks and processes, free when the holder ends."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest
from store_processes import hold_and_die, hold_place_and_die, in_processes

from flowrunner.errors import StoreError
from flowrunner.store.flocks import PLACES, Places, held, is_held, is_shared, shared, take


def test_a_lock_has_one_holder_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = take(path)
    assert first is not None
    assert take(path) is None
    assert is_held(path)
    os.close(first)
    assert not is_held(path)


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "lock")
    assert not list(tmp_path.iterdir())


def test_lookers_do_not_hide_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.close(take(path) or 0)
    assert [is_held(path) for _ in range(2)] == [False, False]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match="cannot be locked"), held(tmp_path / "lock"):
        pass
    assert not (tmp_path / "victim").exists()


def test_several_share_a_lock_and_nobody_has_it_for_himself_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    handles = [shared(path), shared(path)]
    assert (is_shared(path), is_held(path), take(path)) == (True, False, None)
    for handle in handles:
        os.close(handle)
    alone = take(path)
    assert (is_shared(path), is_held(path)) == (True, True)
    os.close(alone or 0)
    assert not is_shared(path)


def test_what_is_done_under_a_lock_may_fail_as_it_likes(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), held(tmp_path / "lock"):
        raise OSError("mine")
    assert not is_held(tmp_path / "lock")


def test_a_holder_that_is_stopped_keeps_its_lock_for_however_long(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        take(tmp_path / "lock")
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    try:
        os.utime(tmp_path / "lock", (0, 0))
        assert take(tmp_path / "lock") is None
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_death_frees_a_lock(tmp_path: Path) -> None:
    assert in_processes(partial(hold_and_die, tmp_path / "lock")) == [9]
    assert not is_held(tmp_path / "lock")


places = pytest.mark.skipif(not PLACES, reason="this system has no locks on places of a file")


@places
def test_a_place_has_one_holder_and_the_others_are_free(tmp_path: Path) -> None:
    one, other = Places(tmp_path / "lock"), Places(tmp_path / "lock")
    assert [one.take(place) for place in (0, 7, 2**60 - 1)] == [True] * 3
    assert [other.take(place) for place in (0, 7, 8, 2**60 - 1)] == [False, False, True, False]
    one.free(7)
    assert [other.take(place) for place in (0, 7)] == [False, True]
    one.close()
    assert other.take(0)
    one.free(0)
    assert not Places(tmp_path / "lock").take(0)


@places
def test_a_place_stays_taken_when_another_handle_of_its_file_is_closed(tmp_path: Path) -> None:
    """As it would not with the locks of fcntl(2) that belong to a process."""
    mine = Places(tmp_path / "lock")
    assert mine.take(3)
    Places(tmp_path / "lock").close()
    os.close(os.open(tmp_path / "lock", os.O_RDWR))
    assert not Places(tmp_path / "lock").take(3)


@places
def test_death_frees_a_place(tmp_path: Path) -> None:
    assert in_processes(partial(hold_place_and_die, tmp_path / "lock")) == [9]
    assert Places(tmp_path / "lock").take(5)


@places
def test_places_of_a_link_are_not_locked(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        Places(tmp_path / "lock")
    assert not (tmp_path / "victim").exists()
