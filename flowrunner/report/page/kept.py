"""The copies on a pipeline's last page, kept for its next one: a picture that is still there is not looked at again.

One file below `.flowrunner/copies` for each lock, and safe to delete: a line of JSON that says how copies were made and
how long each is, and then the copies.

A repository could bring such a file with it. So copies are known by the inode and the times of the file that held their
picture on this disk, which nobody can know beforehand, and count only while that file lies there untouched.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from flowrunner.checks.clearing import Cleared
from flowrunner.digest import tagged
from flowrunner.errors import StoreError
from flowrunner.files import IMAGE_LIMIT, TEXT_LIMIT
from flowrunner.report.page.copies import VERSION, Copies, Copy, Sizes
from flowrunner.slotted import dataclass
from flowrunner.store import sealed
from flowrunner.store.durable import Explained, ensure_own
from flowrunner.store.workspace import Workspace

FOLDER = "copies"
"""Their folder below the state."""
_MOST = 10_000
"""Pictures in one file; what is said of them fits into a line that is read."""
_ROOM = IMAGE_LIMIT - TEXT_LIMIT - 100
"""Bytes of their copies: a larger file is not read."""
_ALL = 4 * IMAGE_LIMIT
"""Bytes of all files of a project; the oldest go."""

Stamp: TypeAlias = Sequence[int]
"""What changes when a file is written, moved or put in another one's place; empty where it lies in none."""


@dataclass(frozen=True, slots=True)
class Made:
    """The copies of a picture, whether a large one was asked for, and the stamp of the file that it was read from."""

    copies: Copies
    large: bool
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept for the page of one lock, by its name in the workspace."""

    workspace: Workspace
    lock: str

    def read(self, sizes: Sizes) -> dict[str, Made]:
        """By the digest of the picture. Whatever cannot be used is not there."""
        try:
            found = sealed.read(self._path) if ensure_own(self.workspace.state) else None
            return {} if found is None else dict(_read(found, _how(sizes)))
        except (OSError, StoreError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return {}

    def write(self, sizes: Sizes, made: Mapping[str, Made]) -> None:
        """In place of what was kept. A state that is not there yet is not made for it, and beside a store that is
        read-only nothing is written; a disk that takes nothing spoils no page."""
        if self.workspace.is_read_only or not self.workspace.state.is_dir():
            return
        with suppress(OSError, StoreError):
            self.workspace.prepare_state()
            ensure_own(self.workspace.state)
            sealed.write(self._path, _written(made, _how(sizes)))
            _make_room(self._path.parent)

    @property
    def _path(self) -> Path:
        return self.workspace.state / FOLDER / tagged("copies", self.lock)


def clear(state: Path, is_needed: Callable[[str], bool], *, dry_run: bool) -> Cleared:
    """Removes from a project's `state` the copies of any page that shows a picture whose digest `is_needed` does not
    take, and what nobody can read: whatever else the page shows is made anew. Links are passed over."""
    done, folder = Cleared(), state / FOLDER
    if state.is_symlink() or folder.is_symlink() or not folder.is_dir():
        return done
    with Explained("swept", folder):
        for path in sorted(path for path in folder.iterdir() if not path.is_symlink() and path.is_file()):
            if all(map(is_needed, _shown(path))):
                continue
            done += Cleared(1, path.lstat().st_size)
            if not dry_run:
                path.unlink(missing_ok=True)
    return done


def _shown(path: Path) -> list[str]:
    """The digests of the pictures whose copies a file holds; of no picture where it says nothing."""
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        found = sealed.read(path)
        if found is not None:
            return list(_head(found)[0]["pictures"])
    return [""]


def fitting(made: Mapping[str, Made]) -> dict[str, Made]:
    """As many, from the first, as are kept."""
    found, room = {}, _ROOM
    for digest, one in list(made.items())[:_MOST]:
        room -= sum(len(copy.data) for copy in _copies(one))
        if room < 0:
            break
        found[digest] = one
    return found


def _how(sizes: Sizes) -> list[Any]:
    """All that copies follow from beside their picture."""
    from PIL import __version__

    return [VERSION, __version__, sizes.small, sizes.large, sizes.quality]


def _copies(made: Made) -> list[Copy]:
    copies = made.copies
    return [copy for copy in (copies.mini, copies.small, copies.large) if copy]


def _written(made: Mapping[str, Made], how: list[Any]) -> bytes:
    pictures = {
        digest: {
            "stamp": list(one.stamp),
            "large": one.large,
            "see_through": one.copies.see_through,
            "copies": [(len(copy.data), copy.width, copy.height) for copy in _copies(one)],
        }
        for digest, one in made.items()
    }
    head = json.dumps({"how": how, "pictures": pictures}).encode()
    return b"".join([head, b"\n", *(copy.data for one in made.values() for copy in _copies(one))])


def _read(kept: memoryview, how: list[Any]) -> Iterator[tuple[str, Made]]:
    """What `_written` wrote, if it was made as asked for; anything may be raised for what it never wrote."""
    found, at = _head(kept)
    for digest, one in found["pictures"].items() if found["how"] == how else ():
        copies = []
        for length, width, height in one["copies"]:
            copies.append(Copy(kept[at : at + length], width, height))
            at += length
        mini, small, *rest = copies
        large = rest[0] if rest else None
        yield digest, Made(Copies(mini, small, large, one["see_through"], is_preview=False), one["large"], one["stamp"])


def _head(kept: memoryview) -> tuple[Any, int]:
    """What is said of copies, and where they begin."""
    head, _, _ = bytes(kept[:TEXT_LIMIT]).partition(b"\n")
    return json.loads(head), len(head) + 1


def _make_room(folder: Path) -> None:
    """Removes the oldest files, where they are more than a project may keep."""
    room = _ALL
    for path in sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns, reverse=True):
        room -= path.lstat().st_size
        if room < 0:
            path.unlink()
