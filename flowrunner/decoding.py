"""Decoding pictures with Pillow: judged before it sees a byte, by the one decoder that their first bytes call for,
without their metadata, and with its warnings as errors.
"""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flowrunner.errors import FlowError
from flowrunner.imagehead import Head, check_complete, head
from flowrunner.imageparts import bare

if TYPE_CHECKING:
    from PIL.Image import Image

_NAMES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_TURN = threading.Lock()
"""The filters of warnings belong to the whole process: one thread at a time changes them."""


class Undecodable(FlowError):
    """A picture that is whole by its parts, and that its decoder cannot read."""


def decoded(data: bytes) -> "Image":
    """The picture upright, in whatever mode its file has. BadImage for what is judged unfit, Undecodable for what
    Pillow cannot read: what lies within the limits of `imagehead` is no decompression bomb."""
    seen = head(data)
    check_complete(data)
    try:
        return upright(_opened(data, seen), seen.orientation)
    except Undecodable:
        raise
    except Exception as fault:  # noqa: BLE001 - Pillow's decoders raise whatever their inner workings raise
        raise Undecodable(f"the picture cannot be decoded: {fault}") from None


def know_webp() -> None:
    """Pillow begins with five formats and, asked for another one, loads its forty others."""
    from PIL import WebPImagePlugin  # noqa: F401


@contextmanager
def strict() -> Iterator[None]:
    """Pillow's warnings, of broken metadata say, are errors in here."""
    with _TURN, warnings.catch_warnings(action="error"):
        yield


def upright(image: "Image", orientation: int) -> "Image":
    """Turned and mirrored as the EXIF orientation 1..8 says."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _opened(data: bytes, seen: Head) -> "Image":
    """The size that Pillow finds must be the one judged."""
    from PIL import Image

    if seen.media_type == "image/webp":
        know_webp()
    with strict():
        image = Image.open(io.BytesIO(bare(data)), formats=[_NAMES[seen.media_type]])
    judged = (seen.height, seen.width) if seen.orientation >= 5 else (seen.width, seen.height)
    if image.size != judged:
        raise Undecodable(f"the picture's header says {judged[0]}x{judged[1]} and its data another size")
    image.load()
    return image
