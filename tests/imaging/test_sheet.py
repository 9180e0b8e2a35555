"""Contact sheets: the grid, and what is written on it."""

import io
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flowrunner.call import File
from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.operations import Inputs
from flowrunner.imaging.sheet import candidates, contact_sheet, layout, shown
from flowrunner.imaging.typesetting import face

SQUARE = (1024, 1024)
COLORS = [(200, 30, 30), (30, 160, 60), (40, 60, 200), (220, 180, 30), (120, 40, 140)]


def encoded(color: tuple[int, ...], size: tuple[int, int] = (300, 200)) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA" if len(color) == 4 else "RGB", size, color).save(out, "PNG")
    return out.getvalue()


def drawn(datas: list[bytes], **params: Any) -> Image.Image:
    leaves = {File(str(number)): data for number, data in enumerate(datas)}
    return contact_sheet({"images": list(leaves), **params}, Inputs(lambda leaf: leaves[leaf]))  # type: ignore[index]


def near(one: Any, other: tuple[int, ...], by: int = 2) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("count", "size", "grid"),
    [
        (1, SQUARE, (1, 1)),
        (2, SQUARE, (2, 1)),
        (3, SQUARE, (3, 1)),
        (4, SQUARE, (2, 2)),
        (6, SQUARE, (3, 2)),
        (12, SQUARE, (4, 3)),
        (4, (1920, 600), (1, 4)),
        (4, (600, 1920), (4, 1)),
    ],
)
def test_columns_follow_from_number_and_shape(count: int, size: tuple[int, int], grid: tuple[int, int]) -> None:
    made = layout({}, [size] * count)
    assert (made.columns, made.rows) == grid


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), min_size=1, max_size=60), st.data())
def test_cells_lie_on_the_sheet_and_never_overlap(sizes: list[tuple[int, int]], data: st.DataObject) -> None:
    labels = data.draw(st.sampled_from(["none", ["a caption"] * len(sizes), ["7"] * len(sizes)]))
    made = layout({"labels": labels, "title": data.draw(st.sampled_from(["", "Title"]))}, sizes)
    places = [made.place(number) for number in range(len(sizes))]
    assert all(0 <= place.left < place.right <= made.size[0] for place in places)
    assert all(made.above <= place.top < place.bottom + made.caption <= made.size[1] for place in places)
    assert all(one.right <= two.left or one.bottom + made.caption <= two.top for one, two in pairwise(places))


@pytest.mark.parametrize(
    ("cell", "size"),
    [({"width": 300}, (300, 200)), ({"height": 300}, (450, 300)), ({"width": 50, "height": 90}, (50, 90))],
)
def test_a_cell_side_that_is_left_open_follows_from_the_pictures(cell: dict[str, int], size: tuple[int, int]) -> None:
    assert layout({"cell": cell}, [(1500, 1000)] * 3).cell == size


def test_small_pictures_make_small_cells_and_many_make_smaller_ones() -> None:
    assert layout({}, [(64, 64)] * 4).cell == (64, 64)
    assert layout({}, [SQUARE] * 4).cell == (640, 640)
    assert layout({}, [SQUARE] * 100).cell == (187, 187)


def test_the_sheet_is_exactly_as_large_as_its_grid() -> None:
    sheet = drawn([encoded(color) for color in COLORS], columns=3, cell={"width": 60, "height": 40}, gap=10)
    assert sheet.size == (3 * 60 + 2 * 10 + 2 * 15, 2 * 40 + 10 + 2 * 15)


def test_without_a_gap_pictures_touch() -> None:
    sheet = drawn([encoded(color) for color in COLORS[:2]], columns=2, cell={"width": 60, "height": 40}, gap=0)
    assert sheet.size == (120, 40)
    assert near(sheet.getpixel((58, 20)), COLORS[0])
    assert near(sheet.getpixel((62, 20)), COLORS[1])


def test_pictures_stand_in_reading_order_in_the_middle_of_their_cells() -> None:
    made = layout({"columns": 2}, [(300, 200)] * 4)
    sheet = drawn([encoded(color) for color in COLORS[:4]], columns=2)
    for number, color in enumerate(COLORS[:4]):
        place = made.place(number)
        assert near(sheet.getpixel(((place.left + place.right) // 2, (place.top + place.bottom) // 2)), color)


def test_pictures_are_not_enlarged_and_keep_their_shape() -> None:
    sheet = drawn([encoded(COLORS[0], (20, 10))], cell={"width": 100, "height": 100}, gap=10)
    colored = [
        xy
        for xy in ((x, y) for x in range(sheet.width) for y in range(sheet.height))
        if near(sheet.getpixel(xy), COLORS[0])
    ]
    assert len(colored) == 20 * 10


def test_transparent_parts_show_checks() -> None:
    sheet = drawn([encoded((0, 0, 0, 0), (64, 64))], gap=20)
    tones = {sheet.getpixel((30 + x, 30 + y)) for x in range(64) for y in range(64)}
    assert len(tones) == 2


@pytest.mark.parametrize("background", ["#ffffff", "#101216", "#c8d0d8"])
def test_everything_can_be_read_on_any_background(background: str) -> None:
    blank = [encoded(COLORS[0]), encoded(COLORS[1])]
    plain = drawn(blank, background=background, labels=["", "x" * 4], title=" ")
    written = drawn(blank, background=background, labels=["lamp", "vase"], title="Spring")
    paper = plain.getpixel((2, 2))
    changed = [
        written.getpixel((x, y))
        for y in range(written.height - 60, written.height)
        for x in range(written.width // 2)
        if written.getpixel((x, y)) != plain.getpixel((x, y))
    ]
    assert isinstance(paper, tuple)
    assert max(abs(sum(tone[:3]) - sum(paper[:3])) for tone in changed if isinstance(tone, tuple)) > 300


def test_a_translucent_background_stays_so() -> None:
    assert drawn([encoded(COLORS[0])], background="#ff000080").getpixel((1, 1)) == (255, 0, 0, 128)


def test_numbers_stand_large_on_the_pictures_and_texts_below_them() -> None:
    datas = [encoded(color) for color in COLORS[:2]]
    numbered, captioned = drawn(datas, labels=["1", "12"]), drawn(datas, labels=["de", "en"])
    assert numbered.size == drawn(datas).size
    assert captioned.height > numbered.height
    place = layout({"labels": ["1", "12"]}, [(300, 200)] * 2).place(0)
    tones = numbered.crop((place.left, place.top, place.left + 60, place.top + 60)).convert("L").tobytes()
    assert min(tones) < 40
    assert max(tones) > 230


def test_labels_must_be_as_many_as_pictures() -> None:
    with pytest.raises(OperationError, match="there are 1 labels for 2 pictures"):
        drawn([encoded(COLORS[0]), encoded(COLORS[1])], labels=["a"])


def test_coordinates_are_turned_into_texts_before() -> None:
    with pytest.raises(OperationError, match="labels: coordinates was not turned into texts"):
        drawn([encoded(COLORS[0])], labels="coordinates")


def test_a_picture_that_cannot_be_read_is_named_by_its_place() -> None:
    with pytest.raises(OperationError, match="picture 2: not an image: it begins with '<html>'"):
        drawn([encoded(COLORS[0]), b"<html>"])


def test_a_sheet_that_grows_too_large_is_refused() -> None:
    with pytest.raises(OperationError, match="over the limit"):
        layout({"cell": {"width": 4096, "height": 4096}, "columns": 4}, [SQUARE] * 8)


def test_labels_that_the_built_in_font_cannot_write_lose_their_accents() -> None:
    font = face(None)(16)
    assert shown("Größe Été “x” 16×9", font, 1000) == "Grosse Ete “x” 16x9"
    assert shown("春", font, 1000) == "?"
    assert "…" in shown("a label that is far too long for its place", font, 100)


def test_candidates_carry_their_own_numbers() -> None:
    datas = [("1", encoded(COLORS[0])), ("4", encoded(COLORS[1]))]
    sheet, other = candidates(datas, "lamp"), candidates([("1", datas[0][1]), ("2", datas[1][1])], "lamp")
    assert sheet.size == other.size
    assert sheet.tobytes() != other.tobytes()
    assert candidates(datas, "lamp", ["seed 1", "seed 4"]).height > sheet.height
