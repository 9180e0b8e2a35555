from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.report.drawings import Arrow, Box, Drawing
from flowrunner.report.layers import layout

GAP, TALL = 20.0, 50.0


def drawn(steps: int, needs: dict[int, set[int]]) -> Drawing:
    boxes = tuple(
        Box(step=f"s{n}", model="m", fans="", variants=1, chooses=False, is_local=False) for n in range(steps)
    )
    arrows = tuple(Arrow(f"s{one}", f"s{n}", flows=True) for n, found in needs.items() for one in sorted(found))
    return Drawing(name="x", boxes=boxes, arrows=arrows)


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    steps = draw(st.integers(0, 12))
    needs = {n: draw(st.sets(st.integers(0, n - 1), max_size=4)) for n in range(1, steps)}
    return drawn(steps, needs)


@given(drawings())
def test_nothing_overlaps_and_every_arrow_points_to_the_right(drawing: Drawing) -> None:
    laid = layout(drawing, {box.step: TALL for box in drawing.boxes}, GAP)
    for layer in laid.layers:
        for one, two in pairwise(layer):
            room = sum(0.0 if spot[1] else TALL for spot in (one, two)) / 2 + GAP
            assert laid.heights[two] - laid.heights[one] >= room - 1e-6
    for way in laid.ways.values():
        assert [spot[2] for spot in way] == list(range(way[0][2], way[-1][2] + 1))
    assert sorted(spot[0] for layer in laid.layers for spot in layer if not spot[1]) == sorted(
        box.step for box in drawing.boxes
    )


@given(drawings())
def test_a_drawing_is_always_the_same(drawing: Drawing) -> None:
    sizes = {box.step: TALL for box in drawing.boxes}
    assert layout(drawing, sizes, GAP) == layout(drawing, sizes, GAP)


def test_a_chain_is_a_straight_line() -> None:
    laid = layout(drawn(4, {1: {0}, 2: {1}, 3: {2}}), {f"s{n}": TALL for n in range(4)}, GAP)
    assert len(set(laid.heights.values())) == 1


def test_two_pairs_do_not_cross() -> None:
    laid = layout(drawn(4, {2: {1}, 3: {0}}), {f"s{n}": TALL for n in range(4)}, GAP)
    first, second = laid.layers
    assert [spot[0] for spot in first] == ["s0", "s1"]
    assert [spot[0] for spot in second] == ["s3", "s2"]
