"""YAML text to nodes: one loop over the events of PyYAML's C parser, with our own scalars, positions and limits.

Neither `compose` nor `load` is used: the C composer recurses and crashes on deep nesting, and PyYAML's own scalars
read `16:9` as 969.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from flowrunner.errors import InvalidPipeline
from flowrunner.nodes import ListNode, MapNode, Node, Scalar, Style
from flowrunner.problems import Problem, error, warning
from flowrunner.source import Source, Span

DEPTH = 64
EVENTS = 400_000
NODES = 300_000
EXACT = 2**53
"""Whole numbers up to here are the same in every JSON reader."""

_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# What an editor that follows YAML 1.2's core schema reads as something else than text.
_EDITOR = {
    "null": re.compile("Null|NULL"),
    "true or false": re.compile("True|TRUE|False|FALSE"),
    "a number": re.compile(
        r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}
_CUT = re.compile(r"[ \t]+(#[^\s#!].*)")
_UNQUOTED = re.compile(r"(?:[:\-,\[]\s+|^\s*)(\{[{%].*)")


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
    return Source(name, text.replace("\r\n", "\n").replace("\r", "\n"))


def parse(source: Source, *, events: int = EVENTS, nodes: int = NODES, lints: list[Problem] | None = None) -> Node:
    """The one document of a text. InvalidPipeline with every fault found; lints are added to `lints`."""
    reader = _Reader(source, events, nodes)
    root = reader.read()
    if reader.errors:
        raise InvalidPipeline([*reader.errors, *reader.lints])
    if lints is not None:
        lints.extend(reader.lints)
    return root


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
    def __init__(self, source: Source, events: int, nodes: int) -> None:
        self.source = source
        self.limit_events = events
        self.limit_nodes = nodes
        self.errors: list[Problem] = []
        self.lints: list[Problem] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.root: Node | None = None
        self.documents = 0

    def read(self) -> Node:
        try:
            for count, event in enumerate(_events(self.source)):
                if count > self.limit_events:
                    self._stop("too-large", f"more than {self.limit_events:,} YAML events", event, "split the file")
                self._take(event)
        except _Stop as stop:
            raise InvalidPipeline([*self.errors, stop.problem]) from None
        if self.root is None:
            place = Span(self.source, 0, 0)
            raise InvalidPipeline([error("empty", "the file holds no value", place, "write a mapping")])
        return self.root

    def _take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            self.documents += 1
            if self.documents > 1:
                self._stop("documents", "a second document begins here", event, "one file holds one document")
        elif kind == "AliasEvent":
            self._alias(event)
        elif kind == "ScalarEvent":
            self._refuse_tag(event)
            self._put(self._scalar(event), event.anchor, 1, 0, event)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._refuse_tag(event)
            self._begin(event, is_map=kind == "MappingStartEvent")
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._close(event)

    def _begin(self, event: Any, *, is_map: bool) -> None:
        if len(self.stack) >= DEPTH:
            self._stop("too-deep", f"nested deeper than {DEPTH} levels", event)
        parent = self.stack[-1] if self.stack else None
        if parent and parent.is_map and parent.key is None:
            self._bad_key(event, parent)
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
            self.root = node
            return
        parent = self.stack[-1]
        parent.size += size
        parent.depth = max(parent.depth, depth + 1)
        if parent.size > self.limit_nodes:
            self._stop("too-large", f"more than {self.limit_nodes:,} values, aliases counted as often as used", event)
        if not parent.is_map:
            parent.items.append(node)
            if parent.flow:
                self._lint_data_uri(node)
        elif parent.key is None:
            parent.key = self._key(parent, node, event)
        else:
            self._entry(parent, node, *parent.key)

    def _key(self, parent: _Open, node: Node, event: Any) -> tuple[str, Span]:
        if not isinstance(node, Scalar):
            self._bad_key(event, parent)
        text = node.span.text if node.style is Style.PLAIN else str(node.value)
        if text == "<<" and node.style is Style.PLAIN:
            hint = "merge keys are not read: list the fields, or share them with `include`, `vars` or `defaults`"
            self.errors.append(error("merge-key", "<< is a merge key", node.span, hint))
        return unicodedata.normalize("NFC", text), node.span

    def _entry(self, parent: _Open, node: Node, name: str, span: Span) -> None:
        parent.key = None
        if name in parent.entries:
            first = parent.keys[name]
            hint = f"it stands first at line {first.line}, column {first.column}: keep one"
            self.errors.append(error("duplicate-key", f"{name} stands twice in this mapping", span, hint))
            return
        parent.entries[name] = node
        parent.keys[name] = span

    def _bad_key(self, event: Any, parent: _Open) -> NoReturn:
        line = self.source.line(Span(self.source, event.start_mark.index, event.start_mark.index).line)
        if parent.flow and "{{" in line:
            self._stop_unquoted(Span(self.source, parent.start, parent.start + 2))
        self._stop("key", "a key is one line of text", event)

    def _stop_unquoted(self, span: Span) -> NoReturn:
        line = span.source.line(span.line)[span.column - 1 :]
        whole = line[: line.find("}}") + 2] if "}}" in line else ""
        hint = f'quote it: "{whole}"' if whole else "quote the whole value"
        raise _Stop(error("unquoted-template", "a template must be quoted: { begins a YAML mapping", span, hint))

    def _scalar(self, event: Any) -> Scalar:
        start, end = self._start(event), event.end_mark.index
        span = Span(self.source, start, end)
        style = _STYLES.get(event.style, Style.OTHER)
        if event.style is None or not event.style:
            style = Style.PLAIN
        if style is Style.PLAIN:
            return Scalar(self._plain(event.value, span), span, style)
        return Scalar(unicodedata.normalize("NFC", event.value), span, style)

    def _plain(self, text: str, span: Span) -> str | int | float | bool | None:
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text) if len(text) <= 17 and abs(int(text)) <= EXACT else self._inexact(text, span)
        if _FLOAT.fullmatch(text):
            number = float(text)
            fits = math.isfinite(number) and abs(number) <= EXACT
            return number if fits else self._inexact(text, span)
        self._lint(text, span)
        return unicodedata.normalize("NFC", text)

    def _inexact(self, text: str, span: Span) -> str:
        shown = text if len(text) <= 24 else f"{text[:20]}…"
        hint = 'quote it if text is meant, as in "0123"'
        self.errors.append(error("number", f"{shown} is no number that every reader holds exactly", span, hint))
        return text

    def _lint(self, text: str, span: Span) -> None:
        for kind, form in _EDITOR.items():
            if form.fullmatch(text):
                hint = f'it is text here; write "{text}" so that everyone reads the same'
                self.lints.append(warning("editor-type", f"{text} is {kind} to other YAML readers", span, hint))
        line = self.source.line(span.line)
        cut = _CUT.match(line, span.end_column - 1) if span.end_line == span.line else None
        if cut:
            place = Span(self.source, span.end + cut.start(1) - cut.start(), span.end + cut.end(1) - cut.start())
            hint = "quote the whole text, or leave a blank after # if a comment is meant"
            self.lints.append(warning("comment-cut", f"the text ends before {cut[1]!r}", place, hint))

    def _lint_data_uri(self, node: Node) -> None:
        if isinstance(node, Scalar) and node.style is Style.PLAIN and str(node.value).startswith("data:"):
            hint = 'quote it: "data:image/png;base64,…"'
            self.errors.append(error("unquoted-data", "the comma of a data: URI ends a list item", node.span, hint))

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is None:
            return
        shown = event.tag.replace("tag:yaml.org,2002:", "!!")
        hint = "write the value plainly; quotes make text of anything"
        self._stop("tag", f"tags such as {shown} are not read", event, hint)

    def _start(self, event: Any) -> int:
        """Where the value itself begins: past its anchor."""
        at: int = event.start_mark.index
        anchor = getattr(event, "anchor", None)
        if anchor and self.source.text.startswith(f"&{anchor}", at):
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


def _events(source: Source) -> Iterator[Any]:
    import yaml
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    parser = CParser(source.text)
    try:
        while True:
            event = parser.get_event()
            if event is None:
                return
            yield event
    except yaml.MarkedYAMLError as fault:
        raise _Stop(_syntax(source, fault)) from None
    except yaml.reader.ReaderError as fault:
        raise _Stop(_unreadable(source, fault)) from None
    finally:
        parser.dispose()


def _syntax(source: Source, fault: Any) -> Problem:
    mark = fault.problem_mark or fault.context_mark
    at = min(mark.index if mark else 0, len(source.text))
    span = Span(source, at, at)
    for number in (span.line, span.line - 1):
        found = _UNQUOTED.search(source.line(number))
        if found and not source.line(number).lstrip().startswith("#"):
            start = source.starts[number - 1] + found.start(1)
            hint = f'quote the whole value: "{found[1].rstrip()}"'
            message = "a template must be quoted: { begins a YAML mapping"
            return error("unquoted-template", message, Span(source, start, start + 2), hint)
    context = f" {fault.context}" if fault.context else ""
    return error("yaml", f"not YAML: {fault.problem or 'unreadable'}{context}".replace("\n", " "), span)


def _unreadable(source: Source, fault: Any) -> Problem:
    at = min(int(fault.position), len(source.text))
    bad = next((i for i, c in enumerate(source.text) if not c.isprintable() and c not in "\n\t" and ord(c) < 160), at)
    shown = f"character U+{ord(source.text[bad]):04X}" if bad < len(source.text) else "a character"
    return error("character", f"{shown} is not allowed in YAML", Span(source, bad, bad + 1), "remove it")
