"""Before and after: an edit over the picture that it was made from, with a line that can be moved."""

from flowrunner.report.page.chapter import Chapter, title
from flowrunner.report.page.html import Html, tag
from flowrunner.review import Parent, ReviewedCell

_MOST_PARENTS = 4
_ALIKE = 0.02
"""By how much two shapes may differ where a local operation is taken for an edit."""


def slider(chapter: Chapter, cell: ReviewedCell) -> Html | None:
    """The comparison of an edit with its first image; None for what is no edit, or lacks one of the two pictures."""
    shown, parent = cell.shown, before(cell)
    if shown is None or parent is None or parent.artifact is None:
        return None
    if not chapter.shelf.has(shown.artifact) or not chapter.shelf.has(parent.artifact):
        return None
    one = chapter.shelf.large(parent.artifact, f"Before: {chapter.source(parent)}")
    two = chapter.shelf.large(shown.artifact, chapter.alt(cell))
    source = chapter.source(parent).rpartition("/")[2] if parent.file else chapter.source(parent)
    return tag(
        "div",
        tag("span", two, class_="after"),
        tag("span", one, class_="before"),
        tag("span", source, class_="tag left", aria_hidden="true"),
        tag("span", cell.cell.step.id, class_="tag right", aria_hidden="true"),
        tag("input", type="range", min=0, max=100, value=50, step=1, aria_label=f"{title(cell)}: how much of before"),
        tag("span", class_="line", aria_hidden="true"),
        class_="compare",
    )


def before(cell: ReviewedCell) -> Parent | None:
    """The image that an edit changes: its first one. A sheet of many pictures is no edit."""
    if not 0 < len(cell.parents) <= _MOST_PARENTS or cell.shown is None:
        return None
    first = cell.parents[0]
    if not cell.planned.is_local or first.artifact is None:
        return first
    one, two = first.artifact, cell.shown.artifact
    alike = abs(one.width * two.height - two.width * one.height) <= _ALIKE * one.width * two.height
    return first if alike else None
