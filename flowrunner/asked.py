"""What a command has asked on its way to a plan: of the project's files, of the store, of the ledger.

Files are looked at before they are read: what is found afterwards may be what came in their place meanwhile.
"""

from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flowrunner import unchanged
from flowrunner.files import IMAGE_LIMIT, TEXT_LIMIT, Files

if TYPE_CHECKING:
    from flowrunner.store.ledger import Ledger

T = TypeVar("T")


class Asked:
    """The questions, with those answers that cannot be had again by looking at a file.

    `texts` are the files that were read, `files` those that were looked at, each with its stamp from before, which is
    empty where nothing lay there; `trees` are all that lies below folders, `lists` the files that match patterns,
    `pictures` are those of the store, by digest, `keys` those of calls."""

    def __init__(self) -> None:
        self.texts: dict[str, list[int]] = {}
        self.files: dict[str, list[int]] = {}
        self.trees: dict[str, list[str]] = {}
        self.lists: dict[str, list[str]] = {}
        self.pictures: dict[str, bool] = {}
        self.keys: set[str] = set()
        self.known: dict[str, Any] = {}
        """What the ledger knows; empty where it cannot be asked again."""
        self.is_steady = True
        """Whether what was asked twice was answered alike, and no folder was reached by a link."""

    def text(self, path: Path | str) -> None:
        """A file is about to be read."""
        if (name := str(path)) not in self.texts:
            self.texts[name] = unchanged.stamp_of(name)

    def file(self, path: Path | str) -> None:
        """A file is about to be looked at."""
        if (name := str(path)) not in self.files:
            self.files[name] = unchanged.stamp_of(name)

    def models(self, folder: Path) -> None:
        """A folder of model files is about to be read."""
        self.tree(folder)
        for path in self.trees[str(folder)]:
            if path.endswith(".json"):
                self.text(path)

    def tree(self, folder: Path) -> bool:
        """All that lies below a folder is about to be looked at; whether for the first time."""
        is_new = str(folder) not in self.trees
        if is_new and folder.is_symlink():  # it may lead to the whole disk, or to another folder by the next time
            self.trees[str(folder)] = []
            self.is_steady = False
        elif is_new:
            self.trees[str(folder)] = unchanged.tree(str(folder))
        return is_new

    def listed(self, pattern: str, found: list[str]) -> list[str]:
        """The answer for a pattern."""
        return self._answered(self.lists, pattern, found)

    def picture(self, digest: str, found: bool) -> bool:
        """The answer for a picture."""
        return self._answered(self.pictures, digest, found)

    def ledger(self, ledger: "Ledger", name: str, *, simulated: bool) -> None:
        """A plan of the pipeline `name` was made from what this ledger knows. Nobody else may have written to it since
        it was opened, for that is not what the plan follows from."""
        keys = sorted(self.keys)
        known = {"keys": keys, "name": name, "answer": ledger.fingerprint(keys, name)}
        # What becomes of a call that is not settled depends on processes, too.
        if ledger.unsettled(simulated=simulated).isdisjoint(keys) and ledger.is_as_found:
            self.known = known

    def _answered(self, known: MutableMapping[str, T], question: str, found: T) -> T:
        self.is_steady &= known.setdefault(question, found) == found
        return found


class Noting:
    """A tree of files below `root` that notes what is asked of it."""

    def __init__(self, files: Files, root: Path, asked: Asked) -> None:
        self._files = files
        self._root = root
        self._asked = asked

    def read(self, path: str, limit: int = TEXT_LIMIT) -> bytes:
        self._asked.text(f"{self._root}/{path}")
        return self._files.read(path, limit)

    def digest(self, path: str, limit: int = IMAGE_LIMIT) -> str:
        self._asked.file(f"{self._root}/{path}")
        return self._files.digest(path, limit)

    def list(self, pattern: str) -> list[str]:
        return self._asked.listed(pattern, self._files.list(pattern))
