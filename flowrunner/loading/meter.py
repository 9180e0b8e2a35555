"""How much one pipeline brings along in all its files: bounded together, since each file alone is small."""

from flowrunner.errors import InvalidPipeline
from flowrunner.problems import error
from flowrunner.source import Span
from flowrunner.templates import Compiled

VALUES = 300_000
"""Values in all files of a pipeline together, aliases counted as often as used."""
BYTES = 32 * 1024 * 1024
"""Bytes of all its text files."""
PARTS = 15_000
"""Names, operators and pieces of text in all its templates, equal templates counted once."""
_FILE = 30
"""Values that opening a file counts as."""


class Full(Exception):
    """A file holds more values than were left for it."""


class Meter:
    """What was read so far. InvalidPipeline, at the place that was too much, when it is more than a pipeline may be."""

    def __init__(self) -> None:
        self._values = self._bytes = self._parts = 0
        self._templates: set[str] = set()

    def file(self, size: int, at: Span) -> None:
        """A text file of so many bytes."""
        self._bytes += size
        if self._bytes > BYTES:
            _refuse(f"the files of this pipeline are larger than {BYTES // 1024 // 1024} MiB together", at)
        self.values(_FILE, at)

    @property
    def left(self) -> int:
        """Values that may still come."""
        return VALUES + _FILE - self._values

    def values(self, count: int, at: Span) -> None:
        self._values += count
        if self.left < 0:
            _refuse(f"the files of this pipeline hold more than {VALUES:,} values together", at)

    def template(self, compiled: Compiled, at: Span) -> None:
        if compiled.text not in self._templates:
            self._templates.add(compiled.text)
            self._parts += compiled.parts
            if self._parts > PARTS:
                _refuse(f"the templates of this pipeline have more than {PARTS:,} parts together", at)


def _refuse(message: str, at: Span) -> None:
    raise InvalidPipeline([error("too-large", message, at, "split the pipeline")])
