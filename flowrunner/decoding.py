"""Decoding pictures with Pillow: judged before it sees a byte, by the one decoder that their first bytes call for,
without their metadata, and with its warnings as errors.
"""

import io
import struct
import threading
import warnings
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from flowrunner.errors import FlowError
from flowrunner.imagehead import Head, check_complete, head
from flowrunner.imageparts import PNG, Part, bare, media_type, parts

if TYPE_CHECKING:
    from PIL.Image import Image

_NAMES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by a PNG's colour type."""
_COLOUR, _PALETTE = 25, 3
"""Where a PNG's colour type lies, and the one that needs a palette."""
_STEP = 256 * 1024
"""Bytes that are inflated at once."""
_TURN = threading.Lock()
"""The filters of warnings belong to the whole process: one thread at a time changes them."""


class Undecodable(FlowError):
    """A picture that is whole by its parts, and that its decoder cannot read."""


def decoded(data: bytes, enough: int | None = None) -> "Image":
    """The picture upright, in whatever mode its file has. BadImage for what is judged unfit, Undecodable for what
    Pillow cannot read: what lies within the limits of `imagehead` is no decompression bomb.

    A JPEG comes at a half, a quarter or an eighth of its size where so few pixels are `enough`: it costs less."""
    seen = head(data)
    check_complete(data)
    try:
        image = _opened(data, seen)
        times = next((times for times in (8, 4, 2) if enough and image.width * image.height >= enough * times**2), 1)
        if times > 1:
            image.draft(None, (image.width // times, image.height // times))
        image.load()
        return upright(image, seen.orientation)
    except Undecodable:
        raise
    except Exception as fault:  # noqa: BLE001 - Pillow's decoders raise whatever their inner workings raise
        raise Undecodable(f"the picture cannot be decoded: {fault}") from None


def know_formats() -> None:
    """Loads what the first PNG or JPEG would have to wait for; what cannot be loaded is told when it is needed."""
    with suppress(ImportError):
        from PIL import Image

        Image.preinit()


def know_webp() -> None:
    """Pillow begins with five formats and, asked for another one, loads its forty others."""
    from PIL import WebPImagePlugin  # noqa: F401


def probe(data: bytes, room: int) -> int:
    """0 when the picture can be decoded; else how many bytes, more than `room`, it takes to find out. Undecodable for
    what no viewer could show: a right frame around wrong pixels. `imagehead` has let it pass."""
    try:
        seen, whole = head(data), flows(data)
        if whole and _is_plain(data):
            return 0
        image = _opened(data, seen)
        if whole:
            return 0
        needed = 2 * len(data) + 4 * seen.width * seen.height
        if needed > room:
            return needed
        # A JPEG an eighth as large: all of its data is read, but few pixels are made of it.
        image.draft(None, (1, 1))
        image.load()
    except Undecodable:
        raise
    except Exception as fault:  # noqa: BLE001 - as above
        raise Undecodable(f"the picture cannot be decoded: {fault}") from None
    return 0


def flows(data: bytes) -> bool:
    """Whether the data of a whole PNG give all of its rows, told without making a pixel of them, in half the time and
    none of the room. False where only a decoder can tell."""
    if media_type(data) != PNG:
        return False
    found = [part for part in parts(data) if part.name in (b"IHDR", b"IDAT")]
    width, height, depth, colour, interlaced = struct.unpack(">IIBB2xB", found[0].body(data))
    row = 1 + (width * _CHANNELS[colour] * depth + 7) // 8
    come, inflate = 0, zlib.decompressobj()
    try:
        for rows in _inflated(memoryview(data), found[1:], inflate):
            # Each row begins with its filter, of which there are five (PNG third edition, 9.2).
            if max(rows[-come % row :: row], default=0) > 4:
                return False
            come += len(rows)
            if come > row * height:
                return False
    except zlib.error:
        return False
    return bool(not interlaced and inflate.eof and come == row * height)


def _is_plain(data: bytes) -> bool:
    """Whether a PNG has nothing but rows of colours or greys, so that Pillow could take exception to no other chunk."""
    return data[_COLOUR] != _PALETTE and not any(part.name in (b"PLTE", b"tRNS", b"iCCP") for part in parts(data))


def _inflated(data: memoryview, chunks: list[Part], inflate: Any) -> Iterator[bytes]:
    """Step by step: a small file may hold gigabytes."""
    for chunk in chunks:
        for at in range(chunk.first, chunk.last, _STEP):
            piece: Any = data[at : min(at + _STEP, chunk.last)]
            rows = b""
            while piece or len(rows) == _STEP:
                rows = inflate.decompress(piece, _STEP)
                piece = inflate.unconsumed_tail
                yield rows


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
    """The picture, not read yet. The size that Pillow finds must be the one judged."""
    from PIL import Image

    if seen.media_type == "image/webp":
        know_webp()
    with strict():
        image = Image.open(_joined(bare(data)), formats=[_NAMES[seen.media_type]])
    judged = (seen.height, seen.width) if seen.orientation >= 5 else (seen.width, seen.height)
    if image.size != judged:
        raise Undecodable(f"the picture's header says {judged[0]}x{judged[1]} and its data another size")
    return image


def _joined(pieces: list[memoryview]) -> io.BufferedReader:
    return io.BufferedReader(_Joined(pieces))


class _Joined(io.RawIOBase):
    """Pieces, read as one file: a picture may be large, and is not copied for being read."""

    def __init__(self, pieces: list[memoryview]) -> None:
        self._pieces = pieces
        self._ends = list(accumulate(map(len, pieces)))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}
        self._at = max(0, base[whence] + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        number = bisect_right(self._ends, self._at)
        if number == len(self._pieces):
            return 0
        piece = self._pieces[number]
        start = len(piece) - (self._ends[number] - self._at)
        taken = piece[start : start + len(buffer)]
        buffer[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)
