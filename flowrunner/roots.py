"""Where a project begins. Light enough to be asked before anything else is loaded."""

import os

MARKS = ("flowrunner.toml", ".git")
"""What makes a folder a project's root."""


def root_of(folder: str) -> str:
    """The nearest folder upwards with a mark, else the folder itself, which is given as its real path."""
    return next((place for place in upwards(folder) if marks_of(place)), folder)


def upwards(folder: str) -> list[str]:
    """A folder and those above it."""
    found = [folder]
    while (above := os.path.dirname(found[-1])) != found[-1]:
        found.append(above)
    return found


def marks(folder: str) -> list[str]:
    """The paths that would make a root of a folder."""
    return [os.path.join(folder, mark) for mark in MARKS]


def marks_of(folder: str) -> list[str]:
    """Those of them that are there."""
    return [mark for mark in marks(folder) if os.path.exists(mark)]
