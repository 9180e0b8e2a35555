"""Files that are no good pictures, each of a few bytes and wrong in one way only."""

import struct
import zlib

GIF = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
_BEGIN = b"\x89PNG\r\n\x1a\n"
_HUGE = 40_000


def broken() -> bytes:
    """A PNG that is whole and whose every checksum is right, and whose pixels are no compressed data."""
    return _png((b"IHDR", _header(512, 512)), (b"IDAT", b"these are no pixels"), (b"IEND", b""))


def huge() -> bytes:
    """A PNG of 1.6 gigapixels."""
    return _png((b"IHDR", _header(_HUGE, _HUGE)), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))


def animated() -> bytes:
    """A PNG with two frames (PNG third edition, 11.3.6)."""
    pixels = zlib.compress(b"\0\0" * 8)
    frame = struct.pack(">IIIIIHHBB", 0, 8, 8, 0, 0, 1, 10, 0, 0)
    again = struct.pack(">IIIIIHHBB", 1, 8, 8, 0, 0, 1, 10, 0, 0)
    return _png(
        (b"IHDR", _header(8, 8)),
        (b"acTL", struct.pack(">II", 2, 0)),
        (b"fcTL", frame),
        (b"IDAT", pixels),
        (b"fcTL", again),
        (b"fdAT", struct.pack(">I", 2) + pixels),
        (b"IEND", b""),
    )


def _header(width: int, height: int) -> bytes:
    """One bit a pixel, grey."""
    return struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    return _BEGIN + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
