"""What Pillow is shown of a picture: judged bytes, and nothing but what pixels and colours need."""

import io
import struct
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image, ImageCms
from test_imagehead import chunk, encoded, exif

from flowrunner.decoding import Undecodable, decoded, strict
from flowrunner.imagehead import BadImage
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
    one, two = (Image.open(io.BytesIO(each)) for each in (data, bare(data)))
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
