"""What a command has asked on its way to a plan: of the project's files, of the store, of the ledger."""

from flowrunner.files import IMAGE_LIMIT, TEXT_LIMIT, Files


class Asked:
    """The questions, and those answers that cannot be had again by looking at a file. `texts` and `images` are paths
    from the project's root, `files` others that were looked at, `keys` those of calls."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.images: set[str] = set()
        self.files: set[str] = set()
        self.lists: dict[str, list[str]] = {}
        self.pictures: dict[str, bool] = {}
        self.keys: set[str] = set()


class Noting:
    """A tree of files that notes what is asked of it."""

    def __init__(self, files: Files, asked: Asked) -> None:
        self._files = files
        self._asked = asked

    def read(self, path: str, limit: int = TEXT_LIMIT) -> bytes:
        self._asked.texts.add(path)
        return self._files.read(path, limit)

    def digest(self, path: str, limit: int = IMAGE_LIMIT) -> str:
        self._asked.images.add(path)
        return self._files.digest(path, limit)

    def list(self, pattern: str) -> list[str]:
        found = self._asked.lists[pattern] = self._files.list(pattern)
        return found
