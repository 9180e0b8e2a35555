"""Where boxes and arrows of a drawing lie, in pixels: what every picture of a graph is made of."""

from collections.abc import Mapping, Sequence

from flowrunner.report.drawings import Arrow, Drawing
from flowrunner.report.layers import Layout, Spot, layout
from flowrunner.slotted import dataclass

MARGIN = 24.0
_GAP = 20.0
_ALLEY = 64.0
"""Between two columns, where the arrows bend."""


@dataclass(frozen=True, slots=True)
class Place:
    """The left edge, the middle line, and the size of a box."""

    left: float
    middle: float
    width: float
    height: float

    @property
    def top(self) -> float:
        return self.middle - self.height / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The whole area. `ways` are the arrows as path data of SVG."""

    width: float
    height: float
    places: Mapping[str, Place]
    ways: Mapping[Arrow, str]


def plane(drawn: Drawing, sizes: Mapping[str, tuple[float, float]]) -> Plane:
    """A place for every box; `sizes` are their widths and heights. The boxes of a column share the widest's width."""
    laid = layout(drawn, {step: height for step, (_, height) in sizes.items()}, _GAP)
    columns = _columns(laid, sizes)
    places = _places(laid, columns, sizes)
    width = max((place.left + place.width for place in places.values()), default=0.0) + MARGIN
    bottoms = [place.top + place.height for place in places.values()] + [h + MARGIN for h in laid.heights.values()]
    return Plane(
        width=width,
        height=max(bottoms, default=0.0) + MARGIN,
        places=places,
        ways={arrow: _way(arrow, laid, columns, places) for arrow in drawn.arrows},
    )


def _columns(laid: Layout, sizes: Mapping[str, tuple[float, float]]) -> list[tuple[float, float]]:
    """Left edge and width of each layer."""
    columns, left = [], MARGIN
    for layer in laid.layers:
        width = max((sizes[spot[0]][0] for spot in layer if not spot[1]), default=0.0)
        columns.append((left, width))
        left += width + _ALLEY
    return columns


def _places(
    laid: Layout, columns: Sequence[tuple[float, float]], sizes: Mapping[str, tuple[float, float]]
) -> dict[str, Place]:
    return {
        spot[0]: Place(columns[spot[2]][0], laid.heights[spot] + MARGIN, columns[spot[2]][1], sizes[spot[0]][1])
        for layer in laid.layers
        for spot in layer
        if not spot[1]
    }


def _way(arrow: Arrow, laid: Layout, columns: Sequence[tuple[float, float]], places: Mapping[str, Place]) -> str:
    """A line from the right of one box to the left of the other: straight through the layers, curved between them."""
    source, target = places[arrow.source], places[arrow.target]
    x, y = source.left + source.width, source.middle
    path = f"M{x:.1f} {y:.1f}"
    stops: list[tuple[float, float, float]] = [_passing(spot, laid, columns) for spot in laid.ways[arrow][1:-1]]
    for left, right, height in [*stops, (target.left - 2, target.left - 2, target.middle)]:
        middle = (x + left) / 2
        path += f" C{middle:.1f} {y:.1f} {middle:.1f} {height:.1f} {left:.1f} {height:.1f}"
        path += f" H{right:.1f}" if right > left else ""
        x, y = right, height
    return path


def _passing(spot: Spot, laid: Layout, columns: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    left, width = columns[spot[2]]
    return left, left + width, laid.heights[spot] + MARGIN
