"""How alike two pictures are: structural similarity, and a perceptual hash."""

from functools import cache
from typing import TYPE_CHECKING, Any

from flowrunner.checks.pixels import over_white, same_size, strips
from flowrunner.imaging.errors import OperationError

if TYPE_CHECKING:
    from numpy import float64, uint8
    from numpy.typing import NDArray
    from PIL.Image import Image

_RADIUS = 5
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_HASHED, _KEPT = 32, 8
"""Sides of the picture that is hashed, and of the low frequencies that are kept of it."""


def ssim(one: "Image", two: "Image") -> tuple[float, "NDArray[uint8]"]:
    """The mean structural similarity of the lightness, at most 1, and where the pictures are unlike: 0 to 255 for each
    pixel. Transparency is seen over white. OperationError for pictures of two sizes, or smaller than the window.

    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli: Image Quality Assessment: From Error Visibility to Structural
    Similarity, IEEE Transactions on Image Processing 13 (4), 2004: a Gaussian window of 11 by 11 pixels and deviation
    1.5, K1 0.01, K2 0.03, averaged over the windows that lie wholly inside."""
    from numpy import clip, uint8, zeros

    same_size(one, two)
    side = 2 * _RADIUS + 1
    if min(one.size) < side:
        raise OperationError(f"it is {one.width}x{one.height}: SSIM takes pictures of at least {side}x{side}")
    unlike: NDArray[uint8] = zeros((one.height, one.width), dtype=uint8)
    first, second = (over_white(image).convert("L") for image in (one, two))
    total, count = 0.0, 0
    for top, bottom in strips(one.size, overlap=2 * _RADIUS):
        values = _ssim(_light(first, top, bottom), _light(second, top, bottom))
        total += float(values.sum())
        count += values.size
        inner = unlike[top + _RADIUS : bottom - _RADIUS, _RADIUS : one.width - _RADIUS]
        inner[:] = clip((1 - values) * 255, 0, 255).astype(uint8)
    return total / count, unlike


def _light(image: "Image", top: int, bottom: int) -> "NDArray[float64]":
    from numpy import asarray, float64

    found: NDArray[float64] = asarray(image.crop((0, top, image.width, bottom)), dtype=float64)
    return found


def _ssim(one: "NDArray[float64]", two: "NDArray[float64]") -> "NDArray[float64]":
    mean_one, mean_two = _blurred(one), _blurred(two)
    power_one = _blurred(one * one) - mean_one * mean_one
    power_two = _blurred(two * two) - mean_two * mean_two
    shared = _blurred(one * two) - mean_one * mean_two
    above = (2 * mean_one * mean_two + _C1) * (2 * shared + _C2)
    below = (mean_one * mean_one + mean_two * mean_two + _C1) * (power_one + power_two + _C2)
    found: NDArray[float64] = above / below
    return found


def _blurred(values: "NDArray[float64]") -> "NDArray[float64]":
    """Weighted by the window, where it lies wholly inside."""
    height, width = values.shape
    weights = _weights()
    inner = range(len(weights))
    down: Any = sum(weights[at] * values[at : height - 2 * _RADIUS + at] for at in inner)
    across: NDArray[float64] = sum(weights[at] * down[:, at : width - 2 * _RADIUS + at] for at in inner)
    return across


@cache
def _weights() -> list[float]:
    from math import exp

    bell = [exp(-0.5 * (at / _SIGMA) ** 2) for at in range(-_RADIUS, _RADIUS + 1)]
    return [value / sum(bell) for value in bell]


def hash_distance(one: "Image", two: "Image") -> int:
    """In how many of 64 bits the perceptual hashes of two pictures differ; sizes and shapes may differ, too.

    The hash: lightness at 32 by 32 pixels, its discrete cosine transform, and of the 8 by 8 lowest frequencies whether
    each lies over their median."""
    return int((_hash(one) != _hash(two)).sum())


def _hash(image: "Image") -> Any:
    from numpy import asarray, float64, median
    from PIL import Image

    small = over_white(image).convert("L").resize((_HASHED, _HASHED), Image.Resampling.LANCZOS)
    turn = _cosines()
    # Rounded: where there is nothing to see, the noise of the last binary places decides nothing.
    low = (turn @ asarray(small, dtype=float64) @ turn.T).round(3)
    return low > median(low)


@cache
def _cosines() -> Any:
    """The first rows of the matrix of the cosine transform (DCT-II)."""
    from numpy import arange, cos, pi

    return cos(pi / _HASHED * (arange(_HASHED) + 0.5) * arange(_KEPT)[:, None])
