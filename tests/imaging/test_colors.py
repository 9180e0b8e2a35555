"""Colours as written, and what can be read on what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.imaging.colors import BLACK, WHITE, ink, luminance, mixed, parse
from flowrunner.imaging.errors import OperationError


def contrast(one: float, two: float) -> float:
    return (max(one, two) + 0.05) / (min(one, two) + 0.05)


@pytest.mark.parametrize(
    ("text", "color"), [("#ff8000", (255, 128, 0, 255)), ("#FF800040", (255, 128, 0, 64)), ("#000000", (0, 0, 0, 255))]
)
def test_colours_are_six_or_eight_digits(text: str, color: tuple[int, ...]) -> None:
    assert parse(text) == color


@pytest.mark.parametrize("text", ["red", "#fff", "ff8000", "#ff80000", "#gg0000", "#ff8000 ", "#ff800\n"])
def test_anything_else_is_no_colour(text: str) -> None:
    with pytest.raises(OperationError, match="is not a colour"):
        parse(text)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_ink_can_always_be_read(background: tuple[int, int, int]) -> None:
    color = (*background, 255)
    assert contrast(luminance(ink(color)), luminance(color)) >= 4.3  # near-black and white part at this contrast


def test_mixing_goes_from_one_colour_to_the_other() -> None:
    assert mixed(WHITE, BLACK, 0) == WHITE
    assert mixed(WHITE, BLACK, 1) == BLACK
    assert mixed((0, 0, 0, 255), (200, 100, 50, 0), 0.5) == (100, 50, 25, 255)
