"""What each check measures, and says of it."""

import io
from typing import Any

import pytest
from check_pictures import Album, found, scene, words
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flowrunner.checks.measures import decimals, measure, percent
from flowrunner.imaging.errors import OperationError

RED = Image.new("RGB", (40, 30), "#c0392b")


@pytest.mark.parametrize(
    ("asked", "holds", "said"),
    [
        ({"width": 40, "height": 30}, True, "40x30, asked for 40x30"),
        ({"width": 40, "height": 31}, False, "40x30, asked for 40x31"),
        ({"width": 40}, True, "width 40, asked for 40"),
        ({"height": 40}, False, "height 30, asked for 40"),
    ],
)
def test_the_size_is_that_which_is_asked_for(asked: dict[str, int], holds: bool, said: str) -> None:
    assert words(RED, "size", size=asked) == (holds, said)


def test_size_format_and_bytes_are_known_without_the_picture() -> None:
    album = Album()
    subject = album.subject(album.put(RED))
    for name, value in (("size", {"width": 40}), ("format", "png"), ("max_bytes", 10_000)):
        assert measure(name, {name: value}, subject).holds
    assert album.asked == 0


def test_the_type_of_the_file_and_its_length_are_told() -> None:
    assert words(RED, "format", format="webp") == (False, "png, asked for webp")
    holds, said = words(RED, "max_bytes", max_bytes=20)
    assert not holds
    assert said.endswith(" bytes, at most 20")


@pytest.mark.parametrize(
    ("alpha", "asked", "holds", "said"),
    [
        (None, True, False, "no pixel is transparent, asked for some"),
        (None, False, True, "no pixel is transparent"),
        (255, True, False, "no pixel is transparent, asked for some"),
        (255, False, True, "no pixel is transparent"),
        (254, True, True, "100 % of the pixels are transparent"),
        (0, False, False, "100 % of the pixels are transparent, asked for none"),
    ],
)
def test_an_alpha_channel_counts_where_something_is_transparent(
    alpha: int | None, asked: bool, holds: bool, said: str
) -> None:
    image = RED.copy()
    if alpha is not None:
        image.putalpha(alpha)
    assert words(image, "has_alpha", has_alpha=asked) == (holds, said)


def test_a_plain_picture_is_flat_and_one_with_something_on_it_is_not() -> None:
    assert words(RED, "not_flat", not_flat=True) == (False, "spread 0.0 levels, at least 2")
    assert found(scene(), "not_flat", not_flat=True).holds
    assert not found(scene(), "not_flat", not_flat=127).holds


def test_what_is_transparent_is_flat_whatever_colours_it_hides() -> None:
    image = scene()
    image.putalpha(0)
    assert not found(image, "not_flat", not_flat=True).holds


BOX = [10, 10, 20, 20]


@pytest.mark.parametrize(
    ("spot", "holds", "said"),
    [
        ((10, 10, 20, 20), True, "0 % of the pixels outside differ, at most 1 %"),
        ((9, 10, 20, 20), True, "0.9 % of the pixels outside differ, at most 1 %"),
        ((0, 0, 20, 20), False, "27.3 % of the pixels outside differ, at most 1 %"),
    ],
)
def test_outside_of_a_box_nothing_may_change(spot: tuple[int, int, int, int], holds: bool, said: str) -> None:
    assert words(scene(spot=spot), "unchanged_outside", of=scene(), box=BOX) == (holds, said)


def test_one_level_off_is_a_change_at_tolerance_0_only() -> None:
    off = Image.new("RGB", (40, 30), "#c1392b")
    asked: dict[str, Any] = {"of": RED, "box": BOX, "at_most": 0}
    assert words(off, "unchanged_outside", tolerance=0, **asked) == (
        False,
        "100 % of the pixels outside differ, at most 0 %",
    )
    assert found(off, "unchanged_outside", tolerance=1 / 255, **asked).holds
    assert found(RED, "unchanged_outside", tolerance=0, **asked).holds


def test_inside_of_a_box_enough_has_to_change() -> None:
    asked: dict[str, Any] = {"of": scene(), "box": [0.25, 1 / 3, 0.5, 2 / 3]}
    assert words(scene(), "changed_inside", **asked) == (False, "0 % of the pixels inside differ, at least 5 %")
    half = scene(spot=(10, 10, 15, 20))
    assert words(half, "changed_inside", **asked) == (True, "50 % of the pixels inside differ, at least 5 %")
    assert not found(half, "changed_inside", at_least=0.6, **asked).holds


def test_a_mask_is_white_inside_and_scaled_to_the_picture() -> None:
    mask = Image.new("L", (4, 3), 0)
    mask.putpixel((1, 1), 255)
    assert found(scene(spot=(12, 12, 18, 18)), "unchanged_outside", of=scene(), mask=mask).holds
    assert not found(scene(spot=(25, 12, 35, 18)), "unchanged_outside", of=scene(), mask=mask).holds


def test_what_is_transparent_in_a_mask_is_outside() -> None:
    mask = Image.new("RGBA", (40, 30), (255, 255, 255, 0))
    mask.paste((255, 255, 255, 255), (10, 10, 20, 20))
    assert found(scene(spot=(10, 10, 20, 20)), "unchanged_outside", of=scene(), mask=mask).holds


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("unchanged_outside", {"box": [0, 0, 1, 1]}, "the box covers the whole picture: nothing lies outside it"),
        ("unchanged_outside", {"box": [0, 0, 41, 9]}, "the box [0, 0, 41, 9] reaches outside the picture of 40x30"),
        (
            "changed_inside",
            {"box": [0, 0, 0.001, 1]},
            "the box [0, 0, 0.001, 1] holds no pixel of the picture of 40x30",
        ),
        ("changed_inside", {"mask": Image.new("L", (9, 9))}, "the mask is black: nothing lies inside it"),
        (
            "changed_inside",
            {"of": Image.new("RGB", (30, 40)), "box": BOX},
            "it is 40x30, the other picture 30x40: pictures of two sizes are not compared pixel by pixel",
        ),
    ],
)
def test_what_cannot_be_compared_is_told_with_its_sizes(name: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(OperationError) as refused:
        found(scene(), name, **{"of": scene(), **params})
    assert refused.value.message == said


def test_the_colour_under_transparency_counts_for_nothing_and_the_opacity_does() -> None:
    red, blue = (Image.new("RGBA", (40, 30), color) for color in ((255, 0, 0, 0), (0, 0, 255, 0)))
    asked: dict[str, Any] = {"box": BOX, "tolerance": 0, "at_most": 0}
    assert found(red, "unchanged_outside", of=blue, **asked).holds
    solid = Image.new("RGB", (40, 30), (0, 0, 0))
    assert not found(solid, "unchanged_outside", of=blue, **asked).holds


def test_a_picture_is_compared_as_it_is_displayed_whatever_file_holds_it() -> None:
    album = Album()
    grey = Image.new("L", (40, 30))
    grey.putdata([x * 6 for _ in range(30) for x in range(40)])
    deep = Image.new("I;16", (40, 30))
    deep.putdata([x * 6 * 256 for _ in range(30) for x in range(40)])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = album.put(grey.convert("RGB").transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)
    for other in (album.put(grey), album.put(deep), album.put(grey.convert("P")), turned):
        asked = {"of": album.put(grey.convert("RGB")), "box": BOX, "tolerance": 0, "at_most": 0}
        assert measure("unchanged_outside", asked, album.subject(other)).holds
        assert measure("size", {"size": {"width": 40, "height": 30}}, album.subject(other)).holds


@pytest.mark.parametrize(
    ("params", "holds", "said"),
    [
        ({}, True, "SSIM 1.000, at least 0.9"),
        ({"ssim": 1}, True, "SSIM 1.000, at least 1"),
        ({"hash": 0}, True, "0 of 64 hash bits differ, at most 0"),
        ({"ssim": 0.5, "hash": 4}, True, "SSIM 1.000, at least 0.5; 0 of 64 hash bits differ, at most 4"),
    ],
)
def test_a_picture_is_like_itself(params: dict[str, Any], holds: bool, said: str) -> None:
    assert words(scene(), "similar_to", of=scene(), **params) == (holds, said)


def test_either_bound_alone_can_fail_a_likeness() -> None:
    other = scene().transpose(Image.Transpose.ROTATE_180)
    assert not found(other, "similar_to", of=scene()).holds
    assert not found(other, "similar_to", of=scene(), ssim=0, hash=10).holds
    assert not found(other, "similar_to", of=scene(), ssim=0.9, hash=64).holds


@pytest.mark.parametrize(
    ("wanted", "holds", "said"),
    [
        ("#c0392b", True, "#c0392b 100 % within 10, at least 1 %"),
        ("#C1392C", True, "#C1392C 100 % within 10, at least 1 %"),
        (["#c0392b", "#00ff00"], False, "#c0392b 100 %, #00ff00 0 % within 10, at least 1 %"),
    ],
)
def test_each_colour_has_to_take_its_share(wanted: Any, holds: bool, said: str) -> None:
    assert words(RED, "colors", hex=wanted) == (holds, said)


def test_a_colour_at_distance_0_is_that_colour_alone() -> None:
    assert found(RED, "colors", hex="#c0392b", distance=0).holds
    assert not found(RED, "colors", hex="#c1392b", distance=0).holds


@settings(max_examples=40)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_share_in_words_lies_on_its_side_of_the_bound(share: float, bound: float) -> None:
    told = float(percent(share, bound).removesuffix(" %"))
    if abs(share - bound) > 1e-8 and min(share, 1 - share) > 1e-8:
        assert (told > bound * 100) == (share > bound)
        assert 0 < told < 100


def test_a_value_that_rounds_to_its_bound_is_told_with_more_decimals() -> None:
    assert decimals(0.8712, 0.9) == "0.871"
    assert decimals(0.89996, 0.9) == "0.89996"
    assert percent(0.010004, 0.01) == "1.0004 %"
    assert percent(1e-7) == "0.00001 %"


def test_large_pictures_are_measured_in_strips_as_small_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_words() -> list[str]:
        one, two = scene(spot=(5, 5, 30, 12)), scene()
        return [
            words(one, "unchanged_outside", of=two, box=BOX)[1],
            words(one, "similar_to", of=two)[1],
            words(one, "colors", hex="#ffffff")[1],
        ]

    whole = all_words()
    monkeypatch.setattr("flowrunner.checks.pixels._STRIP", 40 * 7)
    assert all_words() == whole


def test_a_picture_that_cannot_be_decoded_is_told() -> None:
    album = Album()
    broken = album.put(scene())
    out = io.BytesIO(album.bytes[broken.sha256])
    album.bytes[broken.sha256] = out.getvalue()[:60]
    with pytest.raises(OperationError, match="PNG"):
        measure("not_flat", {"not_flat": True}, album.subject(broken))
