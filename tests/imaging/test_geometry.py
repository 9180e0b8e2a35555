"""Sizes, boxes and places in whole pixels."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowrunner.imagehead import MAX_SIDE
from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.geometry import (
    Fit,
    Gravity,
    allowed,
    boxed,
    contained,
    covered,
    overlaid,
    padded,
    placed,
    rect,
    resized,
)

SIDES = st.integers(1, 4000)
SIZES = st.tuples(SIDES, SIDES)


def refusal(box: list[float], size: tuple[int, int] = (200, 100)) -> str:
    with pytest.raises(OperationError) as caught:
        rect(box, size)
    return caught.value.message


@pytest.mark.parametrize(
    ("box", "edges"),
    [
        ([0, 0, 1, 1], (0, 0, 200, 100)),
        ([0.25, 0.1, 0.5, 0.9], (50, 10, 100, 90)),
        ([0.0025, 0, 0.0125, 1], (1, 0, 3, 100)),  # 0.5 and 2.5 pixels: halves go up
        ([1, 1, 2, 2], (1, 1, 2, 2)),
        ([0, 0, 200, 100], (0, 0, 200, 100)),
        ([0.5, 0.5, 50.4, 50.5], (1, 1, 50, 51)),
    ],
)
def test_a_box_is_shares_unless_a_value_is_over_one(box: list[float], edges: tuple[int, ...]) -> None:
    assert rect(box, (200, 100)).edges == edges


def test_a_box_must_lie_in_the_picture_and_hold_a_pixel() -> None:
    assert refusal([0, 0, 201, 50]) == "the box [0, 0, 201, 50] reaches outside the picture of 200x100"
    assert refusal([-0.1, 0, 1, 1]) == "the box [-0.1, 0, 1, 1] reaches outside the picture of 200x100"
    assert refusal([0.5, 0, 0.5, 1]) == "the box [0.5, 0, 0.5, 1] holds no pixel of the picture of 200x100"
    assert refusal([60, 10, 20, 50]) == "the box [60, 10, 20, 50] holds no pixel of the picture of 200x100"


@given(SIZES, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_box_of_shares_lies_in_every_picture(size: tuple[int, int], box: list[float]) -> None:
    (left, right), (top, bottom) = sorted(box[:2]), sorted(box[2:])
    assume((right - left) * size[0] > 1)
    assume((bottom - top) * size[1] > 1)
    found = rect([left, top, right, bottom], size)
    assert 0 <= found.left < found.right <= size[0]
    assert 0 <= found.top < found.bottom <= size[1]


@given(SIZES, SIZES)
def test_what_is_contained_touches_two_sides_and_keeps_its_shape(size: tuple[int, int], frame: tuple[int, int]) -> None:
    wide, high = contained(size, frame)
    assert wide == frame[0] or high == frame[1]
    assert 1 <= wide <= frame[0]
    assert 1 <= high <= frame[1]
    factor = min(frame[0] / size[0], frame[1] / size[1])
    assert abs(wide - size[0] * factor) <= max(0.5001, 1 - size[0] * factor)
    assert abs(high - size[1] * factor) <= max(0.5001, 1 - size[1] * factor)


@given(SIZES, SIZES, st.sampled_from(Gravity))
def test_what_covers_a_frame_has_its_shape_and_lies_in_the_picture(
    size: tuple[int, int], frame: tuple[int, int], gravity: Gravity
) -> None:
    left, top, right, bottom = covered(size, frame, gravity)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert (right - left) * frame[1] == pytest.approx((bottom - top) * frame[0])
    assert right - left == pytest.approx(size[0]) or bottom - top == pytest.approx(size[1])


@pytest.mark.parametrize(
    ("width", "height", "fit", "size"),
    [
        (400, None, Fit.COVER, (400, 267)),
        (None, 400, Fit.COVER, (600, 400)),
        (100, 100, Fit.COVER, (100, 100)),
        (100, 100, Fit.CONTAIN, (100, 67)),
        (100, 100, Fit.STRETCH, (100, 100)),
        (1, None, Fit.COVER, (1, 1)),
    ],
)
def test_a_size_that_is_not_asked_for_follows_from_the_shape(
    width: int | None, height: int | None, fit: Fit, size: tuple[int, int]
) -> None:
    assert resized((600, 400), width, height, fit) == size


def test_a_resize_needs_a_side() -> None:
    with pytest.raises(OperationError, match="neither width nor height"):
        resized((600, 400), None, None, Fit.COVER)


@pytest.mark.parametrize("size", [(MAX_SIDE + 1, 1), (10_000, 10_000), (0, 5), (5, -1)])
def test_no_result_is_larger_than_what_is_read(size: tuple[int, int]) -> None:
    with pytest.raises(OperationError):
        allowed(size)


def test_padding_only_adds() -> None:
    assert padded((30, 20), (40, 20)) == (40, 20)
    with pytest.raises(OperationError, match="the picture of 30x20 is larger than 29x40"):
        padded((30, 20), (29, 40))


@pytest.mark.parametrize(
    ("gravity", "place"),
    [
        (Gravity.NORTH_WEST, (0, 0)),
        (Gravity.NORTH, (35, 0)),
        (Gravity.NORTH_EAST, (70, 0)),
        (Gravity.WEST, (0, 40)),
        (Gravity.CENTER, (35, 40)),
        (Gravity.EAST, (70, 40)),
        (Gravity.SOUTH_WEST, (0, 80)),
        (Gravity.SOUTH, (35, 80)),
        (Gravity.SOUTH_EAST, (70, 80)),
    ],
)
def test_gravity_is_a_point_of_the_compass(gravity: Gravity, place: tuple[int, int]) -> None:
    assert placed((30, 20), (100, 100), gravity) == place


def test_an_overlay_in_a_box_fits_it_whole_and_lies_in_its_middle() -> None:
    assert boxed((100, 50), (200, 200), [0, 0, 0.5, 0.5]).edges == (0, 25, 100, 75)
    assert boxed((100, 50), (200, 200), [0, 0, 200, 200]).edges == (0, 50, 200, 150)


def test_an_overlay_is_as_wide_as_its_scale_or_keeps_its_size() -> None:
    assert overlaid((100, 50), (400, 300), Gravity.SOUTH_EAST, 0.5).edges == (200, 200, 400, 300)
    assert overlaid((100, 50), (400, 300), Gravity.NORTH_WEST, None).edges == (0, 0, 100, 50)


def test_an_overlay_larger_than_the_base_is_refused() -> None:
    with pytest.raises(OperationError, match="the overlay of 400x800 is larger than 400x300"):
        overlaid((50, 100), (400, 300), Gravity.CENTER, 1)
