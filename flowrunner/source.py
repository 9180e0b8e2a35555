"""A file's text and places in it."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence

from flowrunner.slotted import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A text with the name that messages show: a path from the project root, in POSIX form."""

    name: str
    text: str
    starts: Sequence[int] = field(init=False, repr=False)
    """Offset of each line's first code point."""

    def __post_init__(self) -> None:
        starts = array("L", [0])  # a file may be nothing but line feeds, and a tuple of numbers takes ten times as much
        at = self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        object.__setattr__(self, "starts", starts)

    def line(self, number: int) -> str:
        """Line `number`, counted from 1, without its line feed."""
        if not 1 <= number <= len(self.starts):
            return ""
        start, end = self.bounds(number)
        return self.text[start:end]

    def bounds(self, number: int) -> tuple[int, int]:
        """Where line `number` begins and ends, its line feed apart."""
        return self.starts[number - 1], self.starts[number] - 1 if number < len(self.starts) else len(self.text)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a value stands: offsets in code points, the end exclusive."""

    source: Source
    start: int
    end: int

    @property
    def file(self) -> str:
        return self.source.name

    @property
    def line(self) -> int:
        return bisect_right(self.source.starts, self.start)

    @property
    def column(self) -> int:
        return self.start - self.source.starts[self.line - 1] + 1

    @property
    def end_line(self) -> int:
        return bisect_right(self.source.starts, max(self.start, self.end))

    @property
    def end_column(self) -> int:
        return max(self.start, self.end) - self.source.starts[self.end_line - 1] + 1

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
