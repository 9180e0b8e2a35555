import io
import json

import pytest

from flowrunner import escape
from flowrunner.paint import Tone, colour, folded, is_terminal, paint_for, plain, shortened


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(environment: dict[str, str], coloured: bool) -> None:
    assert paint_for(Terminal(), environment) is (colour if coloured else plain)
    assert paint_for(io.StringIO(), environment) is plain


def test_a_terminal_without_colours_is_still_one() -> None:
    assert is_terminal(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"})


def test_what_is_painted_ends_as_it_began() -> None:
    assert colour("run", Tone.GOOD) == "\x1b[32mrun\x1b[0m"
    assert colour("", Tone.GOOD) == ""


@pytest.mark.parametrize("text", ["\x9b31m", "\u202e", "\x7f", "\U000e0041", "\ud800", "ö €", "a\nb"])
def test_json_that_is_shown_is_harmless_and_means_the_same(text: str) -> None:
    shown = escape.json_text(json.dumps({"x": text}, ensure_ascii=False, indent=2))
    assert json.loads(shown) == {"x": text}
    assert escape.block(shown) == shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two", ["one two"]),
        ("one two three", ["one two", "  three"]),
        ("\x1b[1mone\x1b[0m two three", ["\x1b[1mone\x1b[0m two", "  three"]),
        ("花瓶花瓶 瓶", ["花瓶花瓶", "  瓶"]),
        ("a/path/that/is/longer than this", ["a/path/that/is/longer", "  than", "  this"]),
        ("of a/path/that/is/longer", ["of a/path/that/is/longer"]),
        ("", [""]),
    ],
)
def test_a_line_is_broken_at_blanks_and_no_word_is(text: str, lines: list[str]) -> None:
    assert folded(text, 8, 2).split("\n") == lines


@pytest.mark.parametrize(
    ("text", "short"), [("lamp/de", "lamp/de"), ("a-scene/lamp/de", "a-s…amp/de"), ("花瓶花瓶花瓶", "花…花瓶")]
)
def test_what_is_shortened_keeps_its_ends(text: str, short: str) -> None:
    assert shortened(text, 10 if text.isascii() else 8) == short
