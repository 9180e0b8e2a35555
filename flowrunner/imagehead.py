"""What an image is, by its own bytes and without decoding: type, size as displayed, whether it is whole, and the
simulator's mark.

Nothing from outside reaches a decoder, the store or a provider before `artifact` has let it pass.
"""

import struct
import zlib
from itertools import takewhile

from flowrunner.artifact import Artifact
from flowrunner.digest import sha256
from flowrunner.imageparts import JPEG, PNG, WEBP, BadImage, Part, media_type, no_tail, parts, readable
from flowrunner.slotted import dataclass

__all__ = [
    "MARK",
    "MAX_PIXELS",
    "MAX_SIDE",
    "BadImage",
    "Head",
    "artifact",
    "check_complete",
    "head",
    "mark",
    "simulated",
    "with_packet",
]

MAX_PIXELS = 50_000_000
MAX_SIDE = 16_384
MARK = b"flowrunner:simulated"
"""Stands in the metadata of every picture that a simulated run made."""

_ORIENTATION = 0x0112
_EXIF = b"Exif\0\0"
_SHORT = 3
_ANIMATION = 0x02
_XMP_FLAG = 0x04
_ALPHA_FLAG = 0x10
_COLOURS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bit depths that each PNG colour type allows."""
_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="' + MARK + b'"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Type and size in pixels as displayed; `orientation` is the EXIF value 1..8 that leads there from the size as
    stored (5..8 swap the sides)."""

    media_type: str
    width: int
    height: int
    orientation: int = 1


def head(data: bytes) -> Head:
    """Type and size from the header.

    BadImage for other types, broken headers, animations, sides over 16,384 or more than 50 million pixels.
    """
    kind = media_type(data)
    width, height, orientation = {PNG: _png, JPEG: _jpeg, WEBP: _webp}[kind](data)
    if width < 1 or height < 1:
        raise BadImage(f"the image is {width}x{height} pixels, which is nothing to see")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise BadImage(
            f"the image is {width}x{height} pixels, over the limit of {MAX_SIDE} a side"
            f" and {MAX_PIXELS // 1_000_000} million in all"
        )
    if orientation >= 5:
        width, height = height, width
    return Head(media_type=kind, width=width, height=height, orientation=orientation)


def check_complete(data: bytes) -> None:
    """BadImage unless the file goes through to its own end: every PNG chunk with the right checksum up to IEND; JPEG
    segments and scans up to EOI; every WEBP chunk and the size in its RIFF header.

    Padding (zeros, line ends) after a PNG or JPEG passes, and so do whole JPEGs after a JPEG, which cameras append;
    any other tail is refused.
    """
    kind = media_type(data)
    found = list(parts(data))
    if kind == PNG:
        _whole_png(data, found)
    elif kind == JPEG:
        _require(found, b"\xda", "the JPEG has no picture data")
    elif not any(part.name in (b"VP8 ", b"VP8L") for part in found):
        raise BadImage("the WEBP has no picture data")
    if kind != WEBP:
        no_tail(data, found[-1].end)


def artifact(data: bytes, digest: str = "") -> Artifact:
    """The bytes judged and named, with their digest where it is known. BadImage where `head` or `check_complete` would
    raise it."""
    seen = head(data)
    check_complete(data)
    return Artifact(
        sha256=digest or sha256(data), media_type=seen.media_type, width=seen.width, height=seen.height, bytes=len(data)
    )


def simulated(data: bytes) -> bool:
    """Whether the picture carries the simulator's mark. False for what is no picture at all."""
    try:
        kind = media_type(data)
    except BadImage:
        return False
    names = {PNG: (b"tEXt", b"iTXt"), JPEG: (b"\xfe",), WEBP: (b"XMP ",)}[kind]
    return any(MARK in part.body(data) for part in readable(data) if part.name in names)


def mark(data: bytes) -> bytes:
    """The same picture, no pixel touched, with the simulator's mark: a PNG text `Software`, a JPEG comment, a line of
    XMP in a WEBP. BadImage for what is not a whole picture."""
    check_complete(data)
    if simulated(data):
        return data
    return {PNG: _marked_png, JPEG: _marked_jpeg, WEBP: _marked_webp}[media_type(data)](data)


def _png(data: bytes) -> tuple[int, int, int]:
    chunks = parts(data)
    first = next(chunks, None)
    if first is None or first.name != b"IHDR" or first.last - first.first != 13 or not _checked(data, first):
        raise BadImage("the PNG does not begin with a whole header")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", first.body(data))
    if depth not in _COLOURS.get(colour, ()) or compression or filtering or interlace > 1:
        raise BadImage("the PNG's header holds values that no PNG has")
    orientation = 1
    for chunk in chunks:
        if chunk.name == b"acTL":
            raise BadImage("the PNG is animated; only still images are read")
        if chunk.name == b"eXIf":
            orientation = _orientation(chunk.body(data))
    return width, height, orientation


def _jpeg(data: bytes) -> tuple[int, int, int]:
    size, orientation, seen = None, 1, False
    for segment in takewhile(lambda part: part.name != b"\xda", parts(data)):
        code = segment.name[0]
        if segment.name == b"\xe1" and not seen and segment.body(data, 6) == _EXIF:
            orientation, seen = _orientation(segment.body(data)), True
        elif 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC) and segment.last - segment.first >= 6:
            height, width = struct.unpack_from(">xHH", data, segment.first)
            size = size or (width, height)
    if size is None:
        raise BadImage("the JPEG does not begin with a whole header")
    return *size, orientation


def _webp(data: bytes) -> tuple[int, int, int]:
    canvas, size, orientation = None, None, 1
    for chunk in parts(data):
        if chunk.name in (b"ANIM", b"ANMF"):
            raise BadImage("the WEBP is animated; only still images are read")
        if chunk.name == b"VP8X" and canvas is None:
            canvas = _canvas(chunk.body(data))
        elif chunk.name in (b"VP8 ", b"VP8L") and size is None:
            size = _frame(chunk.name, chunk.body(data, 10))
        elif chunk.name == b"EXIF":
            orientation = _orientation(chunk.body(data))
    size = size or canvas
    if size is None:
        raise BadImage("the WEBP does not begin with a whole header")
    if canvas not in (None, size):
        raise BadImage("the WEBP states two different sizes")
    return *size, orientation if canvas else 1


def _canvas(body: bytes) -> tuple[int, int]:
    """Size by a VP8X chunk (RFC 9649, 2.7.1)."""
    if len(body) < 10:
        raise BadImage("the WEBP's header is cut short")
    if body[0] & _ANIMATION:
        raise BadImage("the WEBP is animated; only still images are read")
    return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1


def _frame(name: bytes, body: bytes) -> tuple[int, int]:
    """Size by the first bytes of a VP8 (RFC 6386, 9.1) or VP8L bitstream (RFC 9649, 3.4)."""
    if name == b"VP8 " and len(body) >= 10 and not body[0] & 1 and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise BadImage("the WEBP's picture data has no whole header")


def _orientation(exif: bytes) -> int:
    """The orientation that an EXIF block states; 1 where it states none that can be read (TIFF 6.0, section 2)."""
    exif = exif.removeprefix(_EXIF)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return 1
    at = int(struct.unpack_from(f"{order}I", exif, 4)[0])
    if at + 2 > len(exif):
        return 1
    entries = int(struct.unpack_from(f"{order}H", exif, at)[0])
    for entry in range(at + 2, min(at + 2 + 12 * entries, len(exif) - 11), 12):
        tag, kind, count, value = struct.unpack_from(f"{order}HHIH", exif, entry)
        if tag == _ORIENTATION and kind == _SHORT and count == 1:
            return int(value) if 1 <= value <= 8 else 1
    return 1


def _whole_png(data: bytes, chunks: list[Part]) -> None:
    if chunks[0].name != b"IHDR":
        raise BadImage("the PNG does not begin with a whole header")
    _require(chunks, b"IDAT", "the PNG has no picture data")
    for chunk in chunks:
        if not _checked(data, chunk):
            raise BadImage(f"the PNG is damaged: its {chunk.name.decode('ascii')} chunk fails its checksum")


def _require(found: list[Part], name: bytes, sentence: str) -> None:
    if not any(part.name == name for part in found):
        raise BadImage(sentence)


def _checked(data: bytes, chunk: Part) -> bool:
    view = memoryview(data)[chunk.start + 4 : chunk.last]
    return zlib.crc32(view) == int.from_bytes(data[chunk.last : chunk.end], "big")


def _marked_png(data: bytes) -> bytes:
    body = b"tEXtSoftware\0" + MARK
    text = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    after = next(iter(parts(data))).end
    return data[:after] + text + data[after:]


def _marked_jpeg(data: bytes) -> bytes:
    """The comment follows the application segments, since JFIF and EXIF want theirs first."""
    leading = takewhile(lambda part: part.name[0] == 0xD8 or 0xE0 <= part.name[0] <= 0xEF, parts(data))
    after = max(part.end for part in leading)
    return data[:after] + b"\xff\xfe" + struct.pack(">H", len(MARK) + 2) + MARK + data[after:]


def _marked_webp(data: bytes) -> bytes:
    packet = next((part.body(data) for part in parts(data) if part.name == b"XMP "), None)
    return with_packet(data, _XMP if packet is None else packet + b"<!-- " + MARK + b" -->")


def with_packet(data: bytes, packet: bytes) -> bytes:
    """A whole WEBP with this XMP packet in place of any other, and no pixel touched (RFC 9649, 2.7)."""
    found = list(parts(data))
    chunks = [_chunk(part.name, part.body(data)) for part in found if part.name not in (b"VP8X", b"XMP ")]
    extended = next((part.body(data) for part in found if part.name == b"VP8X"), None) or _extension(data, found)
    header = _chunk(b"VP8X", bytes([extended[0] | _XMP_FLAG]) + extended[1:])
    body = b"WEBP" + header + b"".join(chunks) + _chunk(b"XMP ", packet)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _extension(data: bytes, found: list[Part]) -> bytes:
    """The VP8X body that says of a simple file what its bitstream says itself."""
    part = next(part for part in found if part.name in (b"VP8 ", b"VP8L"))
    width, height = _frame(part.name, part.body(data, 10))
    alpha = part.name == b"VP8L" and data[part.first + 4] & 0x10
    flags = _ALPHA_FLAG if alpha else 0
    return bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
