"""Python's garbage collector, kept away from what is large and stays: it would walk through all of it again and again.

The collector is the whole process's, so whoever comes out last leaves it as it was found.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing of what is built meanwhile is garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def spared() -> Iterator[None]:
    """What is there now stays there until the end. Whoever froze objects of his own before finds them so."""
    _SPARING.begin()
    try:
        yield
    finally:
        _SPARING.end()


class _Sparing:
    """How many blocks are under way, in any thread and over any tasks."""

    def __init__(self) -> None:
        self._blocks = 0
        self._is_ours = False
        self._turn = Lock()

    def begin(self) -> None:
        with self._turn:
            if not self._blocks:  # asked once only: to count them takes a walk through all of them
                self._is_ours = not gc.get_freeze_count()
            self._blocks += 1
            gc.freeze()

    def end(self) -> None:
        with self._turn:
            self._blocks -= 1
            if not self._blocks and self._is_ours:
                gc.unfreeze()


_SPARING = _Sparing()
