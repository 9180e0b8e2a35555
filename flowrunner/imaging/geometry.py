"""Sizes, boxes and places in whole pixels: the arithmetic of local operations, without a picture.

Every result is rounded to the nearest pixel, halves upwards; a side is never less than one pixel.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import TypeAlias

from flowrunner.imagehead import MAX_PIXELS, MAX_SIDE
from flowrunner.imaging.errors import OperationError
from flowrunner.slotted import dataclass

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""


class Gravity(StrEnum):
    """Where something lies in a larger frame."""

    CENTER = "center"
    NORTH = "north"
    NORTH_EAST = "north-east"
    EAST = "east"
    SOUTH_EAST = "south-east"
    SOUTH = "south"
    SOUTH_WEST = "south-west"
    WEST = "west"
    NORTH_WEST = "north-west"

    @property
    def halves(self) -> tuple[int, int]:
        """How many halves of the free space lie left of it and above it: 0, 1 or 2."""
        across = 0 if self.endswith("west") else 2 if self.endswith("east") else 1
        down = 0 if self.startswith("north") else 2 if self.startswith("south") else 1
        return across, down


class Fit(StrEnum):
    """How a picture meets a size of another shape: fill it and lose what sticks out, fit inside, or be distorted."""

    COVER = "cover"
    CONTAIN = "contain"
    STRETCH = "stretch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """A rectangle of whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> Size:
        return self.right - self.left, self.bottom - self.top

    @property
    def edges(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.right, self.bottom


def nearest(value: float) -> int:
    return math.floor(value + 0.5)


def ratio(numerator: int, denominator: int) -> int:
    """The quotient to the nearest whole number, exactly, and at least 1."""
    return max(1, (2 * numerator + denominator) // (2 * denominator))


def rect(box: Sequence[float], size: Size) -> Rect:
    """`[left, top, right, bottom]` in a picture. The box as a whole decides: shares of the sides when no value is over
    1, pixels otherwise. OperationError when it is empty or reaches outside."""
    scale = (*size, *size) if all(value <= 1 for value in box) else (1, 1, 1, 1)
    left, top, right, bottom = (nearest(value * factor) for value, factor in zip(box, scale, strict=True))
    if left < 0 or top < 0 or right > size[0] or bottom > size[1]:
        raise OperationError(
            f"the box {_shown(box)} reaches outside the picture of {size[0]}x{size[1]}",
            "a box is [left, top, right, bottom], as shares from 0 to 1 or in pixels",
        )
    if right <= left or bottom <= top:
        raise OperationError(
            f"the box {_shown(box)} holds no pixel of the picture of {size[0]}x{size[1]}",
            "a box is [left, top, right, bottom]: right is more than left, bottom more than top",
        )
    return Rect(left=left, top=top, right=right, bottom=bottom)


def contained(size: Size, frame: Size) -> Size:
    """The largest size of the same shape inside the frame: one side is the frame's, the other follows."""
    if size[0] * frame[1] >= size[1] * frame[0]:
        return frame[0], min(frame[1], ratio(size[1] * frame[0], size[0]))
    return min(frame[0], ratio(size[0] * frame[1], size[1])), frame[1]


def resized(size: Size, width: int | None, height: int | None, fit: Fit) -> Size:
    """The size that `image/resize` gives. A side that is not asked for follows from the picture's shape."""
    if width is None and height is None:
        raise OperationError("neither width nor height is given", "give one of them, or both")
    if width is None or height is None:
        wide = width if width is not None else ratio(size[0] * (height or 1), size[1])
        return allowed((wide, height if height is not None else ratio(size[1] * wide, size[0])))
    return allowed(contained(size, (width, height)) if fit is Fit.CONTAIN else (width, height))


def covered(size: Size, frame: Size, gravity: Gravity) -> tuple[float, float, float, float]:
    """The largest part of a picture that has the frame's shape, at the gravity: left, top, right, bottom."""
    width = min(size[0], size[1] * frame[0] / frame[1])
    height = min(size[1], size[0] * frame[1] / frame[0])
    across, down = gravity.halves
    left, top = (size[0] - width) * across / 2, (size[1] - height) * down / 2
    return left, top, min(left + width, size[0]), min(top + height, size[1])


def padded(size: Size, frame: Size) -> Size:
    """The size that `image/pad` gives. OperationError when the picture is larger."""
    _holds(frame, size, "the picture", "resize it first: padding only adds")
    return allowed(frame)


def placed(size: Size, frame: Size, gravity: Gravity) -> tuple[int, int]:
    """Left and top of something in a frame that holds it."""
    across, down = gravity.halves
    return (frame[0] - size[0]) * across // 2, (frame[1] - size[1]) * down // 2


def boxed(size: Size, frame: Size, box: Sequence[float]) -> Rect:
    """Where an overlay lies that fits into a box of the frame, whole and in its middle."""
    area = rect(box, frame)
    inner = contained(size, area.size)
    left, top = placed(inner, area.size, Gravity.CENTER)
    return _at(area.left + left, area.top + top, inner)


def overlaid(size: Size, frame: Size, gravity: Gravity, scale: float | None) -> Rect:
    """Where an overlay lies that is `scale` times as wide as the frame, or keeps its own size. OperationError when
    it is larger than the frame."""
    if scale is not None:
        width = max(1, nearest(frame[0] * scale))
        size = (width, ratio(size[1] * width, size[0]))
    _holds(frame, size, "the overlay", "give a box, or a smaller scale")
    return _at(*placed(size, frame, gravity), size)


def allowed(size: Size) -> Size:
    """OperationError for a size that flowrunner would not read again."""
    if min(size) < 1:
        raise OperationError(f"a picture of {size[0]}x{size[1]} holds no pixel")
    if max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS:
        raise OperationError(
            f"the picture would be {size[0]}x{size[1]}, over the limit of {MAX_SIDE} a side"
            f" and {MAX_PIXELS // 1_000_000} million pixels in all"
        )
    return size


def _at(left: int, top: int, size: Size) -> Rect:
    return Rect(left=left, top=top, right=left + size[0], bottom=top + size[1])


def _holds(frame: Size, size: Size, what: str, hint: str) -> None:
    if size[0] > frame[0] or size[1] > frame[1]:
        raise OperationError(f"{what} of {size[0]}x{size[1]} is larger than {frame[0]}x{frame[1]}", hint)


def _shown(box: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:g}' for value in box)}]"
