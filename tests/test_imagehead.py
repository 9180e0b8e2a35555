"""Type, size, wholeness and mark of images, told from their bytes."""

import io
import struct
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flowrunner import imageparts
from flowrunner.imagehead import MARK, BadImage, artifact, check_complete, head, mark, simulated
from flowrunner.imageparts import parts, readable

KINDS = ["PNG", "JPEG", "WEBP"]


def image(size: tuple[int, int] = (8, 6), mode: str = "RGB") -> Image.Image:
    picture = Image.radial_gradient("L").resize(size).convert("RGB")
    return picture.convert(mode)


def encoded(kind: str, size: tuple[int, int] = (8, 6), mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    image(size, mode).save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*chunks: bytes, width: int = 4, height: int = 4, header: bytes = b"\x08\0\0\0\0") -> bytes:
    picture = chunk(b"IDAT", zlib.compress(bytes(20)))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II", width, height) + header)
    return start + b"".join(chunks) + picture + chunk(b"IEND")


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for name, part in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def exif(orientation: int, order: str = "<") -> bytes:
    start = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return start + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def refusal(data: bytes) -> str:
    with pytest.raises(BadImage) as caught:
        artifact(data)
    return caught.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_has_its_type_size_length_and_digest(kind: str) -> None:
    data = encoded(kind, (40, 25))
    made = artifact(data)
    assert (made.media_type, made.width, made.height) == (f"image/{kind.lower()}", 40, 25)
    assert made.bytes == len(data)
    assert len(made.sha256) == 64


@pytest.mark.parametrize(
    "data",
    [
        encoded("WEBP", lossless=True),
        encoded("WEBP", mode="RGBA"),
        encoded("WEBP", mode="RGBA", lossless=True),
        encoded("WEBP", exif=b"Exif\0\0" + exif(1)),
        encoded("JPEG", progressive=True),
        encoded("JPEG", mode="CMYK"),
        encoded("JPEG", mode="L", restart_marker_blocks=1),
        encoded("PNG", mode="P"),
        encoded("PNG", mode="1"),
        encoded("PNG", mode="I;16"),
    ],
)
def test_every_flavour_of_the_three_formats_is_read(data: bytes) -> None:
    assert (artifact(data).width, artifact(data).height) == (8, 6)


@pytest.mark.parametrize(
    "data",
    [
        *(encoded(kind) for kind in KINDS),
        encoded("JPEG", progressive=True),
        encoded("WEBP", lossless=True),
        encoded("WEBP", mode="RGBA"),
        *(mark(encoded(kind)) for kind in KINDS),
        encoded("JPEG") + encoded("JPEG", (3, 2)),
    ],
)
def test_a_file_cut_at_any_byte_is_refused(data: bytes) -> None:
    whole = {len(encoded("JPEG"))}  # a cut exactly behind the first of two JPEGs leaves a whole one
    for length in range(len(data)):
        if length in whole and data[:2] == b"\xff\xd8":
            continue
        with pytest.raises(BadImage):
            artifact(data[:length])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_padding_after_the_end_passes_and_anything_else_is_refused(kind: str) -> None:
    assert artifact(encoded(kind) + b"\0\0\r\n\0").width == 8
    assert refusal(encoded(kind) + b"<script>alert(1)</script>") == "25 foreign bytes follow the end of the picture"


def test_pictures_that_cameras_append_to_a_jpeg_pass() -> None:
    assert artifact(encoded("JPEG", (8, 6)) + b"\0" + encoded("JPEG", (2, 2))).height == 6


def test_a_webp_must_be_as_long_as_it_says() -> None:
    assert "followed by foreign bytes" in refusal(encoded("WEBP") + b"\0")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_as_displayed(kind: str, orientation: int) -> None:
    seen = head(encoded(kind, (8, 6), exif=b"Exif\0\0" + exif(orientation)))
    assert (seen.width, seen.height) == ((6, 8) if orientation >= 5 else (8, 6))
    assert seen.orientation == orientation


def test_exif_is_read_in_either_byte_order_and_behind_the_picture_of_a_png() -> None:
    turned = png(width=3, height=5)
    data = turned[:-12] + chunk(b"eXIf", exif(6, ">")) + turned[-12:]
    assert (head(data).width, head(data).height) == (5, 3)


@pytest.mark.parametrize(
    "block",
    [b"", b"II*\0", exif(9), exif(0), exif(6)[:12], b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + bytes(30)],
)
def test_a_broken_exif_block_turns_nothing(block: bytes) -> None:
    assert head(png(chunk(b"eXIf", block), width=3, height=5)).width == 3


@given(st.binary(max_size=64))
def test_no_exif_block_crashes(block: bytes) -> None:
    assert head(png(chunk(b"eXIf", b"II*\0" + block))).width == 4


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_damage_is_refused_or_read_but_never_crashes(kind: str, data: st.DataObject) -> None:
    good = bytearray(encoded(kind))
    for at in data.draw(st.lists(st.integers(8, len(good) - 1), min_size=1, max_size=4)):
        good[at] = data.draw(st.integers(0, 255))
    with suppress(BadImage):
        assert artifact(bytes(good)).media_type == f"image/{kind.lower()}"


@given(st.binary(max_size=80))
def test_no_bytes_crash(data: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x54\0\0\0WEBP"):
        with pytest.raises(BadImage):
            artifact(start + data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not an image: it is empty"),
        (b"<!DOCTYPE html>\n<html>", "not an image: it begins with '<!DOCTYPE html>'"),
        (b'{"error": "expired"}', 'not an image: it begins with \'{"error": "expired"}\''),
        (b"GIF89a\x01\0", "it is a GIF, not a PNG, JPEG or WEBP"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "it is PostScript, not a PNG, JPEG or WEBP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "it is an SVG, not a PNG, JPEG or WEBP"),
        (b"\0\0\0\x20ftypavif", "it is an AVIF, not a PNG, JPEG or WEBP"),
        (b"version https://git-lfs.github.com/spec/v1", "it is a Git LFS pointer and not the file itself"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, sentence: str) -> None:
    assert refusal(data).startswith(sentence)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (png(width=9000, height=9000), "the image is 9000x9000 pixels, over the limit of 16384 a side and 50 million"),
        (png(width=16385, height=1), "the image is 16385x1 pixels, over the limit"),
        (png(width=0), "the image is 0x4 pixels"),
        (png(header=b"\x07\0\0\0\0"), "the PNG's header holds values that no PNG has"),
        (png(header=b"\x08\x05\0\0\0"), "the PNG's header holds values that no PNG has"),
        (png(chunk(b"acTL", bytes(8))), "the PNG is animated"),
        (png(*[chunk(b"tEXt", b"a\0b")] * 100_000), "the image has more than 65536 parts"),
        (png()[:8] + chunk(b"IEND"), "the PNG does not begin with a whole header"),
        (png()[:33] + chunk(b"IEND"), "the PNG has no picture data"),
        (webp((b"VP8X", b"\x02" + bytes(9))), "the WEBP is animated"),
        (webp((b"VP8X", bytes(10)), (b"ANIM", bytes(6))), "the WEBP is animated"),
        (webp((b"VP8X", bytes(10))), "the WEBP has no picture data"),
        (webp((b"VP8X", bytes(10)), (b"VP8L", b"\x2f\x09\0\0\0")), "the WEBP states two different sizes"),
        (webp((b"VP8 ", bytes(10))), "the WEBP's picture data has no whole header"),
        (b"\xff\xd8\xff\xd9", "the JPEG does not begin with a whole header"),
        (b"\xff\xd8\xff\xe0\0\x01", "the JPEG is damaged or cut short at byte 4"),
    ],
)
def test_a_hostile_header_is_refused(data: bytes, sentence: str) -> None:
    assert refusal(data).startswith(sentence)


def test_a_checksum_that_does_not_fit_is_refused() -> None:
    data = bytearray(png())
    data[45] ^= 1
    assert refusal(bytes(data)) == "the PNG is damaged: its IDAT chunk fails its checksum"


def test_a_long_run_of_fill_bytes_is_walked_at_once() -> None:
    assert refusal(b"\xff\xd8" + b"\xff" * 20_000_000) == "the JPEG is cut short: its end is missing"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_mark_changes_no_pixel_and_is_found(kind: str, mode: str) -> None:
    plain = encoded(kind, mode="RGB" if kind == "JPEG" else mode)
    marked = mark(plain)
    assert not simulated(plain)
    assert simulated(marked)
    check_complete(marked)
    before, after = Image.open(io.BytesIO(plain)), Image.open(io.BytesIO(marked))
    assert (before.mode, before.tobytes()) == (after.mode, after.tobytes())


@pytest.mark.parametrize("kind", KINDS)
def test_marking_twice_is_marking_once(kind: str) -> None:
    marked = mark(encoded(kind))
    assert mark(marked) == marked


@pytest.mark.parametrize("options", [{"lossless": True}, {"mode": "RGBA", "lossless": True}, {"exif": exif(6)}])
def test_a_marked_webp_keeps_what_it_said(options: dict[str, Any]) -> None:
    plain = encoded("WEBP", **options)
    marked = mark(plain)
    assert head(marked) == head(plain)
    assert Image.open(io.BytesIO(marked)).mode == Image.open(io.BytesIO(plain)).mode


def test_the_mark_joins_the_words_that_a_webp_has_already() -> None:
    data = mark(encoded("WEBP", xmp=b"<x:xmpmeta/>"))
    assert b"<x:xmpmeta/><!-- " + MARK in Image.open(io.BytesIO(data)).info["xmp"]


def test_the_mark_of_a_jpeg_stands_behind_its_application_segments() -> None:
    data = mark(encoded("JPEG", exif=b"Exif\0\0" + exif(6)))
    assert data.index(b"JFIF") < data.index(b"Exif") < data.index(MARK)
    assert Image.open(io.BytesIO(data)).info["comment"] == MARK


def test_bytes_of_a_picture_that_look_like_the_mark_are_not_the_mark() -> None:
    assert not simulated(png(chunk(b"prVt", MARK)))
    assert not simulated(MARK)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_picture_that_is_cut_the_parts_before_the_cut_are_readable(kind: str) -> None:
    data = mark(encoded(kind))
    whole = list(parts(data))
    cut = data[:-1]
    assert list(readable(data)) == whole
    found = list(readable(cut))
    assert found == whole[: {"PNG": -1, "JPEG": -2, "WEBP": 0}[kind]]
    with pytest.raises(BadImage):
        list(parts(cut))


def test_parts_are_the_same_for_little_pictures_and_for_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [mark(encoded(kind, (40, 30))) for kind in KINDS]
    little = [list(parts(data)) for data in pictures]
    monkeypatch.setattr(imageparts, "_LITTLE", 0)
    assert [list(parts(data)) for data in pictures] == little
