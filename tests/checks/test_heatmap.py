"""Heat maps: small, always the same, and hot where something is to be seen."""

import io

import pytest
from check_pictures import check, found, scene
from PIL import Image

from flowrunner.checks.heatmap import draw
from flowrunner.checks.measures import Measured


def drawn(image: Image.Image, measured: Measured) -> Image.Image:
    assert measured.heat is not None
    return Image.open(io.BytesIO(draw(image, measured.heat, measured.words))).convert("RGB")


def outside(image: Image.Image) -> Measured:
    return found(image, "unchanged_outside", of=scene(image.size), box=[0.5, 0.5, 1, 1])


@pytest.mark.parametrize(
    ("size", "shown"), [((40, 30), (300, 272)), ((960, 640), (480, 382)), ((20, 900), (300, 542)), ((1, 1), (300, 362))]
)
def test_a_heat_map_fits_a_page_whatever_the_picture(size: tuple[int, int], shown: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "#808080")
    measured = found(image, "colors", hex="#808080")
    assert drawn(image, measured).size == shown


def test_what_differs_outside_glows_and_what_differs_inside_does_not() -> None:
    image = scene((40, 30), spot=(5, 5, 35, 25))
    shown = drawn(image, outside(image))
    hot, cold = shown.getpixel((7 * 7, 7 * 7)), shown.getpixel((30 * 7, 20 * 7))
    assert isinstance(hot, tuple)
    assert isinstance(cold, tuple)
    assert max(hot) - min(hot) > 60
    assert max(cold) - min(cold) < 30


@pytest.mark.slow
def test_one_pixel_among_millions_is_seen() -> None:
    image = Image.new("RGB", (1500, 1000), "#606060")
    image.putpixel((300, 300), (255, 255, 255))
    measured = found(image, "unchanged_outside", of=Image.new("RGB", (1500, 1000), "#606060"), box=[0.5, 0.5, 1, 1])
    shown = drawn(image, measured).crop((90, 90, 102, 102))
    assert max(max(pixel) - min(pixel) for pixel in shown.get_flattened_data()) > 60  # type: ignore[arg-type]


def test_the_same_pictures_give_the_same_bytes() -> None:
    image = scene(spot=(3, 3, 9, 9))
    measured = outside(image)
    assert measured.heat is not None
    assert draw(image, measured.heat, "x") == draw(image, measured.heat, "x")


def test_checks_that_are_about_no_pixels_have_none() -> None:
    assert found(scene(), "size", size={"width": 1}).heat is None
    assert found(scene(), "similar_to", of=scene(), hash=3).heat is None
    assert check("size", size={"width": 1}).pictures == ()
