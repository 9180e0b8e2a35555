"""What changed in a request since it was locked: field by field, word by word, with the place where it is written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flowrunner.binding import Bound
from flowrunner.digest import canonical
from flowrunner.loading.cells import Cell
from flowrunner.source import Span
from flowrunner.store.locked import LockedCell

_WORD = re.compile(r"\S+")
_CONTEXT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of a request. `before` and `after` are None where the field was absent."""

    path: str
    before: Any = None
    after: Any = None
    span: Span | None = None

    @property
    def sentence(self) -> str:
        """`prompt: oak → walnut (spring-hero.yaml:31)`."""
        place = f" ({self.span.file}:{self.span.line})" if self.span else ""
        if self.before is None:
            return f"{self.path} is new: {_short(self.after)}{place}"
        if self.after is None:
            return f"{self.path} is gone, was {_short(self.before)}"
        if isinstance(self.before, str) and isinstance(self.after, str):
            return f"{self.path}: {words(self.before, self.after)}{place}"
        return f"{self.path}: {_short(self.before)} → {_short(self.after)}{place}"


def changes(locked: LockedCell | None, cell: Cell, bound: Bound) -> tuple[Change, ...]:
    """The fields in which a cell's request differs from its locked one, in order of their names."""
    if locked is None or not bound.calls:
        return ()
    call = bound.calls[0]
    found = []
    if locked.model != call.model:
        found.append(Change(path="model", before=locked.model, after=call.model, span=cell.step.model.span))
    before, after = dict(_flat(locked.with_)), dict(_flat(call.shown))
    for path in sorted(before.keys() | after.keys(), key=_order):
        one, two = before.get(path), after.get(path)
        if canonical(one) != canonical(two):
            found.append(Change(path=_named(path), before=one, after=two, span=_place(path, bound)))
    if not found and len(locked.samples) != len(bound.calls):
        before_count, after_count = len(locked.samples), len(bound.calls)
        span = cell.step.variants_span
        found.append(Change(path="variants", before=before_count, after=after_count, span=span))
    return tuple(found)


def words(before: str, after: str) -> str:
    """The differing words of two texts with nothing of what they share: `oak → walnut`."""
    one, two = _WORD.findall(before), _WORD.findall(after)
    start = 0
    while start < min(len(one), len(two)) and one[start] == two[start]:
        start += 1
    end = 0
    while end < min(len(one), len(two)) - start and one[-1 - end] == two[-1 - end]:
        end += 1
    gone, new = " ".join(one[start : len(one) - end]), " ".join(two[start : len(two) - end])
    if not gone and not new:
        return "only blanks or line ends changed"
    if not gone:
        return f"+ {_cut(new)}"
    return f"{_cut(gone)} → {_cut(new)}" if new else f"− {_cut(gone)}"


def _flat(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(tree, dict) and tree:
        for key, item in tree.items():
            yield from _flat(item, (*path, key))
    elif isinstance(tree, list) and tree:
        for index, item in enumerate(tree):
            yield from _flat(item, (*path, index))
    else:
        yield path, tree


def _order(path: tuple[str | int, ...]) -> tuple[tuple[int, str | int], ...]:
    return tuple((isinstance(part, str), part) for part in path)


def _named(path: tuple[str | int, ...]) -> str:
    named = ""
    for part in path:
        named += f"[{part}]" if isinstance(part, int) else f".{part}" if named else part
    return named


def _place(path: tuple[str | int, ...], bound: Bound) -> Span | None:
    for length in range(len(path), 0, -1):
        found = bound.origins.get(path[:length])
        if found is not None:
            return found
    return None


def _short(value: Any) -> str:
    if isinstance(value, str):
        if value.startswith("sha256:"):
            return f"picture {value[7:13]}"
        return _cut(value)
    return _cut(canonical(value))


def _cut(text: str) -> str:
    return text if len(text) <= _CONTEXT else f"{text[: _CONTEXT - 1]}…"
