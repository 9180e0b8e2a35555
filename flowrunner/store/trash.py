"""The trash of a store: `trash/SECONDS/DIGEST`, a folder for each sweep that moved something, named by its time."""

import re
from pathlib import Path

from flowrunner.slotted import dataclass

_TIME = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Bin:
    """What one sweep moved, in seconds since 1970."""

    path: Path
    moved: int

    def files(self) -> list[Path]:
        try:
            return sorted(self.path.iterdir())
        except FileNotFoundError:
            return []


def folder(root: Path) -> Path:
    """Where they lie."""
    return root / "trash"


def bins(root: Path) -> list[Bin]:
    """Every sweep's, the oldest first."""
    try:
        found = [path for path in folder(root).iterdir() if _TIME.fullmatch(path.name) and path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((Bin(path, int(path.name)) for path in found), key=lambda one: one.moved)


def bin_of(root: Path, now: float) -> Bin:
    """Where a sweep at this time puts things."""
    return Bin(folder(root) / str(int(now)), int(now))


def find(root: Path, digest: str) -> Path | None:
    """Where the trash holds an object."""
    places = (one.path / digest for one in reversed(bins(root)))
    return next((place for place in places if place.is_file() and not place.is_symlink()), None)
