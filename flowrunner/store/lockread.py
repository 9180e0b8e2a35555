"""Reading a lock: at once where it is sound, block by block where a merge left an entry with two versions.

After `merge=union` a cell that was changed on both sides shows as a repeated key, as a repeated sample key, or as lines
that are no YAML. The entries that are sound are read all the same, and each of the others is named.
"""

import re
from collections import deque
from collections.abc import Iterator

from flowrunner.errors import InvalidPipeline
from flowrunner.loading import document, syntax
from flowrunner.loading.fields import Fields
from flowrunner.nodes import MapNode
from flowrunner.problems import Problem, error, tidy
from flowrunner.slotted import dataclass, replace
from flowrunner.source import Source, Span
from flowrunner.store import lockdecode, lockwritten
from flowrunner.store.lockdecode import PAID, SECTIONS, Found, about, conflict
from flowrunner.store.locked import LIMIT, Lock
from flowrunner.store.locktext import VERSION

_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_EVENTS_PER_DIGEST, _EVENTS = 50, 10_000
_HEADER = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):[ \t]*(.*)")
_ENTRY = re.compile(r"  (?=[^ #])(.+?):(?: |$)")
_FIELD = re.compile(r"    ([a-z]+):(?: |$)")
_FORMS = {
    "picks": re.compile(r"\A.+:\s+\{?image: "),
    "accepts": re.compile(r"\A.+:\s+\{.*\bstands: [0-9a-f]{64}\b"),
    "models": re.compile(r"\A.+: sha256:[0-9a-f]{64}\Z"),
    "cells": re.compile(r"\A.+:\n    model: "),
}
"""What the text of an entry looks like, whatever header it stands below."""
_BY = ("by", re.compile(r"\bby: ([^,}]{1,60})"))
_TELLING = {
    "picks": (("image", re.compile(r"\bimage: (\w+)")), _BY),
    "accepts": (_BY, ("why", re.compile(r"\bwhy: ([^,}]{1,60})"))),
    "cells": (
        ("prompt", re.compile(r"\bprompt: ([^,}]{1,60})")),
        ("picture", re.compile(r"\{sha256: ([0-9a-f]{6})")),
    ),
}
"""What tells two versions of an entry apart."""


def parse(source: Source) -> tuple[Lock, list[Problem]]:
    """What can be read of a lock, and all that is wrong with it. A lock with problems must not be written over."""
    if len(source.text) > LIMIT:
        return Lock(), [too_large(Span(source, 0, 0))]
    lock = _as_written(source)
    if lock is not None:
        return lock, []
    # A sample is a key and an image at least: a hundred events for each.
    events = _EVENTS_PER_DIGEST * len(_DIGEST.findall(source.text)) + _EVENTS
    fields = Fields()
    try:
        lock = lockdecode.whole(document.parse(source, events=events, nodes=events), fields)
    except InvalidPipeline as fault:
        if any(problem.code in ("too-large", "too-deep") for problem in fault.problems):
            return Lock(), fault.problems
        lock = _Blocks(source, fields).read(fault.problems, events)
    if fields.problems:
        mended = _Blocks(source, Fields())
        found = mended.read([], events)
        if mended.moved and not mended.problems:
            return found, []
        if source.text.startswith(f"lock: {VERSION}\n") and not source.text.endswith("\n"):
            fields.problems[:] = _cut_off(source, fields.problems)
    return lock, tidy(fields.problems)


def _cut_off(source: Source, problems: list[Problem]) -> list[Problem]:
    """The problems of a lock whose last line has no end, as every written one has: that is told in the place of what
    the last entry lacks."""
    (last,) = deque(_blocks(source), maxlen=1)
    place = Span(source, source.starts[-1], len(source.text))
    message = f"the file ends in the middle of {last.name or last.section}: it was cut off"
    hint = f"bring it back with git, or delete it from line {last.first} on: {PAID}"
    cut = about(error("lock-cut", message, place, hint), last.section, last.name)
    start = source.starts[last.first - 1]
    return [*(problem for problem in problems if problem.span and problem.span.end <= start), cut]


def _as_written(source: Source) -> Lock | None:
    """A lock whose cells are to the letter as they were written; None for any other, and for one with problems."""
    head, begun, tail = source.text.partition("\ncells:\n")
    cells = lockwritten.cells(tail) if begun else None
    if cells is None:
        return None
    fields = Fields()
    try:
        root = document.parse(Source(source.name, f"{head}\n"))
    except InvalidPipeline:
        return None
    lock = lockdecode.whole(root, fields)
    return (
        None if fields.problems or lock.cells or "cells" in getattr(root, "entries", ()) else replace(lock, cells=cells)
    )


def too_large(place: Span) -> Problem:
    return error("too-large", f"a lock has at most {LIMIT // 1024 // 1024} MiB", place)


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that belong together, counted from 1: one entry of a section, or (without a name) a section on one line."""

    section: str
    name: str
    first: int
    last: int

    @property
    def lines(self) -> str:
        return f"line {self.first}" if self.first == self.last else f"lines {self.first} to {self.last}"


class _Blocks:
    """A lock that is no YAML as a whole, taken apart at the lines that begin an entry."""

    def __init__(self, source: Source, fields: Fields) -> None:
        self._source = source
        self._fields = fields
        self._found = Found()
        self.moved = False
        """Whether an entry stood in another section than its own."""

    @property
    def problems(self) -> list[Problem]:
        return self._fields.problems

    def read(self, told: list[Problem], limit: int) -> Lock:
        """What is sound; `told` is what reading it at once found, repeated where no block is at fault."""
        if self._has_markers():
            return Lock()
        blocks = list(_blocks(self._source))
        if 4 * len(blocks) > limit:
            self._fields.problems += told
            return Lock()
        grouped: dict[tuple[str, str], list[_Block]] = {}
        for block in map(self._at_home, blocks):
            grouped.setdefault((block.section, block.name), []).append(block)
        for (_, name), versions in grouped.items():
            distinct = list({self._text(version): version for version in versions}.values()) if name else versions
            if name and len(distinct) > 1:
                self._conflict(distinct[0], " and ".join(map(self._version, distinct)))
            else:
                for block in distinct:
                    self._read(block)
        if not self._fields.problems:
            self._fields.problems += [problem for problem in told if not _is_repeated(problem)]
        return self._found.lock()

    def _at_home(self, block: _Block) -> _Block:
        """A block in the section that its form belongs to: a merge may leave it behind another one's header."""
        kind = next((section for section, form in _FORMS.items() if form.search(self._text(block))), block.section)
        if not block.name or kind == block.section or {kind, block.section} == {"models", "inputs"}:
            return block
        self.moved = True
        return replace(block, section=kind)

    def _version(self, block: _Block) -> str:
        """Where a version stands and what tells it from the other: `lines 4 to 5 (image 3, by Anna Berg)`."""
        text = self._text(block)
        found = [(word, form.search(text)) for word, form in _TELLING.get(block.section, ())]
        said = [f"{word} {match[1]}" for word, match in found if match]
        return f"{block.lines} ({', '.join(said)})" if said else block.lines

    def _text(self, block: _Block) -> str:
        return self._source.text[self._source.starts[block.first - 1] : self._end(block)].rstrip()

    def _has_markers(self) -> bool:
        mark = syntax.mark_of_merge(self._source)
        if mark is not None:
            hint = "with *.lock.yaml merge=union in .gitattributes there are none; else keep one side of each"
            self._fields.add("lock-conflict", syntax.MERGED, mark, hint)
        return mark is not None

    def _read(self, block: _Block) -> None:
        fields = Fields()
        head = f"{block.section}:\n" if block.name else ""
        start = self._source.starts[block.first - 1]
        fragment = Source(self._source.name, head + self._source.text[start : self._end(block)])
        try:
            root = document.parse(fragment)
        except InvalidPipeline as fault:
            if block.name:
                versions = self._choices(block) or _repeated(self._source, block)
                self._conflict(block, versions or f"{block.lines}; {fault.problems[0].message}")
                return
            fields.problems += fault.problems
        else:
            self._decode(block, root, fields)
        shift = start - len(head)
        self._fields.problems += [_moved(problem, self._source, shift) for problem in fields.problems]

    def _choices(self, block: _Block) -> str:
        """The lines of two choices in one entry, as its name and its end stand on lines of their own."""
        numbers = range(block.first + 1, block.last + 1)
        lines = [number for number in numbers if self._source.line(number).startswith("    {")]
        lone = [replace(block, first=number, last=number) for number in lines] if block.section != "cells" else []
        return " and ".join(map(self._version, lone)) if len(lone) > 1 else ""

    def _decode(self, block: _Block, root: object, fields: Fields) -> None:
        if not isinstance(root, MapNode):
            return
        node = root.entries.get(block.section)
        if node is not None and block.section == "lock":
            lockdecode.is_ours(node, fields)
        elif node is not None and block.section in SECTIONS:
            lockdecode.section(block.section, node, fields, self._found)
        else:
            fields.known(root, ("lock", *SECTIONS), "a lock")

    def _conflict(self, block: _Block, versions: str) -> None:
        start = self._source.starts[block.first - 1]
        line = self._source.line(block.first)
        place = Span(self._source, start + len(line) - len(line.lstrip()), start + len(line.rstrip()))
        self._fields.problems.append(conflict(block.section, block.name, versions, place))

    def _end(self, block: _Block) -> int:
        starts = self._source.starts
        return starts[block.last] if block.last < len(starts) else len(self._source.text)


def _blocks(source: Source) -> Iterator[_Block]:
    section = ""
    block: _Block | None = None
    for number in range(1, len(source.starts) + 1):
        line = source.line(number)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        header, entry = _HEADER.match(line), _ENTRY.match(line)
        if not header and not entry:
            block = block and replace(block, last=number)
            continue
        if block:
            yield block
        if header:
            section = header[1]
            block = _Block(section, "", number, number) if header[2] and not header[2].startswith("#") else None
        elif entry:
            block = _Block(section, entry[1].strip("\"'"), number, number)
    if block:
        yield block


def _repeated(source: Source, block: _Block) -> str:
    """`with at lines 14 and 15, key at lines 20 and 21`: the fields of a cell that stand in it more than once."""
    lines: dict[str, list[str]] = {}
    for number in range(block.first, block.last + 1):
        found = _FIELD.match(source.line(number))
        if found:
            lines.setdefault(found[1], []).append(str(number))
    return ", ".join(f"{name} at lines {' and '.join(at)}" for name, at in lines.items() if len(at) > 1)


def _is_repeated(problem: Problem) -> bool:
    """Two branches began the same section, whose entries are read as one, or wrote the same entry to the letter."""
    return problem.code == "duplicate-key" and problem.span is not None and problem.span.column in (1, 3)


def _moved(problem: Problem, source: Source, shift: int) -> Problem:
    if problem.span is None:
        return problem
    start, end = (min(max(0, at + shift), len(source.text)) for at in (problem.span.start, problem.span.end))
    return replace(problem, span=Span(source, start, end))
