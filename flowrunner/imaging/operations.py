"""The local operations on one picture, each a function from its parameters to a new picture.

Parameters are those of `schemas/image/`, which has checked their types and words; what is omitted has its default here.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from flowrunner.call import Input
from flowrunner.imaging import colors, geometry, typesetting
from flowrunner.imaging.colors import Color
from flowrunner.imaging.geometry import Fit, Gravity, Rect, Size
from flowrunner.imaging.picture import decode, size_of
from flowrunner.imaging.typesetting import SMALLEST, Setting
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image

Params: TypeAlias = Mapping[str, Any]
_INSET = (0.05, 0.05, 0.95, 0.95)
"""Where text goes without a box."""
_SUPERSAMPLED = 64_000_000
"""Pixels of the enlarged drawing from which a smooth edge is made."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The pictures and fonts of a call, by `read`."""

    read: Callable[[Input], bytes]

    def picture(self, leaf: Input) -> "Image":
        return decode(self.read(leaf))


def resize(params: Params, inputs: Inputs) -> "Image":
    from PIL.Image import Resampling

    image = inputs.picture(params["image"])
    width, height, fit = params.get("width"), params.get("height"), Fit(params.get("fit", Fit.COVER))
    size = geometry.resized(image.size, width, height, fit)
    kept = geometry.covered(image.size, size, _gravity(params)) if width and height and fit is Fit.COVER else None
    filters = {"lanczos": Resampling.LANCZOS, "nearest": Resampling.NEAREST}
    return image.resize(size, filters[params.get("filter", "lanczos")], box=kept)


def crop(params: Params, inputs: Inputs) -> "Image":
    image = inputs.picture(params["image"])
    return image.crop(geometry.rect(params["box"], image.size).edges)


def pad(params: Params, inputs: Inputs) -> "Image":
    image = inputs.picture(params["image"])
    size = geometry.padded(image.size, (params["width"], params["height"]))
    larger = canvas(size, colors.parse(params.get("color", "#ffffff")), image.mode)
    larger.paste(image, geometry.placed(image.size, size, _gravity(params)))
    return larger


def convert(params: Params, inputs: Inputs) -> "Image":
    """The picture ready for its format: JPEG has no transparency, so the background shows through."""
    image = inputs.picture(params["image"])
    if params["format"] != "jpeg" or image.mode != "RGBA":
        return image
    from PIL import Image

    below = Image.new("RGBA", image.size, (*colors.parse(params.get("background", "#ffffff"))[:3], 255))
    return Image.alpha_composite(below, image).convert("RGB")


def composite(params: Params, inputs: Inputs) -> "Image":
    """The overlay on the base. The mask is stretched over the overlay: white shows it, black hides it."""
    base, overlay = inputs.picture(params["base"]), inputs.picture(params["overlay"])
    place = _overlay_place(params, overlay.size, base.size)
    overlay = _scaled(overlay.convert("RGBA"), place.size)
    shown = _scaled(_brightness(inputs.picture(params["mask"])), place.size) if "mask" in params else None
    overlay.putalpha(_visible(overlay, shown, params.get("feather", 0), params.get("opacity", 1)))
    below = base.convert("RGBA")
    below.alpha_composite(overlay, place.edges[:2])
    return below.convert(base.mode)


def _overlay_place(params: Params, overlay: Size, base: Size) -> Rect:
    if "box" in params:
        return geometry.boxed(overlay, base, params["box"])
    return geometry.overlaid(overlay, base, _gravity(params), params.get("scale"))


def mask(params: Params, inputs: Inputs) -> "Image":
    """White where the shape is, black elsewhere (mode L)."""
    from PIL import ImageOps

    size = size_of(inputs.read(params["like"])) if "like" in params else (params["width"], params["height"])
    area = geometry.rect(params["ellipse"] if "ellipse" in params else params["box"], geometry.allowed(size))
    drawn = _blurred(_shape(size, area, round_one="ellipse" in params), params.get("feather", 0))
    return ImageOps.invert(drawn) if params.get("invert", False) else drawn


def annotate(params: Params, inputs: Inputs) -> "Image":
    image = inputs.picture(params["image"])
    box = geometry.rect(params.get("box", _INSET), image.size)
    setting = _set(params, inputs.read(params["font"]) if "font" in params else None, box.size, image.size)
    coverage = typesetting.draw(setting, box.size, params.get("align", "center"), params.get("valign", "middle"))
    color = colors.parse(params["color"]) if "color" in params else colors.ink(_average(image.crop(box.edges)))
    stain(image, coverage, box.edges[:2], color)
    return image


def stain(image: "Image", coverage: "Image", place: tuple[int, int], color: Color) -> None:
    """Lays a colour over a picture where the coverage (mode L) says how much."""
    from PIL import Image

    edges = (*place, place[0] + coverage.width, place[1] + coverage.height)
    layer = Image.new("RGBA", coverage.size, (*color[:3], 0))
    layer.putalpha(_dimmed(coverage, color[3] / 255))
    under = image.crop(edges).convert("RGBA")
    image.paste(Image.alpha_composite(under, layer).convert(image.mode), edges)


def canvas(size: Size, color: Color, mode: str = "RGB") -> "Image":
    """One colour; with transparency where the colour or the mode has it."""
    from PIL import Image

    return Image.new("RGB", size, color[:3]) if mode == "RGB" and color[3] == 255 else Image.new("RGBA", size, color)


def _gravity(params: Params) -> Gravity:
    return Gravity(params.get("gravity", Gravity.CENTER))


def _set(params: Params, font: bytes | None, box: Size, picture: Size) -> Setting:
    """The text at its size; without one, at the largest that fits, up to an eighth of the picture's shorter side."""
    text = params["text"]
    face = typesetting.face(font, text)
    if "size" not in params:
        return typesetting.fitted(text, face, box, max(SMALLEST, min(picture) // 8), SMALLEST)
    size = max(1, geometry.nearest(params["size"]))
    return typesetting.fitted(text, face, box, size, min(size, SMALLEST) if params.get("shrink", False) else size)


def _average(image: "Image") -> Color:
    """The mean colour; transparent parts count as white."""
    from PIL import Image

    below = Image.new("RGBA", image.size, colors.WHITE)
    mean = Image.alpha_composite(below, image.convert("RGBA")).resize((1, 1), Image.Resampling.BOX).tobytes()
    return mean[0], mean[1], mean[2], 255


def _scaled(image: "Image", size: Size) -> "Image":
    from PIL.Image import Resampling

    return image if image.size == size else image.resize(size, Resampling.LANCZOS)


def _brightness(image: "Image") -> "Image":
    """A mask picture as mode L: its brightness, and nothing where it is transparent."""
    from PIL import ImageChops

    light = image.convert("L")
    return ImageChops.multiply(light, image.getchannel("A")) if image.mode == "RGBA" else light


def _visible(overlay: "Image", shown: "Image | None", feather: float, opacity: float) -> "Image":
    """How much of the overlay is seen (mode L). Without a mask the feather lies inside its edges."""
    from PIL import ImageChops

    alpha = overlay.getchannel("A")
    if shown is None and feather:
        inset = [min(geometry.nearest(feather), (side - 1) // 2) for side in overlay.size]
        right, bottom = overlay.width - inset[0], overlay.height - inset[1]
        shown = _shape(overlay.size, Rect(left=inset[0], top=inset[1], right=right, bottom=bottom), round_one=False)
    return _dimmed(ImageChops.multiply(alpha, _blurred(shown, feather)) if shown else alpha, opacity)


def _dimmed(coverage: "Image", share: float) -> "Image":
    return coverage if share == 1 else coverage.point([round(value * share) for value in range(256)])


def _blurred(image: "Image", feather: float) -> "Image":
    """An edge that fades over about `feather` pixels on either side: two standard deviations."""
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(feather / 2)) if feather else image


def _shape(size: Size, area: Rect, *, round_one: bool) -> "Image":
    """A white rectangle or ellipse on black (mode L); the ellipse is drawn larger and reduced, for a smooth edge."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", size, 0)
    if not round_one:
        picture.paste(255, area.edges)
        return picture
    width, height = area.size
    factor = next(factor for factor in (4, 2, 1) if width * height * factor**2 <= _SUPERSAMPLED or factor == 1)
    drawn = Image.new("L", (width * factor, height * factor), 0)
    ImageDraw.Draw(drawn).ellipse((0, 0, width * factor - 1, height * factor - 1), fill=255)
    picture.paste(drawn.reduce(factor), area.edges[:2])
    return picture
