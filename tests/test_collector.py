"""The collector walks through nothing that stays, and is the program's own again afterwards."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack
from unittest.mock import patch

import pytest

from flowrunner.collector import spared, uncollected


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_nothing_is_collected_meanwhile() -> None:
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_program_without_a_collector_gets_none() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_is_there_stays_until_the_end() -> None:
    with spared():
        assert gc.get_freeze_count()
    assert not gc.get_freeze_count()


def test_whoever_ends_last_gives_it_back_in_whatever_order_they_began() -> None:
    first, second = ExitStack(), ExitStack()
    first.enter_context(spared())
    second.enter_context(spared())
    first.close()
    assert gc.get_freeze_count()
    second.close()
    assert not gc.get_freeze_count()


def test_what_a_program_froze_itself_stays_so() -> None:
    gc.freeze()
    with spared():
        pass
    assert gc.get_freeze_count()


def test_what_is_frozen_is_counted_once() -> None:
    with patch("flowrunner.collector.gc.get_freeze_count", return_value=0) as counted:
        with spared(), spared():
            pass
        assert counted.call_count == 1
