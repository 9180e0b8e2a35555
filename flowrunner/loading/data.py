"""Data files beside a pipeline: YAML, JSON and CSV as nodes, text files as text."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from flowrunner.errors import InvalidPipeline
from flowrunner.files import FileProblem, Files, join
from flowrunner.loading.document import DEPTH, decode, measured
from flowrunner.loading.fields import Fields
from flowrunner.loading.meter import VALUES, Full
from flowrunner.loading.scalars import Inexact, clean, meant
from flowrunner.nodes import ListNode, MapNode, Node, Scalar, Style
from flowrunner.problems import Problem, error
from flowrunner.source import Source, Span

SHARED = (".yaml", ".yml", ".json")
"""Endings of what `include` brings."""
TEXTS = (".md", ".txt", ".j2", ".jinja", ".jinja2")
"""Endings of texts that stand beside a pipeline."""
ROWS = 50_000
"""Lines of a CSV file: each is a value of an axis, and no pipeline has more cells."""

_SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""What a table is parted by where it was saved for another reader."""
_JSON_ONLY = re.compile(r"\\/|\\u[dD][89a-fA-F]")
"""Escapes of JSON that YAML does not know: an escaped slash, and surrogate pairs."""


def located(path: str, at: Span, fields: Fields, suffixes: Sequence[str] = ()) -> str | None:
    """A path as written at a place, relative to the project root. `suffixes` are the endings that it may have: what is
    wrong with a file is shown with its lines, and a file of another kind may hold what nobody should see."""
    if suffixes and PurePosixPath(path).suffix.lower() not in suffixes:
        fields.add("file", f"{path} is no file to read here", at, f"end it with one of {', '.join(suffixes)}")
        return None
    try:
        return join(at.file, path)
    except FileProblem as fault:
        fields.add("path", fault.message, at, fault.hint)
        return None


def source(files: Files, path: str, at: Span, fields: Fields) -> Source | None:
    """A text file that is named at `at`, path relative to the project root."""
    try:
        content = files.read(path)
    except FileProblem as fault:
        fields.add("file", fault.message, at, fault.hint)
        return None
    fields.meter.file(len(content), at)
    try:
        return decode(content, path)
    except InvalidPipeline as fault:
        fields.problems.extend(fault.problems)
        return None


def text(files: Files, path: str, at: Span, fields: Fields) -> Scalar | None:
    """A whole text file as one value; its final newline is cut."""
    found = source(files, path, at, fields)
    if found is None:
        return None
    value = found.text.removesuffix("\n")
    return Scalar(clean(value), Span(found, 0, len(value)), Style.PLAIN)


def nodes(files: Files, path: str, at: Span, fields: Fields) -> Node | None:
    """A YAML or JSON file."""
    found = source(files, path, at, fields)
    if found is None:
        return None
    left = fields.meter.left
    root: Node | None
    try:
        if path.lower().endswith(".json") and _JSON_ONLY.search(found.text):
            root, values = _json(found), _most_values(found.text)
        else:
            root, values = measured(found, left=left, lints=fields.problems)
    except Full:
        root, values = None, left + 1
    except InvalidPipeline as fault:
        fields.problems.extend(fault.problems)
        return None
    fields.meter.values(values, at)
    return root


def rows(found: Source, fields: Fields) -> Iterator[MapNode]:
    """The rows of a CSV file (commas, one header line): every column is text."""
    reader = csv.reader(io.StringIO(found.text, newline=""), strict=True)
    header: dict[str, Span] = {}
    line = 0
    before = len(fields.problems)
    try:
        for row in reader:
            first, line = line + 1, reader.line_num
            if not row or row == [""]:
                continue
            fields.meter.values(len(row) + 1, Span(found, found.starts[first - 1], found.starts[first - 1]))
            spans = _cells(found, first, line, row)
            if not header:
                header = _header(row, spans, fields)
                if len(fields.problems) > before:
                    return
            elif first > ROWS:
                hint = "split the file, or the pipeline"
                fields.add("too-large", f"more than {ROWS:,} lines", Span(found, spans[0].start, spans[0].start), hint)
                return
            elif len(row) != len(header):
                message = f"this row has {len(row)} columns, the header {len(header)}"
                fields.add("csv", message, Span(found, found.starts[first - 1], spans[-1].end))
            else:
                yield _row(header, row, spans)
    except csv.Error as fault:
        at = found.starts[min(reader.line_num, len(found.starts)) - 1]
        fields.add("csv", f"not CSV: {fault}", Span(found, at, at))


def _row(header: dict[str, Span], row: list[str], spans: list[Span]) -> MapNode:
    cells = {name: Scalar(clean(cell), span) for name, cell, span in zip(header, row, spans, strict=True)}
    return MapNode(cells, Span(spans[0].source, spans[0].start, spans[-1].end), dict(zip(header, spans, strict=True)))


def _header(row: list[str], spans: list[Span], fields: Fields) -> dict[str, Span]:
    header: dict[str, Span] = {}
    other = next((sign for sign in _SEPARATORS if sign in row[0]), "") if len(row) == 1 else ""
    if other:
        message = f"the header is one column, parted by {_SEPARATORS[other]}"
        fields.add("csv", message, spans[0], f"part columns by commas: {','.join(row[0].split(other))[:80]}")
    for name, span in zip(row, spans, strict=True):
        column = clean(name.strip())
        if not column or column in header:
            fields.add("csv", f"the header names {column!r} twice" if column else "a column has no name", span)
        header[column or f"column {len(header) + 1}"] = span
    return header


def _cells(found: Source, first: int, last: int, row: list[str]) -> list[Span]:
    """Where the cells of the lines `first` to `last` stand; a cell with quotes in it begins where its row goes on."""
    at, end = found.starts[first - 1], found.bounds(last)[1]
    spans = []
    for cell in row:
        start = found.text.find(cell, at, end) if cell else at
        start = at if start < 0 else start
        spans.append(Span(found, start, start + len(cell)))
        comma = found.text.find(",", start + len(cell), end)
        at = comma + 1 if comma >= 0 else start + len(cell)
    return spans


def _most_values(text: str) -> int:
    """At least as many as a JSON text holds; what stands in its texts is counted too."""
    return sum(map(text.count, ",[{:")) + 1


def _json(found: Source) -> Node:
    whole = Span(found, 0, 0)
    if _most_values(found.text) > VALUES:
        raise InvalidPipeline([error("too-large", f"more than {VALUES:,} values", whole, "split the file")])
    try:
        value = json.loads(
            found.text, object_pairs_hook=_Pairs, parse_constant=_constant, parse_float=_number, parse_int=_number
        )
        return _node(value, whole, 0)
    except json.JSONDecodeError as fault:
        span = Span(found, fault.pos, fault.pos)
        raise InvalidPipeline([error("json", f"not JSON: {fault.msg}", span)]) from None
    except (RecursionError, ValueError) as fault:
        reason = "nested too deeply" if isinstance(fault, RecursionError) else str(fault)
        raise InvalidPipeline([error("json", f"not usable JSON: {reason}", whole)]) from None


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, in order."""


def _number(text: str) -> Any:
    try:
        return meant(text)
    except Inexact:
        return _constant(text)


def _constant(text: str) -> Any:
    raise ValueError(f"{text[:24]} is no number that every reader holds exactly")


def _node(value: Any, span: Span, depth: int) -> Node:
    if depth > DEPTH:
        raise RecursionError
    if isinstance(value, _Pairs):
        entries = {_text(key): _node(item, span, depth + 1) for key, item in value}
        if len(entries) != len(value):
            raise InvalidPipeline([_twice(value, span)])
        return MapNode(entries, span, dict.fromkeys(entries, span))
    if isinstance(value, list):
        return ListNode(tuple(_node(item, span, depth + 1) for item in value), span)
    return Scalar(_text(value) if isinstance(value, str) else value, span)


def _text(value: str) -> str:
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("a text holds half a surrogate pair")
    return clean(value)


def _twice(pairs: _Pairs, span: Span) -> Problem:
    double = next(key for key, times in Counter(clean(key) for key, _ in pairs).items() if times > 1)
    return error("duplicate-key", f"{double} stands twice in one mapping", span)
