"""YAML text to nodes: one loop over the events of PyYAML's C parser, with our own scalars, positions and limits.

Neither `compose` nor `load` is used: the C composer recurses and crashes on deep nesting, and PyYAML's own scalars
read `16:9` as 969.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NoReturn

from flowrunner.collector import uncollected
from flowrunner.errors import InvalidPipeline
from flowrunner.loading import syntax
from flowrunner.loading.fields import Problems
from flowrunner.loading.meter import VALUES, Full
from flowrunner.loading.scalars import EXACT, Inexact, clean, elsewhere, meant
from flowrunner.nodes import ListNode, MapNode, Node, Scalar, Style
from flowrunner.problems import Problem, error, warning
from flowrunner.slotted import dataclass, field
from flowrunner.source import Source, Span

__all__ = ["DEPTH", "EVENTS", "EXACT", "NODES", "decode", "parse"]

DEPTH = 64
EVENTS = 400_000
NODES = VALUES
LINES = 2_000_000
_DIRECTIVES = 10
_DIRECTIVE = re.compile("^%", re.MULTILINE)
_CUT = re.compile(r"[ \t]+(#[^\s#!].*)")


def decode(data: bytes, name: str) -> Source:
    """Bytes of a text file: UTF-8 (a byte order mark is passed over), line ends as LF. InvalidPipeline otherwise."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        before = Source(name, data[: fault.start].decode("utf-8", "replace"))
        end = len(before.text)
        hint = "save the file as UTF-8" + (" (it looks like UTF-16)" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "")
        raise InvalidPipeline(
            [error("not-utf8", f"byte {fault.start + 1} is not UTF-8", Span(before, end, end), hint)]
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > LINES:
        raise InvalidPipeline([error("too-large", f"more than {LINES:,} lines", Span(Source(name, ""), 0, 0))])
    return Source(name, text)


def parse(source: Source, *, events: int = EVENTS, nodes: int = NODES, lints: list[Problem] | None = None) -> Node:
    """The one document of a text. InvalidPipeline with every fault found; lints are added to `lints`."""
    return measured(source, events=events, nodes=nodes, lints=lints)[0]


def measured(
    source: Source, *, events: int = EVENTS, nodes: int = NODES, left: int = NODES, lints: list[Problem] | None = None
) -> tuple[Node, int]:
    """The same, with the number of values in it, aliases counted as often as they are used. Full, as soon as that is
    known, where it is more than `left`."""
    reader = _Reader(source, events, nodes, left)
    root = reader.read()
    if reader.errors:
        raise InvalidPipeline([*reader.errors, *reader.lints])
    if lints is not None:
        lints.extend(reader.lints)
    return root, reader.size


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read."""

    start: int
    anchor: str | None
    flow: bool
    is_map: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Span] = field(default_factory=dict)
    key: tuple[str, Span] | None = None
    size: int = 1
    """Nodes in it, aliases counted as often as they are used."""
    depth: int = 1
    """Levels in it."""


@dataclass(slots=True)
class _Anchored:
    node: Node
    size: int
    depth: int


class _Stop(Exception):
    """Reading cannot go on after this problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


class _Reader:
    def __init__(self, source: Source, events: int, nodes: int, left: int) -> None:
        self.source = source
        self.text = source.text
        self.limit_events = events
        self.limit_nodes = min(nodes, left)
        self.shared = left < nodes
        self.errors = Problems()
        self.lints: list[Problem] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.root: Node | None = None
        self.size = 0
        self.documents = 0

    def read(self) -> Node:
        try:
            self._take_all()
        except _Stop as stop:
            raise InvalidPipeline([*self.errors, stop.problem]) from None
        if self.root is None:
            place = Span(self.source, 0, 0)
            raise InvalidPipeline([error("empty", "the file holds no value", place, "write a mapping")])
        return self.root

    def _take_all(self) -> None:
        import yaml

        # A table rather than a chain of tests: this loop turns 400,000 times for the largest legal file.
        takers: dict[type, Callable[[Any], None]] = {
            yaml.StreamStartEvent: self._pass,
            yaml.StreamEndEvent: self._pass,
            yaml.DocumentStartEvent: self._document,
            yaml.DocumentEndEvent: self._pass,
            yaml.AliasEvent: self._alias,
            yaml.ScalarEvent: self._value,
            yaml.MappingStartEvent: self._begin_map,
            yaml.SequenceStartEvent: self._begin_list,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
        }
        if self.source.text.count("\n%") > _DIRECTIVES:  # the parser compares each %TAG with all before it
            self._too_many_directives()
        large = len(self.source.text) >= self.limit_events  # an event takes a character at least
        # What parts values from each other: of a file with fewer of it than values may be, nothing need be counted.
        if large and sum(map(self.source.text.count, ",\n:-[{")) > self.limit_nodes:
            self._count()
        count = 0
        with _parser(self.source) as parser, uncollected() if large else nullcontext():
            while (event := parser.get_event()) is not None:
                count += 1
                if count > self.limit_events:
                    self._too_many(event)
                takers[type(event)](event)

    def _count(self) -> None:
        """Refuses a file of too many events or values before anything is built of it: that takes five times as long."""
        import yaml

        begins = {yaml.MappingStartEvent, yaml.SequenceStartEvent}
        ends = {yaml.MappingEndEvent, yaml.SequenceEndEvent}
        count = values = depth = 0
        with _parser(self.source) as parser:
            # Left to itself, the parser takes minutes for half a million open brackets.
            while depth <= DEPTH and (event := parser.get_event()) is not None:
                count += 1
                kind = type(event)
                depth += (kind in begins) - (kind in ends)
                values += kind is yaml.ScalarEvent or kind in begins
                if count > self.limit_events:
                    self._too_many(event)
                if values > self.limit_nodes:
                    self._too_large(event)

    def _too_many_directives(self) -> None:
        begins = [found.start() for found in _DIRECTIVE.finditer(self.source.text)]
        if len(begins) > _DIRECTIVES:
            span = Span(self.source, begins[0], begins[0] + 1)
            raise _Stop(
                error("tag", f"more than {_DIRECTIVES} lines begin with %", span, "tags are not read: leave %TAG out")
            )

    def _too_many(self, event: Any) -> NoReturn:
        self._stop("too-large", f"more than {self.limit_events:,} YAML events", event, "split the file")

    def _too_large(self, event: Any) -> NoReturn:
        if self.shared:
            raise Full
        self._stop("too-large", f"more than {self.limit_nodes:,} values, aliases counted as often as used", event)

    def _pass(self, _: Any) -> None:
        """Nothing stands in it."""

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self._stop("documents", "a second document begins here", event, "one file holds one document")

    def _value(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        self._put(self._scalar(event), event.anchor, 1, 0, event)

    def _begin_map(self, event: Any) -> None:
        self._begin(event, is_map=True)

    def _begin_list(self, event: Any) -> None:
        self._begin(event, is_map=False)

    def _begin(self, event: Any, *, is_map: bool) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        if len(self.stack) >= DEPTH:
            self._stop("too-deep", f"nested deeper than {DEPTH} levels", event)
        parent = self.stack[-1] if self.stack else None
        if parent and parent.is_map and parent.key is None:
            self._bad_key(event, parent)
        start = event.start_mark.index
        if event.anchor:
            self.anchors[event.anchor] = None
            start = self._start(event)
        self.stack.append(_Open(start, event.anchor, bool(event.flow_style), is_map))

    def _close(self, event: Any) -> None:
        done = self.stack.pop()
        span = Span(self.source, done.start, self._end(done, event.end_mark.index))
        node: Node
        node = MapNode(done.entries, span, done.keys) if done.is_map else ListNode(tuple(done.items), span)
        self._put(node, done.anchor, done.size, done.depth, event)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            self._stop("alias", f"*{event.anchor} has no anchor &{event.anchor} before it", event)
        known = self.anchors[event.anchor]
        if known is None:
            self._stop("alias", f"*{event.anchor} stands inside &{event.anchor}: it would contain itself", event)
        if len(self.stack) + known.depth > DEPTH:
            self._stop("too-deep", f"*{event.anchor} makes the file nest deeper than {DEPTH} levels", event)
        self._put(known.node, None, known.size, known.depth, event)

    def _put(self, node: Node, anchor: str | None, size: int, depth: int, event: Any) -> None:
        if anchor:
            self.anchors[anchor] = _Anchored(node, size, depth)
        if not self.stack:
            self.root, self.size = node, size
            return
        parent = self.stack[-1]
        parent.size += size
        if depth >= parent.depth:
            parent.depth = depth + 1
        if parent.size > self.limit_nodes:
            self._too_large(event)
        if not parent.is_map:
            parent.items.append(node)
            self._refuse_data_uri(node, parent)
        elif parent.key is None:
            parent.key = self._key(parent, node, event)
        else:
            self._entry(parent, node, *parent.key)

    def _key(self, parent: _Open, node: Node, event: Any) -> tuple[str, Span]:
        if not isinstance(node, Scalar):
            self._bad_key(event, parent)
        text = node.text
        if text == "<<" and node.style is Style.PLAIN:
            hint = "merge keys are not read: list the fields, or share them with `include`, `vars` or `defaults`"
            self.errors.append(error("merge-key", "<< is a merge key", node.span, hint))
        return text, node.span

    def _entry(self, parent: _Open, node: Node, name: str, span: Span) -> None:
        parent.key = None
        if name in parent.entries:
            first = parent.keys[name]
            hint = f"it stands first at line {first.line}, column {first.column}: keep one"
            self.errors.append(error("duplicate-key", f"{name} stands twice in this mapping", span, hint))
            return
        parent.entries[name] = node
        parent.keys[name] = span
        self._refuse_data_uri(node, parent)

    def _bad_key(self, event: Any, parent: _Open) -> NoReturn:
        if parent.flow and self.source.text.startswith("{{", parent.start):
            self._stop_unquoted(parent.start)
        self._stop("key", "a key is one line of text", event)

    def _stop_unquoted(self, start: int) -> NoReturn:
        span = Span(self.source, start, start + 2)
        rest = self.source.line(span.line)[span.column - 1 :]
        among = len(self.stack) > 1 and self.stack[-2].flow
        whole = rest[: rest.find("}}") + 2] if among else rest.rstrip()
        raise _Stop(syntax.unquoted(span, whole if "}}" in whole else ""))

    def _scalar(self, event: Any) -> Scalar:
        # An anchor may have nothing behind it.
        start = min(self._start(event), event.end_mark.index) if event.anchor else event.start_mark.index
        span = Span(self.source, start, event.end_mark.index)
        style = _STYLES.get(event.style) if event.style else None
        text: str = event.value
        return Scalar(clean(text), span, style) if style else Scalar(self._plain(text, span), span, Style.PLAIN)

    def _plain(self, text: str, span: Span) -> str | int | float | bool | None:
        try:
            value = meant(text)
        except Inexact:
            return self._inexact(text, span)
        if value is None or isinstance(value, str):
            self._lint(text, span)
        return value

    def _inexact(self, text: str, span: Span) -> str:
        shown = text if len(text) <= 24 else f"{text[:20]}…"
        hint = 'quote it if text is meant, as in "0123"'
        self.errors.append(error("number", f"{shown} is no number that every reader holds exactly", span, hint))
        return text

    def _lint(self, text: str, span: Span) -> None:
        for kind in elsewhere(text):
            hint = f'it is text here; write "{text}" so that everyone reads the same'
            self.lints.append(warning("editor-type", f"{text} is {kind} to other YAML readers", span, hint))
        # A # that begins a comment by mistake: `a blue #1 car`, `color: #ff0000`.
        if self.text[span.end : span.end + 1] in (" ", "\t") and span.end_line == span.line:
            self._lint_cut(span)

    def _lint_cut(self, span: Span) -> None:
        cut = _CUT.match(self.source.text, span.end)
        if cut:
            place = Span(self.source, cut.start(1), cut.end(1))
            hint = "quote the whole text, or leave a blank after # if a comment is meant"
            self.lints.append(warning("comment-cut", f"the text ends before {cut[1]!r}", place, hint))

    def _refuse_data_uri(self, node: Node, parent: _Open) -> None:
        """Between [ ] or { } the comma of a data: URI ends the value."""
        if not (parent.flow and isinstance(node, Scalar) and isinstance(node.value, str)):
            return
        if node.value.startswith("data:") and node.style is Style.PLAIN:
            hint = 'quote it: "data:image/png;base64,…"'
            self.errors.append(error("unquoted-data", "the comma of a data: URI ends the value here", node.span, hint))

    def _refuse_tag(self, event: Any) -> NoReturn:
        shown = event.tag.replace("tag:yaml.org,2002:", "!!")
        hint = "write the value plainly; quotes make text of anything"
        self._stop("tag", f"tags such as {shown} are not read", event, hint)

    def _start(self, event: Any) -> int:
        """Where the value itself begins: past its anchor."""
        at: int = event.start_mark.index
        anchor = event.anchor
        if self.source.text.startswith(f"&{anchor}", at):
            at += len(anchor) + 1
            while at < len(self.source.text) and self.source.text[at].isspace():
                at += 1
        return at

    def _end(self, done: _Open, end: int) -> int:
        """A block collection ends where the next token begins: take the blanks and comments off it."""
        if done.flow:
            return end
        last = done.items[-1] if done.items else next(reversed(done.entries.values()), None)
        return last.span.end if last is not None and last.span.end > done.start else min(end, done.start + 1)

    def _stop(self, code: str, message: str, event: Any, hint: str = "") -> NoReturn:
        span = Span(self.source, event.start_mark.index, max(event.start_mark.index, event.end_mark.index))
        raise _Stop(error(code, message, span, hint))


_STYLES = {"'": Style.QUOTED, '"': Style.QUOTED, "|": Style.LITERAL, ">": Style.OTHER}


@contextmanager
def _parser(source: Source) -> Iterator[Any]:
    """The C parser of a text; what it finds wrong stops the reading."""
    import yaml
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    parser = CParser(source.text)
    try:
        yield parser
    except yaml.MarkedYAMLError as fault:
        raise _Stop(syntax.wrong(source, fault)) from None
    except yaml.reader.ReaderError as fault:
        raise _Stop(syntax.unreadable(source, fault)) from None
    finally:
        parser.dispose()
