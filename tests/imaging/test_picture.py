"""Pictures in and out of bytes."""

import io
import struct
import zlib
from typing import Any, Literal

import pytest
from PIL import Image, ImageCms

from flowrunner.imagehead import head
from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.picture import decode, encode, pixels, size_of


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def flat(mode: str, color: Any, size: tuple[int, int] = (4, 2)) -> Image.Image:
    return Image.new(mode, size, color)


def seen(data: bytes) -> tuple[str, Any]:
    image = decode(data)
    return image.mode, image.getpixel((1, 1))


@pytest.mark.parametrize(
    ("image", "mode", "color"),
    [
        (flat("RGB", (10, 20, 30)), "RGB", (10, 20, 30)),
        (flat("RGBA", (10, 20, 30, 40)), "RGBA", (10, 20, 30, 40)),
        (flat("L", 90), "RGB", (90, 90, 90)),
        (flat("LA", (90, 50)), "RGBA", (90, 90, 90, 50)),
        (flat("1", 1), "RGB", (255, 255, 255)),
        (flat("RGB", (10, 20, 30)).convert("P", palette=Image.Palette.ADAPTIVE), "RGB", (10, 20, 30)),
        (flat("I;16", 0x8040), "RGB", (128, 128, 128)),
    ],
)
def test_every_kind_of_png_becomes_rgb_or_rgba(image: Image.Image, mode: str, color: tuple[int, ...]) -> None:
    assert seen(saved(image)) == (mode, color)


def test_a_palette_with_a_transparent_entry_becomes_rgba() -> None:
    image = flat("P", 0)
    image.putpalette([200, 0, 0, 0, 0, 0])
    assert seen(saved(image, transparency=0)) == ("RGBA", (200, 0, 0, 0))


def test_a_cmyk_jpeg_becomes_rgb() -> None:
    mode, color = seen(saved(flat("CMYK", (0, 255, 255, 0), (16, 16)), "JPEG", quality=100))
    assert mode == "RGB"
    assert color[0] > 200
    assert max(color[1:]) < 60


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pictures_stand_upright_as_their_header_says(kind: str, orientation: int) -> None:
    image = Image.new("RGB", (48, 32), "black")
    image.paste((255, 255, 255), (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(image, kind, exif=exif.tobytes())
    turned = decode(data)
    assert turned.size == (head(data).width, head(data).height) == size_of(data)
    right, below = turned.width - 4, turned.height - 4
    corners = {1: (4, 4), 2: (right, 4), 3: (right, below), 4: (4, below)}
    corners |= {5: (4, 4), 6: (right, 4), 7: (right, below), 8: (4, below)}
    pixel = turned.getpixel(corners[orientation])
    assert isinstance(pixel, tuple)
    assert min(pixel) > 200


def profile(kind: Literal["LAB", "sRGB"]) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()


def test_an_srgb_profile_changes_nothing_and_is_dropped() -> None:
    image = decode(saved(flat("RGB", (200, 100, 50)), icc_profile=profile("sRGB")))
    assert image.getpixel((0, 0)) == (200, 100, 50)
    assert image.info == {}


@pytest.mark.parametrize(
    "damaged",
    [b"", b"no profile", profile("LAB"), profile("sRGB")[:60]],
    ids=["empty", "no profile", "other space", "cut short"],
)
def test_a_profile_that_does_not_fit_is_passed_over(damaged: bytes) -> None:
    assert seen(saved(flat("RGB", (200, 100, 50)), icc_profile=damaged)) == ("RGB", (200, 100, 50))


def swapped_profile() -> bytes:
    """The sRGB profile with red and green exchanged, and another name: it shows when it is obeyed."""
    data = bytearray(profile("sRGB"))
    data = data.replace(b"s\0R\0G\0B", b"o\0t\0h\0r").replace(b"sRGB", b"othr")
    count = struct.unpack_from(">I", data, 128)[0]
    for tag in range(count):
        at = 132 + 12 * tag
        name = bytes(data[at : at + 4])
        data[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    return bytes(data)


def test_colours_are_brought_from_the_files_profile_to_srgb_and_alpha_stays() -> None:
    data = saved(flat("RGBA", (255, 0, 0, 77)), icc_profile=swapped_profile())
    assert seen(data) == ("RGBA", (0, 255, 0, 77))


@pytest.mark.parametrize("data", [b"", b"<html>", saved(flat("RGB", 0))[:-20]])
def test_what_is_no_whole_image_is_never_decoded(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(OperationError):
        decode(data)


def png(idat: bytes, *, width: int = 4, height: int = 4) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


@pytest.mark.parametrize("idat", [b"", b"junk", zlib.compress(b"")[:-3]])
def test_whatever_pillow_raises_becomes_one_sentence(idat: bytes) -> None:
    with pytest.raises(OperationError, match="the picture cannot be decoded"):
        decode(png(idat))


def test_a_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(OperationError, match="over the limit"):
        decode(png(zlib.compress(bytes(9)), width=9000, height=9000))


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
def test_equal_pixels_give_equal_bytes_without_metadata(kind: str) -> None:
    image = Image.radial_gradient("L").convert("RGB")
    noisy = image.copy()
    noisy.info = {"dpi": (300, 300), "comment": b"hello", "icc_profile": profile("sRGB"), "exif": b"Exif\0\0x"}
    assert encode(image, kind) == encode(noisy, kind)
    assert head(encode(image, kind)).media_type == kind


def test_quality_is_for_lossy_types() -> None:
    image = Image.effect_noise((64, 64), 80).convert("RGB")
    assert len(encode(image, "image/jpeg", 30)) < len(encode(image, "image/jpeg", 95))
    assert len(encode(image, "image/webp", 30)) < len(encode(image, "image/webp", 95))
    assert encode(image, "image/png", 30) == encode(image, "image/png", 95)


def test_the_digest_of_pixels_tells_mode_size_and_colour_and_not_the_encoder() -> None:
    image = flat("RGB", (1, 2, 3))
    again = decode(saved(image, compress_level=0))
    others = [flat("RGB", (1, 2, 4)), flat("RGB", (1, 2, 3), (2, 4)), flat("RGBA", (1, 2, 3, 255)), flat("L", 1)]
    assert pixels(image) == pixels(again)
    assert len({pixels(image), *map(pixels, others)}) == 5
    assert len(pixels(image)) == 64


def test_an_animation_is_refused() -> None:
    data = saved(flat("RGB", 0), "WEBP", save_all=True, append_images=[flat("RGB", 255)])
    with pytest.raises(OperationError, match="animated"):
        decode(data)
