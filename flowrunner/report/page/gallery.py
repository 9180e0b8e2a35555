"""The pictures of a recipe, step by step: one large, a row along one axis, a table where two cross."""

import re
from collections.abc import Iterator, Sequence

from flowrunner.checks.verdict import Result, of
from flowrunner.pipeline import AxisValue
from flowrunner.report.groups import plural
from flowrunner.report.page import compare
from flowrunner.report.page.chapter import Chapter, chip, place, size, title, why
from flowrunner.report.page.html import Html, lines, scrolls, tag
from flowrunner.review import ReviewedCell, Standing, Wording

_BRACES = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_WORDS = re.compile(r"\w+\W+\w+")
"""What a template says by itself; one that only takes in a value says nothing."""
_USUAL = (4, 3)
"""The shape of a picture of which nothing is known."""
_NEAR = 64
"""Pictures of a step among which one is looked for that is not left out."""
_MOST_WORDS = 600
"""Characters of a text beside a picture; the whole of it stands behind the picture."""


def steps(chapter: Chapter) -> Iterator[Html]:
    """A section for each step that is part of the plan."""
    for name in chapter.review.plan.graph.steps:
        cells = chapter.review.step(name)
        if cells:
            yield _step(chapter, name, cells)


def _step(chapter: Chapter, name: str, cells: Sequence[ReviewedCell]) -> Html:
    step = cells[0].cell.step
    models = list(dict.fromkeys(cell.model.short for cell in cells if cell.model))
    facts = [", ".join(models[:3]) + (f" and {len(models) - 3} more" if models[3:] else "")]
    left_out = sum(cell.standing is Standing.SKIPPED for cell in cells)
    if len(cells) > 1:
        facts += [plural(len(cells) - left_out, "picture")] if left_out < len(cells) else []
        facts += [f"{left_out:,} left out"] if left_out else []
    facts += [_tally(chapter, cells)]
    return tag(
        "section",
        tag(
            "header",
            tag("h3", name),
            tag("p", " · ".join(fact for fact in facts if fact), class_="facts"),
            tag("p", step.description, class_="lead") if step.description else None,
            None if len(cells) == 1 else _written(cells),
        ),
        _single(chapter, cells[0]) if len(cells) == 1 else _many(chapter, cells),
        id=chapter.anchor("step", name),
        class_="step",
    )


def _tally(chapter: Chapter, cells: Sequence[ReviewedCell]) -> str:
    """What the step's pictures have cost, or would."""
    paid = chapter.charged(*cells)
    if paid:
        return paid
    return "free, made on this machine" if all(cell.planned.is_local for cell in cells) else ""


def _written(cells: Sequence[ReviewedCell]) -> Html | None:
    """The words of a step as they are written, where all its pictures share them."""
    with_words = [cell for cell in cells if cell.planned.bound]
    shared = [
        (wording.written, place(wording.span))
        for wording in (with_words[0].wordings if with_words else ())
        if all(any(one.written == wording.written for one in cell.wordings) for cell in with_words)
        and _WORDS.search(_BRACES.sub("", wording.written))
    ]
    return tag("div", [_quote(text, where) for text, where in shared], class_="written") if shared else None


def _quote(text: str, where: str) -> Html:
    cut = text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS]}…"
    return tag("blockquote", tag("p", lines(cut)), tag("cite", where) if where else None)


def _single(chapter: Chapter, cell: ReviewedCell) -> Html:
    """A step with one picture: as large as it is, beside its words."""
    return tag(
        "div",
        tag("div", _stage(chapter, cell), class_="wide"),
        tag("div", [quote(wording) for wording in cell.wordings], _under(chapter, cell, paid=False), class_="beside"),
        class_="single",
    )


def _stage(chapter: Chapter, cell: ReviewedCell) -> Html:
    shown = cell.shown
    if shown is None or not chapter.shelf.has(shown.artifact):
        return figure(chapter, cell, caption=False)
    return compare.slider(chapter, cell) or _link(
        chapter, cell, chapter.shelf.large(shown.artifact, chapter.alt(cell)) or Html()
    )


def quote(wording: Wording) -> Html:
    return _quote(wording.text, place(wording.span))


def _many(chapter: Chapter, cells: Sequence[ReviewedCell]) -> Html:
    axes = list(cells[0].cell.at)
    if len(axes) < 2:
        return tag("div", [figure(chapter, cell) for cell in cells], class_="row")
    groups: dict[tuple[str, ...], list[ReviewedCell]] = {}
    for cell in cells:
        groups.setdefault(_outer(cell), []).append(cell)
    return tag("div", [_table(chapter, group, axes) for group in groups.values()], class_="tables")


def _outer(cell: ReviewedCell) -> tuple[str, ...]:
    """The coordinates beyond those of a table's rows and columns."""
    return tuple(value.id for value in list(cell.cell.at.values())[2:])


def _table(chapter: Chapter, cells: Sequence[ReviewedCell], axes: Sequence[str]) -> Html:
    """Rows are values of the first axis, columns those of the second."""
    rows = _values(cells, axes[0])
    columns = _values(cells, axes[1])
    at = {(cell.cell.at[axes[0]].id, cell.cell.at[axes[1]].id): cell for cell in cells}
    outer = " · ".join(_outer(cells[0]))
    head = tag("tr", tag("td"), [tag("th", column.id, scope="col") for column in columns])
    body = [
        tag(
            "tr",
            tag("th", row.id, scope="row"),
            [_slot(chapter, at.get((row.id, column.id))) for column in columns],
        )
        for row in rows
    ]
    label = f"{cells[0].cell.step.id}: {axes[0]} by {axes[1]}{f', {outer}' if outer else ''}"
    return tag(
        "div",
        tag("h4", outer) if outer else None,
        scrolls(label, tag("table", tag("thead", head), tag("tbody", body))),
        class_="crossing",
    )


def _values(cells: Sequence[ReviewedCell], axis: str) -> list[AxisValue]:
    return list({cell.cell.at[axis].id: cell.cell.at[axis] for cell in cells}.values())


def _slot(chapter: Chapter, cell: ReviewedCell | None) -> Html:
    return tag("td") if cell is None else tag("td", figure(chapter, cell, named=False))


def figure(chapter: Chapter, cell: ReviewedCell, *, caption: bool = True, named: bool = True) -> Html:
    """A picture that leads to all that is known of it, or what stands in its place."""
    return tag(
        "figure",
        _link(chapter, cell, face(chapter, cell)),
        tag("figcaption", tag("b", title(cell)) if named else None, _under(chapter, cell)) if caption else None,
        class_=cell.standing.value,
    )


def face(chapter: Chapter, cell: ReviewedCell) -> Html:
    """The picture that stands for a cell, small; a marked place where there is none."""
    shown = cell.shown
    if shown is not None:
        found = chapter.shelf.small(shown.artifact, chapter.alt(cell))
        return found or ghost(
            "Not on this machine", f"{size(shown.artifact)}, {shown.artifact.sha256[:8]}", _ratio(cell)
        )
    if cell.standing is Standing.SKIPPED:
        return ghost("Left out", "", _beside(chapter, cell))
    earlier = next((one for one in cell.was if chapter.shelf.has(one)), None)
    old = chapter.shelf.mini(earlier, f"{title(cell)} as it was") if earlier else None
    return ghost("Would be rendered", chapter.price(cell), _ratio(cell), old)


def _ratio(cell: ReviewedCell) -> tuple[int, int]:
    if cell.shown is not None and cell.shown.artifact.width:
        return cell.shown.artifact.width, cell.shown.artifact.height
    bound = cell.planned.bound
    return bound.size if bound is not None and bound.size else _USUAL


def _beside(chapter: Chapter, cell: ReviewedCell) -> tuple[int, int]:
    """The shape of a picture that is left out: that of the first of its step that is not."""
    step = chapter.review.plan.graph.index.cells[cell.cell.step.id][:_NEAR]
    others = (chapter.review.cells[one.id] for one in step if one.id in chapter.review.cells)
    return next((_ratio(one) for one in others if one.standing is not Standing.SKIPPED), _USUAL)


def ghost(word: str, more: str, ratio: tuple[int, int], inside: Html | None = None) -> Html:
    """A place without a picture, in the shape of the picture that belongs there."""
    width, height = ratio
    keeper = tag("svg", viewBox=f"0 0 {width} {height}", width=width, height=height, aria_hidden="true")
    words = tag("span", inside, tag("b", word), tag("small", more) if more else None, class_="said")
    return tag("span", keeper, words, class_="ghost")


def _link(chapter: Chapter, cell: ReviewedCell, inside: Html) -> Html:
    return tag("a", inside, href=f"#{chapter.anchor('picture', cell.id)}", class_="open")


def _under(chapter: Chapter, cell: ReviewedCell, *, paid: bool = True) -> Html:
    """What stands below a picture: its state, and what it has cost."""
    if cell.standing is Standing.SKIPPED:
        return tag("span", tag("span", why(cell), class_="why"), class_="under")
    amount = chapter.charged(cell) if paid else ""
    trouble = next(iter(cell.troubles), None)
    return tag(
        "span",
        chip(cell),
        _warned(cell),
        tag("span", "preview", class_="chip done") if _is_preview(chapter, cell) else None,
        tag("span", why(cell), class_="why") if why(cell) else None,
        tag("span", f"the last run: {trouble.error}", class_="bad") if trouble else None,
        tag("span", amount, class_="paid") if amount else None,
        class_="under",
    )


def _warned(cell: ReviewedCell) -> Html | None:
    """How many checks warn of the picture that is shown; one that fails is the picture's state."""
    warns = len(of(cell.found_of(cell.shown), Result.WARN)) if cell.shown else 0
    return tag("span", plural(warns, "warning"), class_="chip choice") if warns else None


def _is_preview(chapter: Chapter, cell: ReviewedCell) -> bool:
    copies = chapter.shelf.of(cell.shown.artifact) if cell.shown else None
    return copies is not None and copies.is_preview
