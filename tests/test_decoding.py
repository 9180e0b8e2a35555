"""What Pillow is shown of a picture: judged bytes, and nothing but what pixels and colours need."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from test_imagehead import chunk, encoded, exif

from flowrunner import decoding
from flowrunner.decoding import Undecodable, decoded, flows, probe, strict
from flowrunner.imagehead import BadImage, check_complete
from flowrunner.imageparts import bare

BROKEN = exif(6)[:-6] + b"\x86\x92\x02\0" + struct.pack("<II", 9000, 4000)
"""EXIF of which an entry lies outside, as many a phone writes it."""
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def spliced(data: bytes, segment: bytes, at: int = 2) -> bytes:
    return data[:at] + segment + data[at:]


def app(number: int, body: bytes) -> bytes:
    return bytes([0xFF, 0xE0 + number]) + struct.pack(">H", len(body) + 2) + body


ODD = {
    "broken EXIF in a JPEG": spliced(encoded("JPEG"), app(1, b"Exif\0\0" + BROKEN)),
    "an MPO that is none": spliced(encoded("JPEG"), app(2, b"MPF\0II*\0\x08\0\0\0\x03\0" + b"\xb0" * 30)),
    "a bomb of text in a PNG": spliced(encoded("PNG"), chunk(b"zTXt", b"a\0\0" + b"\x78\x9c" + b"\0" * 50), 33),
    "broken EXIF in a PNG": spliced(encoded("PNG"), chunk(b"eXIf", BROKEN), 33),
    "broken EXIF in a WEBP": encoded("WEBP", exif=b"Exif\0\0" + BROKEN),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_metadata_is_not_shown_to_pillow_and_spoils_nothing(name: str) -> None:
    assert sorted(decoded(ODD[name]).size) == [6, 8]


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("PNG", mode) for mode in ("RGB", "L", "RGBA", "P")),
        *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
        *(("WEBP", mode) for mode in ("RGB", "RGBA")),
    ],
)
def test_a_picture_laid_bare_keeps_its_pixels_and_its_colours(kind: str, mode: str) -> None:
    options: dict[str, Any] = {"comment": b"a comment"} if kind == "JPEG" else {}
    data = encoded(kind, mode=mode, icc_profile=SRGB, exif=b"Exif\0\0" + exif(1), **options)
    one, two = (Image.open(io.BytesIO(each)) for each in (data, b"".join(bare(data))))
    assert (one.mode, one.size, one.tobytes()) == (two.mode, two.size, two.tobytes())
    assert two.info["icc_profile"] == SRGB
    assert "comment" not in two.info


def test_a_warning_of_pillow_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def warning(*_: Any, **__: Any) -> Any:
        warnings.warn("this looks odd", UserWarning, stacklevel=1)

    monkeypatch.setattr(Image, "open", warning)
    with warnings.catch_warnings(action="ignore"), pytest.raises(Undecodable, match="this looks odd"):
        decoded(encoded("PNG"))


def test_threads_that_decode_leave_the_filters_of_warnings_as_they_were() -> None:
    def one(_: int) -> None:
        with strict():
            assert warnings.filters[0][0] == "error"

    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(200)))
    assert list(warnings.filters) == before


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pillow_sees_no_byte_of_a_picture_that_is_cut(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    data = encoded(kind, (4, 4))
    for length in range(len(data)):
        with pytest.raises(BadImage):
            decoded(data[:length])


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp"])
def test_pillow_loads_no_format_but_those_of_pictures(media_type: str) -> None:
    script = (
        "import sys\nfrom PIL import Image\nfrom flowrunner.imaging.picture import decode, encode\n"
        f"decode(encode(Image.new('RGB', (4, 4)), {media_type!r}))\n"
        "print(*(name for name in sys.modules if name.startswith('PIL.')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "PIL.PngImagePlugin" in done.stdout.split()
    assert "PIL.PdfImagePlugin" not in done.stdout.split()


PLENTY = 10**9


def rows(
    data: bytes, *, width: int = 5, height: int = 4, header: bytes = b"\x08\0\0\0\0", end: bytes = b"", parts: int = 3
) -> bytes:
    """A grey PNG of these rows, its picture data in several chunks."""
    packed = zlib.compress(data) + end
    step = -(-len(packed) // parts)
    chunks = [chunk(b"IDAT", packed[at : at + step]) for at in range(0, len(packed), step)]
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II", width, height) + header)
    return start + b"".join(chunks) + chunk(b"IEND")


GREY = b"\0abcde\1fghij\4klmno\3pqrst"


@pytest.mark.parametrize("step", [1, 2, 6, 7, 2**18])
@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (rows(GREY), True),
        (rows(GREY[:-1]), False),
        (rows(GREY + b"x"), False),
        (rows(GREY.replace(b"\4", b"\5")), False),
        (rows(GREY[:18] + b"\xff" + GREY[19:]), False),
        (rows(GREY, header=b"\x08\0\0\0\1"), False),
        (rows(b"\0ab\1fg\4kl\3pq", width=12, header=b"\1\0\0\0\0"), True),
        (rows(b"\0ab\1fg\4kl\3pq", width=17, header=b"\1\0\0\0\0"), False),
        (encoded("PNG", mode="RGBA"), True),
        (encoded("PNG", mode="P"), True),
        (encoded("JPEG"), False),
        (encoded("WEBP"), False),
    ],
)
def test_the_rows_of_a_png_are_counted_without_a_pixel(
    data: bytes, whole: bool, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_STEP", step)
    assert flows(data) is whole


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        (rows(GREY), False),
        (encoded("PNG", mode="RGBA"), False),
        (spliced(encoded("PNG"), chunk(b"tEXt", b"a\0b"), 33), False),
        (encoded("PNG", mode="P"), True),
        (encoded("PNG", icc_profile=SRGB), True),
        (spliced(encoded("PNG"), chunk(b"tRNS", bytes(6)), 33), True),
        (rows(GREY, header=b"\x08\3\0\0\0"), True),
        (encoded("JPEG"), True),
        (encoded("WEBP"), True),
    ],
)
def test_pillow_is_not_asked_of_a_png_that_is_nothing_but_its_rows(
    data: bytes, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Mock(wraps=Image.open)
    monkeypatch.setattr(Image, "open", opened)
    assert probe(data, PLENTY) == 0
    assert opened.called is asked


def test_a_few_bytes_that_hold_gigabytes_are_inflated_no_further_than_the_picture_goes() -> None:
    inflated = 0
    plain = decoding._inflated

    def counted(*values: Any) -> Any:
        nonlocal inflated
        for part in plain(*values):
            inflated += len(part)
            yield part

    bomb = rows(bytes(50_000_000))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decoding, "_inflated", counted)
        assert not flows(bomb)
    assert inflated <= 2 * decoding._STEP


@given(
    st.binary(min_size=24, max_size=24),
    st.sampled_from([b"\x08\0\0\0\0", b"\x08\3\0\0\0", b"\x08\0\0\0\1", b"\4\0\0\0\0"]),
    st.integers(0, 40),
    st.integers(0, 255),
)
def test_what_flows_can_be_decoded(data: bytes, header: bytes, at: int, byte: int) -> None:
    made = bytearray(rows(data[:6] + GREY[6:], header=header, parts=1))
    body = made[41:-16]
    body[at % len(body)] = byte
    spoiled = bytes(made[:33]) + chunk(b"IDAT", bytes(body)) + chunk(b"IEND")
    if flows(spoiled):
        Image.open(io.BytesIO(spoiled)).load()


@pytest.mark.parametrize(
    ("kind", "enough", "size"),
    [
        ("JPEG", 20_000, (200, 100)),
        ("JPEG", 20_001, (400, 200)),
        ("JPEG", 10_000, (200, 100)),
        ("JPEG", 1_000, (50, 25)),
        ("JPEG", None, (400, 200)),
        ("PNG", 1_000, (400, 200)),
    ],
)
def test_a_jpeg_is_made_smaller_while_so_many_pixels_are_enough(
    kind: str, enough: int | None, size: tuple[int, int]
) -> None:
    assert decoded(encoded(kind, (400, 200)), enough).size == size


@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
def test_a_draft_of_a_jpeg_fails_where_the_whole_picture_does(at: int, byte: int, progressive: bool) -> None:
    data = bytearray(encoded("JPEG", (40, 30), progressive=progressive))
    data[20 + at % (len(data) - 22)] = byte
    try:
        decoded(bytes(data))
    except BadImage:
        return
    except Undecodable:
        with pytest.raises(Undecodable):
            probe(bytes(data), PLENTY)
    else:
        assert probe(bytes(data), PLENTY) == 0


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_good_picture_passes(kind: str) -> None:
    assert probe(encoded(kind, exif=b"Exif\0\0" + exif(6)), PLENTY) == 0


@pytest.mark.parametrize("data", [rows(GREY[:-7]), rows(GREY.replace(b"\4", b"\7")), encoded("WEBP")[:30]])
def test_wrong_pixels_in_a_right_frame_are_told(data: bytes) -> None:
    with pytest.raises((Undecodable, BadImage)):
        probe(data, PLENTY)


def test_what_takes_more_room_is_not_decoded_yet() -> None:
    data = encoded("JPEG", (400, 300))
    needed = 2 * len(data) + 4 * 400 * 300
    assert (probe(data, needed - 1), probe(data, needed)) == (needed, 0)
    assert probe(encoded("PNG", (400, 300)), 0) == 0


def test_pieces_read_as_one_file() -> None:
    joined = decoding._joined([memoryview(b"ab"), memoryview(b"c"), memoryview(b"defg")])
    assert (joined.read(4), joined.tell(), joined.seek(1), joined.read()) == (b"abcd", 4, 1, b"bcdefg")
    assert (joined.seek(-2, io.SEEK_END), joined.read(9), joined.read(1), joined.seek(0)) == (5, b"fg", b"", 0)
    assert joined.read(-1) == b"abcdefg"


@given(st.lists(st.sampled_from([b"\xff", b"\0", b"\xd0", b"\xd9", b"a", b"\xda"]), max_size=12).map(b"".join))
def test_the_end_of_a_scan_is_the_first_marker_with_its_fill(data: bytes) -> None:
    """T.81, B.1.1.2 and B.1.1.5, word by word."""
    from flowrunner.imageparts import _scanned

    def marker(at: int) -> bool:
        after = data[at:].lstrip(b"\xff")
        return data[at : at + 1] == b"\xff" and bool(after) and after[0] != 0 and not 0xD0 <= after[0] <= 0xD7

    first = next((at for at in range(len(data)) if marker(at)), None)
    if first is None:
        with pytest.raises(BadImage):
            _scanned(data, 0)
    else:
        assert _scanned(data, 0) == first


def test_a_long_run_of_fill_bytes_is_passed_at_once() -> None:
    data = encoded("JPEG")[:-2] + b"\xff" * 5_000_000 + b"\xd9"
    check_complete(data)
    assert probe(data, PLENTY) == 0
