"""The two ends of a recipe: the pictures that went in, and those that come out of it."""

from collections.abc import Iterator

from flowrunner.graph import FromCell
from flowrunner.report.page.chapter import Chapter, size
from flowrunner.report.page.gallery import figure
from flowrunner.report.page.html import Html, tag
from flowrunner.review import Parent, ReviewedCell, Standing

_MOST = 24
"""Pictures of one output; all of them stand in their step."""


def results(chapter: Chapter) -> Html | None:
    """The pictures of the outputs that are there; None before the first, and where the recipe names no outputs."""
    found = {spec.name: list(_cells(chapter, spec.name)) for spec in chapter.review.pipeline.outputs.values()}
    there = {name: [cell for cell in cells if cell.shown] for name, cells in found.items()}
    if not any(there.values()):
        return None
    made = {name: sum(cell.standing is not Standing.SKIPPED for cell in cells) for name, cells in found.items()}
    return tag(
        "section",
        tag("h2", "Results"),
        [_output(chapter, name, cells, made[name]) for name, cells in there.items() if cells],
        id=chapter.anchor("results"),
        class_="results",
    )


def _cells(chapter: Chapter, name: str) -> Iterator[ReviewedCell]:
    review = chapter.review
    seen: set[str] = set()
    for target, _ in review.plan.graph.output(review.pipeline.outputs[name]):
        if isinstance(target, FromCell) and target.cell in review.cells and target.cell not in seen:
            seen.add(target.cell)
            yield review.cells[target.cell]


def _output(chapter: Chapter, name: str, cells: list[ReviewedCell], planned: int) -> Html:
    step = cells[0].cell.step.id
    rest, open_ones = len(cells) - _MOST, planned - len(cells)
    parts = [f"{rest:,} more"] if rest > 0 else []
    parts += [f"{open_ones:,} still to come"] if open_ones else []
    link = tag("a", " and ".join(parts), href=f"#{chapter.anchor('step', step)}") if parts else None
    return tag(
        "div",
        tag("h3", name),
        tag("div", [figure(chapter, cell) for cell in cells[:_MOST]], class_="row" if planned > 1 else "row one"),
        tag("p", link, class_="more") if link else None,
        class_="output",
    )


def sources(chapter: Chapter) -> Html | None:
    """The pictures that were given: files of the project, links."""
    found: dict[str, Parent] = {}
    for cell in chapter.review.cells.values():
        for parent in cell.parents:
            if not parent.cell:
                found.setdefault(parent.artifact.sha256 if parent.artifact else parent.link, parent)
    if not found:
        return None
    return tag(
        "section",
        tag("h2", "What went in"),
        tag("div", [_source(chapter, parent) for parent in found.values()], class_="row small"),
        id=chapter.anchor("sources"),
        class_="sources",
    )


def _source(chapter: Chapter, parent: Parent) -> Html:
    name = chapter.source(parent)
    shown = chapter.shelf.small(parent.artifact, f"Given: {name}") if parent.artifact else None
    more = size(parent.artifact) if parent.artifact else "by its address; not fetched"
    head, _, short = name.rpartition("/") if parent.file else ("", "", name)
    caption = tag("figcaption", tag("b", short), tag("span", f"{head}, {more}" if head else more, class_="under"))
    return tag("figure", shown, caption)
