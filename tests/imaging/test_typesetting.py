"""Text in a box: glyphs, lines, sizes and places."""

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont, features

from flowrunner.imaging import typesetting
from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.typesetting import Typefaces, draw, face, fitted, missing, shortened, typeset

BUILTIN = face(None)


def lines(text: str, width: int, size: int = 20, *, balance: bool = False) -> list[str]:
    return [line.text for line in typeset(text, BUILTIN(size), width, balance=balance).lines]


def ink(picture: Image.Image) -> tuple[int, int, int, int]:
    found = picture.getbbox()
    assert found is not None
    return found


def test_lines_are_broken_between_words_and_where_the_text_says() -> None:
    assert lines("one two\n\nthree", 1000) == ["one two", "", "three"]
    assert lines("aaaa bbbb cccc", 100) == ["aaaa bbbb", "cccc"]
    assert lines("  wide   gaps\tclose ", 1000) == ["wide gaps close"]


def test_a_line_may_end_behind_a_hyphen_and_before_no_dash() -> None:
    assert lines("Ganzjahres-Lampe", 120) == ["Ganzjahres-", "Lampe"]
    assert lines("Lampe – neu", 70) == ["Lampe –", "neu"]


def test_a_no_break_space_holds_words_together() -> None:
    assert lines("aaaa bbbb\u00a0cccc", 100)[0] == "aaaa"


@pytest.mark.parametrize("width", range(40, 100, 7))
def test_ideographs_break_anywhere_but_not_before_their_punctuation(width: int) -> None:
    broken = lines("机の上に、春が。来る", width)
    assert "".join(broken) == "机の上に、春が。来る"
    assert len(broken) > 1
    assert not any(line.startswith(("、", "。")) for line in broken)


def test_a_balanced_headline_leaves_no_word_alone() -> None:
    text = "Spring starts on your own desk now"
    width = int(BUILTIN(20).getlength("Spring starts on your own desk")) + 2
    assert lines(text, width) == ["Spring starts on your own desk", "now"]
    assert lines(text, width, balance=True) == ["Spring starts on", "your own desk now"]


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["a", "lamp", "desk", "extraordinarily", "on"]), min_size=1, max_size=25))
def test_balancing_takes_as_many_lines_and_keeps_every_word(words: list[str]) -> None:
    text = " ".join(words)
    plain, balanced = lines(text, 200), lines(text, 200, balance=True)
    assert len(plain) == len(balanced)
    assert " ".join(balanced) == text
    assert max(map(BUILTIN(20).getlength, balanced)) <= 200


def test_shrinking_finds_the_largest_size_that_fits() -> None:
    setting = fitted("Spring starts here", BUILTIN, (300, 80), 200, 8)
    size = int(setting.font.size)
    assert setting.fits((300, 80))
    assert not typeset("Spring starts here", BUILTIN(size + 1), 300).fits((300, 80))


def test_text_that_does_not_fit_says_by_how_much() -> None:
    wide = typeset("Extraordinarily", BUILTIN(40), 100).size[0]
    with pytest.raises(OperationError) as caught:
        fitted("Extraordinarily", BUILTIN, (100, 100), 40, 40)
    assert caught.value.message == f"the text at size 40 is {wide - 100} pixels too wide for its box of 100x100"


def test_both_excesses_are_named() -> None:
    with pytest.raises(OperationError, match=r"too wide and \d+ pixels too high for its box of 30x10"):
        fitted("Two words", BUILTIN, (30, 10), 40, 40)


@pytest.mark.parametrize(("align", "side"), [("left", 0), ("right", 2)])
def test_the_ink_touches_the_side_it_is_aligned_to(align: str, side: int) -> None:
    layer = draw(typeset("Hjp", BUILTIN(40), 300), (300, 100), align, "middle")
    assert abs(ink(layer)[side] - (0, 0, 300)[side]) <= 1


def test_centred_text_has_equal_room_left_and_right() -> None:
    left, _, right, _ = ink(draw(typeset("Lamp", BUILTIN(40), 300), (300, 100), "center", "middle"))
    assert abs(left - (300 - right)) <= 2


def test_text_at_the_top_and_at_the_bottom_stays_inside() -> None:
    setting = typeset("Hjp", BUILTIN(40), 300)
    assert ink(draw(setting, (300, 200), "left", "top"))[1] <= 2
    assert 197 <= ink(draw(setting, (300, 200), "left", "bottom"))[3] <= 200


@pytest.mark.parametrize("valign", ["middle", "bottom"])
def test_words_with_and_without_descenders_stand_on_one_line(valign: str) -> None:
    tops = {ink(draw(typeset(word, BUILTIN(40), 300), (300, 100), "left", valign))[1] for word in ("Hx", "Hp", "Hy")}
    assert len(tops) == 1


def test_the_built_in_font_is_for_ascii() -> None:
    with pytest.raises(OperationError) as caught:
        face(None, "Frühling 春")
    assert caught.value.message == "the built-in font has no 'ü' (U+00FC), '春' (U+6625)"
    assert "give font" in caught.value.hint


def test_a_missing_glyph_is_found_and_a_blank_is_none() -> None:
    assert missing("Ab c\n\u0416", BUILTIN) == {"\u0416"}


def test_a_font_that_is_none_is_refused() -> None:
    with pytest.raises(OperationError, match="the font cannot be read"):
        face(b"not a font", "abc")


def test_a_font_file_without_a_glyph_names_it() -> None:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert isinstance(font.path, io.BytesIO)
    data = font.path.getvalue()
    assert face(data, "plain")(12).getlength("plain") > 0
    with pytest.raises(OperationError, match=r"the font has no 'Ж' \(U\+0416\)"):
        face(data, "Жук")


def test_a_font_that_texts_are_held_against_is_read_once() -> None:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert isinstance(font.path, io.BytesIO)
    reads = iter([font.path.getvalue()])
    faces = Typefaces()
    faces.ensure("plain", "digest", lambda: next(reads))
    with pytest.raises(OperationError, match=r"the font has no 'Ж' \(U\+0416\)"):
        faces.ensure("Жук", "digest", lambda: next(reads))
    with pytest.raises(OperationError, match="the built-in font has no 'ü'"):
        faces.ensure("ü", "", lambda: next(reads))


def test_what_is_wrong_with_a_font_is_found_once_and_told_of_every_text(monkeypatch: pytest.MonkeyPatch) -> None:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert isinstance(font.path, io.BytesIO)
    data, faces, asked = font.path.getvalue(), Typefaces(), Counter[str]()

    def counted(name: str, does: Callable[..., Any]) -> Callable[..., Any]:
        def found(*given: Any) -> Any:
            asked[name + str(given[1])] += 1
            return does(*given)

        return found

    monkeypatch.setattr(ImageFont, "truetype", counted("font at ", ImageFont.truetype))
    monkeypatch.setattr(typesetting, "_glyph", counted("", typesetting._glyph))
    for _ in range(3):
        with pytest.raises(OperationError, match=r"the font has no 'Ж' \(U\+0416\)$"):
            faces.ensure("aЖ", "digest", lambda: data)
        with pytest.raises(OperationError, match="the font cannot be read"):
            faces.ensure("plain", "another", lambda: b"no font")
    assert (asked["font at 40"], asked["Ж"]) == (2, 1)


def test_letters_that_join_need_a_library_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda _name: False)
    with pytest.raises(OperationError) as caught:
        face(Path(__file__).read_bytes(), "لون")
    assert "FriBiDi" in caught.value.hint


@given(st.text("abcdef gh", min_size=1, max_size=60), st.integers(20, 400))
def test_a_shortened_label_fits_and_keeps_both_ends(text: str, width: int) -> None:
    font = BUILTIN(16)
    short = shortened(text, font, width)
    assert font.getlength(short) <= width
    assert short == " ".join(text.split()) or "…" in short


def test_the_middle_is_what_a_long_label_loses() -> None:
    short = shortened("summer-collection/lamp/banner", BUILTIN(16), 120)
    assert short.startswith("summer")
    assert short.endswith("banner")
