"""Inks for a simulated picture: a few colours that go together, from the words of a prompt and the picture it edits.

Colours are made in OKLCH (lightness 0..1, chroma, hue in degrees), where equal steps look equal; the conversion is
Björn Ottosson's published one (bottosson.github.io/posts/oklab).
"""

import math
import re
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from flowrunner.simulator.chance import Chance
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image

RGB: TypeAlias = tuple[int, int, int]
Lab: TypeAlias = tuple[float, float, float]

_HEX = re.compile(r"#([0-9a-f]{6})(?:[0-9a-f]{2})?\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")
_HUES = {
    **dict.fromkeys(("red", "crimson", "rose", "cherry", "strawberry", "ruby"), 22.0),
    **dict.fromkeys(("orange", "terracotta", "autumn", "copper", "brick", "clay"), 48.0),
    **dict.fromkeys(("sunset", "brass", "oak", "wood", "wooden", "leather", "amber", "desert"), 68.0),
    **dict.fromkeys(("yellow", "gold", "golden", "lemon", "sand", "honey"), 92.0),
    **dict.fromkeys(("green", "forest", "meadow", "garden", "olive", "jungle", "moss"), 142.0),
    **dict.fromkeys(("teal", "turquoise", "mint", "lagoon", "beach", "lake"), 190.0),
    **dict.fromkeys(("blue", "sea", "ocean", "snow", "snowy", "winter", "ice", "denim"), 238.0),
    **dict.fromkeys(("purple", "violet", "lavender", "plum", "neon"), 302.0),
    **dict.fromkeys(("pink", "magenta", "blossom", "spring"), 350.0),
}
_DARK = frozenset(("night", "midnight", "moon", "moonlight", "moonlit", "dark", "evening", "neon", "stars", "starry"))
_DUSK = frozenset(("dusk", "dawn", "sunset", "sunrise", "twilight", "candlelight", "sundown"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inks:
    """What a picture is printed with. `layers` run from the far ground to the near one."""

    paper: RGB
    ink: RGB
    sky: tuple[RGB, RGB]
    """At the top, and at the horizon."""
    light: RGB
    """Sun, moon or lamp."""
    layers: tuple[RGB, ...]
    accent: RGB
    grain: RGB
    """Overprinted, by multiplication, where a shape lies in shade."""
    night: bool


@dataclass(frozen=True, slots=True)
class Tone:
    """The dominant hue of a picture, in degrees, and the lightness of its colourful part, 0..1."""

    hue: float
    lightness: float


def inks(prompt: str, chance: Chance, first: Tone | None) -> Inks:
    """The inks of a picture. A colour word or `#rrggbb` in the prompt wins; an edit moves on from its first input's
    tone by a step; else the hue is drawn by lot."""
    words = frozenset(_WORD.findall(prompt.lower()))
    night = bool(words & _DARK) or (first is not None and first.lightness < 0.45)
    hue = _hue(prompt, words, chance, first)
    # Dark yellows and greens are mud: at night every hue leans towards blue.
    hue += 0.55 * _turn(hue, 268) if night else 0
    return _mixed(hue, chance, night=night, dusk=bool(words & _DUSK), named=_hex(prompt))


def _hue(prompt: str, words: frozenset[str], chance: Chance, first: Tone | None) -> float:
    spread = chance.between(-12, 12)
    if first is not None:
        step = chance.choice((-64.0, -48.0, 48.0, 64.0))
        named = next((_HUES[word] for word in _WORD.findall(prompt.lower()) if word in _HUES), first.hue + step)
        return first.hue + _turn(first.hue, named) * 0.75 + spread
    if hues := tuple(_HUES[word] for word in sorted(words & _HUES.keys())):
        return chance.choice(hues) + spread
    return chance.between(0, 360)


def _turn(start: float, end: float) -> float:
    """The shorter way around the circle, -180..180."""
    return (end - start + 180) % 360 - 180


def _hex(prompt: str) -> RGB | None:
    found = _HEX.search(prompt)
    return tuple(bytes.fromhex(found[1])) if found else None  # type: ignore[return-value]


def _mixed(hue: float, chance: Chance, *, night: bool, dusk: bool, named: RGB | None) -> Inks:
    away = hue + chance.choice((-150.0, 150.0, 180.0))
    near = hue + chance.choice((-42.0, -28.0, 28.0, 42.0))
    count = 5
    top, bottom = (0.50, 0.20) if night else (0.80, 0.33)
    layers = tuple(
        oklch(
            top + (bottom - top) * i / (count - 1),
            0.07 + 0.05 * math.sin(math.pi * (i + 1) / count),
            hue + (near - hue) * i / count,
        )
        for i in range(count)
    )
    accent = named or oklch(0.70 if night else 0.66, 0.17, away)
    return Inks(
        paper=oklch(0.967, 0.014, 85),
        ink=oklch(0.24, 0.035, hue),
        sky=_sky(hue, near, away, night=night, dusk=dusk),
        light=oklch(0.93, 0.05, 95)
        if night
        else named or oklch(0.76 if dusk else 0.84, 0.15, chance.choice((32.0, 58.0, 88.0, away))),
        layers=layers,
        accent=accent,
        grain=oklch(0.50 if night else 0.62, 0.11, near),
        night=night,
    )


def _sky(hue: float, near: float, away: float, *, night: bool, dusk: bool) -> tuple[RGB, RGB]:
    if night:
        return oklch(0.24, 0.07, hue + 20), oklch(0.46, 0.10, near)
    if dusk:
        return oklch(0.58, 0.11, hue), oklch(0.86, 0.11, 60)
    return oklch(0.87, 0.055, hue), oklch(0.95, 0.045, away)


def tone(image: "Image") -> Tone:
    """Hue and lightness by the vote of the picture's colourful pixels, each weighing as much as its chroma squared."""
    from PIL import Image

    small = image.convert("RGB").resize((12, 12), Image.Resampling.BOX)
    labs = [oklab((red, green, blue)) for red, green, blue in _pixels(small.tobytes())]
    votes = [0.0] * 36
    for _, a, b in labs:
        votes[int(math.degrees(math.atan2(b, a)) % 360 / 10) % 36] += a * a + b * b
    best = max(range(36), key=lambda slot: votes[slot - 1] + 2 * votes[slot] + votes[(slot + 1) % 36])
    weights = [a * a + b * b + 1e-6 for _, a, b in labs]
    lightness = sum(lab[0] * weight for lab, weight in zip(labs, weights, strict=True)) / sum(weights)
    return Tone(best * 10.0 + 5.0, lightness)


def _pixels(data: bytes) -> list[RGB]:
    return list(zip(data[0::3], data[1::3], data[2::3], strict=True))


def oklch(lightness: float, chroma: float, hue: float) -> RGB:
    """The sRGB value of an OKLCH colour; chroma is lowered until the colour exists."""
    angle = math.radians(hue)
    for _ in range(24):
        linear = _linear((lightness, chroma * math.cos(angle), chroma * math.sin(angle)))
        if all(-0.0005 <= part <= 1.0005 for part in linear):
            break
        chroma *= 0.92
    red, green, blue = (round(255 * _encoded(min(1.0, max(0.0, part)))) for part in linear)
    return red, green, blue


def oklab(colour: RGB) -> Lab:
    red, green, blue = (_light()[part] for part in colour)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _linear(lab: Lab) -> tuple[float, float, float]:
    lightness, a, b = lab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _encoded(part: float) -> float:
    return 12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055


@cache
def _light() -> tuple[float, ...]:
    """The linear light of each of the 256 values of sRGB."""
    return tuple(_decoded(value / 255) for value in range(256))


def _decoded(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
