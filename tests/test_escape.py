"""Text from outside."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner import escape

HIDDEN = "\x00\x07\x1b\x7f\x85\x9b\u00ad\u061c\u200b\u200d\u202e\u2028\u2029\u2066\u3164\ufeff\ud800\U000e0041"


@pytest.mark.parametrize("character", HIDDEN)
def test_what_hides_or_moves_text_is_spelled_out(character: str) -> None:
    shown = escape.visible(f"a{character}b")
    assert character not in shown
    assert shown.startswith("a\\")
    assert shown.endswith("b")
    assert shown.isprintable()


@pytest.mark.parametrize("text", ["plain", "größe", "漢字", "🦖", "a b", "«…»"])
def test_ordinary_text_stays(text: str) -> None:
    assert escape.visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"), [("a\nb", "a\\nb"), ("a\tb", "a\\tb"), ("\x1b[31m", "\\e[31m"), ("\u202e", "\\u202e")]
)
def test_it_is_spelled_as_one_would_write_it(text: str, shown: str) -> None:
    assert escape.visible(text) == shown


@given(st.text())
def test_a_line_is_one_line(text: str) -> None:
    shown = escape.line(text, 50)
    assert len(shown) <= 51
    assert len(shown.splitlines()) <= 1


@given(st.text())
def test_a_block_keeps_its_line_feeds_and_nothing_else(text: str) -> None:
    assert escape.block(text).count("\n") == text.count("\n")
    assert "\x1b" not in escape.block(text)


@given(st.text())
def test_markup_holds_no_element(text: str) -> None:
    shown = escape.markup(text)
    assert not set(shown) & set("<>\"'")
    assert html.unescape(shown) == html.unescape(html.escape(escape.visible(text)))


@pytest.mark.parametrize("text", ["*a*", "_a_", "[a](b)", "<img>", "`a`", "# a", "| a", "~a~", "1. a", "a@b"])
def test_markdown_is_literal(text: str) -> None:
    shown = escape.markdown(text)
    bare = shown.replace("<wbr>", "")
    assert bare.replace("\\", "") == text
    assert all(bare[at - 1] == "\\" for at, character in enumerate(bare) if character in "*_[]<>`#|~!@()")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("100%", "100%25"), ("a\nb", "a%0Ab"), ("::set-env::x", "::set-env::x"), ("a\rb", "a\\rb")],
)
def test_a_workflow_command_cannot_be_broken_out_of(text: str, shown: str) -> None:
    assert escape.annotation(text) == shown


def test_a_property_of_a_workflow_command_holds_no_colon_and_no_comma() -> None:
    assert escape.annotation("a:b,c", inside="property") == "a%3Ab%2Cc"


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("漢字", 4), ("e\u0301", 1), ("", 0)])
def test_width_is_that_of_a_terminal(text: str, columns: int) -> None:
    assert escape.width(text) == columns
