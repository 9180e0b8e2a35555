"""Two texts word by word."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.comparing.texts import Fate, Piece, around, pieces


def told(before: str, after: str) -> str:
    """Pieces in one line: `a [oak|walnut] desk`."""
    marks = {Fate.KEPT: "{}", Fate.GONE: "[{}|", Fate.NEW: "|{}]"}
    line = "".join(marks[piece.fate].format(piece.text) for piece in pieces(before, after))
    return line.replace("||", "|")


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("an oak desk", "an oak desk", "an oak desk"),
        ("an oak desk", "a walnut desk", "[an oak|a walnut] desk"),
        ("on oak, soft light", "on walnut, hard light", "on [oak|walnut], [soft|hard] light"),
        ("a lamp", "a brass lamp", "a |brass ]lamp"),
        ("a brass lamp", "a lamp", "a [brass |lamp"),
        ("", "lamp", "|lamp]"),
        ("scale 7.5", "scale 7.25", "scale [7.5|7.25]"),
        ("x " * 1600 + "end", "y " * 1600 + "end", f"[{'x ' * 1599}x|{'y ' * 1599}y] end"),
    ],
)
def test_what_went_stands_before_what_came(before: str, after: str, line: str) -> None:
    assert told(before, after) == line


texts = st.lists(st.sampled_from(["a", "lamp", " ", "\n", "oak,", "“", "漢字", "\u200b"]), max_size=12).map("".join)


@given(texts, texts)
def test_both_texts_can_be_read_from_the_pieces(before: str, after: str) -> None:
    found = pieces(before, after)
    assert "".join(piece.text for piece in found if piece.fate is not Fate.NEW) == before
    assert "".join(piece.text for piece in found if piece.fate is not Fate.GONE) == after
    assert all(one.fate is not other.fate for one, other in itertools.pairwise(found))


def test_what_stayed_is_cut_between_words() -> None:
    row = [Piece(Fate.KEPT, "one two three four"), Piece(Fate.NEW, "x"), Piece(Fate.KEPT, "five six seven eight")]
    assert "".join(piece.text for piece in around(row, 9)) == "… fourxfive six …"
    middle = [Piece(Fate.NEW, "x"), Piece(Fate.KEPT, "one two three four five"), Piece(Fate.NEW, "y")]
    assert "".join(piece.text for piece in around(middle, 8)) == "xone two … fivey"
