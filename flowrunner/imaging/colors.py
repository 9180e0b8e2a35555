"""Colours as `#rrggbb` and `#rrggbbaa`, and which of them can be read on which."""

import re
from typing import TypeAlias

from flowrunner.imaging.errors import OperationError

Color: TypeAlias = tuple[int, int, int, int]
"""Red, green, blue and alpha, 0 to 255; alpha 255 is opaque."""

BLACK: Color = (17, 17, 17, 255)
WHITE: Color = (255, 255, 255, 255)
_WRITTEN = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})?")


def parse(text: str) -> Color:
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise OperationError(f"{text!r} is not a colour", "write it as #rrggbb, or #rrggbbaa with its opacity")
    red, green, blue, alpha = (int(part or "ff", 16) for part in found.groups())
    return red, green, blue, alpha


def mixed(one: Color, other: Color, share: float) -> Color:
    """`share` of the other colour in the first, opaque."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one[:3], other[:3], strict=True))
    return red, green, blue, 255


def ink(background: Color) -> Color:
    """Near-black or white, whichever stands out more from an opaque background (WCAG 2.2, contrast ratio)."""
    below = luminance(background)
    return BLACK if (below + 0.05) / (luminance(BLACK) + 0.05) >= 1.05 / (below + 0.05) else WHITE


def luminance(color: Color) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    red, green, blue = (_linear(value / 255) for value in color[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)
