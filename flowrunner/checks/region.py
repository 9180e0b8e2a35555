"""The part of a picture that a check looks at: inside or outside of a box or a mask."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.geometry import Size, rect
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from numpy import bool_, uint8
    from numpy.typing import NDArray
    from PIL.Image import Image

_WHITE = 128
"""From this lightness on a mask's pixel is inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Which pixels count, and the box where it is one: left, top, right, bottom."""

    where: "NDArray[bool_]"
    box: tuple[int, int, int, int] | None
    pixels: int

    def count(self, values: "NDArray[uint8]", *, above: int) -> int:
        """Pixels of the region whose value is over a level."""
        return int(((values > above) & self.where).sum())


def region(size: Size, *, box: Sequence[float] | None, mask: "Image | None", outside: bool) -> Region:
    """The region of a picture of this size. OperationError for a box that reaches out of it or holds no pixel, a mask
    without white, and where nothing lies outside."""
    from numpy import zeros

    edges = None
    if mask is not None:
        where = _white(mask, size)
    else:
        edges = left, top, right, bottom = rect(box or (), size).edges
        where = zeros((size[1], size[0]), dtype=bool)
        where[top:bottom, left:right] = True
    if not where.any():
        raise OperationError("the mask is black: nothing lies inside it", "white is inside")
    where = ~where if outside else where
    pixels = int(where.sum())
    if not pixels:
        raise OperationError(f"the {'box' if edges else 'mask'} covers the whole picture: nothing lies outside it")
    return Region(where=where, box=edges, pixels=pixels)


def _white(mask: "Image", size: Size) -> "NDArray[bool_]":
    """A mask of another size is scaled to the picture. What is transparent in it is black."""
    from numpy import asarray
    from PIL import Image, ImageChops

    light = mask.convert("L")
    if mask.mode == "RGBA":
        light = ImageChops.multiply(light, mask.getchannel("A"))
    if light.size != size:
        light = light.resize(size, Image.Resampling.BILINEAR)
    where: NDArray[bool_] = asarray(light) >= _WHITE
    return where
