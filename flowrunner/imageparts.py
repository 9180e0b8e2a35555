"""The parts of PNG, JPEG and WEBP files (chunks, segments), found by their lengths without decoding a pixel.

Sources: PNG third edition (W3C) sections 5 and 11; ITU-T T.81 annex B; RFC 9649 section 2.
"""

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from flowrunner.errors import FlowError

PNG, JPEG, WEBP = "image/png", "image/jpeg", "image/webp"
PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
_PARTS = 65_536
"""Parts in one file: ten times what 64 MiB of 8 KiB pieces need; a file of more is made to be slow."""
_LITTLE = 64 * 1024
"""Bytes of a picture whose parts are kept while it is judged."""
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Inside the data of a JPEG scan a marker is FF and neither a stuffed zero nor a restart (T.81, B.1.1.5). A pattern
that begins with one plain byte is searched for sixty times as fast as one that begins with a run."""
_FILL = re.compile(rb"\xff*")
"""Any number of FF bytes may precede a marker (T.81, B.1.1.2)."""
_PIXELS_PNG = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"IDAT", b"IEND")
_PADDING = re.compile(rb"[\0\r\n]*")

_BEGINNINGS = (
    (rb"GIF8[79]a", "a GIF"),
    (rb"BM.{4}\0\0\0\0", "a BMP"),
    (rb"II\*\0|MM\0\*", "a TIFF"),
    (rb".{4}ftyp(avif|avis)", "an AVIF"),
    (rb".{4}ftyp(heic|heix|mif1|msf1)", "a HEIC"),
    (rb"%PDF-", "a PDF"),
    (rb"%!PS", "PostScript"),
    (rb"8BPS", "a Photoshop file"),
    (rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?<svg", "an SVG"),
    (rb"version https://git-lfs", "a Git LFS pointer and not the file itself"),
)


class BadImage(FlowError):
    """Bytes that are no whole PNG, JPEG or WEBP within the limits. Text from outside in it is escaped by the caller."""


class Part(NamedTuple):
    """A chunk or segment: `name` is the chunk's type or the JPEG marker's second byte; the body is
    `data[first:last]`, the whole part `data[start:end]`."""

    name: bytes
    start: int
    first: int
    last: int
    end: int

    def body(self, data: bytes, limit: int | None = None) -> bytes:
        return data[self.first : self.last if limit is None else min(self.last, self.first + limit)]


def media_type(data: bytes) -> str:
    """PNG, JPEG or WEBP by the first bytes. BadImage, quoting them, for anything else."""
    if data.startswith(PNG_BEGIN):
        return PNG
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WEBP
    raise BadImage(_stranger(data), "PNG, JPEG and WEBP are read")


def parts(data: bytes) -> Iterator[Part]:
    """The parts in order, each lying wholly inside `data`. BadImage at the place where the structure breaks."""
    if len(data) <= _LITTLE:
        try:
            return iter(_all_parts(data))
        except BadImage:
            pass
    return _walked(data)


@lru_cache(maxsize=4)
def _all_parts(data: bytes) -> tuple[Part, ...]:
    """Of a little picture: whoever judges one asks six times, and each time looks at one thing."""
    return tuple(_walked(data))


def _walked(data: bytes) -> Iterator[Part]:
    walk = {PNG: _png, JPEG: _jpeg, WEBP: _webp}[media_type(data)]
    for number, part in enumerate(walk(data)):
        if number >= _PARTS:
            raise BadImage(f"the image has more than {_PARTS} parts")
        yield part


def readable(data: bytes) -> Iterator[Part]:
    """The parts as far as they can be told: for looking something up, not for judging the file."""
    try:
        yield from parts(data)
    except BadImage:
        return


def bare(data: bytes) -> list[memoryview]:
    """The same picture, in pieces that are no copies, with nothing in it but what its pixels and colours need: no EXIF,
    no text, no second picture. A WEBP stays as it is: its decoder reads no metadata."""
    kind, view = media_type(data), memoryview(data)
    if kind == WEBP:
        return [view]
    if kind == PNG:
        return [
            memoryview(PNG_BEGIN),
            *(view[part.start : part.end] for part in parts(data) if part.name in _PIXELS_PNG),
        ]
    kept = (part for part in takewhile(lambda part: part.name != b"\xd9", parts(data)) if _shows(part, data))
    return [*(view[part.start : part.end] for part in kept), memoryview(b"\xff\xd9")]


def _shows(part: Part, data: bytes) -> bool:
    """Whether a JPEG's segment is needed for its pixels and colours: all but comments and applications' own."""
    if part.name == b"\xe2":
        return part.body(data, 12) == b"ICC_PROFILE\0"
    return part.name in (b"\xe0", b"\xee") or not (0xE0 <= part.name[0] <= 0xEF or part.name == b"\xfe")


def no_tail(data: bytes, end: int) -> None:
    """BadImage when more than padding (zeros, line ends) follows the end of the picture."""
    rest = len(data) - _past(_PADDING, data, end)
    if rest:
        raise BadImage(f"{rest} foreign bytes follow the end of the picture", "save the picture anew")


def _png(data: bytes) -> Iterator[Part]:
    at = len(PNG_BEGIN)
    while True:
        if at + 12 > len(data):
            raise BadImage("the PNG is cut short: its end is missing")
        length, name = struct.unpack_from(">I4s", data, at)
        if not name.isalpha():
            raise BadImage(f"the PNG is damaged: no chunk begins at byte {at}")
        end = at + 12 + length
        if end > len(data):
            raise BadImage(f"the PNG is cut short inside its {name.decode('ascii')} chunk")
        yield Part(name=name, start=at, first=at + 8, last=end - 4, end=end)
        if name == b"IEND":
            return
        at = end


def _jpeg(data: bytes) -> Iterator[Part]:
    """Segments of the first picture and of those that follow it (MPF: depth and gain maps that cameras append)."""
    at = 0
    while data.startswith(b"\xff\xd8", at):
        yield Part(name=b"\xd8", start=at, first=at + 2, last=at + 2, end=at + 2)
        at += 2
        while True:
            part = _segment(data, at)
            yield part
            at = part.end
            if part.name == b"\xd9":
                break
        at = _past(_PADDING, data, at)


def _segment(data: bytes, start: int) -> Part:
    at = _past(_FILL, data, start)
    name = data[at : at + 1]
    if not name:
        raise BadImage("the JPEG is cut short: its end is missing")
    if at == start or name in b"\x00\xd8":
        raise BadImage(f"the JPEG is damaged: no marker at byte {start}")
    at += 1
    if name in b"\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd9\x01":  # markers that stand alone
        return Part(name=name, start=start, first=at, last=at, end=at)
    last = at + int.from_bytes(data[at : at + 2], "big")
    if last < at + 2:
        raise BadImage(f"the JPEG is damaged or cut short at byte {at}")
    end = _scanned(data, last) if name == b"\xda" else last
    if end > len(data):
        raise BadImage("the JPEG is cut short inside a segment")
    return Part(name=name, start=start, first=at + 2, last=last, end=end)


def _scanned(data: bytes, at: int) -> int:
    found = _SCAN_END.search(data, at)
    if found is None:
        raise BadImage("the JPEG is cut short inside its picture data")
    end = found.start()
    return at + len(data[at:end].rstrip(b"\xff")) if data[end - 1] == 0xFF else end


def _webp(data: bytes) -> Iterator[Part]:
    size = int.from_bytes(data[4:8], "little") + 8
    if size != len(data):
        change = "cut short" if size > len(data) else "followed by foreign bytes"
        raise BadImage(f"the WEBP is {change}: it says {size} bytes and has {len(data)}")
    at = 12
    while at < size:
        if at + 8 > size:
            raise BadImage("the WEBP is damaged: half a chunk at its end")
        name, length = struct.unpack_from("<4sI", data, at)
        last = at + 8 + length
        end = last + length % 2  # a chunk of odd length is followed by one byte of padding
        if end > size:
            raise BadImage(f"the WEBP is damaged: its chunk at byte {at} is longer than the file")
        yield Part(name=name, start=at, first=at + 8, last=last, end=end)
        at = end


def _past(run: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = run.match(data, at)
    return found.end() if found else at


def _stranger(data: bytes) -> str:
    if not data:
        return "not an image: it is empty"
    for beginning, what in _BEGINNINGS:
        if re.match(beginning, data[:512], re.DOTALL):
            return f"it is {what}, not a PNG, JPEG or WEBP"
    text = data[:60].decode("utf-8", "replace").strip().split("\n", 1)[0]
    if not text.startswith(("<", "{")):
        # An error page or reply says what went wrong; other texts may hold what is nobody's business.
        return "not an image"
    return f"not an image: it begins with '{text[:40].strip()}'"
