import io
import json

import pytest

from flowrunner import escape
from flowrunner.paint import Tone, colour, is_terminal, paint_for, plain


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
