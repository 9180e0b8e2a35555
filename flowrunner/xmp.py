"""Where a picture says what made it: a small XMP packet, put into a published file and found in it again.

Sources: XMP specification part 3 (Adobe, January 2020) for the three formats; IPTC NewsCodes, digital source type.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from enum import StrEnum
from html import escape

from flowrunner.imagehead import MARK, with_packet
from flowrunner.imageparts import JPEG, PNG, BadImage, Part, media_type, parts, readable
from flowrunner.slotted import dataclass

_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_OWN = "urn:flowrunner:xmp:1:"
_BEGIN = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = b'<?xpacket end="r"?>'
_PNG_KEYWORD = b"XML:com.adobe.xmp\0"
_JPEG_NAMESPACE = b"http://ns.adobe.com/xap/1.0/\0"
_KEY = re.compile(rb"\bfr:Key(?:=[\"']|>)([0-9a-f]{64})\b")
_MODEL = re.compile(rb"\bfr:Model(?:=[\"']|>)([\w./-]{1,200})")

_PNG_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM cICP gAMA iCCP mDCV cLLI sBIT sRGB"
    b" tEXt zTXt iTXt bKGD hIST pHYs sPLT eXIf tIME".split()
)
"""Those of the PNG specification (third edition), none of which tells anything about the others."""
_WEBP_CHUNKS = frozenset((b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"EXIF", b"XMP "))
_JPEG_SEGMENTS = {b"\xe0": (b"JFIF\0", b"JFXX\0"), b"\xe1": (b"Exif\0\0",), b"\xe2": (b"ICC_PROFILE\0",)}
"""Application segments that may stand beside a packet, by what they begin with. An MPF index, for one, counts bytes."""
_JPEG_FREE = frozenset((b"\xee", b"\xfe"))


class SourceType(StrEnum):
    """How a picture came to be, in IPTC's terms."""

    TRAINED = "trainedAlgorithmicMedia"
    """A model made it from words."""
    COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
    """A model had a part in it."""
    ALGORITHMIC = "algorithmicMedia"
    """Drawn by rule: what the simulator gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What made a picture: model id, and the request key of 64 hexadecimal digits. `source` is None for a picture in
    which, as far as is known, no model had a part."""

    model: str
    key: str
    source: SourceType | None
    simulated: bool = False


def carrying(data: bytes, origin: Origin) -> bytes:
    """The same picture, no pixel touched, with a packet that names its origin.

    The very same bytes where that could harm: when the file has a packet already, content credentials (C2PA) or any
    part that the format's own specification does not know, which may be a signature over the others; or when it cannot
    be read.
    """
    try:
        found = list(parts(data))
    except BadImage:
        return data
    kind = media_type(data)
    if kind == PNG:
        return _png(data, found, _packet(origin)) if _is_free_png(data, found) else data
    if kind == JPEG:
        return _jpeg(data, found, _packet(origin)) if _is_free_jpeg(data, found) else data
    if not all(part.name in _WEBP_CHUNKS for part in found) or _stranger(data, found):
        return data
    return with_packet(data, _packet(origin))


def origin(data: bytes) -> Origin | None:
    """What a picture says of itself, which is a claim and no proof; None where it says nothing that we wrote."""
    for packet in _packets(data):
        key, model = _KEY.search(packet), _MODEL.search(packet)
        if key and model:
            named = next((kind for kind in SourceType if f"/{kind}".encode() in packet), None)
            return Origin(model=model[1].decode(), key=key[1].decode(), source=named, simulated=MARK in packet)
    return None


def _packet(origin: Origin) -> bytes:
    tool = MARK.decode() if origin.simulated else "flowrunner"
    kind = f' Iptc4xmpExt:DigitalSourceType="{_SOURCE}{origin.source}"' if origin.source else ""
    text = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f' xmlns:fr="{_OWN}" xmp:CreatorTool="{tool}"{kind}'
        f' fr:Model="{escape(origin.model)}" fr:Key="{origin.key}"/></rdf:RDF></x:xmpmeta>'
    )
    return _BEGIN + text.encode() + _END


def _is_free_png(data: bytes, found: list[Part]) -> bool:
    if not all(part.name in _PNG_CHUNKS for part in found):
        return False
    return not any(part.name == b"iTXt" and part.body(data).startswith(_PNG_KEYWORD) for part in found)


def _is_free_jpeg(data: bytes, found: list[Part]) -> bool:
    if sum(part.name == b"\xd8" for part in found) != 1:
        return False
    return all(_is_known_segment(data, part) for part in found if 0xE0 <= part.name[0] <= 0xFE)


def _is_known_segment(data: bytes, part: Part) -> bool:
    return part.name in _JPEG_FREE or part.body(data, 16).startswith(_JPEG_SEGMENTS.get(part.name, ()))


def _stranger(data: bytes, found: list[Part]) -> bool:
    """Whether a WEBP has a packet that is not the simulator's own mark."""
    return any(part.name == b"XMP " and MARK not in part.body(data) for part in found)


def _png(data: bytes, found: list[Part], packet: bytes) -> bytes:
    body = b"iTXt" + _PNG_KEYWORD + b"\0\0\0\0" + packet
    after = found[0].end
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:after] + chunk + data[after:]


def _jpeg(data: bytes, found: list[Part], packet: bytes) -> bytes:
    after = found[0].end
    for part in found[1:]:
        if not 0xE0 <= part.name[0] <= 0xEF:
            break
        after = part.end
    body = _JPEG_NAMESPACE + packet
    return data[:after] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[after:]


def _packets(data: bytes) -> Iterator[bytes]:
    try:
        kind = media_type(data)
    except BadImage:
        return
    name, begin = {PNG: (b"iTXt", _PNG_KEYWORD), JPEG: (b"\xe1", _JPEG_NAMESPACE)}.get(kind, (b"XMP ", b""))
    for part in readable(data):
        if part.name == name and part.body(data, len(begin)) == begin:
            yield part.body(data)
