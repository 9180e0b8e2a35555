"""Contact sheets: pictures in a grid, with captions below them or numbers on them, to choose from."""

import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from flowrunner.imaging import colors, geometry, typesetting
from flowrunner.imaging.colors import Color
from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.geometry import Gravity, Rect, Size
from flowrunner.imaging.operations import Inputs, Params, canvas, stain
from flowrunner.imaging.picture import decode, size_of
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Number = TypeVar("Number", int, float)
Found = TypeVar("Found")

_DIGITS = 3
"""Labels that are all whole numbers of so many digits are there to choose by and stand on the pictures, large."""
_TOGETHER = 3_500_000
_AREAS = (10_000, 410_000)
"""Pixels: of all pictures of a sheet together, and the least and most of one, when the cell's size is left open."""
_NARROWEST = 48
_SLIM = 3.5
"""Longer by shorter side of the slimmest such cell."""
_SHAPE = 4 / 3
"""Width by height of a sheet when the number of columns is left open."""
_ASCII = {
    "–": "-",
    "—": "-",
    "×": "x",
    "ß": "ss",
    "æ": "ae",
    "Æ": "AE",
    "ø": "o",
    "Ø": "O",
    "œ": "oe",
    "ł": "l",
    "→": ">",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything lies. Lengths are pixels."""

    count: int
    columns: int
    cell: Size
    gap: int
    captions: bool
    title: bool

    @property
    def rows(self) -> int:
        return -(-self.count // self.columns)

    @property
    def margin(self) -> int:
        return self.gap * 3 // 2

    @property
    def letter(self) -> int:
        """Size of a caption."""
        return _between(12, min(self.cell) // 16, 28)

    @property
    def head(self) -> int:
        """Size of the title."""
        return _between(18, self.letter * 7 // 4, 44)

    @property
    def caption(self) -> int:
        """Height of the strip below a picture."""
        return self.letter * 2 if self.captions else 0

    @property
    def above(self) -> int:
        """Height of the strip above the pictures."""
        return self.margin + (self.head * 3 // 2 + max(self.gap, 8) // 2 if self.title else 0)

    @property
    def size(self) -> Size:
        width = self.columns * (self.cell[0] + self.gap) - self.gap
        height = self.rows * (self.cell[1] + self.caption + self.gap) - self.gap
        return width + 2 * self.margin, height + self.above + self.margin

    def place(self, number: int) -> Rect:
        """The cell of a picture, counted from 0, without its caption."""
        row, column = divmod(number, self.columns)
        left = self.margin + column * (self.cell[0] + self.gap)
        top = self.above + row * (self.cell[1] + self.caption + self.gap)
        return Rect(left=left, top=top, right=left + self.cell[0], bottom=top + self.cell[1])


def layout(params: Params, sizes: Sequence[Size], *, numbered: bool | None = None) -> Layout:
    """The grid of a contact sheet by its parameters and its pictures' sizes. OperationError when it grows too large.
    `numbered` says whether the labels stand on the pictures, where their length shall not decide it."""
    wanted = params.get("cell") or {}
    cell = _cell(wanted.get("width"), wanted.get("height"), sizes)
    gap = params.get("gap", _between(6, min(cell) // 20, 32))
    labels = chosen_labels(params, len(sizes))
    made = Layout(
        count=len(sizes),
        columns=params.get("columns") or _columns(len(sizes), cell),
        cell=cell,
        gap=gap,
        captions=not (_numbered(labels) if numbered is None else numbered) and any(labels),
        title=bool(params.get("title")),
    )
    geometry.allowed(made.size)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is written on a sheet, beside the pictures: `badges` on them, `captions` below them; either may be empty."""

    layout: Layout
    background: Color
    title: str = ""
    badges: Sequence[str] = ()
    captions: Sequence[str] = ()


def contact_sheet(params: Params, inputs: Inputs) -> "Image":
    """`labels` is `none` or a list of texts, one for each picture: whole numbers stand large on the pictures, anything
    else below them. OperationError for labels that do not fit the pictures in number, for a sheet that grows too large,
    and for a picture that cannot be read, by its place."""
    datas = [inputs.read(leaf) for leaf in params["images"]]
    labels = chosen_labels(params, len(datas))
    numbered = _numbered(labels)
    plan = Sheet(
        layout=layout(params, list(_each(size_of, datas))),
        background=colors.parse(params.get("background", "#ffffff")),
        title=params.get("title", ""),
        badges=labels if numbered else (),
        captions=() if numbered else labels,
    )
    return draw(plan, _each(decode, datas))


def candidates(pictures: Sequence[tuple[str, bytes]], title: str, captions: Sequence[str] = ()) -> "Image":
    """The sheet that someone picks from: each picture with its number, large, and below it a caption if there is one.
    OperationError as for `contact_sheet`."""
    datas = [data for _, data in pictures]
    sizes = list(_each(size_of, datas))
    params = {"title": title, "labels": list(captions) or "none"}
    plan = Sheet(
        layout=layout(params, sizes, numbered=False),
        background=colors.WHITE,
        title=title,
        badges=[number for number, _ in pictures],
        captions=chosen_labels(params, len(datas)),
    )
    return draw(plan, _each(decode, datas))


def draw(sheet: Sheet, pictures: Iterable["Image"]) -> "Image":
    """The sheet; of the pictures only one at a time is held decoded."""
    ground = canvas(sheet.layout.size, sheet.background)
    pen = _Pen(ground, sheet)
    pen.title()
    for number, picture in enumerate(pictures):
        pen.badge(number, pen.picture(number, picture))
        pen.caption(number)
    return ground


class _Pen:
    """Draws the parts of one sheet. All tones derive from the background, so that any background works."""

    def __init__(self, ground: "Image", sheet: Sheet) -> None:
        self.ground, self.sheet, self.layout = ground, sheet, sheet.layout
        paper = colors.mixed(colors.WHITE, sheet.background, sheet.background[3] / 255)
        self.ink = colors.ink(paper)
        self.quiet = colors.mixed(paper, self.ink, 0.78)
        self.mat = colors.mixed(paper, self.ink, 0.04)
        self.check = colors.mixed(paper, self.ink, 0.13)
        self.hairline = colors.mixed(paper, self.ink, 0.16)
        self.face = typesetting.face(None)

    def title(self) -> None:
        font = self.face(self.layout.head)
        text = shown(self.sheet.title, font, self.layout.size[0] - 2 * self._inset - 2 * self.layout.margin)
        baseline = self.layout.margin + font.getmetrics()[0]
        self._write(text, font, (self.layout.margin + self._inset, baseline), self.ink, weight=self.layout.head / 60)

    def picture(self, number: int, picture: "Image") -> Rect:
        """The picture in the middle of its cell, never enlarged; where it lies."""
        from PIL.Image import Resampling

        place = self.layout.place(number)
        left, top, right, bottom = place.edges
        self.ground.paste(self.hairline[:3], (left - 1, top - 1, right + 1, bottom + 1))
        self.ground.paste(self.mat[:3], place.edges)
        if picture.width > place.size[0] or picture.height > place.size[1]:
            picture = picture.resize(geometry.contained(picture.size, place.size), Resampling.LANCZOS, reducing_gap=3.0)
        x, y = geometry.placed(picture.size, place.size, Gravity.CENTER)
        self.ground.paste(self._checkered(picture) if picture.mode == "RGBA" else picture, (left + x, top + y))
        return Rect(left=left + x, top=top + y, right=left + x + picture.width, bottom=top + y + picture.height)

    def caption(self, number: int) -> None:
        if not self.sheet.captions:
            return
        place, font = self.layout.place(number), self.face(self.layout.letter)
        text = shown(self.sheet.captions[number], font, place.size[0] - 2 * self._inset)
        self._write(text, font, (place.left + self._inset, place.bottom + self.layout.letter * 3 // 2), self.quiet)

    def badge(self, number: int, picture: Rect) -> None:
        """A dark plate with a white rim and a white number, legible on every picture; it stands in the corner of the
        picture, or of the cell where the picture is too small to carry it."""
        if not (self.sheet.badges and self.sheet.badges[number]):
            return
        cell = self.layout.place(number)
        height = _between(22, min(cell.size) // 6, 88)
        font, weight = self.face(height * 5 // 8), height / 44
        text = shown(self.sheet.badges[number], font, cell.size[0])
        ink = typesetting.ink(text, font, weight)
        size = (max(height, ink[2] - ink[0] + height // 2), height)
        corner = picture if min(picture.size) >= 3 * height else cell
        left, top = corner.left + height // 4, corner.top + height // 4
        self._plate(size, (left, top))
        start = (left + (size[0] - ink[0] - ink[2]) // 2, top + (height - ink[1] - ink[3]) // 2)
        self._write(text, font, start, colors.WHITE, weight=weight)

    def _plate(self, size: Size, place: tuple[int, int]) -> None:
        rim = max(1, size[1] // 22)
        stain(
            self.ground,
            _rounded((size[0] + 2 * rim, size[1] + 2 * rim)),
            (place[0] - rim, place[1] - rim),
            colors.WHITE,
        )
        stain(self.ground, _rounded(size), place, colors.BLACK)

    @property
    def _inset(self) -> int:
        """Without gaps text would touch the edges."""
        return 0 if self.layout.gap else self.layout.letter // 2

    def _checkered(self, picture: "Image") -> "Image":
        """The picture on checks, which show what is transparent."""
        from PIL import Image, ImageDraw

        side = _between(6, min(self.layout.cell) // 32, 16)
        checks = Image.new("RGBA", picture.size, self.mat)
        pen = ImageDraw.Draw(checks)
        for top in range(0, picture.height, side):
            for left in range(top // side % 2 * side, picture.width, 2 * side):
                pen.rectangle((left, top, left + side - 1, top + side - 1), fill=self.check)
        return Image.alpha_composite(checks, picture)

    def _write(
        self, text: str, font: "FreeTypeFont", start: tuple[int, int], color: Color, *, weight: float = 0.0
    ) -> None:
        """One line from its origin on the baseline; `weight` is a stroke around the letters, in pixels."""
        from PIL import Image, ImageDraw

        left, top, right, bottom = typesetting.ink(text, font, weight)
        if right <= left or bottom <= top:
            return
        coverage = Image.new("L", (right - left, bottom - top), 0)
        ImageDraw.Draw(coverage).text((-left, -top), text, fill=255, font=font, anchor="ls", stroke_width=weight)
        stain(self.ground, coverage, (start[0] + left, start[1] + top), color)


def shown(text: str, font: "FreeTypeFont", width: int) -> str:
    """A label as the built-in font can write it, shortened in its middle to `width` pixels. Letters that it lacks lose
    their accents or become the nearest of its own."""
    lacking = typesetting.missing(text, lambda _: font)
    plain = "".join(_plain(character) if character in lacking else character for character in text)
    return typesetting.shortened(plain, font, width)


def _plain(character: str) -> str:
    bare = "".join(part for part in unicodedata.normalize("NFKD", character) if part.isascii())
    return _ASCII.get(character) or bare or "?"


def chosen_labels(params: Params, count: int) -> Sequence[str]:
    """The label of each of `count` pictures. OperationError for another number of labels."""
    labels = params.get("labels", "none")
    if labels == "none":
        return ()
    if isinstance(labels, str):
        raise OperationError(f"labels: {labels} was not turned into texts", "give a list of texts, or none")
    if len(labels) != count:
        raise OperationError(f"there are {len(labels)} labels for {count} pictures", "give one label for each picture")
    return tuple(labels)


def _numbered(labels: Sequence[str]) -> bool:
    return any(labels) and all(not label or (label.isdecimal() and len(label) <= _DIGITS) for label in labels)


def _each(read: Callable[[bytes], Found], datas: Iterable[bytes]) -> Iterator[Found]:
    """What `read` finds in each picture; its error says in which."""
    for number, data in enumerate(datas, 1):
        try:
            yield read(data)
        except OperationError as refused:
            raise OperationError(f"picture {number}: {refused.message}", refused.hint) from None


def _cell(width: int | None, height: int | None, sizes: Sequence[Size]) -> Size:
    """Space for one picture. What is left open follows from the pictures: their middle shape, and as large as their
    number allows."""
    shape = _between(1 / _SLIM, sorted(wide / high for wide, high in sizes)[len(sizes) // 2], _SLIM)
    if width is None and height is None:
        area = _between(_AREAS[0], _TOGETHER // len(sizes), _AREAS[1])
        width = min(max(wide for wide, _ in sizes), math.isqrt(int(area * shape)))
        width = max(width, _NARROWEST)
    return width or geometry.nearest((height or 0) * shape), height or geometry.nearest((width or 0) / shape)


def _columns(count: int, cell: Size) -> int:
    """As many as bring the sheet near to its usual shape without leaving much of the last row empty."""

    def fault(columns: int) -> float:
        rows = -(-count // columns)
        shape = columns * cell[0] / (rows * cell[1])
        return abs(math.log(shape / _SHAPE)) + 1.6 * (rows * columns - count) / count

    return min(range(1, count + 1), key=fault)


def _rounded(size: Size) -> "Image":
    """Coverage of a plate with round ends."""
    from PIL import Image, ImageDraw

    large = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    outline = (0, 0, size[0] * 4 - 1, size[1] * 4 - 1)
    ImageDraw.Draw(large).rounded_rectangle(outline, radius=min(size) * 2, fill=255)
    return large.reduce(4)


def _between(low: Number, value: Number, high: Number) -> Number:
    return max(low, min(value, high))
