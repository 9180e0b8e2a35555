"""A drawing as SVG: one file that loads nothing, in the colours of light and dark."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowrunner import escape
from flowrunner.report.drawings import Arrow, Box, Drawing
from flowrunner.report.layers import Layout, Spot, layout

_MARGIN = 24.0
_GAP = 20.0
_ALLEY = 64.0
"""Between two columns, where the arrows bend."""
_PAD = 14.0
_TITLE, _LINE = 20.0, 17.0
"""Heights of a box's first line and of each further one."""
_WIDE = {"title": 8.3, "line": 6.9}
"""Pixels that a column of text takes at most; the font is the reader's."""
_PILL = 42.0
_STACK = 4.0

_STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; font-size: 12px; fill: #5b6675; }
.name { font-size: 14px; font-weight: 600; fill: #1b2430; }
.model { font-family: ui-monospace, "Cascadia Code", Menlo, Consolas, monospace; font-size: 11px; }
.paper { fill: #ffffff; }
.box { fill: #f6f8fa; stroke: #c4ccd6; } .bar { fill: #2f6fde; } .local .bar { fill: #6b8f71; }
.chooses .box { stroke: #b7791f; stroke-width: 1.5; } .pill { fill: #fff1cc; }
.word { font-size: 11px; font-weight: 600; text-anchor: middle; fill: #8a5a00; }
.arrow { fill: none; stroke: #7b8796; stroke-width: 1.5; } .faint { stroke-dasharray: 4 4; } .tip { fill: #7b8796; }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa7b6; } .name { fill: #e8edf3; } .paper { fill: #0f141a; } .box { fill: #19212b; stroke: #3a4756; }
  .bar { fill: #6ea8ff; } .local .bar { fill: #8fbf98; } .chooses .box { stroke: #d6a63f; } .pill { fill: #3a2f10; }
  .word { fill: #f0c35a; } .arrow { stroke: #6f7d8d; } .tip { fill: #6f7d8d; }
}
"""
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="tip" d="M0 0.5 8 4 0 7.5z"/></marker></defs>'
)


@dataclass(frozen=True, slots=True)
class _Place:
    """The left edge, the middle line, and the size of a box in pixels."""

    left: float
    middle: float
    width: float
    height: float

    @property
    def top(self) -> float:
        return self.middle - self.height / 2


def svg(drawn: Drawing) -> str:
    """The whole document."""
    sizes = {box.step: (_width(box), _height(box)) for box in drawn.boxes}
    laid = layout(drawn, {step: height for step, (_, height) in sizes.items()}, _GAP)
    columns = _columns(laid, sizes)
    places = _places(laid, columns, sizes)
    width = max((place.left + place.width for place in places.values()), default=0.0) + _MARGIN
    bottoms = [place.top + place.height for place in places.values()] + [h + _MARGIN for h in laid.heights.values()]
    height = max(bottoms, default=0.0) + _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:.0f} {height:.0f}" {size}>',
        f"<title>{escape.markup(drawn.name)}</title>",
        f"<style>{_STYLE}</style>",
        _TIP,
        f'<rect class="paper" {size}/>',
        *(_arrow(arrow, laid, columns, places) for arrow in drawn.arrows),
        *(line for box in drawn.boxes for line in _box(box, places[box.step])),
        "</svg>",
    ]
    return "\n".join(parts)


def _width(box: Box) -> float:
    title = escape.width(box.step) * _WIDE["title"] + (_PILL + 8 if box.chooses else 0)
    return 2 * _PAD + max([title, *(escape.width(line) * _WIDE["line"] for line in _lines(box))])


def _height(box: Box) -> float:
    return 2 * _PAD + _TITLE + _LINE * len(_lines(box)) - 8


def _lines(box: Box) -> list[str]:
    """Below the name; that somebody chooses is drawn as a pill."""
    samples = f"{box.variants} variants" if box.variants > 1 else ""
    return [line for line in (box.model, box.fans, samples) if line]


def _columns(laid: Layout, sizes: Mapping[str, tuple[float, float]]) -> list[tuple[float, float]]:
    """Left edge and width of each layer."""
    columns, left = [], _MARGIN
    for layer in laid.layers:
        width = max((sizes[spot[0]][0] for spot in layer if not spot[1]), default=0.0)
        columns.append((left, width))
        left += width + _ALLEY
    return columns


def _places(
    laid: Layout, columns: Sequence[tuple[float, float]], sizes: Mapping[str, tuple[float, float]]
) -> dict[str, _Place]:
    return {
        spot[0]: _Place(columns[spot[2]][0], laid.heights[spot] + _MARGIN, columns[spot[2]][1], sizes[spot[0]][1])
        for layer in laid.layers
        for spot in layer
        if not spot[1]
    }


def _arrow(arrow: Arrow, laid: Layout, columns: Sequence[tuple[float, float]], places: Mapping[str, _Place]) -> str:
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
    kind = "arrow" if arrow.flows else "arrow faint"
    return f'<path class="{kind}" d="{path}" marker-end="url(#tip)"/>'


def _passing(spot: Spot, laid: Layout, columns: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    left, width = columns[spot[2]]
    return left, left + width, laid.heights[spot] + _MARGIN


def _box(box: Box, place: _Place) -> Iterator[str]:
    kinds = " ".join(["step", *(["chooses"] if box.chooses else []), *(["local"] if box.is_local else [])])
    yield f'<g class="{kinds}">'
    for shift in (2 * _STACK, _STACK, 0.0) if box.fans else (0.0,):
        yield _rectangle(
            "box", place.left + shift, place.top - shift, place.width - (2 * _STACK if box.fans else 0), place
        )
    yield f'<rect class="bar" x="{place.left:.1f}" y="{place.top + 8:.1f}" width="3" height="{place.height - 16:.1f}"/>'
    x, y = place.left + _PAD, place.top + _PAD + 11
    yield f'<text class="name" x="{x:.1f}" y="{y:.1f}">{escape.markup(box.step)}</text>'
    for number, line in enumerate(_lines(box), 1):
        kind = ' class="model"' if line == box.model else ""
        yield f'<text{kind} x="{x:.1f}" y="{y + 3 + number * _LINE:.1f}">{escape.markup(line)}</text>'
    if box.chooses:
        yield from _pill(place)
    yield "</g>"


def _rectangle(kind: str, left: float, top: float, width: float, place: _Place) -> str:
    corner = f'x="{left:.1f}" y="{top:.1f}"'
    return f'<rect class="{kind}" {corner} width="{width:.1f}" height="{place.height:.1f}" rx="7"/>'


def _pill(place: _Place) -> Iterator[str]:
    left, top = place.left + place.width - _PILL - _PAD, place.top + _PAD - 4
    yield f'<rect class="pill" x="{left:.1f}" y="{top:.1f}" width="{_PILL:.0f}" height="19" rx="9.5"/>'
    yield f'<text class="word" x="{left + _PILL / 2:.1f}" y="{top + 13:.1f}">pick</text>'
