"""A comparison in a reviewer's words: pictures and recipes, what they cost, and which choices are asked for."""

from collections.abc import Iterable, Sequence

from flowrunner import escape, money
from flowrunner.changes import Change
from flowrunner.comparing.compared import ComparedCell, Comparison, Kind, Unread, cost
from flowrunner.comparing.texts import Fate, Piece, pieces
from flowrunner.decisions import Cost
from flowrunner.report.groups import plural
from flowrunner.report.text import price

Compared = Sequence[Comparison]


def verdict(found: Compared, unread: Sequence[Unread] = (), *, simulated: bool) -> str:
    """All in one sentence: `2 recipes changed, 27 pictures follow, about $0.29`."""
    locks = sum(one.by_lock for one in unread)
    counts = {"recipe": len(unread) - locks, "lock": locks}
    parts = [f"{plural(count, noun)} {_are(count)} not valid" for noun, count in counts.items() if count]
    parts += [_recipes(found), listed(list(_pictures(found)))]
    parts = [part for part in parts if part]
    cells = [cell for one in found for cell in one.moving]
    if cells:
        parts.append(_price(cost(cells), simulated=simulated) or _made(cells))
    if parts:
        return ", ".join(parts)
    beside = sum(len(one.rules) for one in found)
    return f"No picture changes, {plural(beside, 'other edit')}" if beside else "No picture changes"


def listed(parts: Sequence[str]) -> str:
    """`1 follows, 2 are new and 3 are gone`."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def pictures(cells: Sequence[ComparedCell]) -> str:
    """`3 edited, 35 follow, 4 new, 1 gone`: what becomes of pictures."""
    follow = sum(not cell.fields for cell in cells if cell.kind is Kind.RENDER)
    counts = [
        (sum(bool(cell.fields) for cell in cells if cell.kind is Kind.RENDER), "edited"),
        (follow, "follows" if follow == 1 else "follow"),
        *(_counted(kind, cells) for kind in _WORDS),
    ]
    return ", ".join(f"{number:,} {word}" for number, word in counts if number)


def shown(value: object, found: Comparison | None) -> str:
    """A value of a request as a person calls it: a file by its path, a picture by its place in the recipe."""
    from flowrunner.digest import canonical

    if value is None:
        return "nothing"
    if not isinstance(value, str):
        return canonical(value)
    if value.startswith("sha256:"):
        digest = value.removeprefix("sha256:")
        path = _path(value, found)
        return f"{path} ({digest[:6]})" if path else f"picture {digest[:6]}"
    if (value.startswith("$") and "/" in value) or value.startswith("size_of $"):
        return value.replace("size_of $", "the size of ").removeprefix("$")
    return value


def _path(value: object, found: Comparison | None) -> str:
    """The file of the project that a digest names."""
    if found is None or not isinstance(value, str):
        return ""
    return found.paths.get(value.removeprefix("sha256:"), "")


def row(change: Change, found: Comparison | None) -> list[Piece]:
    """A change as what stayed, what went and what came. Letters that only look like others are spelled out."""
    said = statement(change, found)
    if said:
        return [Piece(Fate.NEW, said)]
    one = "" if change.before is None else shown(change.before, found)
    two = "" if change.after is None else shown(change.after, found)
    if isinstance(change.before, str) and isinstance(change.after, str) and one == change.before:
        return _told_apart(pieces(one, two))
    return [Piece(fate, escape.exposed(text)) for fate, text in ((Fate.GONE, one), (Fate.NEW, two)) if text]


def whole(change: Change, found: Comparison) -> list[Piece]:
    """The same for what is short and reads as one: a limit, a name, what a check asks for."""
    sides = ((Fate.GONE, change.before), (Fate.NEW, change.after))
    return [Piece(fate, escape.exposed(shown(value, found))) for fate, value in sides if value is not None]


def statement(change: Change, found: Comparison | None) -> str:
    """What happened to a picture, where its digests would say nothing to a person; empty for everything else."""
    one, two = change.before, change.after
    if change.path == "picture":
        return "no longer kept by the lock" if two is None else "made" if one is None else "made anew"
    if change.path == "pick" and (one is None or two is None):
        return f"{two} now, none before" if one is None else f"none now, {one} before"
    if is_blank(change):
        return "only blanks or ends of lines changed"
    names = [_path(value, found) for value in (one, two)]
    return f"{names[0]} is another picture now" if names[0] and names[0] == names[1] else ""


def is_blank(change: Change) -> bool:
    """Only blanks or ends of lines differ."""
    one, two = change.before, change.after
    return isinstance(one, str) and isinstance(two, str) and one.split() == two.split()


def _told_apart(found: Sequence[Piece]) -> list[Piece]:
    shown_pieces = []
    for at, piece in enumerate(found):
        other = found[at + 1] if piece.fate is Fate.GONE and at + 1 < len(found) else None
        before = found[at - 1] if piece.fate is Fate.NEW and at else None
        alike = (other is not None and other.fate is Fate.NEW and escape.looks_like(piece.text, other.text)) or (
            before is not None and before.fate is Fate.GONE and escape.looks_like(piece.text, before.text)
        )
        text = escape.spelled_out(piece.text) if alike else escape.exposed(piece.text)
        shown_pieces.append(Piece(piece.fate, text))
    return shown_pieces


_WORDS = {Kind.NEW: "new", Kind.REMOVED: "gone", Kind.RENAMED: "renamed", Kind.ACCEPTED: "accepted as it is"}
_OF_SEVERAL = {**_WORDS, Kind.ACCEPTED: "accepted as they are"}


def _counted(kind: Kind, cells: Iterable[ComparedCell]) -> tuple[int, str]:
    number = sum(cell.kind is kind for cell in cells)
    return number, (_WORDS if number == 1 else _OF_SEVERAL)[kind]


def _recipes(found: Compared) -> str:
    changed = sum(one.is_changed and not one.is_new and not one.is_gone for one in found)
    parts = [f"{plural(changed, 'recipe')} changed"] if changed else []
    for word, number in (("new", sum(one.is_new for one in found)), ("gone", sum(one.is_gone for one in found))):
        if number:
            parts.append(
                f"{number} {_are(number)} {word}" if parts else f"{plural(number, 'recipe')} {_are(number)} {word}"
            )
    return listed(parts)


def _pictures(found: Compared) -> Iterable[str]:
    cells = [cell for one in found for cell in one.cells.values()]
    follow = sum(cell.kind is Kind.RENDER for cell in cells)
    noun = True
    if follow:
        yield f"{plural(follow, 'picture')} {'follows' if follow == 1 else 'follow'}"
        noun = False
    for kind in _WORDS:
        number, word = _counted(kind, cells)
        if number and (kind is not Kind.RENAMED):
            yield f"{plural(number, 'picture') if noun else f'{number:,}'} {_are(number)} {word}"
            noun = False


def _price(of: Cost, *, simulated: bool) -> str:
    """What is to be paid; empty where nothing is."""
    if not of.calls:
        return ""
    return f"{plural(of.calls, 'call')} of unknown price" if of.known is None else price(of, simulated=simulated)


def _made(cells: Iterable[ComparedCell]) -> str:
    """What the new pictures did cost, all of them being there."""
    amounts = [cell.paid for cell in cells]
    known = sum(amount for amount in amounts if amount is not None)
    if None in amounts:
        return f"all made for {money.exact(known)} and more that nobody told" if known else "all made"
    return f"all made for {money.exact(known)}" if known else "nothing to pay"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
