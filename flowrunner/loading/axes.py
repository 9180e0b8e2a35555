"""Axes: lists, mappings, and values that come from files, folders and CSV."""

import re
import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

from flowrunner.files import IMAGE_LIMIT, FileProblem, Files, relative
from flowrunner.imagehead import BadImage, head
from flowrunner.loading import data
from flowrunner.loading.fields import Fields, did_you_mean
from flowrunner.nodes import ListNode, MapNode, Node, Scalar
from flowrunner.pipeline import Axis, AxisValue
from flowrunner.source import Span

_IMAGES = ("jpg", "jpeg", "png", "webp")
_TEXTS = ("md", "txt")
_DATA = ("yaml", "yml", "json")
_SUFFIXES = (*_DATA, "csv", *_IMAGES, *_TEXTS)
_SLUG = 40
_UNFIT = re.compile(r"[^a-z0-9._]+")


def slug(text: str) -> str:
    """The part of a cell id that stands for an axis value: ASCII, lower case, at most 40 characters."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    # A dot at an end would make a hidden file, and two of them another folder.
    return _UNFIT.sub("-", ascii_text).strip("-.")[:_SLUG].strip("-.")


def axis(name: str, node: Node, at: Span, files: Files, fields: Fields, *, measured: bool) -> Axis | None:
    """One axis. `measured`: templates ask for the size of its images, so their headers are read."""
    before = len(fields.problems)
    if isinstance(node, ListNode):
        values = [_listed(item, fields) for item in node.items]
    elif isinstance(node, MapNode) and "from" in node.entries:
        values = _from(node, files, fields, measured=measured)
    elif isinstance(node, MapNode):
        values = [_value(key, item, node.key(key), fields) for key, item in node.entries.items()]
    else:
        fields.add("type", f"axis {name} is a list, a mapping of fields by id, or {{from: FILES}}", node.span)
        return None
    found = [value for value in values if value is not None]
    if not found and len(fields.problems) == before:
        fields.add("empty-axis", f"axis {name} has no values", node.span)
    _distinct(name, found, fields)
    return Axis(name=name, values=tuple(found), span=at)


def _listed(item: Node, fields: Fields) -> AxisValue | None:
    if isinstance(item, Scalar) and item.value is not None:
        return AxisValue(id=item.text, slug=slug(item.text), node=item, span=item.span)
    hint = "for values with fields write a mapping: {lamp: {name: Lamp}}"
    fields.add("type", "a listed axis value is text or a number", item.span, hint)
    return None


def _value(key: str, node: Node, span: Span, fields: Fields) -> AxisValue | None:
    if isinstance(node, Scalar) and node.value is None:
        node = MapNode({}, node.span)
    if not isinstance(node, MapNode):
        hint = f"write {{{key}: {{name: …}}}}, or a plain list of values"
        fields.add("type", f"value {key} of an axis holds named fields", node.span, hint)
        return None
    if "id" in node.entries:
        fields.add("axis-id", "id is the value's own name and cannot be a field", node.key("id"))
    return AxisValue(id=key, slug=slug(key), node=node, span=span)


def _distinct(name: str, values: Collection[AxisValue], fields: Fields) -> None:
    seen: dict[str, AxisValue] = {}
    for value in values:
        if not value.slug:
            hint = "give it an id with small letters or digits"
            fields.add("slug", f"{value.id!r} of axis {name} leaves nothing for a file name", value.span, hint)
        elif value.slug in seen:
            other = seen[value.slug]
            message = f"{value.id!r} and {other.id!r} of axis {name} would both be called {value.slug}"
            fields.add("slug", message, value.span, f"the other stands at {other.span}")
        seen[value.slug] = value


def _from(node: MapNode, files: Files, fields: Fields, *, measured: bool) -> list[AxisValue | None]:
    fields.known(node, ("from", "key"), "an axis from files")
    pattern = fields.text(node.entries["from"], "from")
    at = node.entries["from"].span
    path = data.located(pattern, at, fields) if pattern else None
    if path is None:
        return []
    suffix = PurePosixPath(path).suffix.lower().lstrip(".")
    folder, _, last = path.rpartition("/")
    if suffix not in _SUFFIXES:
        fields.add(
            "axis-from", f"the ending decides how a file is read; {suffix or 'none'} is not known", at, _endings()
        )
    elif "*" in folder or "?" in folder or "[" in path:
        fields.add("axis-from", "* and ? may stand in the last part of the path only", at)
    elif "key" in node.entries and suffix != "csv":
        fields.add("axis-from", "key names the column of a CSV file", node.key("key"))
    elif suffix == "csv" and ("*" in last or "?" in last):
        fields.add("axis-from", "patterns are not for CSV: one file holds all values", at, "name that file")
    elif suffix == "csv":
        return _csv(path, node, at, files, fields)
    elif "*" in last or "?" in last or suffix in _IMAGES:
        return _folder(path, suffix, at, files, fields, measured=measured)
    elif suffix in _DATA:
        return _mapping(path, at, files, fields)
    else:
        return [_single(path, suffix, at, files, fields, measured=measured)]
    return []


def _endings() -> str:
    return f"end it with one of {', '.join(f'.{suffix}' for suffix in _SUFFIXES)}"


def _mapping(path: str, at: Span, files: Files, fields: Fields) -> list[AxisValue | None]:
    root = data.nodes(files, path, at, fields)
    found = fields.mapping(root, f"{path}, as an axis,") if root is not None else None
    if found is None:
        return []
    return [_value(key, item, found.key(key), fields) for key, item in found.entries.items()]


def _csv(path: str, node: MapNode, at: Span, files: Files, fields: Fields) -> list[AxisValue | None]:
    if "key" not in node.entries:
        fields.add("axis-from", "an axis from CSV names the column of its ids", at, "add key: COLUMN")
        return []
    before = len(fields.problems)
    column = fields.text(node.entries["key"], "key")
    found = data.source(files, path, at, fields)
    if column is None or found is None:
        return []
    values: list[AxisValue | None] = []
    for row in data.rows(found, fields):
        cell = row.entries.get(column)
        if cell is None:
            hint = did_you_mean(column, list(row.entries))
            fields.add("axis-from", f"{path} has no column {column}", node.entries["key"].span, hint)
            return []
        if "id" in row.entries and column != "id" and not values:
            hint = "take it as the key, or call the column something else"
            fields.add("axis-id", "id is the value's own name and cannot be a column beside it", row.key("id"), hint)
        assert isinstance(cell, Scalar)
        key = str(cell.value).strip()
        values.append(AxisValue(id=key, slug=slug(key), node=_without_id(row), span=cell.span))
    if not values and len(fields.problems) == before:
        fields.add("empty-axis", f"{path} has no rows", at)
    return values


def _without_id(row: MapNode) -> MapNode:
    if "id" not in row.entries:
        return row
    return MapNode({name: item for name, item in row.entries.items() if name != "id"}, row.span, row.keys)


def _folder(
    path: str, suffix: str, at: Span, files: Files, fields: Fields, *, measured: bool
) -> list[AxisValue | None]:
    try:
        matches = files.list(path)
    except FileProblem as fault:
        fields.add("file", fault.message, at, fault.hint)
        return []
    if not matches:
        fields.add("empty-axis", f"nothing matches {path}", at, "paths are relative to the file that names them")
    return [_single(match, suffix, at, files, fields, measured=measured) for match in matches]


def _single(path: str, suffix: str, at: Span, files: Files, fields: Fields, *, measured: bool) -> AxisValue | None:
    stem = PurePosixPath(path).stem
    if suffix in _DATA:
        root = data.nodes(files, path, at, fields)
        return _value(stem, root, root.span, fields) if root is not None else None
    if suffix in _TEXTS:
        text = data.text(files, path, at, fields)
        return _fields(stem, {"text": text}, at) if text is not None else None
    fields.meter.values(3, at)
    written = relative(path, at.file)
    entries: dict[str, Node] = {"file": Scalar(written, at), "stem": Scalar(stem, at)}
    if measured:
        entries |= _size(path, at, files, fields)
    return _fields(stem, entries, at)


def _fields(stem: str, entries: dict[str, Node], at: Span) -> AxisValue:
    return AxisValue(id=stem, slug=slug(stem), node=MapNode(entries, at, dict.fromkeys(entries, at)), span=at)


def _size(path: str, at: Span, files: Files, fields: Fields) -> dict[str, Node]:
    try:
        found = head(files.read(path, IMAGE_LIMIT))
    except (FileProblem, BadImage) as fault:
        fields.add("image", f"{path}: {fault.message}", at, fault.hint)
        return {}
    return {"width": Scalar(found.width, at), "height": Scalar(found.height, at)}
