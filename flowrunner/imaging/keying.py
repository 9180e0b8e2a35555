"""A flat background made transparent, with edges that keep no tint of it."""

from typing import TYPE_CHECKING, Any

from flowrunner.imaging import colors
from flowrunner.imaging.operations import Inputs, Params

if TYPE_CHECKING:
    from PIL.Image import Image

_EDGE = 2
"""Pixels beside the background in which foreground and background may be mixed: what smooth drawing leaves."""
_ROWS = 512
"""Rows that are computed at once, so that whole numbers of 32 bits fit into memory for large pictures."""


def key_color(params: Params, inputs: Inputs) -> "Image":
    """Background is what differs from the colour by at most `tolerance` in its most different channel. Pixels beside
    it are taken as mixed from the background and the foreground next to them: they become translucent in that measure
    and lose the background's share of their colour. The feather fades the edge further, inwards."""
    from PIL import ImageChops

    image = inputs.picture(params["image"])
    key = colors.parse(params["color"])[:3]
    keyed = _keyed(image.convert("RGB"), key, round(params.get("tolerance", 0.1) * 255))
    alpha = _faded(keyed.getchannel("A"), params.get("feather", 0))
    keyed.putalpha(ImageChops.multiply(alpha, image.getchannel("A")) if image.mode == "RGBA" else alpha)
    return keyed


def _faded(alpha: "Image", feather: float) -> "Image":
    from PIL import ImageChops, ImageFilter

    if not feather:
        return alpha
    # Blurred, the edge itself lies at one half: from there inwards the fade begins.
    inner = alpha.filter(ImageFilter.GaussianBlur(feather / 2)).point([max(0, 2 * n - 255) for n in range(256)])
    return ImageChops.multiply(alpha, inner)


def _keyed(image: "Image", key: tuple[int, ...], tolerance: int) -> "Image":
    """The picture in RGBA with the background's share taken out."""
    from PIL import Image

    result = Image.new("RGBA", image.size)
    for top in range(0, image.height, _ROWS):
        first, last = max(0, top - _EDGE), min(image.height, top + _ROWS + _EDGE)
        strip = _strip(image.crop((0, first, image.width, last)), key, tolerance)
        result.paste(strip.crop((0, top - first, image.width, min(top - first + _ROWS, strip.height))), (0, top))
    return result


def _strip(image: "Image", key: tuple[int, ...], tolerance: int) -> "Image":
    from PIL import Image, ImageChops

    red, green, blue = ImageChops.difference(image, Image.new("RGB", image.size, key)).split()
    distance = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    background = distance.point([255 if value <= tolerance else 0 for value in range(256)])
    share = _share(distance, _widened(distance), tolerance)
    alpha = ImageChops.lighter(share, ImageChops.invert(_widened(background)))
    bands = [_untinted(band, alpha, part) for band, part in zip(image.split(), key, strict=True)]
    return Image.merge("RGBA", (*bands, alpha))


def _share(distance: "Image", foreground: "Image", tolerance: int) -> "Image":
    """How much of each pixel is foreground: its distance from the colour by that of the foreground next to it."""
    from PIL import ImageMath

    def share(of: dict[str, Any]) -> Any:
        beyond = of["max"](of["distance"] - tolerance, 0)
        return of["convert"](beyond * 255 / of["max"](of["foreground"] - tolerance, 1), "L")

    shares: Image = ImageMath.lambda_eval(share, distance=distance, foreground=foreground)
    return shares


def _untinted(band: "Image", alpha: "Image", key: int) -> "Image":
    """The foreground's part of one channel: observed = alpha * foreground + (1 - alpha) * key."""
    from PIL import ImageMath

    def untinted(of: dict[str, Any]) -> Any:
        foreground = (of["band"] * 255 - (255 - of["alpha"]) * key) / of["max"](of["alpha"], 1)
        return of["convert"](of["min"](of["max"](foreground, 0), 255) * (of["alpha"] > 0), "L")

    pure: Image = ImageMath.lambda_eval(untinted, band=band, alpha=alpha)
    return pure


def _widened(image: "Image") -> "Image":
    from PIL import ImageFilter

    for _ in range(_EDGE):
        image = image.filter(ImageFilter.MaxFilter(3))
    return image
