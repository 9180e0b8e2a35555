"""What a picture says of its making: put in without touching a pixel, found again, left out where it could harm."""

import io
import struct
import zlib
from itertools import product

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from flowrunner.imagehead import artifact, mark, simulated
from flowrunner.imaging.picture import decode, pixels
from flowrunner.xmp import Origin, SourceType, carrying, origin

KINDS = ("PNG", "JPEG", "WEBP")
KEY = "9be1" * 16
EDIT = Origin(model="blackforestlabs/flux-2-edit", key=KEY, source=SourceType.COMPOSITE)
DRAWN = Origin(model="image/pad", key=KEY, source=None)
PLAY = Origin(model="image/pad", key=KEY, source=SourceType.ALGORITHMIC, simulated=True)


def made(kind: str, mode: str = "RGB", **options: object) -> bytes:
    into = io.BytesIO()
    Image.effect_mandelbrot((40, 30), (-2, -1, 1, 1), 20).convert(mode).save(into, kind, **options)
    return into.getvalue()


def png_with(name: bytes, body: bytes) -> bytes:
    data = made("PNG")
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return data[:33] + chunk + data[33:]


def jpeg_with(code: int, body: bytes) -> bytes:
    data = made("JPEG")
    return data[:2] + struct.pack(">BBH", 0xFF, code, len(body) + 2) + body + data[2:]


def webp_with(name: bytes, body: bytes) -> bytes:
    data = made("WEBP") + name + struct.pack("<I", len(body)) + body
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


@pytest.mark.parametrize(("kind", "about"), list(product(KINDS, (EDIT, DRAWN))))
def test_what_was_put_in_is_found_and_no_pixel_changes(kind: str, about: Origin) -> None:
    data = made(kind)
    said = carrying(data, about)
    assert origin(said) == about
    assert pixels(decode(said)) == pixels(decode(data))
    assert artifact(said).width == 40
    assert not simulated(said)


@pytest.mark.parametrize("kind", KINDS)
def test_a_simulated_picture_stays_marked_and_says_so(kind: str) -> None:
    said = carrying(mark(made(kind)), PLAY)
    assert origin(said) == PLAY
    assert simulated(said)


def test_transparency_stays_with_a_webp_that_had_no_extended_header() -> None:
    data = made("WEBP", "RGBA", lossless=True)
    said = carrying(data, EDIT)
    assert pixels(decode(said)) == pixels(decode(data))


def test_other_readers_see_the_packet() -> None:
    for kind in KINDS:
        with Image.open(io.BytesIO(carrying(made(kind), EDIT))) as image:
            image.load()
            packet = image.info.get("xmp") or image.info["XML:com.adobe.xmp"]
        assert KEY in str(packet)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png_with(b"caBX", b"jumb"), id="content credentials in a PNG"),
        pytest.param(png_with(b"sgNd", b"signature"), id="a chunk that no specification knows"),
        pytest.param(png_with(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>"), id="a PNG with a packet of its own"),
        pytest.param(jpeg_with(0xEB, b"JP\0\0jumb"), id="content credentials in a JPEG"),
        pytest.param(jpeg_with(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"), id="a JPEG with a packet of its own"),
        pytest.param(jpeg_with(0xE2, b"MPF\0II*\0"), id="an index that counts bytes"),
        pytest.param(made("JPEG") + made("JPEG"), id="a JPEG behind a JPEG"),
        pytest.param(webp_with(b"C2PA", b"jumb"), id="content credentials in a WEBP"),
        pytest.param(webp_with(b"XMP ", b"<x/>"), id="a WEBP with a packet of its own"),
        pytest.param(made("PNG")[:-9], id="a file that is cut short"),
        pytest.param(b"words", id="no picture"),
    ],
)
def test_a_file_that_a_packet_could_harm_stays_byte_for_byte(data: bytes) -> None:
    assert carrying(data, EDIT) is data


def test_a_packet_goes_beside_what_a_camera_or_an_editor_wrote() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = made("JPEG", exif=exif, comment=b"hello")
    said = carrying(data, EDIT)
    assert origin(said) == EDIT
    assert (artifact(said).width, artifact(said).height) == (30, 40)


def test_a_picture_of_others_says_nothing_that_we_wrote() -> None:
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<rdf:Description xmp:CreatorTool="a brush"/>')
    assert origin(made("PNG", pnginfo=text)) is None
    assert origin(b"words") is None
    assert origin(made("WEBP")) is None
