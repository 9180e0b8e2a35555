"""Heat maps: where a check holds and where it does not, in colour over the dimmed picture, with a scale below it."""

from typing import TYPE_CHECKING, Any

from flowrunner.checks.measures import Heat
from flowrunner.checks.pixels import over_white
from flowrunner.imaging import typesetting
from flowrunner.imaging.geometry import Size, nearest, ratio
from flowrunner.imaging.picture import encode
from flowrunner.imaging.sheet import shown

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_SIDE = 480
_WIDE = 300
"""Pixels: the longer side of the picture on a heat map, and the least width, so that the scale can be read."""
_GROUND, _INK, _QUIET = (22, 24, 29), (236, 236, 232), (150, 152, 158)
_RAMP = (
    (0.0, (58, 28, 113)),
    (0.35, (148, 32, 105)),
    (0.6, (221, 73, 66)),
    (0.8, (249, 158, 40)),
    (1.0, (252, 244, 170)),
)
_FOOT, _MARGIN, _BAR = 62, 14, 8
"""Heights in pixels: the strip below the picture, the space around its parts, the scale."""
_FAINT, _FULL = 0.35, 0.92
"""How strongly the colours cover the picture: at most where a pixel does not count yet, and where it does."""


def draw(picture: "Image", heat: Heat, title: str) -> bytes:
    """A WEBP of at most 480 pixels and a strip; the same pictures give the same bytes."""
    from PIL import Image, ImageDraw

    size = _size(picture.size)
    width = max(size[0], _WIDE)
    ground = Image.new("RGB", (width, size[1] + _FOOT), _GROUND)
    ground.paste(_heated(picture, heat, size), ((width - size[0]) // 2, 0))
    _foot(ImageDraw.Draw(ground), heat, title, width, size[1])
    return encode(ground, "image/webp", 82)


def _size(size: Size) -> Size:
    """Large pictures become smaller; of very small ones each pixel becomes a square."""
    longer = max(size)
    if longer > _SIDE:
        return ratio(size[0] * _SIDE, longer), ratio(size[1] * _SIDE, longer)
    times = max(1, _WIDE // longer)
    return size[0] * times, size[1] * times


def _heated(picture: "Image", heat: Heat, size: Size) -> "Image":
    from numpy import asarray
    from PIL import Image, ImageFilter

    values = heat.values if heat.region is None else heat.values * heat.region.where
    colors, cover = _table(heat.limit)
    strongest = Image.fromarray(_strongest(values, size))
    if picture.width > size[0]:  # so that a single pixel is seen, also after the file has lost some of its colour
        strongest = strongest.filter(ImageFilter.MaxFilter(3))
    strength = asarray(strongest.resize(size, _filter(picture.size, size)))
    warm = Image.fromarray(colors[strength])
    found = Image.composite(warm, _dimmed(picture, size), Image.fromarray(cover[strength]))
    return found if heat.region is None else _outlined(found, heat, size)


def _filter(size: Size, small: Size) -> Any:
    from PIL.Image import Resampling

    return Resampling.NEAREST if small[0] > size[0] else Resampling.BOX


def _strongest(values: "NDArray[uint8]", size: Size) -> "NDArray[uint8]":
    """Fewer values, of each block the largest: a single pixel that differs is not averaged away."""
    from numpy import pad

    height, width = values.shape
    block = max(1, width // size[0], height // size[1])
    whole = pad(values, ((0, -height % block), (0, -width % block)))
    blocks = whole.reshape(whole.shape[0] // block, block, whole.shape[1] // block, block)
    found: NDArray[uint8] = blocks.max(axis=(1, 3))
    return found


def _dimmed(picture: "Image", size: Size) -> "Image":
    from PIL import Image

    grey = over_white(picture).convert("L").resize(size, _filter(picture.size, size)).convert("RGB")
    return Image.blend(grey, Image.new("RGB", size, _GROUND), 0.5)


def _table(limit: float | None) -> "tuple[NDArray[uint8], NDArray[uint8]]":
    """For each strength its colour, and how much it covers the picture."""
    from numpy import array, clip, interp, linspace, stack, uint8, where

    at = linspace(0, 1, 256)
    stops = [stop for stop, _ in _RAMP]
    colors = stack([interp(at, stops, [color[part] for _, color in _RAMP]) for part in range(3)], axis=1)
    if limit is None:
        cover = clip(at * 1.6, 0, _FULL)
    else:
        counts = array([level > nearest(limit * 255) for level in range(256)])
        cover = where(counts, _FULL, at / max(limit, 1 / 255) * _FAINT)
    return colors.round().astype(uint8), (clip(cover, 0, 1) * 255).round().astype(uint8)


def _outlined(picture: "Image", heat: Heat, size: Size) -> "Image":
    """The edge of the box or the mask, as a light line."""
    from numpy import asarray, uint8
    from PIL import Image, ImageChops, ImageFilter

    assert heat.region is not None
    where = Image.fromarray(asarray(heat.region.where, dtype=uint8) * 255).resize(size, Image.Resampling.NEAREST)
    edge = ImageChops.difference(where.filter(ImageFilter.MaxFilter(3)), where.filter(ImageFilter.MinFilter(3)))
    return Image.composite(Image.new("RGB", size, _INK), picture, edge.point([value * 3 // 4 for value in range(256)]))


def _foot(pen: "ImageDraw", heat: Heat, title: str, width: int, top: int) -> None:
    face = typesetting.face(None)
    font, small = face(13), face(11)
    pen.text((_MARGIN, top + 18), shown(title, font, width - 2 * _MARGIN), fill=_INK, font=font, anchor="ls")
    bar = (_MARGIN, top + 27, width - _MARGIN - 1, top + 27 + _BAR - 1)
    colors, _ = _table(None)
    for x in range(bar[0], bar[2] + 1):
        shade = colors[(x - bar[0]) * 255 // (bar[2] - bar[0])]
        pen.line((x, bar[1], x, bar[3]), fill=tuple(int(part) for part in shade))
    low, high = heat.scale
    pen.text((bar[0], top + 51), low, fill=_QUIET, font=small, anchor="ls")
    pen.text((bar[2], top + 51), high, fill=_QUIET, font=small, anchor="rs")
    if heat.limit is not None:
        _limit(pen, heat.limit, bar, top + 51, small)


def _limit(pen: "ImageDraw", limit: float, bar: tuple[int, int, int, int], baseline: int, font: Any) -> None:
    """Where on the scale a difference begins to count."""
    x = bar[0] + nearest(limit * (bar[2] - bar[0]))
    pen.line((x, bar[1] - 3, x, bar[3] + 3), fill=_INK, width=2)
    words = f"counts over {limit:g}"
    length = pen.textlength(words, font=font)
    left = min(max(x - length / 2, bar[0] + 42), bar[2] - 60 - length)
    pen.text((left, baseline), words, fill=_INK, font=font, anchor="ls")
