"""Two texts word by word: what stayed, what went, what came."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from functools import lru_cache

from flowrunner.slotted import dataclass, replace

_TOKEN = re.compile(r"\w+(?:[.'’-]\w+)*|\s+|[^\w\s]")
_MOST = 1500
"""Words of which a diff is made; of more, all between the first and the last difference counts as changed."""
_WEAK = re.compile(r"\s+|[^\w\s]")
"""What is too little to stand between two differences as the same."""


class Fate(StrEnum):
    """What became of a piece of text."""

    KEPT = "kept"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of a text."""

    fate: Fate
    text: str


def pieces(before: str, after: str) -> list[Piece]:
    """Both texts as one row of pieces: without the new ones it is `before`, without those that are gone `after`."""
    one, two = _TOKEN.findall(before), _TOKEN.findall(after)
    first, last = _shared(one, two)
    middle = _differing(tuple(one[first : len(one) - last]), tuple(two[first : len(two) - last]))
    found = [Piece(Fate.KEPT, "".join(one[:first])), *middle, Piece(Fate.KEPT, "".join(one[len(one) - last :]))]
    return _joined(piece for piece in found if piece.text)


def around(row: Sequence[Piece], context: int) -> list[Piece]:
    """The row with at most `context` code points of what stayed on each side of a difference, cut between words."""
    return [_cut(piece, at > 0, at < len(row) - 1, context) for at, piece in enumerate(row)]


def _shared(one: Sequence[str], two: Sequence[str]) -> tuple[int, int]:
    """How many words the texts begin and end with alike."""
    least = min(len(one), len(two))
    first = next((at for at in range(least) if one[at] != two[at]), least)
    rest = least - first
    return first, next((at for at in range(rest) if one[-1 - at] != two[-1 - at]), rest)


@lru_cache(maxsize=256)
def _differing(one: tuple[str, ...], two: tuple[str, ...]) -> tuple[Piece, ...]:
    """What lies between the first and the last difference; the same words differ in many cells."""
    if len(one) > _MOST or len(two) > _MOST:
        return (Piece(Fate.GONE, "".join(one)), Piece(Fate.NEW, "".join(two)))
    found: list[Piece] = []
    for kind, start, end, other, stop in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        gone, new = "".join(one[start:end]), "".join(two[other:stop])
        if kind == "equal" and not (found and _WEAK.fullmatch(gone)):
            found.append(Piece(Fate.KEPT, gone))
        else:
            found += [Piece(Fate.GONE, gone), Piece(Fate.NEW, new)]
    return tuple(found)


def _joined(found: Iterator[Piece]) -> list[Piece]:
    """Differences side by side made one: first all that is gone, then all that is new."""
    row: list[Piece] = []
    gone = new = ""
    for piece in (*found, Piece(Fate.KEPT, "")):
        if piece.fate is Fate.GONE:
            gone += piece.text
        elif piece.fate is Fate.NEW:
            new += piece.text
        else:
            if gone != new:
                row += [Piece(fate, text) for fate, text in ((Fate.GONE, gone), (Fate.NEW, new)) if text]
            elif gone:
                row.append(Piece(Fate.KEPT, gone))
            row += [piece] if piece.text else []
            gone = new = ""
    return row


def _cut(piece: Piece, left: bool, right: bool, context: int) -> Piece:  # sides of a piece
    """What stayed, without its middle, or without the end at which nothing changed."""
    text = piece.text
    room = context * (left + right)
    if piece.fate is not Fate.KEPT or len(text) <= room + 1:
        return piece
    head = text[:context].rpartition(" ")[0] or text[:context] if left else ""
    tail = text[-context:].partition(" ")[2] or text[-context:] if right else ""
    return replace(piece, text=f"{head} … {tail}" if left and right else f"{head} …" if left else f"… {tail}")
