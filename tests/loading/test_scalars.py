"""Our own scalars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.loading.scalars import Inexact, clean, elsewhere, meant


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-0", 0),
        ("42", 42),
        ("-7", -7),
        ("9007199254740992", 2**53),
        ("7.50", 7.5),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        ("1.5E-2", 0.015),
        ("0.00e-400", 0.0),
        ("-0E9", 0.0),
        ("5e-324", 5e-324),
    ],
)
def test_a_word_or_a_number_of_ours_is_read(text: str, value: object) -> None:
    found = meant(text)
    assert found == value
    assert type(found) is type(value)


_TEXTS = """16:9 no on yes True NULL 007 1_000 0x1F 0o17 +1 .5 5. 2026-11-21 .inf .nan 1:30:00 - --1 1e e3 ٣ NaN
Infinity y Null 0b1 1__0 12e03x"""


@pytest.mark.parametrize("text", [*_TEXTS.split(), "1 000"])
def test_everything_else_is_text(text: str) -> None:
    assert meant(text) == text


_INEXACT = "9007199254740993 -9007199254740993 1e400 -1e999 1e17 9007199254740993.0 1e-400 -1E-400 0.02e-330 10e-330"


@pytest.mark.parametrize("text", [*_INEXACT.split(), "1" + "0" * 400, f"0.{'0' * 400}1"])
def test_a_number_that_not_every_reader_holds_is_refused(text: str) -> None:
    with pytest.raises(Inexact):
        meant(text)


@given(st.integers(-(2**53), 2**53))
def test_every_exact_whole_number_is_read_as_itself(number: int) -> None:
    assert meant(str(number)) == number


@given(st.floats(-1e15, 1e15, allow_nan=False))
def test_every_fraction_that_python_writes_is_read_as_itself(number: float) -> None:
    assert meant(repr(number)) == number


@pytest.mark.parametrize(("text", "sent"), [("e\u0301", "é"), ("a\r\nb\rc", "a\nb\nc"), ("plain", "plain")])
def test_text_is_composed_and_has_line_feeds_alone(text: str, sent: str) -> None:
    assert clean(text) == sent
    assert meant(text) == sent


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("007", "a number"),
        ("0x1F", "a number"),
        ("+1", "a number"),
        (".5", "a number"),
        (".inf", "a number"),
        ("True", "true or false"),
        ("NULL", "null"),
    ],
)
def test_what_other_readers_take_for_something_else_is_told(text: str, kind: str) -> None:
    assert list(elsewhere(text)) == [kind]


@pytest.mark.parametrize("text", ["16:9", "no", "on", "", "Nothing", "Truely", "1_000", "-x", "2026-11-21"])
def test_what_is_text_to_everyone_is_not_told(text: str) -> None:
    assert list(elsewhere(text)) == []
