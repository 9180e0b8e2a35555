"""The values of a YAML, JSON or CSV file, each with its place."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from flowrunner.slotted import dataclass, field
from flowrunner.source import Span


class Style(StrEnum):
    """How a scalar is written: what decides whether a place inside it can be told."""

    PLAIN = "plain"
    QUOTED = "quoted"
    LITERAL = "literal"
    OTHER = "other"


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """Text, a number, true, false or null."""

    value: str | int | float | bool | None
    span: Span
    style: Style = Style.OTHER

    @property
    def text(self) -> str:
        """The value as it is written: text itself, `1e3` and not 1000.0."""
        return self.value if isinstance(self.value, str) else self.span.text

    def inside(self, start: int, end: int) -> Span:
        """The place of the value's code points `start` to `end`: exact where the value stands in the file as it is (one
        line, or a literal block), else the start of the whole value."""
        if not isinstance(self.value, str):
            return self.span
        found = self._offset(self.value, start)
        if found is None:
            return Span(self.span.source, self.span.start, self.span.start)
        return Span(self.span.source, found, found + max(0, min(end, _line_end(self.value, start)) - start))

    def _offset(self, value: str, at: int) -> int | None:
        first = self.span.start + (self.style is Style.QUOTED)
        text = self.span.source.text
        if self.style in (Style.PLAIN, Style.QUOTED) and text[first : first + len(value)] == value:
            return first + at
        return self._in_block(value, at) if self.style is Style.LITERAL else None

    def _in_block(self, value: str, at: int) -> int | None:
        line = value.rfind("\n", 0, at) + 1
        wanted = value[line : _line_end(value, at)]
        number = self.span.line + 1 + value.count("\n", 0, at)
        written = self.span.source.line(number)
        if not written.endswith(wanted):
            return None
        return self.span.source.starts[number - 1] + len(written) - len(wanted) + at - line


def _line_end(value: str, at: int) -> int:
    end = value.find("\n", at)
    return len(value) if end < 0 else end


@dataclass(frozen=True, slots=True, eq=False)
class ListNode:
    """A list, in order."""

    items: tuple["Node", ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class MapNode:
    """A mapping with text keys; `keys` holds the place of each key."""

    entries: Mapping[str, "Node"]
    span: Span
    keys: Mapping[str, Span] = field(default_factory=dict)

    def key(self, name: str) -> Span:
        return self.keys.get(name, self.span)


Node: TypeAlias = Scalar | ListNode | MapNode


def plain(node: Node) -> Any:
    """The bare JSON value."""
    if isinstance(node, MapNode):
        return {key: plain(item) for key, item in node.entries.items()}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.value


def noun(node: Node) -> str:
    """What a value is, in a word for messages: `text`, `a number`, `a list`…"""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return "true or false"
    return "text" if isinstance(node.value, str) else "a number"
