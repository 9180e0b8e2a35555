"""A sheet to print bold shapes on: flat colour with smooth edges, and stippled shade overprinted in one more ink."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from flowrunner.simulator.chance import Chance
from flowrunner.simulator.palette import RGB

if TYPE_CHECKING:
    from PIL.Image import Image

Point: TypeAlias = tuple[float, float]
Sides: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""
Shade: TypeAlias = tuple[str, float]
"""The side of a shape on which its shade lies (top, bottom, left, right), and how dense it is there, 0..1."""

_FINE = 2
"""Shapes are drawn this much larger, then reduced: that makes their edges smooth."""
_BROAD = 64
"""Pixels of sky that are laid at once."""


class Canvas:
    """A sheet of `width` by `height` pixels. Points are in pixels, y downwards; shapes may leave the sheet."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image

        self.width = width
        self.height = height
        self._flat = Image.new("RGB", (width * _FINE, height * _FINE))
        self._shade = Image.new("L", (width, height))

    @property
    def unit(self) -> float:
        """The shorter side."""
        return float(min(self.width, self.height))

    def sky(self, top: RGB, bottom: RGB, *, until: float) -> None:
        """A gradient from the upper edge to the height `until`, and `bottom` below it."""
        from PIL import Image

        steps = 48
        strip = Image.new("RGB", (1, steps))
        strip.putdata([_between(top, bottom, step / (steps - 1)) for step in range(steps)])
        tall = strip.resize((1, max(1, round(until * _FINE))), Image.Resampling.BICUBIC)
        self._flat.paste(bottom, (0, 0, *self._flat.size))
        broad = _drawn_out(tall, (_BROAD, tall.height))
        for x in range(0, self._flat.width, _BROAD):
            self._flat.paste(broad, (x, 0))

    def polygon(self, points: Sequence[Point], colour: RGB, shade: Shade | None = None) -> None:
        """A filled shape. A shape without a shade wipes out the shade of what lies behind it."""
        from PIL import ImageDraw

        fine = [(x * _FINE, y * _FINE) for x, y in points]
        ImageDraw.Draw(self._flat).polygon(fine, fill=colour)
        self._lay(points, shade)

    def disc(self, centre: Point, radius: float, colour: RGB, shade: Shade | None = None) -> None:
        self.polygon(arc(centre, radius, 0, 360), colour, shade)

    def box(self, sides: Sides, colour: RGB, shade: Shade | None = None) -> None:
        left, top, right, bottom = sides
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour, shade)

    def printed(self, grain: RGB, chance: Chance) -> "Image":
        """The finished sheet: colours reduced, and the shade stippled over them in the ink `grain`."""
        from PIL import ImageChops

        flat = self._flat.reduce(_FINE)
        dots = ImageChops.add(self._shade, self._noise(chance)).point([0] * 255 + [255])
        overprinted = flat.point([value * part // 255 for part in grain for value in range(256)])
        flat.paste(overprinted, mask=dots)
        return flat

    def _lay(self, points: Sequence[Point], shade: Shade | None) -> None:
        from PIL import Image, ImageDraw

        left, top = (max(0, math.floor(min(point[i] for point in points))) for i in (0, 1))
        right = min(self.width, math.ceil(max(x for x, _ in points)) + 1)
        bottom = min(self.height, math.ceil(max(y for _, y in points)) + 1)
        if right <= left or bottom <= top:
            return
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in points], fill=255)
        self._shade.paste(_gradient(mask.size, shade) if shade else 0, (left, top, right, bottom), mask)

    def _noise(self, chance: Chance) -> "Image":
        """Values 0..254, so that no dot falls where there is no shade; dots grow with the sheet."""
        from PIL import Image

        side, dot = 256, max(1, round(self.unit / 800))
        tile = Image.frombytes("L", (side, side), chance.noise(side * side)).point([*range(255), 254])
        tile = tile.resize((side * dot, side * dot), Image.Resampling.NEAREST)
        noise = Image.new("L", (self.width, self.height))
        for x in range(0, self.width, tile.width):
            for y in range(0, self.height, tile.height):
                noise.paste(tile, (x, y))
        return noise


def arc(centre: Point, radius: float, start: float, end: float) -> list[Point]:
    """Points on a circle from one angle to another, in degrees clockwise from the right."""
    steps = max(8, round(abs(end - start) / 4))
    angles = (math.radians(start + (end - start) * step / steps) for step in range(steps + 1))
    return [(centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)) for angle in angles]


def _gradient(size: tuple[int, int], shade: Shade) -> "Image":
    from PIL import Image

    line = _ramp(shade)
    along = (1, size[1]) if line.width == 1 else (size[0], 1)
    return _drawn_out(line.resize(along, Image.Resampling.BILINEAR), size)


@lru_cache(maxsize=64)
def _ramp(shade: Shade) -> "Image":
    """A shade's densities from one side of a shape to the other, one pixel wide."""
    from PIL import Image

    side, density = shade
    # Squared, so that the shade thins out quickly and the shape's own colour is what one sees.
    values = bytes(round(density * value * value / 255) for value in range(256))
    along = (1, 256) if side in ("top", "bottom") else (256, 1)
    return Image.frombytes("L", along, values if side in ("bottom", "right") else values[::-1])


def _drawn_out(line: "Image", size: tuple[int, int]) -> "Image":
    """A line of pixels as a sheet: to repeat it is far quicker than to compute a sheet of equal lines."""
    from PIL import Image

    return line.resize(size, Image.Resampling.NEAREST)


def _between(start: RGB, end: RGB, share: float) -> RGB:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
    return red, green, blue
