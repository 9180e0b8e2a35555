"""Local operations that lay something over a picture or take something out of it, by the pixels they give."""

import io
import re
from typing import Any

import pytest
from image_calls import (
    BLACK,
    BLUE,
    RED,
    STORE,
    WHITE,
    corners,
    done,
    flat,
    put,
    refusal,
)
from PIL import Image, ImageFont

from flowrunner.call import File


def test_an_overlay_lies_at_its_gravity_in_its_own_size() -> None:
    image = done("composite", base=flat(BLUE), overlay=flat(RED, (10, 4)), gravity="south-east")
    assert corners(image) == [BLUE, BLUE, BLUE, RED]
    assert sorted(image.getcolors() or []) == [(40, RED), (760, BLUE)]


def test_an_overlay_can_be_scaled_to_a_share_of_the_width() -> None:
    image = done("composite", base=flat(BLUE), overlay=flat(RED, (10, 5)), gravity="north-west", scale=0.5)
    assert sorted(image.getcolors() or []) == [(200, RED), (600, BLUE)]


def test_an_overlay_in_a_box_is_whole_and_in_the_middle() -> None:
    image = done("composite", base=flat(BLUE), overlay=flat(RED, (10, 10)), box=[0.5, 0, 1, 1])
    assert sorted(image.getcolors() or []) == [(400, BLUE), (400, RED)]
    assert done("composite", base=flat(BLUE), overlay=flat(RED, (10, 10)), box=[0, 0, 30, 20]).getpixel((5, 0)) == RED


def test_opacity_and_the_overlays_alpha_mix() -> None:
    half = done("composite", base=flat(BLUE), overlay=flat(RED), opacity=0.5).getpixel((5, 5))
    assert half in {(128, 0, 127), (127, 0, 128)}
    alpha = done("composite", base=flat(BLUE), overlay=flat((255, 0, 0, 128), mode="RGBA")).getpixel((5, 5))
    assert alpha in {(128, 0, 127), (127, 0, 128)}
    assert done("composite", base=flat(BLUE), overlay=flat(RED), opacity=0).getpixel((5, 5)) == BLUE


def test_a_mask_shows_the_overlay_where_it_is_white() -> None:
    mask = Image.new("L", (40, 20), 0)
    mask.paste(255, (0, 0, 20, 20))
    image = done("composite", base=flat(BLUE), overlay=flat(RED), mask=put(mask))
    assert corners(image) == [RED, BLUE, RED, BLUE]


def test_a_mask_of_another_size_is_stretched_over_the_overlay() -> None:
    mask = Image.new("L", (8, 8), 0)
    mask.paste(255, (0, 0, 4, 8))
    image = done("composite", base=flat(BLUE), overlay=flat(RED, (20, 20)), mask=put(mask), gravity="west")
    assert [image.getpixel((x, 10)) for x in (2, 17, 30)] == [RED, BLUE, BLUE]


def test_transparent_parts_of_a_mask_hide_the_overlay() -> None:
    image = done("composite", base=flat(BLUE), overlay=flat(RED), mask=flat((255, 255, 255, 0), mode="RGBA"))
    assert image.getcolors() == [(800, BLUE)]


def test_feather_softens_the_edge_of_the_mask() -> None:
    mask = Image.new("L", (200, 20), 0)
    mask.paste(255, (0, 0, 100, 20))
    base, overlay = flat(BLACK, (200, 20)), flat(WHITE, (200, 20))
    image = done("composite", base=base, overlay=overlay, mask=put(mask), feather=20).convert("L")
    row = [image.getpixel((x, 10)) for x in range(0, 200, 5)]
    assert row[0] == 255
    assert row[-1] == 0
    assert row == sorted(row, key=lambda tone: -float(tone) if isinstance(tone, int | float) else 0)
    assert 100 < int(image.tobytes()[10 * 200 + 100]) < 156


def test_without_a_mask_the_feather_lies_inside_the_overlay() -> None:
    image = done("composite", base=flat(BLACK, (100, 100)), overlay=flat(WHITE, (60, 60)), feather=10).convert("L")
    assert (image.getpixel((19, 50)), image.getpixel((50, 50))) == (0, 255)
    edge = image.getpixel((20, 50))
    assert isinstance(edge, int)
    assert edge < 30


def test_a_transparent_base_stays_transparent_beside_the_overlay() -> None:
    base = flat((0, 0, 0, 0), mode="RGBA")
    image = done("composite", base=base, overlay=flat(RED, (10, 10)), gravity="west")
    assert (image.getpixel((30, 5)), image.getpixel((2, 10))) == ((0, 0, 0, 0), (*RED, 255))


def test_an_overlay_that_is_too_large_says_what_to_give() -> None:
    assert refusal("composite", base=flat(BLUE), overlay=flat(RED, (41, 5))) == (
        "the overlay of 41x5 is larger than 40x20"
    )


def test_a_mask_is_white_inside_its_box() -> None:
    image = done("mask", width=40, height=20, box=[0.5, 0, 1, 1])
    assert image.mode == "L"
    assert image.getcolors() == [(400, 0), (400, 255)]
    assert image.getpixel((30, 10)) == 255


def test_an_inverted_mask_is_black_inside() -> None:
    assert done("mask", width=40, height=20, box=[0, 0, 10, 10], invert=True).getpixel((5, 5)) == 0


def test_an_ellipse_fills_its_box_with_a_smooth_edge() -> None:
    image = done("mask", like=flat(RED, (200, 100)), ellipse=[0, 0, 1, 1])
    colors = {tone: count for count, tone in image.getcolors() or []}
    assert image.getpixel((100, 50)) == 255
    assert image.getpixel((1, 1)) == 0
    assert len(colors) > 4
    assert sum(float(tone) * count for tone, count in colors.items() if isinstance(tone, int)) / 255 == pytest.approx(
        3.14159 / 4 * 200 * 100, rel=0.005
    )


def test_a_feathered_mask_fades() -> None:
    image = done("mask", width=200, height=40, box=[100, 0, 200, 40], feather=20)
    tones = [image.getpixel((x, 20)) for x in (60, 90, 110, 140)]
    assert tones[0] == 0
    assert tones[3] == 255
    assert tones == sorted(tones, key=lambda tone: float(tone) if isinstance(tone, int | float) else 0)
    assert 0 < int(image.tobytes()[20 * 200 + 90]) < 128 < int(image.tobytes()[20 * 200 + 110]) < 255


def keyed(color: str, image: Image.Image, **params: Any) -> Image.Image:
    return done("key-color", image=put(image), color=color, **params)


def test_the_background_becomes_clear_and_the_rest_stays() -> None:
    image = Image.new("RGB", (40, 20), (0, 200, 60))
    image.paste(RED, (10, 5, 30, 15))
    result = keyed("#00c83c", image)
    assert sorted(result.getcolors() or []) == [(200, (*RED, 255)), (600, (0, 0, 0, 0))]


@pytest.mark.parametrize(("tolerance", "alpha"), [(0, 255), (0.03, 255), (0.05, 0), (1, 0)])
def test_tolerance_says_how_far_background_goes(tolerance: float, alpha: int) -> None:
    image = Image.new("RGB", (9, 9), (0, 210, 60))  # ten steps of 255 from the colour
    assert keyed("#00c83c", image, tolerance=tolerance).getpixel((4, 4)) == ((0, 210, 60, 255) if alpha else (0,) * 4)


def test_edges_become_translucent_and_lose_the_backgrounds_tint() -> None:
    large = Image.new("RGB", (400, 400), (0, 200, 60))
    large.paste(WHITE, (101, 101, 297, 297))
    result = keyed("#00c83c", large.resize((100, 100), Image.Resampling.BOX))
    edge = result.getpixel((25, 50))
    assert isinstance(edge, tuple)
    assert 150 < edge[3] < 230  # three quarters white
    assert min(edge[:3]) > 235


def test_hard_edges_stay_hard() -> None:
    image = Image.new("RGB", (30, 30), WHITE)
    image.paste(BLACK, (10, 10, 20, 20))
    assert {alpha for _, alpha in keyed("#ffffff", image).getchannel("A").getcolors() or []} == {0, 255}


def test_key_color_feather_fades_inwards_only() -> None:
    image = Image.new("RGB", (100, 100), WHITE)
    image.paste(BLACK, (20, 20, 80, 80))
    alpha = keyed("#ffffff", image, feather=10).getchannel("A")
    assert (alpha.getpixel((19, 50)), alpha.getpixel((50, 50))) == (0, 255)
    assert 0 < alpha.tobytes()[50 * 100 + 24] < 255


def test_large_pictures_are_keyed_in_strips_that_do_not_show() -> None:
    image = Image.new("RGB", (8, 1300), WHITE)
    image.paste(BLACK, (2, 0, 6, 1300))
    rows = {keyed("#ffffff", image).crop((0, y, 8, y + 1)).tobytes() for y in (0, 511, 512, 513, 1023, 1024, 1299)}
    assert len(rows) == 1


def test_what_is_clear_already_stays_clear() -> None:
    assert keyed("#ffffff", Image.new("RGBA", (9, 9), (0, 0, 0, 7))).getpixel((4, 4)) == (0, 0, 0, 7)


def ink(image: Image.Image, background: Any = WHITE) -> tuple[int, int, int, int]:
    from PIL import ImageChops

    found = ImageChops.difference(image.convert("RGB"), Image.new("RGB", image.size, background)).getbbox()
    assert found is not None
    return found


def annotated(text: str = "Hello", background: Any = WHITE, **params: Any) -> Image.Image:
    return done("annotate", image=flat(background, (400, 200)), text=text, **params)


@pytest.mark.parametrize("box", [[0.5, 0.5, 1, 1], [200, 100, 400, 200]])
def test_text_stays_in_its_box(box: list[float]) -> None:
    left, top, right, bottom = ink(annotated(box=box, size=60))
    assert left >= 200
    assert top >= 100
    assert right <= 400
    assert bottom <= 200


def test_without_a_box_text_keeps_a_margin() -> None:
    left, top, _, _ = ink(annotated(size=40, align="left", valign="top"))
    assert (left, top) == (20, 10)


def test_without_a_size_the_text_is_an_eighth_of_the_picture_or_what_fits() -> None:
    def capital(image: Image.Image) -> int:
        return ink(image)[3] - ink(image)[1]

    assert capital(annotated("H")) == capital(annotated("H", size=25))
    assert capital(annotated("H", box=[0, 0, 1, 0.05])) < capital(annotated("H"))


@pytest.mark.parametrize(
    ("background", "color"), [(WHITE, (17, 17, 17)), (BLACK, WHITE), ((250, 220, 0), (17, 17, 17))]
)
def test_without_a_colour_the_text_stands_out(background: tuple[int, ...], color: tuple[int, ...]) -> None:
    assert color in [found for _, found in annotated("H", background, size=100).getcolors() or []]


def test_a_translucent_colour_mixes_with_the_picture() -> None:
    assert (127, 127, 255) in [found for _, found in annotated("H", size=150, color="#0000ff80").getcolors() or []]


def test_text_on_a_transparent_picture_is_opaque() -> None:
    image = done("annotate", image=flat((0, 0, 0, 0), (200, 100), "RGBA"), text="H", size=80, color="#ff0000")
    assert (*RED, 255) in [color for _, color in image.getcolors() or []]


def test_text_that_does_not_fit_names_by_how_much() -> None:
    sentence = refusal("annotate", image=flat(WHITE, (400, 400)), text="Hello", size=100, box=[0, 0, 0.5, 1])
    assert re.fullmatch(r"the text at size 100 is \d+ pixels too wide for its box of 200x400", sentence)


def test_shrink_makes_it_fit() -> None:
    left, _, right, _ = ink(annotated("A rather long headline", size=150, shrink=True))
    assert left >= 20
    assert right <= 380


def test_text_that_the_built_in_font_lacks_asks_for_a_font() -> None:
    assert refusal("annotate", image=flat(WHITE), text="größer").startswith("the built-in font has no 'ß' (U+00DF)")


def test_a_font_of_the_project_is_used() -> None:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert isinstance(font.path, io.BytesIO)
    STORE["font"] = font.path.getvalue()
    assert annotated("Hi “there”", font=File("font"), size=30).size == (400, 200)
    assert "the font has no 'ü'" in refusal("annotate", image=flat(WHITE), text="ü", font=File("font"))
