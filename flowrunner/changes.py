"""What changed in a request since it was locked: field by field, word by word, with the place where it is written."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.binding import Bound
from flowrunner.digest import canonical
from flowrunner.loading.cells import Cell
from flowrunner.loading.scope import Scope
from flowrunner.nodes import ListNode, MapNode, Node, Scalar
from flowrunner.slotted import dataclass
from flowrunner.source import Span
from flowrunner.store.locked import LockedCell, cell_key

_WORD = re.compile(r"\w+(?:[.'’-]\w+)*|[^\w\s]")
_CONTEXT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of a request. `before` and `after` are None where the field was absent."""

    path: str
    before: Any = None
    after: Any = None
    span: Span | None = None
    was: Span | None = None
    """Where it was written before, where both are looked at."""
    source: str = ""
    """Where `after` is a picture: the file of the project, or the cell, that it comes from."""

    @property
    def sentence(self) -> str:
        """`prompt: oak → walnut (spring-hero.yaml:31)`."""
        place = f" ({self.span.file}:{self.span.line})" if self.span else ""
        if self.before is None:
            return f"{self.path} is new: {_short(self.after, self.source)}{place}"
        if self.after is None:
            return f"{self.path} is gone, was {_short(self.before)}"
        if _are_texts(self.before, self.after):
            return f"{self.path}: {words(self.before, self.after)}{place}"
        return f"{self.path}: {_short(self.before)} → {_short(self.after, self.source)}{place}"


def changes(
    locked: LockedCell | None, cell: Cell, bound: Bound, scope: Scope, paths: Mapping[str, str]
) -> tuple[Change, ...]:
    """The fields in which a cell's request differs from its locked one, in order of their names. `paths` tells the
    files of the project by the digests of their pictures."""
    if locked is None or not bound.calls:
        return ()
    call = bound.calls[0]
    found = []
    if locked.model != call.model:
        found.append(Change(path="model", before=locked.model, after=call.model, span=cell.step.model.span))
    before, after = dict(flat(locked.with_)), dict(flat(call.shown))
    for path in sorted(before.keys() | after.keys(), key=_order):
        one, two = before.get(path), after.get(path)
        if canonical(one) != canonical(two):
            span = Place(bound, scope).of(path, one, two)
            source = paths.get(two.removeprefix("sha256:"), "") if isinstance(two, str) else ""
            found.append(Change(path=spelled(path), before=one, after=two, span=span, source=source))
    before_count, after_count = len(locked.samples), len(bound.calls)
    if not found and before_count != after_count and locked.key != cell_key([call.key for call in bound.calls]):
        span = cell.step.variants_span
        found.append(Change(path="variants", before=before_count, after=after_count, span=span))
    return tuple(found)


def words(before: str, after: str) -> str:
    """The differing words of two texts with nothing of what they share: `oak → walnut`."""
    gone, new = _cut(_differing(before, after)), _cut(_differing(after, before))
    if not gone and not new:
        return "only blanks or line ends changed"
    if not gone:
        return f"+ {new}"
    return f"{gone} → {new}" if new else f"− {gone}"


def _differing(text: str, other: str) -> str:
    """The words of a text between those that it begins and ends with like the other."""
    start, end = _region(text, other)
    return " ".join(text[start:end].split())


def _region(text: str, other: str) -> tuple[int, int]:
    """Where those words begin and end in the text; two equal offsets where it only lacks some."""
    one, two = list(_WORD.finditer(text)), _WORD.findall(other)
    least = min(len(one), len(two))
    first = 0
    while first < least and one[first][0] == two[first]:
        first += 1
    last = 0
    while last < least - first and one[-1 - last][0] == two[-1 - last]:
        last += 1
    if first < len(one) - last:
        return one[first].start(), one[len(one) - last - 1].end()
    at = one[first - 1].end() if first else 0
    return at, at


@dataclass(frozen=True, slots=True)
class Place:
    """Finds where a changed value is written: for words, the line in which they stand, be it of a data file."""

    bound: Bound
    scope: Scope

    def of(self, path: tuple[str | int, ...], before: Any, after: Any) -> Span | None:
        span = self.origin(path)
        if span is None or not isinstance(before, str) or not isinstance(after, str):
            return span
        region, gone = _region(after, before), _region(before, after)
        if region[0] == region[1] and gone[0] == gone[1]:
            return span
        template = self.bound.templates.get(path)
        if template is not None and template.compiled.path is None:
            span = self._inserted(path, after, region, before[slice(*gone)]) or span
        return _line(span, _WORD.findall(after[region[0] : region[1]]))

    def origin(self, path: tuple[str | int, ...]) -> Span | None:
        """Where a value is written as a whole, in the pipeline or an include."""
        for length in range(len(path), 0, -1):
            found = self.bound.origins.get(path[:length])
            if found is not None:
                return found
        return None

    def _inserted(self, path: tuple[str | int, ...], text: str, region: tuple[int, int], other: str) -> Span | None:
        """The value that a template took in from elsewhere and in which the changed words stand. One that stands whole
        between two of them, in the `other` text as well, was not edited."""
        uses = self.bound.templates[path].compiled.paths
        leaves = [leaf for use in uses for leaf in _leaves(self.scope.node(use.path, self.bound.cell.at))]
        found = [leaf for leaf in leaves if _covers(leaf.text.lower(), text.lower(), region)]
        changed = (text[slice(*region)].lower(), other.lower())
        found = [leaf for leaf in found if not all(leaf.text.lower() in part for part in changed)]
        return max(found, key=lambda leaf: len(leaf.text)).span if found else None


def _covers(part: str, text: str, region: tuple[int, int]) -> bool:
    """Whether a part of a text stands in a region of it, or touches the place of words that are gone."""
    start, end = region if region[0] < region[1] else (region[0] - 1, region[1] + 1)
    at = text.find(part, max(0, start - len(part) + 1)) if part else -1
    return 0 <= at < end


def _leaves(node: Node | None) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, MapNode | ListNode):
        for item in node.entries.values() if isinstance(node, MapNode) else node.items:
            yield from _leaves(item)


def _line(span: Span, changed: list[str]) -> Span:
    """The changed words within a value, the whole value where they do not stand in it as they are."""
    for part in (changed, changed[:1]):
        pattern = r"\s*".join(re.escape(word) for word in part)
        found = re.search(pattern, span.text) if part else None
        if found:
            return Span(span.source, span.start + found.start(), span.start + found.end())
    return span


def flat(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The leaves of a JSON tree, each with its path; an empty list or mapping is one."""
    if isinstance(tree, dict) and tree:
        for key, item in tree.items():
            yield from flat(item, (*path, key))
    elif isinstance(tree, list) and tree:
        for index, item in enumerate(tree):
            yield from flat(item, (*path, index))
    else:
        yield path, tree


def _order(path: tuple[str | int, ...]) -> tuple[tuple[int, str | int], ...]:
    return tuple((isinstance(part, str), part) for part in path)


def spelled(path: tuple[str | int, ...]) -> str:
    """A path as people read it: `image_urls[0]`, `image_size.width`."""
    named = ""
    for part in path:
        named += f"[{part}]" if isinstance(part, int) else f".{part}" if named else part
    return named


def _are_texts(*values: Any) -> bool:
    return all(isinstance(value, str) and not value.startswith("sha256:") for value in values)


def _short(value: Any, source: str = "") -> str:
    if isinstance(value, str):
        if value.startswith("sha256:"):
            return f"{source} ({value[7:13]})" if source else f"picture {value[7:13]}"
        return _cut(value)
    return _cut(canonical(value))


def _cut(text: str) -> str:
    return text if len(text) <= _CONTEXT else f"{text[: _CONTEXT - 1]}…"
