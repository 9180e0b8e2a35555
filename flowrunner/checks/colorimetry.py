"""How much of a picture is near to a colour: CIE76, the distance in CIE Lab."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowrunner.checks.pixels import over_white, rows, strips

if TYPE_CHECKING:
    from numpy import float32, uint8
    from numpy.typing import NDArray
    from PIL.Image import Image

_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
"""From linear sRGB (IEC 61966-2-1) to XYZ, white D65."""
_WHITE = (0.95047, 1.0, 1.08883)
_SHOWN = 3
"""A heat map ends at so many times the distance that counts."""


def shares(image: "Image", wanted: Sequence[tuple[int, ...]], distance: float) -> tuple[list[float], "NDArray[uint8]"]:
    """For each colour the share of the pixels within the distance of it, and how near each pixel is to the nearest of
    them: 255 the colour itself, 0 three times as far as counts. Transparency is seen over white."""
    from numpy import array, clip, empty, sqrt, uint8

    shown = over_white(image)
    aims = [lab(array([[color]], dtype=uint8))[0, 0] for color in wanted]
    counts = [0] * len(aims)
    heat: NDArray[uint8] = empty((shown.height, shown.width), dtype=uint8)
    for top, bottom in strips(shown.size):
        here = lab(rows(shown, top, bottom))
        far = [sqrt(((here - aim) ** 2).sum(axis=2)) for aim in aims]
        for index, each in enumerate(far):
            counts[index] += int((each <= distance).sum())
        nearest = array(far).min(axis=0)
        heat[top:bottom] = clip(255 - nearest * (255 / max(distance * _SHOWN, 1)), 0, 255).astype(uint8)
    return [count / (shown.width * shown.height) for count in counts], heat


def lab(values: "NDArray[uint8]") -> "NDArray[float32]":
    """Colours of sRGB, 0 to 255, as CIE Lab; the last axis holds the channels."""
    from numpy import array, cbrt, float32, stack, where

    share = values.astype(float32) / float32(255)
    linear = where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4).astype(float32)
    xyz = linear @ (array(_XYZ, dtype=float32).T / array(_WHITE, dtype=float32))
    root = where(xyz > (6 / 29) ** 3, cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    found: NDArray[float32] = stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)
    return found
