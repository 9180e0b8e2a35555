"""The recipe as a drawing: its steps with the pictures that they gave, in the look of `graph --format svg`."""

from collections.abc import Iterator, Sequence

from flowrunner.report.drawings import Arrow, Box, drawing
from flowrunner.report.geometry import Place, Plane, plane
from flowrunner.report.groups import plural
from flowrunner.report.page.chapter import Chapter
from flowrunner.report.page.html import Html, scrolls, tag
from flowrunner.review import ReviewedCell, Standing

_SIDE, _GAP, _PAD = 46.0, 6.0, 14.0
_MOST = 4
_WIDE = {"name": 8.4, "line": 6.6}
"""Pixels that a character takes at most."""
_HEAD = 46.0
"""From the upper edge of a box to its pictures."""
_FOOT = 22.0


_SHRINK = 0.72
"""The least share of its size at which a drawing can still be read; then it is moved sideways."""


def graph(chapter: Chapter) -> tuple[Html, str]:
    """A drawing in which each step leads to its pictures, and the rule of CSS that keeps it legible."""
    drawn = drawing(chapter.review.plan.graph)
    cells = {box.step: chapter.review.step(box.step) for box in drawn.boxes}
    laid = plane(drawn, {box.step: (_width(box, cells[box.step]), _height(cells[box.step])) for box in drawn.boxes})
    tip = tag(
        "marker",
        tag("path", class_="tip", d="M0 0.5 8 4 0 7.5z"),
        id=chapter.anchor("tip"),
        viewBox="0 0 8 8",
        refX="7",
        refY="4",
        markerWidth="7",
        markerHeight="7",
        orient="auto",
    )
    picture = tag(
        "svg",
        tag("defs", tip),
        [_arrow(chapter, arrow, laid) for arrow in drawn.arrows],
        [_box(chapter, box, cells[box.step], laid.places[box.step]) for box in drawn.boxes],
        viewBox=f"0 0 {laid.width:.0f} {laid.height:.0f}",
        width=f"{laid.width:.0f}",
        height=f"{laid.height:.0f}",
        role="group",
        aria_label=f"The steps of {chapter.review.pipeline.name}",
    )
    framed = scrolls("The recipe as a drawing", picture, kind="graph")
    name = chapter.anchor("recipe")
    return framed, f'[id="{name}"] svg {{ min-width: {laid.width * _SHRINK:.0f}px; }}'


def _width(box: Box, cells: Sequence[ReviewedCell]) -> float:
    texts = [len(box.step) * _WIDE["name"] + 24, *(len(line) * _WIDE["line"] for line in _lines(box, cells))]
    return 2 * _PAD + max(min(len(cells), _MOST) * (_SIDE + _GAP) - _GAP, *texts)


def _height(cells: Sequence[ReviewedCell]) -> float:
    return _HEAD + _FOOT + (_SIDE + 12 if cells else 0)


def _lines(box: Box, cells: Sequence[ReviewedCell]) -> tuple[str, str]:
    return box.model, _tally(cells)


def _tally(cells: Sequence[ReviewedCell]) -> str:
    """`9 pictures, 3 to render`, in as few words as the step allows."""
    asked = [cell for cell in cells if cell.standing is Standing.CHOICE]
    refused = sum(cell.planned.is_refused for cell in asked)
    counts = {
        "to choose": len(asked) - refused,
        "refused": refused,
        "failed": sum(cell.standing is Standing.FAILED for cell in cells),
        "to render": sum(cell.standing in (Standing.RENDER, Standing.LATER) for cell in cells),
        "left out": sum(cell.standing is Standing.SKIPPED for cell in cells),
    }
    done = len(cells) - sum(counts.values())
    parts = [f"{number:,} {word}" if len(cells) > 1 else word for word, number in counts.items() if number]
    several = [plural(done, "picture")] if done else []
    return ", ".join([*several, *parts]) if len(cells) > 1 else "".join(parts) or ("done" if cells else "")


def _arrow(chapter: Chapter, arrow: Arrow, laid: Plane) -> Html:
    kind = "arrow" if arrow.flows else "arrow faint"
    return tag("path", class_=kind, d=laid.ways[arrow], marker_end=f"url(#{chapter.anchor('tip')})")


def _box(chapter: Chapter, box: Box, cells: Sequence[ReviewedCell], at: Place) -> Html:
    kinds = ["node", *(["local"] if box.is_local else []), *([_state(cells)] if cells else [])]
    x, y = at.left + _PAD, at.top + 24
    model, tally = _lines(box, cells)
    return tag(
        "a",
        tag(
            "rect",
            class_="box",
            x=f"{at.left:.1f}",
            y=f"{at.top:.1f}",
            width=f"{at.width:.1f}",
            height=f"{at.height:.1f}",
            rx="8",
        ),
        tag("circle", class_="dot", cx=f"{at.left + at.width - _PAD - 3:.1f}", cy=f"{y - 4:.1f}", r="4.5"),
        tag("text", box.step, class_="name", x=f"{x:.1f}", y=f"{y:.1f}"),
        tag("text", model, class_="model", x=f"{x:.1f}", y=f"{y + 15:.1f}"),
        list(_minis(chapter, cells, x, at.top + _HEAD + 6)),
        tag("text", tally, x=f"{x:.1f}", y=f"{at.top + at.height - 12:.1f}"),
        class_=" ".join(kinds),
        href=f"#{chapter.anchor('step', box.step)}",
        aria_label=f"{box.step}: {tally}" if tally else box.step,
    )


def _state(cells: Sequence[ReviewedCell]) -> str:
    """The state that a step is marked with: what asks for somebody comes first."""
    standings = {cell.standing for cell in cells}
    order = (
        Standing.FAILED,
        Standing.CHOICE,
        Standing.MISSING,
        Standing.RENDER,
        Standing.LATER,
        Standing.DONE,
        Standing.SKIPPED,
    )
    return next(standing.value for standing in order if standing in standings)


def _minis(chapter: Chapter, cells: Sequence[ReviewedCell], x: float, y: float) -> Iterator[Html]:
    """The first pictures of a step, as squares; an empty frame for one that is not there."""
    wanted = [cell for cell in cells if cell.standing is not Standing.SKIPPED]
    shown = wanted[: 3 if len(wanted) > _MOST else _MOST]
    for number, cell in enumerate(shown):
        corner = {"x": f"{x + number * (_SIDE + _GAP):.1f}", "y": f"{y:.1f}", "width": f"{_SIDE}", "height": f"{_SIDE}"}
        copies = chapter.shelf.of(cell.shown.artifact) if cell.shown else None
        if copies is None:
            yield tag("rect", class_="frame", rx="4", **corner)
        else:
            yield tag("image", href=copies.mini.uri, preserveAspectRatio="xMidYMid slice", **corner)
    if len(wanted) > len(shown):
        left = x + len(shown) * (_SIDE + _GAP)
        yield tag(
            "text", f"+{len(wanted) - len(shown)}", class_="rest", x=f"{left + 2:.1f}", y=f"{y + _SIDE / 2 + 4:.1f}"
        )
