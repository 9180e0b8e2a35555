"""What was paid and what would be, step by step and in all."""

from collections.abc import Sequence

from flowrunner.decisions import cost
from flowrunner.report.page.chapter import Chapter
from flowrunner.report.page.html import Html, scrolls, tag
from flowrunner.report.text import price
from flowrunner.review import ReviewedCell, Standing


def costs(chapter: Chapter) -> Html:
    review = chapter.review
    steps = [(name, review.step(name)) for name in review.plan.graph.steps]
    rows = [_row(chapter, name, cells) for name, cells in steps if cells]
    every = list(review.cells.values())
    head = tag(
        "tr",
        [
            tag("th", name, scope="col")
            for name in ("Step", "Model", "Pictures", chapter.word.capitalize(), "Would cost")
        ],
    )
    total = tag(
        "tr",
        tag("th", "In all", scope="row"),
        tag("td", class_="model"),
        tag("td", _count(every), class_="n"),
        tag("td", chapter.charges(*every) or "–", class_="n"),
        tag("td", _open(chapter, every), class_="n"),
    )
    return tag(
        "section",
        tag("h2", "What it cost"),
        scrolls("What it cost", tag("table", tag("thead", head), tag("tbody", rows), tag("tfoot", total))),
        id=chapter.anchor("costs"),
        class_="costs",
    )


def _row(chapter: Chapter, name: str, cells: Sequence[ReviewedCell]) -> Html:
    models = list(dict.fromkeys(cell.model.short for cell in cells if cell.model))
    is_free = all(cell.planned.is_local for cell in cells)
    return tag(
        "tr",
        tag("th", tag("a", name, href=f"#{chapter.anchor('step', name)}"), scope="row"),
        tag("td", ", ".join(models[:2]) + ("…" if models[2:] else ""), class_="model"),
        tag("td", _count(cells), class_="n"),
        tag("td", "free" if is_free else chapter.charges(*cells) or "–", class_="n"),
        tag("td", _open(chapter, cells), class_="n"),
    )


def _count(cells: Sequence[ReviewedCell]) -> str:
    """The pictures that there are or will be: what is left out is none."""
    found = sum(cell.standing is not Standing.SKIPPED for cell in cells)
    return f"{found:,}" if found else "–"


def _open(chapter: Chapter, cells: Sequence[ReviewedCell]) -> str:
    """What the pictures that are not rendered would cost at most."""
    found = cost(cell.planned for cell in cells)
    return price(found, simulated=chapter.review.simulated) if found.calls else "–"
