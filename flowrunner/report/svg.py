"""A drawing as SVG: one file that loads nothing, in the colours of light and dark."""

from collections.abc import Iterator

from flowrunner import escape
from flowrunner.report.drawings import Arrow, Box, Drawing
from flowrunner.report.geometry import Place, Plane, plane

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


def svg(drawn: Drawing) -> str:
    """The whole document."""
    laid = plane(drawn, {box.step: (_width(box), _height(box)) for box in drawn.boxes})
    size = f'width="{laid.width:.0f}" height="{laid.height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {laid.width:.0f} {laid.height:.0f}" {size}>',
        f"<title>{escape.markup(drawn.name)}</title>",
        f"<style>{_STYLE}</style>",
        _TIP,
        f'<rect class="paper" {size}/>',
        *(_arrow(arrow, laid) for arrow in drawn.arrows),
        *(line for box in drawn.boxes for line in _box(box, laid.places[box.step])),
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


def _arrow(arrow: Arrow, laid: Plane) -> str:
    kind = "arrow" if arrow.flows else "arrow faint"
    return f'<path class="{kind}" d="{laid.ways[arrow]}" marker-end="url(#tip)"/>'


def _box(box: Box, place: Place) -> Iterator[str]:
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


def _rectangle(kind: str, left: float, top: float, width: float, place: Place) -> str:
    corner = f'x="{left:.1f}" y="{top:.1f}"'
    return f'<rect class="{kind}" {corner} width="{width:.1f}" height="{place.height:.1f}" rx="7"/>'


def _pill(place: Place) -> Iterator[str]:
    left, top = place.left + place.width - _PILL - _PAD, place.top + _PAD - 4
    yield f'<rect class="pill" x="{left:.1f}" y="{top:.1f}" width="{_PILL:.0f}" height="19" rx="9.5"/>'
    yield f'<text class="word" x="{left + _PILL / 2:.1f}" y="{top + 13:.1f}">pick</text>'
