"""How far results are written and removed: below one folder, wherever names and links in it would lead."""

from functools import cached_property
from pathlib import Path

from flowrunner.files import FileProblem, resolved


class Bounds:
    """`folder`, and all that really lies below it. Where it is one of the project `root`, a link may have it lie
    elsewhere in the project, but not outside: it may have come with the repository."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root if folder.is_relative_to(root) else folder

    def left_by(self, folder: Path) -> Path | None:
        """What a folder, which need not be there, leads out of; None where it lies within."""
        try:
            if not self._real.is_relative_to(resolved(self._root)):
                return self._root
            return None if resolved(folder).is_relative_to(self._real) else self._folder
        except FileProblem:  # a ring of links, or no name for a folder
            return self._folder

    @cached_property
    def _real(self) -> Path:
        return resolved(self._folder)
