"""Clearing away what was found of pictures that are no longer there: verdicts and heat maps do not outlast them."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

from flowrunner.slotted import dataclass
from flowrunner.store.durable import Explained
from flowrunner.store.flocks import held

FOLDER = "checks"
"""Where verdicts lie, below the state of a project."""
GUARD = Path("locks", "checks")
"""The lock of whoever changes something there, likewise."""
_HALF = re.compile(r"[0-9a-f]{2}")
_FILE = re.compile(r"([0-9a-f]{22})\.(json|webp)")


@dataclass(frozen=True, slots=True)
class Cleared:
    """How many files went, or would go, and their bytes."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: "Cleared") -> "Cleared":
        return Cleared(self.files + other.files, self.bytes + other.bytes)


def clear(state: Path, is_needed: Callable[[str], bool], *, dry_run: bool) -> Cleared:
    """Removes from a project's `state` what is remembered of pictures whose digest `is_needed` does not take.
    Links are passed over: they came with the repository."""
    done = Cleared()
    if state.is_symlink() or not _folders(state / FOLDER):
        return done
    with Explained("swept", state / FOLDER), nullcontext() if dry_run else held(state / GUARD):
        for folder in _folders(state / FOLDER):
            for path in _stale(folder, is_needed):
                done += Cleared(1, path.lstat().st_size)
                if not dry_run:
                    path.unlink()
    return done


def _folders(place: Path) -> list[Path]:
    try:
        if place.is_symlink():
            return []
        with os.scandir(place) as found:
            return [Path(one.path) for one in found if _HALF.fullmatch(one.name) and one.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stale(folder: Path, is_needed: Callable[[str], bool]) -> Iterator[Path]:
    """A heat map goes before its verdict, which speaks of it."""
    verdicts: dict[str, list[Path]] = {}
    with os.scandir(folder) as found:
        for one in found:
            name = _FILE.fullmatch(one.name)
            if name and one.is_file(follow_symlinks=False):
                verdicts.setdefault(name[1], []).append(Path(one.path))
    for stem, paths in sorted(verdicts.items()):
        picture = _picture(folder / f"{stem}.json")
        if not picture or not is_needed(picture):
            yield from sorted(paths, reverse=True)


def _picture(verdict: Path) -> str:
    """The digest of the picture that a verdict is of; empty where none can be read."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        return str(json.loads(verdict.read_bytes())["picture"])
    return ""
