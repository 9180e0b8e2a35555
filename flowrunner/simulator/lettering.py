"""Text in a simulated picture, set in Pillow's built-in font: folded to its glyphs, wrapped, and sized to its place."""

import math
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

    from flowrunner.simulator.palette import RGB

_MISSING = "\uffff"
"""Never a character, so every font draws its box for a missing glyph."""
_SPELLED = {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "œ": "oe", "Œ": "OE"}
_SPELLED |= {"×": "x", "–": "-", "—": "-", "−": "-", "•": "·", "→": ">", "←": "<", "ı": "i", "€": "EUR"}
_LEADING = 1.32
"""From one line to the next, in sizes."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Lines of text at one size, in pixels."""

    lines: tuple[str, ...]
    size: float

    @property
    def height(self) -> int:
        return math.ceil(len(self.lines) * self.size * _LEADING)


@dataclass(frozen=True, slots=True)
class Face:
    """How a line is set; `bold` thickens the strokes, in pixels."""

    size: float
    colour: "RGB"
    bold: float = 0


@lru_cache(maxsize=64)
def font(size: float) -> "FreeTypeFont":
    """The built-in font without a shaping engine, so that every build of Pillow sets the same lines."""
    from PIL import ImageFont

    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont), "simulated pictures need a Pillow with FreeType"
    return found.font_variant(layout_engine=ImageFont.Layout.BASIC)


def folded(text: str) -> str:
    """The text in glyphs that the font has: accents go, a few letters are spelled out, what is left becomes a box."""
    return "".join(_folded(character) for character in text)


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    if character.isspace():
        return " "
    if unicodedata.category(character) in {"Cc", "Cf", "Mn", "Cs"}:
        return ""
    if character in _SPELLED:
        return _SPELLED[character]
    plain = "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    return plain if plain and all(_has(part) for part in plain) else _MISSING


@lru_cache(maxsize=4096)
def _has(character: str) -> bool:
    face = font(16)
    return character == " " or bytes(face.getmask(character)) != bytes(face.getmask(_MISSING))


def fitted(text: str, width: float, height: float, *, largest: float, smallest: float) -> Setting | None:
    """The folded text at the largest size that fits; at the smallest its end gives way to an ellipsis. None where not
    even one line of the smallest size fits."""
    words = folded(text).split()
    if not words or height < smallest * _LEADING or width < smallest * 3:
        return None
    size = max(largest, smallest)
    while size > smallest:
        setting = Setting(tuple(_wrapped(words, width, size, math.floor(height / (size * _LEADING)) + 1)), size)
        if setting.height <= height:
            return setting
        size = max(smallest, math.floor(size * 0.93))
    room = max(1, math.floor(height / (smallest * _LEADING)))
    lines = _wrapped(words, width, smallest, room + 1)
    return Setting(tuple(lines if len(lines) <= room else _cut(lines[:room], width, smallest)), smallest)


def shortened(text: str, width: float, size: float) -> str:
    """One line of folded text, cut with an ellipsis where it is too long."""
    line = folded(text)
    return line if font(size).getlength(line) <= width else _cut([line], width, size)[0]


def _wrapped(words: list[str], width: float, size: float, most: int) -> list[str]:
    """Lines no wider than `width`, at most `most` of them. A word that is too long for a line is broken."""
    lines, line, taken = [], "", 0.0
    for piece in (piece for word in words for piece in _pieces(word, width, size)):
        long = _length(piece, size)
        if line and taken + _length(" ", size) + long <= width:
            line, taken = f"{line} {piece}", taken + _length(" ", size) + long
            continue
        lines += [line] if line else []
        line, taken = piece, long
        if len(lines) >= most:
            return lines
    return [*lines, line]


@lru_cache(maxsize=8192)
def _length(text: str, size: float) -> float:
    return font(size).getlength(text)


def _pieces(word: str, width: float, size: float) -> Iterator[str]:
    """The word in parts that are no wider than a line; one character is never parted."""
    start, taken = 0, 0.0
    for end, character in enumerate(word):
        taken += _length(character, size)
        if taken > width and end > start:
            yield word[start:end]
            start, taken = end, _length(character, size)
    yield word[start:]


def _cut(lines: list[str], width: float, size: float) -> list[str]:
    face, last = font(size), lines[-1]
    while last and face.getlength(f"{last}…") > width:
        last = last[:-1]
    return [*lines[:-1], f"{last.rstrip()}…"]


def write(image: "Image", place: tuple[float, float], setting: Setting, colour: "RGB") -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    for number, line in enumerate(setting.lines):
        pen.text((place[0], place[1] + number * setting.size * _LEADING), line, colour, font(setting.size))


def spaced(image: "Image", place: tuple[float, float], text: str, face: Face) -> None:
    """One line with air between its letters."""
    from PIL import ImageDraw

    pen, x = ImageDraw.Draw(image), place[0]
    for letter in text:
        pen.text((x, place[1]), letter, face.colour, font(face.size), stroke_width=face.bold)
        x += _length(letter, face.size) + face.size * SPACING


SPACING = 0.14
"""The air between letters that `spaced` adds, in sizes."""


def extent(text: str, size: float) -> float:
    """How wide `spaced` sets a text."""
    return sum(font(size).getlength(letter) + size * SPACING for letter in text) - size * SPACING
