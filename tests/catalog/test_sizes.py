"""How many pictures a request asks for, and how large."""

import pytest
from catalogue import AIML, EDITOR, model
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.catalog import Model
from flowrunner.catalog.sizes import largest_size, legal_size, output_size, planned_images, takes_size

AT = ("image_size",)


@pytest.mark.parametrize(
    ("wish", "legal"),
    [
        ((1024, 1024), (1024, 1024)),
        ((1920, 1080), (1920, 1088)),
        ((592, 600), (608, 608)),
        ((4096, 2048), (2048, 1024)),
        ((4000, 3000), (2048, 1536)),
        ((300, 200), (768, 512)),
        ((100, 100), (512, 512)),
        ((1, 1000), (512, 2048)),
        ((9000, 30), (2048, 512)),
        ((1738, 1294), (1728, 1280)),
    ],
)
def test_a_wish_becomes_the_nearest_size_that_is_allowed(wish: tuple[int, int], legal: tuple[int, int]) -> None:
    assert legal_size(model("flux-2-edit"), AT, wish) == legal


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_every_wish_becomes_a_legal_size(width: int, height: int) -> None:
    size = legal_size(model("flux-2"), AT, (width, height))
    assert size is not None
    assert all(512 <= side <= 2048 and side % 32 == 0 for side in size)


@given(st.integers(16, 64), st.integers(16, 64))
def test_a_legal_wish_stays_as_it_is(width: int, height: int) -> None:
    assert legal_size(model("flux-2"), AT, (width * 32, height * 32)) == (width * 32, height * 32)


def test_without_a_wish_the_size_is_the_largest() -> None:
    assert legal_size(model("flux-2"), AT, None) == (2048, 2048)


def test_a_cell_of_a_sheet_has_bounds_of_its_own() -> None:
    assert legal_size(model("image/contact-sheet"), ("cell",), (8, 8)) == (16, 16)
    assert legal_size(model("image/contact-sheet"), ("cell",), (1000, 501)) == (1000, 501)


@pytest.mark.parametrize(
    ("name", "path", "taken"),
    [
        ("flux-2", ("image_size",), True),
        ("flux-2", ("prompt",), False),
        ("flux-2", ("image_size", "width"), False),
        ("flux-2", ("nothing",), False),
        ("flux-2", (), False),
        ("image/contact-sheet", ("cell",), True),
        ("image/resize", ("width",), False),
        (EDITOR, ("imageUrl",), False),
    ],
)
def test_a_size_is_taken_where_the_schema_has_width_and_height(name: str, path: tuple[str, ...], taken: bool) -> None:
    assert takes_size(model(name), path) is taken
    assert (legal_size(model(name), path, (640, 640)) is not None) is taken


@pytest.mark.parametrize(
    ("name", "params", "size"),
    [
        ("flux-2", {"image_size": {"width": 512, "height": 1024}}, (512, 1024)),
        ("flux-2", {"image_size": {"width": 512}}, (512, 768)),
        ("flux-2", {"image_size": {}}, (1024, 768)),
        ("flux-2", {"image_size": "square_hd"}, None),
        ("flux-2", {}, None),
        (EDITOR, {"aspect_ratio": "1:1"}, None),
        ("image/resize", {"width": 640, "height": 480}, (640, 480)),
        ("image/resize", {"width": 640}, None),
        ("image/convert", {}, None),
    ],
)
def test_only_a_size_in_pixels_is_known(name: str, params: dict[str, object], size: tuple[int, int] | None) -> None:
    assert output_size(model(name), params) == size


@pytest.mark.parametrize(("asked", "planned"), [({}, 1), ({"num_images": 4}, 4), ({"num_images": "4"}, 1)])
def test_a_call_gives_as_many_images_as_it_asks_for(asked: dict[str, object], planned: int) -> None:
    assert planned_images(model("flux-2"), asked) == planned


def test_the_default_count_of_a_model_counts() -> None:
    count = {"type": "integer", "default": 2}
    two = Model(id="m", provider="p", title="", request={"type": "object", "properties": {"n": count}}, count="n")
    assert planned_images(two, {}) == 2


def test_a_model_without_a_count_gives_one() -> None:
    assert planned_images(model("flux-2-pro"), {"num_images": 4}) == 1


@pytest.mark.parametrize("name", AIML)
def test_the_largest_picture_of_the_family_has_four_megapixels(name: str) -> None:
    assert largest_size(model(name)) == (2048, 2048)
