"""Local operations that change size, part or type, by the pixels they give."""

import io
from typing import Any

import pytest
from image_calls import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    call,
    corners,
    done,
    flat,
    put,
    quarters,
    read,
    refusal,
)
from PIL import Image

from flowrunner.imaging.geometry import Gravity
from flowrunner.providers.image import perform, pixels


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"width": 20}, (20, 10)),
        ({"height": 5}, (10, 5)),
        ({"width": 20, "height": 20}, (20, 20)),
        ({"width": 20, "height": 20, "fit": "contain"}, (20, 10)),
        ({"width": 20, "height": 30, "fit": "stretch"}, (20, 30)),
        ({"width": 80, "filter": "nearest"}, (80, 40)),
    ],
)
def test_resize_gives_the_size_that_is_asked_for(params: dict[str, Any], size: tuple[int, int]) -> None:
    assert done("resize", image=quarters(), **params).size == size


@pytest.mark.parametrize(("gravity", "left"), [("west", RED), ("east", GREEN)])
def test_cover_keeps_the_part_at_the_gravity(gravity: str, left: tuple[int, ...]) -> None:
    image = done("resize", image=quarters(), width=20, height=20, gravity=gravity, filter="nearest")
    assert corners(image)[0] == left
    assert corners(image)[1] == left


def test_stretch_keeps_the_whole_picture() -> None:
    image = done("resize", image=quarters(), width=60, height=60, fit="stretch")
    assert corners(image) == [RED, GREEN, BLUE, WHITE]


def test_nearest_invents_no_colour_and_lanczos_does() -> None:
    small = quarters((4, 4))
    nearest, lanczos = (done("resize", image=small, width=31, filter=name) for name in ("nearest", "lanczos"))
    assert len(nearest.getcolors(961) or []) == 4
    assert len(lanczos.getcolors(961) or []) > 4


def test_resizing_does_not_bleed_the_colour_of_transparent_pixels() -> None:
    image = Image.new("RGBA", (20, 20), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 10, 20))
    small = done("resize", image=put(image), width=7)
    assert all(color[1] < 20 for _, color in small.getcolors() or [] if isinstance(color, tuple) and color[3] > 30)


@pytest.mark.parametrize("box", [[0.5, 0, 1, 0.5], [20, 0, 40, 10]])
def test_crop_takes_shares_or_pixels(box: list[float]) -> None:
    image = done("crop", image=quarters(), box=box)
    assert image.size == (20, 10)
    assert image.getcolors() == [(200, GREEN)]


def test_a_crop_outside_the_picture_is_refused() -> None:
    assert refusal("crop", image=quarters(), box=[0, 0, 41, 20]).startswith("the box [0, 0, 41, 20] reaches outside")


@pytest.mark.parametrize("gravity", Gravity)
def test_pad_puts_the_picture_at_the_gravity(gravity: Gravity) -> None:
    image = done("pad", image=flat(RED), width=100, height=60, gravity=gravity.value, color="#0000ff")
    across, down = gravity.halves
    left, top = 30 * across, 20 * down
    assert image.getpixel((left, top)) == image.getpixel((left + 39, top + 19)) == RED
    assert sorted(image.getcolors() or []) == [(800, RED), (5200, BLUE)]


def test_padding_is_white_and_clear_where_the_colour_is() -> None:
    assert done("pad", image=flat(RED), width=50, height=20).getpixel((0, 0)) == WHITE
    clear = done("pad", image=flat(RED), width=50, height=20, color="#11223300")
    assert clear.getpixel((0, 0)) == (17, 34, 51, 0)
    assert clear.getpixel((25, 10)) == (*RED, 255)


def test_pad_leaves_the_pictures_own_transparency() -> None:
    image = done("pad", image=flat((255, 0, 0, 10), mode="RGBA"), width=50, height=20, color="#0000ff")
    assert (image.getpixel((0, 0)), image.getpixel((25, 10))) == ((*BLUE, 255), (*RED, 10))


def test_pad_never_scales() -> None:
    assert refusal("pad", image=flat(RED), width=39, height=20) == "the picture of 40x20 is larger than 39x20"


@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
def test_convert_gives_the_type(wanted: str) -> None:
    image = done("convert", image=quarters(), format=wanted)
    assert image.format == wanted.upper()


def test_a_jpeg_shows_the_background_through() -> None:
    clear = flat((255, 0, 0, 0), mode="RGBA")
    assert done("convert", image=clear, format="jpeg").getpixel((5, 5)) == WHITE
    blue = done("convert", image=clear, format="jpeg", background="#0000ff", quality=100).getpixel((5, 5))
    assert isinstance(blue, tuple)
    assert blue[2] > 250
    assert max(blue[:2]) < 5


def test_webp_and_png_keep_transparency() -> None:
    clear = flat((255, 0, 0, 0), mode="RGBA")
    assert corners(done("convert", image=clear, format="png")) == [(255, 0, 0, 0)] * 4
    assert done("convert", image=clear, format="webp").mode == "RGBA"


def test_the_pixels_of_a_conversion_are_what_its_file_holds() -> None:
    data, made = perform(call("convert", image=quarters(), format="jpeg", quality=20), read)
    assert made.pixels == pixels(Image.open(io.BytesIO(data)))
