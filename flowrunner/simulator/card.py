"""The storyboard card: a scene in a paper frame, small prints of the inputs on it, the prompt below or beside it, and
a stamp. Everything scales with the card; what would be too small to read is left out, the stamp never."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from flowrunner.simulator import lettering
from flowrunner.simulator.palette import RGB, Inks
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""

_TINY = 128
"""Below this side, in pixels, a card has no room for a caption."""
_LEGIBLE = 8.0
"""The smallest size of type, in pixels."""
_URL = re.compile(r"https?://(?:[^/?#]*@)?([^/?#]*)(?:/[^?#]*)?/([^/?#]*)", re.IGNORECASE)
"""Its host, and the last part of its path."""
_RED: RGB = (206, 44, 34)


@dataclass(frozen=True, slots=True)
class Contact:
    """An input: its picture, or the URL of one that cannot be seen from here."""

    picture: "Image | None"
    url: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands above the prompt."""

    model: str
    others: tuple[str, ...]


class Card:
    """A card of `width` by `height` pixels, from 16 a side upwards, filled in from the back to the front."""

    def __init__(self, width: int, height: int, inks: Inks) -> None:
        from PIL import Image

        self.image = Image.new("RGB", (width, height), inks.paper)
        self._inks = inks
        self._unit = min(width, height, 0.7 * max(width, height)) / 100
        self._scene, self._caption = _places(width, height, self._unit)
        self._beside = self._caption if self._caption and self._caption[0] > self._scene[0] else None

    @property
    def scene_size(self) -> tuple[int, int]:
        left, top, right, bottom = self._scene
        return right - left, bottom - top

    def lay_scene(self, scene: "Image") -> None:
        self.image.paste(scene, self._scene[:2])

    def lay_contacts(self, contacts: Sequence[Contact]) -> None:
        """The inputs in order, each with its number: on the lower left of the scene, or below the prompt where that
        has a column of its own."""
        if not contacts:
            return
        left, top, right, bottom = self._beside or self._scene
        gap = max(3, round(3.2 * self._unit))
        inset = round(gap / 4) if self._beside else gap
        x, most = left + inset, (right - left - 2 * inset + gap) / len(contacts) - gap
        tall = (0.55 if self._beside else 0.4) * (bottom - top)
        pictures = [self._print(contact, most, tall) for contact in contacts]
        for number, picture in enumerate(pictures, start=1):
            place = (x, bottom - inset - picture.height)
            self._mount(picture, place)
            self._badge(number, place)
            x += picture.width + gap
        if self._beside:
            self._caption = (left, top, right, bottom - 2 * gap - max(picture.height for picture in pictures))

    def write(self, prompt: str, facts: Facts) -> None:
        """The model, the facts, a rule, and the prompt as large as there is room."""
        from PIL import ImageDraw

        if not self._caption:
            return
        left, top, right, bottom = self._caption
        size = max(_LEGIBLE, 2.3 * self._unit)
        top = self._heading(facts, size)
        pen = ImageDraw.Draw(self.image)
        pen.rectangle((left, top, right - 1, top + max(1, round(self._unit / 5)) - 1), fill=self._inks.ink)
        top += round(size * 0.55)
        largest, smallest = 6.4 * self._unit, max(_LEGIBLE, 1.7 * self._unit)
        setting = lettering.fitted(prompt, right - left, bottom - top, largest=largest, smallest=smallest)
        if setting:
            lettering.write(self.image, (left, top), setting, self._inks.ink)

    def stamp(self) -> None:
        """SIMULATED, in red, on the upper right of the scene; on the smallest cards a band across."""
        width, height = self.scene_size
        if not self._caption:
            self._band()
            return
        turned = _mark(max(84.0, min(0.34 * width, 46 * self._unit)), (width, height), self._inks.paper)
        inset = round(1.2 * self._unit)
        self.image.paste(turned, (self._scene[2] - turned.width - inset, self._scene[1] + inset), turned)

    def _heading(self, facts: Facts, size: float) -> int:
        """Writes model, facts and the inks used, in one row or two; gives the height where they end."""
        assert self._caption
        left, top, right, _ = self._caption
        others = " · ".join(facts.others)
        row, ink = round(size * 1.5), self._inks.ink
        room = right - left - self._swatches(right, top + size * 0.62, size)
        model = lettering.folded(facts.model)
        one_row = lettering.extent(model, size) + lettering.font(size).getlength(others) + 2 * size <= room
        shown = model if one_row else lettering.shortened(model, room * 0.8, size)
        lettering.spaced(self.image, (left, top), shown, lettering.Face(size, ink, size / 40))
        x = left + room - lettering.font(size).getlength(others) if one_row else left
        y = top if one_row else top + row
        fit = lettering.shortened(others, right - left, size)
        lettering.write(self.image, (x, y), lettering.Setting((fit,), size), ink)
        return y + row

    def _swatches(self, right: float, middle: float, size: float) -> float:
        """A row of dots in the inks of the card, as on a proof; gives the width they take."""
        radius = size * 0.34
        colours = (self._inks.accent, self._inks.light, *self._inks.layers[::2])
        for number, colour in enumerate(reversed(colours)):
            self._dot((right - radius - number * radius * 2.5, middle), radius, colour)
        return radius * 2.5 * len(colours) + size

    def _print(self, contact: Contact, most: float, tall: float) -> "Image":
        from PIL import Image

        width, height = contact.picture.size if contact.picture else (4, 3)
        scale = min(most / width, tall / height, 2 * tall / width)
        size = (max(4, round(width * scale)), max(4, round(height * scale)))
        if contact.picture is None:
            return self._absent(contact.url, size)
        return contact.picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=1.2)

    def _absent(self, url: str, size: tuple[int, int]) -> "Image":
        """A tile in place of a picture that is elsewhere: where it is, and what it is called."""
        from PIL import Image, ImageDraw

        tile = Image.new("RGB", size, self._inks.layers[1])
        pen, step = ImageDraw.Draw(tile), max(4, round(2.2 * self._unit))
        for x in range(-size[1], size[0], step):
            pen.line((x, size[1], x + size[1], 0), fill=self._inks.layers[0], width=max(1, step // 5))
        parts = _URL.match(url)
        said = f"{parts[1]} {parts[2]}" if parts else url
        inset = size[0] * 0.07
        room = (size[0] - 2 * inset, size[1] - 2 * inset)
        setting = lettering.fitted(said, *room, largest=2.6 * self._unit, smallest=_LEGIBLE)
        if setting:
            pen.rectangle((0, inset * 0.6, size[0], inset * 1.4 + setting.height), fill=self._inks.paper)
            lettering.write(tile, (inset, inset), setting, self._inks.ink)
        return tile

    def _mount(self, picture: "Image", place: tuple[int, int]) -> None:
        """A print with a thin paper edge and a hard shadow."""
        from PIL import Image, ImageDraw

        x, y = place
        edge, drop = max(1, round(0.7 * self._unit)), max(1, round(0.8 * self._unit))
        outer = (x - edge, y - edge, x + picture.width + edge, y + picture.height + edge)
        size = (outer[2] - outer[0], outer[3] - outer[1])
        self.image.paste(self._inks.ink, (outer[0] + drop, outer[1] + drop), Image.new("L", size, 110))
        sheet = (outer[0], outer[1], outer[2] - 1, outer[3] - 1)
        ImageDraw.Draw(self.image).rectangle(sheet, fill=self._inks.paper, outline=self._inks.ink)
        self.image.paste(picture, place)

    def _badge(self, number: int, place: tuple[int, int]) -> None:
        radius = 2.3 * self._unit
        if radius < 0.6 * _LEGIBLE:
            return
        self._dot(place, radius, self._inks.paper)
        self._dot(place, radius * 0.86, self._inks.ink)
        size, text = radius * 1.25, str(number)
        x = place[0] - lettering.font(size).getlength(text) / 2
        lettering.write(self.image, (x, place[1] - size * 0.62), lettering.Setting((text,), size), self._inks.paper)

    def _dot(self, centre: tuple[float, float], radius: float, colour: RGB) -> None:
        """A disc with a smooth edge."""
        from PIL import Image, ImageDraw

        side, fine = round(2 * radius) + 2, 4
        mask = Image.new("L", (side * fine, side * fine))
        middle = side * fine / 2
        reach = radius * fine
        ImageDraw.Draw(mask).ellipse((middle - reach, middle - reach, middle + reach, middle + reach), fill=255)
        self.image.paste(colour, (round(centre[0] - side / 2), round(centre[1] - side / 2)), mask.reduce(fine))

    def _band(self) -> None:
        """For a card too small for a stamp: red, across its foot, with as much of the word as can be read."""
        from PIL import ImageDraw

        width, height = self.image.size
        size = max(6.0, min(width / 7.4, height / 4))
        top = height - round(size * 1.5)
        pen = ImageDraw.Draw(self.image)
        pen.rectangle((0, top, width, height), fill=_RED)
        face = lettering.font(size)
        pen.text((width / 2, (top + height) / 2), "SIMULATED", self._inks.paper, face, anchor="mm")


def _places(width: int, height: int, unit: float) -> tuple[Box, Box | None]:
    """The scene and the caption: below it, or beside it on a wide card."""
    if min(width, height) < _TINY:
        return (0, 0, width, height), None
    edge, gap = round(3.4 * unit), round(2.8 * unit)
    if width > 1.8 * height:
        split = width - edge - round(min(0.34 * width, 0.95 * height))
        return (edge, edge, split - gap, height - edge), (split, edge, width - edge, height - edge)
    split = height - edge - round(min(0.24 * height, 0.62 * width))
    return (edge, edge, width - edge, split - gap), (edge, split, width - edge, height - edge)


@lru_cache(maxsize=16)
def _mark(width: float, most: tuple[int, int], paper: RGB) -> "Image":
    """The stamp, turned a little, no larger than `most`: the same on every card of a size."""
    from PIL import Image

    turned = _upright(width, paper).rotate(5, Image.Resampling.BICUBIC, expand=True)
    turned.thumbnail(most)
    return turned


def _upright(width: float, paper: RGB) -> "Image":
    """The stamp with a see-through edge, so that it can be turned."""
    from PIL import Image, ImageDraw

    size = width / 8.4
    word, line = "SIMULATED", "no model was called"
    tall, edge = round(size * 2.35), max(2, round(size * 0.14))
    mark = Image.new("RGBA", (round(width) + 2 * edge, tall + 2 * edge))
    ImageDraw.Draw(mark).rounded_rectangle(
        (edge, edge, mark.width - edge, mark.height - edge), size * 0.3, fill=(*paper, 238), outline=_RED, width=edge
    )
    across = lettering.extent(word, size)
    lettering.spaced(mark, ((mark.width - across) / 2, edge + size * 0.28), word, lettering.Face(size, _RED, size / 18))
    small = size * 0.52
    x = (mark.width - lettering.font(small).getlength(line)) / 2
    lettering.write(mark, (x, edge + size * 1.46), lettering.Setting((line,), small), _RED)
    return mark
