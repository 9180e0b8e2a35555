"""Each check as a function from its parameters and the picture to what was measured.

A pixel differs by its most different channel, as a share of 255; colours count as far as they are opaque, and so does
the opacity itself. Pictures are compared as they are displayed: upright, sRGB, 8 bits a channel.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowrunner.artifact import Artifact
from flowrunner.catalog import assertions
from flowrunner.checks import colorimetry, pixels, similarity
from flowrunner.checks.region import Region, region
from flowrunner.imaging import colors
from flowrunner.imaging.geometry import Size
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """What a heat map shows: 0 to 255 for each pixel of the picture, where a colour scale begins and ends, in words,
    and the part of the picture that the check looks at."""

    values: "NDArray[uint8]"
    scale: tuple[str, str]
    region: Region | None = None
    limit: float | None = None
    """Where on the scale, 0 to 1, a pixel begins to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Whether a check holds, and the value in words."""

    holds: bool
    words: str
    heat: Heat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The picture that is judged, and the way to the others."""

    artifact: Artifact
    read: Callable[[Artifact], bytes]
    decoded: "Callable[[Artifact], Image]"

    @property
    def image(self) -> "Image":
        return self.decoded(self.artifact)


Params = Mapping[str, Any]


def measure(name: str, params: Params, subject: Subject) -> Measured:
    """What a check finds. OperationError where its pictures cannot be compared as it says; whatever `subject.read`
    raises where bytes are not here."""
    return _MEASURES[name](params, subject)


def _size(params: Params, subject: Subject) -> Measured:
    asked = params["size"]
    width, height = _displayed(subject)
    holds = asked.get("width", width) == width and asked.get("height", height) == height
    if len(asked) == 2:
        return Measured(holds=holds, words=f"{width}x{height}, asked for {asked['width']}x{asked['height']}")
    ((side, length),) = asked.items()
    return Measured(holds=holds, words=f"{side} {width if side == 'width' else height}, asked for {length}")


def _displayed(subject: Subject) -> Size:
    artifact = subject.artifact
    return (artifact.width, artifact.height) if artifact.width else subject.image.size


def _format(params: Params, subject: Subject) -> Measured:
    found, asked = subject.artifact.media_type.removeprefix("image/"), params["format"]
    return Measured(holds=found == asked, words=found if found == asked else f"{found}, asked for {asked}")


def _max_bytes(params: Params, subject: Subject) -> Measured:
    most, found = params["max_bytes"], subject.artifact.bytes or len(subject.read(subject.artifact))
    return Measured(holds=found <= most, words=f"{found:,} bytes, at most {most:,}")


def _has_alpha(params: Params, subject: Subject) -> Measured:
    share = pixels.transparent(subject.image)
    words = f"{percent(share)} of the pixels are transparent" if share else "no pixel is transparent"
    asked = "" if bool(share) == params["has_alpha"] else f", asked for {'some' if params['has_alpha'] else 'none'}"
    return Measured(holds=not asked, words=words + asked)


def _not_flat(params: Params, subject: Subject) -> Measured:
    asked = params["not_flat"]
    least = assertions.SPREAD if asked is True else asked
    found = pixels.spread(subject.image)
    return Measured(holds=found >= least, words=f"spread {found:.1f} levels, at least {least:g}")


def _unchanged_outside(params: Params, subject: Subject) -> Measured:
    heat, differing, count = _compared(params, subject, outside=True)
    most = params.get("at_most", assertions.AT_MOST)
    words = f"{percent(differing / count, most)} of the pixels outside differ, at most {percent(most)}"
    return Measured(holds=differing <= most * count, words=words, heat=heat)


def _changed_inside(params: Params, subject: Subject) -> Measured:
    heat, differing, count = _compared(params, subject, outside=False)
    least = params.get("at_least", assertions.AT_LEAST)
    words = f"{percent(differing / count, least)} of the pixels inside differ, at least {percent(least)}"
    return Measured(holds=differing >= least * count, words=words, heat=heat)


def _compared(params: Params, subject: Subject, *, outside: bool) -> tuple[Heat, int, int]:
    """The pixels on one side of a region that differ from those of another picture, and how many there are."""
    one, two = subject.image, subject.decoded(params["of"])
    pixels.same_size(one, two)
    mask = subject.decoded(params["mask"]) if "mask" in params else None
    area = region(one.size, box=params.get("box"), mask=mask, outside=outside)
    tolerance = params.get("tolerance", assertions.TOLERANCE)
    difference = pixels.difference(one, two)
    differing = area.count(difference, above=pixels.level(tolerance))
    heat = Heat(values=difference, scale=("equal", "any colour"), region=area, limit=tolerance)
    return heat, differing, area.pixels


def _similar_to(params: Params, subject: Subject) -> Measured:
    one, two = subject.image, subject.decoded(params["of"])
    least = params.get("ssim", None if "hash" in params else assertions.SSIM)
    found = []
    heat = None
    if least is not None:
        value, unlike = similarity.ssim(one, two)
        heat = Heat(values=unlike, scale=("alike", "unlike"))
        found.append((value >= least, f"SSIM {decimals(value, least)}, at least {least:g}"))
    if "hash" in params:
        bits = similarity.hash_distance(one, two)
        found.append((bits <= params["hash"], f"{bits} of 64 hash bits differ, at most {params['hash']}"))
    return Measured(holds=all(holds for holds, _ in found), words="; ".join(words for _, words in found), heat=heat)


def _colors(params: Params, subject: Subject) -> Measured:
    wanted = params["hex"] if isinstance(params["hex"], list) else [params["hex"]]
    distance = params.get("distance", assertions.DISTANCE)
    least = params.get("at_least", assertions.SHARE)
    shares, heat = colorimetry.shares(subject.image, [colors.parse(text)[:3] for text in wanted], distance)
    words = ", ".join(f"{text} {percent(share, least)}" for text, share in zip(wanted, shares, strict=True))
    return Measured(
        holds=all(share >= least for share in shares),
        words=f"{words} within {distance:g}, at least {percent(least)}",
        heat=Heat(values=heat, scale=("far", "the colour")),
    )


_MEASURES: Mapping[str, Callable[[Params, Subject], Measured]] = {
    "size": _size,
    "format": _format,
    "max_bytes": _max_bytes,
    "has_alpha": _has_alpha,
    "not_flat": _not_flat,
    "unchanged_outside": _unchanged_outside,
    "changed_inside": _changed_inside,
    "similar_to": _similar_to,
    "colors": _colors,
}


def percent(share: float, bound: float | None = None) -> str:
    """A share in words, `12.4 %`: with as many decimals as it takes to tell it from its bound, and from 0 and 100."""
    return f"{_told(share * 100, [0, 100, *([] if bound is None else [bound * 100])], fewest=1)} %"


def decimals(value: float, bound: float) -> str:
    """A value with as many decimals as it takes to tell it from its bound: 0.89996 is not 0.900."""
    return _told(value, [bound], fewest=3, strip=False)


def _told(value: float, bounds: Sequence[float], *, fewest: int, strip: bool = True) -> str:
    for digits in range(fewest, 10):
        text = f"{value:.{digits}f}"
        if all(
            (float(text) > bound) == (value > bound) and (float(text) < bound) == (value < bound) for bound in bounds
        ):
            break
    return text.rstrip("0").rstrip(".") if strip else text
