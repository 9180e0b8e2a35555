"""Two requests of one cell, field by field. Pictures of other cells stand in them as references, so that a change is
told from what follows of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, TypeAlias

from flowrunner.artifact import Artifact
from flowrunner.binding import Bound
from flowrunner.binding.bound import Pending, PendingSize
from flowrunner.call import File, Link, name
from flowrunner.changes import Change, Place, spelled
from flowrunner.comparing.texts import Fate, pieces
from flowrunner.digest import canonical
from flowrunner.loading.scope import Scope
from flowrunner.slotted import dataclass
from flowrunner.source import Span

Path: TypeAlias = tuple[str | int, ...]
_LONG = 400
"""Items of a list that are matched with each other; in a longer one those at equal places are compared."""


class _Absent:
    """Stands where a request has no such field."""


_ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Ref:
    """A picture of another cell: the picked one, or candidate `number`; of some only the size is asked for. `origin` is
    the cell's id in the base where it has one there: equal for what is the same cell under another name."""

    cell: str
    number: int
    only_size: bool
    origin: str

    @property
    def text(self) -> str:
        shown = f"${self.cell}.{self.number}" if self.number else f"${self.cell}"
        return f"size_of {shown}" if self.only_size else shown


@dataclass(frozen=True, slots=True)
class Request:
    """A cell's request with nothing known of other cells' pictures. `origin` tells what a cell was called before."""

    bound: Bound
    scope: Scope
    origin: Callable[[str], str]

    @property
    def tree(self) -> Any:
        return _shown(self.bound.params, self.origin)

    def refs(self) -> list[Ref]:
        """The pictures that it takes, each once."""
        return list(dict.fromkeys(leaf for leaf in _leaves(self.tree) if isinstance(leaf, Ref)))


@dataclass(frozen=True, slots=True)
class Differing:
    """One field of two requests; a path is None where its side lacks the field."""

    before_path: Path | None
    after_path: Path | None
    before: Any
    after: Any


def differing(before: Request, after: Request) -> list[Differing]:
    """The fields in which two requests differ, references to what is one cell on both sides left out."""
    return list(_differing((), (), before.tree, after.tree))


def change(found: Differing, before: Request, after: Request) -> Change:
    """A field with the places where it was and is written."""
    one, two = _plain(found.before), _plain(found.after)
    old, new = Place(before.bound, before.scope), Place(after.bound, after.scope)
    was = old.of(found.before_path, two, one) if found.before_path is not None else None
    span = new.of(found.after_path, one, two) if found.after_path is not None else None
    if found.before_path is not None and found.after_path is not None:
        home_was, home = old.origin(found.before_path), new.origin(found.after_path)
        # Words that only came, or only went, stand in one of the two sides: the other shows the same thing there.
        if _lacks(one, two) and _is_within(span, home):
            was = home_was
        elif _lacks(two, one) and _is_within(was, home_was):
            span = home
    path = found.after_path or found.before_path or ()
    return Change(path=spelled(path), before=one, after=two, span=span, was=was)


def _lacks(text: Any, other: Any) -> bool:
    """Whether a text is the other without some of its words."""
    if not isinstance(text, str) or not isinstance(other, str):
        return False
    found = pieces(text, other)
    return all(piece.fate is not Fate.GONE for piece in found) and len(found) > 1


def _is_within(span: Span | None, home: Span | None) -> bool:
    return span is not None and home is not None and span.file == home.file and home.start <= span.start <= home.end


def token(request: Request) -> str:
    """The request as one text, equal for equal requests."""
    return canonical(_tokens(request.tree))


def _shown(tree: Any, origin: Callable[[str], str]) -> Any:
    if isinstance(tree, Mapping):
        return {key: _shown(item, origin) for key, item in tree.items()}
    if isinstance(tree, list | tuple):
        return [_shown(item, origin) for item in tree]
    if isinstance(tree, Pending | PendingSize):
        image = tree.image if isinstance(tree, PendingSize) else tree
        return Ref(image.cell, image.number, isinstance(tree, PendingSize), origin(image.cell))
    return name(tree) if isinstance(tree, Artifact | Link | File) else tree


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return value.text
    return None if value is _ABSENT else value


def _tokens(tree: Any) -> Any:
    """What makes a value the same on both sides, as plain data."""
    if isinstance(tree, dict):
        return {key: _tokens(item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [_tokens(item) for item in tree]
    if isinstance(tree, Ref):
        return {"$": [tree.origin, tree.number, tree.only_size]}
    return tree


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict | list):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from _leaves(item)
    else:
        yield tree


def _differing(one_path: Path, two_path: Path, one: Any, two: Any) -> Iterator[Differing]:
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted(one.keys() | two.keys()):
            yield from _differing((*one_path, key), (*two_path, key), one.get(key, _ABSENT), two.get(key, _ABSENT))
    elif isinstance(one, list) and isinstance(two, list):
        yield from _items(one_path, two_path, one, two)
    elif one is _ABSENT or two is _ABSENT:
        yield from _lone(one_path, two_path, one, two)
    elif canonical(_tokens(one)) != canonical(_tokens(two)):
        yield Differing(one_path, two_path, one, two)


def _lone(one_path: Path, two_path: Path, one: Any, two: Any) -> Iterator[Differing]:
    """A field that one side lacks: leaf by leaf."""
    value = two if one is _ABSENT else one
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            sides = (_ABSENT, item) if one is _ABSENT else (item, _ABSENT)
            yield from _lone((*one_path, key), (*two_path, key), *sides)
    else:
        yield Differing(None if one is _ABSENT else one_path, None if two is _ABSENT else two_path, one, two)


def _items(one_path: Path, two_path: Path, one: Sequence[Any], two: Sequence[Any]) -> Iterator[Differing]:
    """Two lists: what was put in or taken out moves nothing else."""
    for start, end, other, stop in _replaced(one, two):
        both = min(end - start, stop - other)
        for at in range(both):
            yield from _differing((*one_path, start + at), (*two_path, other + at), one[start + at], two[other + at])
        for at in range(start + both, end):
            yield from _lone((*one_path, at), (*two_path, at), one[at], _ABSENT)
        for at in range(other + both, stop):
            yield from _lone((*one_path, at), (*two_path, at), _ABSENT, two[at])


def _replaced(one: Sequence[Any], two: Sequence[Any]) -> list[tuple[int, int, int, int]]:
    """Parts of two lists that differ: from and to in the first, from and to in the second."""
    left, right = [canonical(_tokens(item)) for item in one], [canonical(_tokens(item)) for item in two]
    if left == right:
        return []
    if max(len(left), len(right)) > _LONG:
        return [(0, len(left), 0, len(right))]
    codes = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    return [(start, end, other, stop) for kind, start, end, other, stop in codes if kind != "equal"]
