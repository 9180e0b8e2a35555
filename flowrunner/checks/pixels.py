"""Pictures as arrays: how much they differ, how much of them is transparent, how plain they are.

Large pictures are gone through in strips of rows, so that a picture of 50 million pixels needs little memory beside
itself.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.geometry import Size, nearest

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray
    from PIL.Image import Image

_STRIP = 2_000_000
"""Pixels of a strip."""


def strips(size: Size, *, overlap: int = 0) -> Iterator[tuple[int, int]]:
    """Top and bottom of strips that cover a picture; each reaches `overlap` rows into the next one."""
    rows = max(1, _STRIP // size[0])
    for top in range(0, max(1, size[1] - overlap), rows):
        yield top, min(top + rows + overlap, size[1])


def rows(image: "Image", top: int, bottom: int) -> "NDArray[uint8]":
    """Some rows as an array of height, width and channels."""
    from numpy import asarray, uint8

    found: NDArray[uint8] = asarray(image.crop((0, top, image.width, bottom)), dtype=uint8)
    return found


def level(share: float) -> int:
    """A tolerance of 0 to 1 in levels of 0 to 255."""
    return nearest(share * 255)


def same_size(one: "Image", two: "Image") -> None:
    """OperationError for pictures of two sizes: pixel by pixel nothing can be said of them."""
    if one.size != two.size:
        message = f"it is {one.width}x{one.height}, the other picture {two.width}x{two.height}"
        raise OperationError(f"{message}: pictures of two sizes are not compared pixel by pixel")


def difference(one: "Image", two: "Image") -> "NDArray[uint8]":
    """How far each pixel differs in its most different channel, 0 to 255, as an array of height and width. The colour
    of what is transparent counts for nothing. The pictures must be of one size."""
    from numpy import empty, maximum, minimum, uint8

    found: NDArray[uint8] = empty((one.height, one.width), dtype=uint8)
    alpha = "RGBA" in (one.mode, two.mode)
    for top, bottom in strips(one.size):
        first, second = (_shown(image, top, bottom, alpha=alpha) for image in (one, two))
        found[top:bottom] = (maximum(first, second) - minimum(first, second)).max(axis=2)
    return found


def _shown(image: "Image", top: int, bottom: int, *, alpha: bool) -> "NDArray[uint8]":
    """Rows of colours, each multiplied by its opacity where one of two pictures has any, and the opacity beside them:
    Pillow's own premultiplied mode."""
    from numpy import asarray, uint8

    part = image.crop((0, top, image.width, bottom))
    found: NDArray[uint8] = asarray(part.convert("RGBA").convert("RGBa") if alpha else part, dtype=uint8)
    return found


def transparent(image: "Image") -> float:
    """The share of the pixels that are not wholly opaque."""
    if image.mode != "RGBA":
        return 0.0
    opaque = image.getchannel("A").histogram()[255]
    return 1 - opaque / (image.width * image.height)


def spread(image: "Image") -> float:
    """The largest standard deviation of a channel, in levels of 0 to 255. Transparency is seen over white."""
    from PIL import ImageStat

    return max(ImageStat.Stat(over_white(image)).stddev)


def over_white(image: "Image") -> "Image":
    """The picture without transparency, as on a white page."""
    from PIL import Image

    if image.mode != "RGBA":
        return image
    page = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(page, image).convert("RGB")
