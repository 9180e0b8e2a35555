"""Pictures in and out of bytes: judged before they are decoded, upright, sRGB, RGB or RGBA, without metadata."""

import hashlib
import io
from typing import TYPE_CHECKING

from flowrunner import imagehead
from flowrunner.decoding import Undecodable, decoded, know_webp
from flowrunner.digest import canonical
from flowrunner.imaging.errors import OperationError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsProfile

_SPACES = {"RGB": ("RGB",), "GRAY": ("L", "1"), "CMYK": ("CMYK",)}


def decode(data: bytes, enough: int | None = None) -> "Image":
    """The picture as displayed, in mode RGB, or RGBA where the file knows transparency; smaller where it has more
    pixels than `enough` and its file gives it so. OperationError for bytes that `imagehead` refuses or Pillow cannot
    read."""
    try:
        return _plain(decoded(data, enough))
    except (imagehead.BadImage, Undecodable) as refused:
        raise OperationError(refused.message, refused.hint) from None
    except Exception as error:  # noqa: BLE001 - Pillow raises whatever its inner workings raise
        raise OperationError(f"the picture cannot be decoded: {error}") from None


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height as displayed, without decoding. OperationError for bytes that `imagehead` refuses."""
    seen = _judged(data)
    return seen.width, seen.height


def encode(image: "Image", media_type: str = "image/png", quality: int = 90) -> bytes:
    """The same pixels always give the same bytes: no metadata, no time, fixed settings. `quality` (1 to 100) is for
    JPEG and WEBP."""
    image.info.clear()
    out = io.BytesIO()
    if media_type == "image/png":
        image.save(out, "PNG", compress_level=6)
    elif media_type == "image/jpeg":
        image.save(out, "JPEG", quality=quality, subsampling=0, optimize=True)
    else:
        know_webp()
        image.save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


def pixels(image: "Image") -> str:
    """Digest of mode, size and decoded bytes: equal for equal pictures whatever encoder wrote them."""
    head = canonical([image.mode, image.width, image.height])
    return hashlib.sha256(f"flowrunner/pixels/1\n{head}\n".encode() + image.tobytes()).hexdigest()


def _judged(data: bytes) -> imagehead.Head:
    try:
        seen = imagehead.head(data)
        imagehead.check_complete(data)
    except imagehead.BadImage as refused:
        raise OperationError(refused.message, refused.hint) from None
    return seen


def _plain(image: "Image") -> "Image":
    """RGB or RGBA in sRGB, without the file's metadata."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    image = _srgb(image, profile) if profile else image
    image = image.convert("RGBA").convert("RGB") if image.mode in {"P", "PA"} else image.convert("RGB")
    if alpha is not None:
        image.putalpha(alpha)
    image.info = {}
    return image


def _srgb(image: "Image", profile: bytes) -> "Image":
    """Colours brought from the file's profile to sRGB; unchanged where the profile does not fit or cannot be used,
    as viewers do it."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in (source.profile.profile_description or ""):
            return image
        return _transformed(image, source)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def _transformed(image: "Image", source: "ImageCmsProfile") -> "Image":
    from PIL import ImageCms

    space = str(source.profile.xcolor_space).strip()
    colors = image.convert("RGBA").convert("RGB") if image.mode in {"P", "PA", "RGBA"} else image
    colors = colors.convert("L") if colors.mode in {"LA", "1"} else colors
    if colors.mode not in _SPACES.get(space, ()):
        return image
    return ImageCms.profileToProfile(colors, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
