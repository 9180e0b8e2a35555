"""Text in a box: glyphs checked, lines broken and balanced, sizes tried, every line placed by its ink."""

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias

from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.geometry import Size, nearest
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Face: TypeAlias = "Callable[[int], FreeTypeFont]"
"""A typeface: gives itself at a size in pixels."""

SMALLEST = 8
"""Pixels; what is smaller cannot be read, so `shrink` ends here."""
_LEADING = 1.2
_BALANCED = 8
"""Lines of a paragraph up to which it is balanced: a headline is, running text need not be."""
_LOOKED_AT = 40
"""The size at which a glyph is looked for."""
_NOWHERE = "\uffff"
"""A code point that no font has a glyph for (Unicode noncharacter): it shows the font's sign for missing ones."""
_OPENING = "([{‘“«‹「『（【〈《〔"
_DASHES = "–—"
_CLOSING = ")]}’”»›、。，．：；！？!?…」』）】〉》〕々ーぁぃぅぇぉっゃゅょァィゥェォッャュョ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line and its ink around the origin on the baseline: left, top, right, bottom in pixels."""

    text: str
    ink: tuple[int, int, int, int]

    @property
    def width(self) -> int:
        return self.ink[2] - self.ink[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Text at one size, broken into lines. Heights are pixels from the first baseline, downwards."""

    font: "FreeTypeFont"
    lines: tuple[Line, ...]
    leading: int
    """From one baseline to the next."""
    capital: int
    """Height of a capital letter."""
    descent: int
    """Depth of letters that hang below the line."""

    @property
    def last(self) -> int:
        return (len(self.lines) - 1) * self.leading

    @property
    def top(self) -> int:
        return min(row * self.leading + line.ink[1] for row, line in enumerate(self.lines))

    @property
    def bottom(self) -> int:
        return max(row * self.leading + line.ink[3] for row, line in enumerate(self.lines))

    @property
    def size(self) -> Size:
        return max(line.width for line in self.lines), self.bottom - self.top

    def fits(self, size: Size) -> bool:
        return self.size[0] <= size[0] and self.size[1] <= size[1]


def face(data: bytes | None, text: str = "") -> Face:
    """The typeface of a font file that sets this text, or Pillow's own where there is none.

    Latin, Greek, Cyrillic and ideographs are set by FreeType alone, which is the same everywhere. Scripts whose
    letters join or reorder need Raqm, which not every machine has. OperationError where it is missing, for what is no
    font, and for characters that the font does not have.
    """
    if data is None:
        _in_builtin(text)
    at = _loader(data, shaped=any(map(_needs_shaping, text)))
    _none_lacking(missing(text, at))
    return at


class Typefaces:
    """Holds texts against the fonts that are to set them, before anything is set: a font is read once, and each of its
    characters is looked for once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bool], _Letters] = {}

    def ensure(self, text: str, font: str, read: Callable[[], bytes]) -> None:
        """OperationError for characters that the font lacks. `font` is its digest, empty for Pillow's own; `read` gives
        its bytes."""
        if not font:
            _in_builtin(text)
            return
        key = font, any(map(_needs_shaping, text))
        if key[1] and not _shapes():
            return  # that is about this machine, and another one may run it
        if key not in self._known:
            self._known[key] = _Letters(_loader(read(), shaped=key[1]))
        self._known[key].ensure(text)


class _Letters:
    """Which characters a font has, as far as they were looked for. A fault is found once, too: there may be one text
    for each of thousands of cells, and all of them at fault."""

    def __init__(self, at: Face) -> None:
        self._at = at
        self._known: dict[str, bool] = {}
        self._fault: OperationError | None = None
        try:
            at(_LOOKED_AT)
        except OperationError as fault:
            self._fault = fault

    def ensure(self, text: str) -> None:
        if self._fault is not None:
            raise OperationError(self._fault.message, self._fault.hint)
        new = set(text) - self._known.keys()
        lacking = missing("".join(new), self._at) if new else set()
        self._known |= {character: character not in lacking for character in new}
        _none_lacking({character for character in set(text) if not self._known[character]})


def _in_builtin(text: str) -> None:
    if not text.isascii():
        strange = {character for character in text if not character.isascii()}
        raise OperationError(f"the built-in font has no {_listed(strange)}", "give font: a TrueType or OpenType file")


def _none_lacking(lacking: set[str]) -> None:
    if lacking:
        raise OperationError(f"the font has no {_listed(lacking)}", "give a font that has them")


def _loader(data: bytes | None, *, shaped: bool) -> Face:
    from PIL import ImageFont

    if shaped and not _shapes():
        raise OperationError(
            "this text needs letters that join or reorder", "install FriBiDi, with which Pillow sets it"
        )
    engine = ImageFont.Layout.RAQM if shaped else ImageFont.Layout.BASIC

    @lru_cache(maxsize=64)
    def at(size: int) -> "FreeTypeFont":
        try:
            font = (
                ImageFont.load_default(size) if data is None else ImageFont.truetype(BytesIO(data), size, 0, "", engine)
            )
        except OSError:
            raise OperationError("the font cannot be read", "give a TrueType or OpenType file") from None
        if not isinstance(font, ImageFont.FreeTypeFont):
            raise OperationError("this build of Pillow has no FreeType and sets no text")
        return font

    return at


def _shapes() -> bool:
    """Whether letters that join can be set here."""
    from PIL import features

    return bool(features.check("raqm"))


def missing(text: str, at: Face) -> set[str]:
    """The characters that the typeface would show as its sign for missing ones, or not at all."""
    font = at(_LOOKED_AT)
    nothing = _glyph(font, _NOWHERE)
    return {
        character
        for character in set(text) - {"\n", "\t", " "}
        if _glyph(font, character) == nothing and (nothing[1] or unicodedata.category(character) not in {"Zs", "Cf"})
    }


def fitted(text: str, at: Face, box: Size, largest: int, smallest: int) -> Setting:
    """The text at the largest size, from `largest` down to `smallest`, at which it fits into the box. OperationError
    naming by how much it does not fit."""
    step = max(1, (largest - smallest) // 24)
    size = largest
    while not (setting := typeset(text, at(size), box[0])).fits(box):
        if size <= smallest:
            raise OperationError(
                _overflow(setting, box, smallest), "shorten the text, or give more room or a smaller size"
            )
        size = max(smallest, size - step)
    for finer in range(min(largest, size + step - 1), size, -1):
        closer = typeset(text, at(finer), box[0])
        if closer.fits(box):
            setting = closer
            break
    balanced = typeset(text, setting.font, box[0], balance=True)
    return balanced if balanced.fits(box) else setting


def typeset(text: str, font: "FreeTypeFont", width: int, *, balance: bool = False) -> Setting:
    """The text broken into lines of at most `width` pixels where it can be: filled from the top, or balanced, which
    takes as few lines but makes them even, so that no word is left alone on the last."""
    paragraphs = [_pieces(paragraph) for paragraph in text.split("\n")]
    lines = [_filled(pieces, font, width) for pieces in paragraphs]
    if balance:
        lines = [
            _balanced(pieces, font, width, len(filled)) if 1 < len(filled) <= _BALANCED else filled
            for pieces, filled in zip(paragraphs, lines, strict=True)
        ]
    return Setting(
        font=font,
        lines=tuple(Line(text=line, ink=ink(line, font)) for filled in lines for line in filled),
        leading=nearest(font.size * _LEADING),
        capital=-ink("H", font)[1],
        descent=ink("gjpqy", font)[3],
    )


def draw(setting: Setting, size: Size, align: str, valign: str) -> "Image":
    """The text's coverage (mode L) in a box of `size`. `align` is left, center or right, `valign` top, middle or
    bottom; the ink stays inside the box."""
    from PIL import Image, ImageDraw

    layer = Image.new("L", size, 0)
    pen = ImageDraw.Draw(layer)
    baseline = _baseline(setting, size[1], valign)
    for row, line in enumerate(setting.lines):
        free = size[0] - line.width
        left = {"left": 0, "center": free // 2, "right": free}[align]
        place = (left - line.ink[0], baseline + row * setting.leading)
        pen.text(place, line.text, fill=255, font=setting.font, anchor="ls")
    return layer


def shortened(text: str, font: "FreeTypeFont", width: int) -> str:
    """The text on one line of at most `width` pixels; what is too long loses its middle, where names differ least."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        shown = f"{text[: (kept + 1) // 2].rstrip()}…{text[len(text) - kept // 2 :].lstrip()}"
        if font.getlength(shown) <= width:
            return shown
    return "…"


def _baseline(setting: Setting, height: int, valign: str) -> int:
    """The first baseline. What counts is the letters' body, from capital to baseline, so that `Lamp` and `Map` stand
    alike; then the ink is kept inside."""
    wanted = {
        "top": setting.capital,
        "middle": nearest((height + setting.capital - setting.last) / 2),
        "bottom": height - setting.descent - setting.last,
    }[valign]
    return min(max(wanted, -setting.top), height - setting.bottom)


def _balanced(pieces: list[str], font: "FreeTypeFont", width: int, count: int) -> list[str]:
    """The way to break into `count` lines that leaves the least sum of squares of what is free at their ends."""
    lengths = [font.getlength(piece) for piece in pieces]
    bare = [font.getlength(piece.rstrip(" ")) for piece in pieces]

    @cache
    def best(start: int, left: int) -> tuple[float, tuple[int, ...]]:
        """The least sum for the pieces from `start` on in `left` lines, and where these lines end."""
        found: tuple[float, tuple[int, ...]] = (math.inf, (len(pieces),) * left)
        used = sum(lengths[start : len(pieces) - 1]) if left == 1 else 0.0
        for end in range(len(pieces) if left == 1 else start + 1, len(pieces) - left + 2):
            free = width - used - bare[end - 1]
            if free < 0 and end > start + 1:
                break
            used += lengths[end - 1]
            after, ends = best(end, left - 1) if left > 1 else (0.0, ())
            found = min(found, (free * free + after, (end, *ends)))
        return found

    ends = best(0, count)[1]
    return ["".join(pieces[start:end]).rstrip(" ") for start, end in zip((0, *ends), ends, strict=False)]


def _filled(pieces: list[str], font: "FreeTypeFont", width: int) -> list[str]:
    """Lines filled greedily. A piece that is wider than the width stands alone."""
    lines: list[str] = []
    current = ""
    for piece in pieces:
        if current and font.getlength((current + piece).rstrip(" ")) > width:
            lines.append(current.rstrip(" "))
            current = piece
        else:
            current += piece
    return [*lines, current.rstrip(" ")]


def _pieces(paragraph: str) -> list[str]:
    """The parts between which a line may end: behind spaces, behind hyphens inside a word, and between ideographs
    unless punctuation holds them together."""
    pieces = [""]
    for before, character in _pairs(re.sub(r"[ \t]+", " ", paragraph).strip(" ")):
        if _breaks(before, character):
            pieces.append(character)
        else:
            pieces[-1] += character
    return pieces


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    return zip(["", *text], text, strict=False)


def _breaks(before: str, character: str) -> bool:
    if not before or character == " " or character in _CLOSING + _DASHES or before in _OPENING:
        return False
    if before == " " or (before == "-" and character.isalpha()):
        return True
    return _wide(before) or _wide(character)


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF" and character not in _OPENING + _CLOSING


def ink(text: str, font: "FreeTypeFont", weight: float = 0.0) -> tuple[int, int, int, int]:
    """What a line colours, around its origin on the baseline: left, top, right, bottom. (Pillow's `getbbox` goes from
    the origin to the advance, which is more.)"""
    if not text.strip():
        return 0, 0, 0, 0
    drawn, (x, y) = font.getmask2(text, "L", anchor="ls", stroke_width=weight)
    left, top, right, bottom = drawn.getbbox() or (0, 0, 0, 0)
    return x + left, y + top, x + right, y + bottom


def _glyph(font: "FreeTypeFont", character: str) -> tuple[Size, bytes]:
    drawn = font.getmask(character)
    return drawn.size, bytes(drawn)


def _needs_shaping(character: str) -> bool:
    """Right-to-left scripts, marks that join a letter before them, and the scripts of India and South-East Asia."""
    code = ord(character)
    return (
        unicodedata.bidirectional(character) in {"R", "AL", "AN"}
        or unicodedata.category(character) in {"Mn", "Mc"}
        or 0x0900 <= code <= 0x109F
        or 0x1780 <= code <= 0x17FF
    )


def _listed(characters: set[str]) -> str:
    shown = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in sorted(characters)[:5])
    return f"{shown} and {len(characters) - 5} more" if len(characters) > 5 else shown


def _overflow(setting: Setting, box: Size, size: int) -> str:
    wide, high = setting.size
    over = [f"{wide - box[0]} pixels too wide"] if wide > box[0] else []
    over += [f"{high - box[1]} pixels too high"] if high > box[1] else []
    return f"the text at size {size} is {' and '.join(over)} for its box of {box[0]}x{box[1]}"
