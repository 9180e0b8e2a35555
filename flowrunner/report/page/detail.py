"""All that is known of one picture: large, beside what it was made from, its words, its checks, its price."""

from collections.abc import Iterator
from typing import Any

from flowrunner.artifact import Artifact
from flowrunner.call import File, Link
from flowrunner.checks.verdict import Result, Verdict
from flowrunner.digest import canonical
from flowrunner.report.groups import plural
from flowrunner.report.page import compare
from flowrunner.report.page.chapter import Chapter, chip, is_of_a_change, size, title, why
from flowrunner.report.page.gallery import face, quote
from flowrunner.report.page.html import Html, tag
from flowrunner.review import Parent, Picture, ReviewedCell

_MOST_PARENTS = 24


def details(chapter: Chapter) -> Iterator[Html]:
    """A dialog for each picture; every figure of the page leads to one."""
    return (_dialog(chapter, cell) for cell in chapter.review.cells.values())


def _dialog(chapter: Chapter, cell: ReviewedCell) -> Html:
    name = chapter.anchor("picture", cell.id)
    back = f"#{chapter.anchor('step', cell.cell.step.id)}"
    head = tag(
        "header",
        tag(
            "h2", tag("span", cell.cell.step.id, class_="of"), title(cell) if cell.cell.at else None, id=f"{name}/title"
        ),
        chip(cell),
        tag("a", "Close", href=back, class_="close"),
    )
    return tag(
        "dialog",
        head,
        tag("div", _stage(chapter, cell), tag("div", _facts(chapter, cell), class_="facts"), class_="body"),
        id=name,
        aria_labelledby=f"{name}/title",
        data_step=back,
    )


def _stage(chapter: Chapter, cell: ReviewedCell) -> Html:
    shown = cell.shown
    stage = compare.slider(chapter, cell) or (shown and chapter.shelf.large(shown.artifact, chapter.alt(cell)))
    stage = stage or face(chapter, cell)
    if len(cell.pictures) < 2:
        return tag("div", stage, class_="stage")
    listed = tag("ul", [tag("li", _mini(chapter, cell, picture)) for picture in cell.pictures], class_="minis")
    return tag("div", stage, tag("div", tag("h3", "Candidates"), listed, class_="others"), class_="stage")


def _mini(chapter: Chapter, cell: ReviewedCell, picture: Picture) -> Html:
    """A candidate, small; the script shows it large where the page holds it large."""
    name = f"Candidate {picture.number}{', chosen' if picture.number == cell.picked else ''}"
    mini = chapter.shelf.mini(picture.artifact, "")
    inside = (tag("span", str(picture.number), class_="number"), mini or tag("span", size(picture.artifact)))
    large = chapter.shelf.shown_as(picture.artifact)
    kind = "mini chosen" if picture.number == cell.picked else "mini"
    if mini is None or large is None:
        return tag("span", *inside, class_=kind)
    alt = chapter.alt(cell, picture.number)
    return tag(
        "button", *inside, type="button", class_=kind, aria_label=f"{name}: show", data_large=large, data_alt=alt
    )


def _facts(chapter: Chapter, cell: ReviewedCell) -> Iterator[Html | None]:
    # The checks and the changes below say it.
    reason = "" if cell.failure or is_of_a_change(cell) else why(cell)
    yield tag("p", reason, class_="why") if reason else None
    for trouble in cell.troubles:
        billed = ", and may have been charged" if trouble.maybe_billed else ""
        yield tag("p", f"The last run: {trouble.error}{billed}", class_="bad")
    if cell.planned.accepted or is_of_a_change(cell):
        yield _part("Changed since", tag("ul", [tag("li", change.sentence) for change in cell.planned.changes]))
    yield _choice(cell)
    if cell.wordings:
        yield _part("Words", [quote(wording) for wording in cell.wordings])
    verdicts = cell.found_of(cell.shown) if cell.shown else ()
    if verdicts:
        yield _part("Checks", tag("ul", [_verdict(chapter, one) for one in verdicts]))
    if cell.parents:
        yield _part("Made from", tag("ul", list(_parents(chapter, cell)), class_="parents"))
    yield _part("Picture", tag("dl", list(_about(chapter, cell))))
    if cell.settings:
        rows = [_row(name, _value(value)) for name, value in cell.settings.items()]
        yield tag("details", tag("summary", "All settings"), tag("dl", rows))


def _part(heading: str, *inside: Any) -> Html:
    return tag("section", tag("h3", heading), *inside)


_WORDS = {Result.PASS: "holds", Result.WARN: "warns", Result.FAIL: "fails", Result.MISSING: "cannot be judged here"}


def _verdict(chapter: Chapter, verdict: Verdict) -> Html:
    """A check with what was measured, and where it is about pixels a heat map."""
    heat = chapter.shelf.heat(verdict.heatmap, f"Heat map of {verdict.check}")
    state = tag("b", f"{verdict.check} {_WORDS[verdict.result]}")
    return tag("li", state, tag("span", verdict.measured), heat, class_=f"check {verdict.result.value}")


def _choice(cell: ReviewedCell) -> Html | None:
    if cell.choice is None:
        return None
    who = cell.choice.by or "Somebody"
    what = "no candidate" if cell.choice.image is None else f"candidate {cell.choice.image}"
    old = "" if cell.picked else ", for an earlier version of this picture" if cell.choice.image else ""
    return _part(
        "Choice",
        tag("p", f"{who} chose {what}{old}."),
        tag("blockquote", tag("p", cell.choice.why)) if cell.choice.why else None,
    )


def _parents(chapter: Chapter, cell: ReviewedCell) -> Iterator[Html]:
    for parent in cell.parents[:_MOST_PARENTS]:
        yield tag("li", _parent(chapter, parent))
    if len(cell.parents) > _MOST_PARENTS:
        yield tag("li", f"and {len(cell.parents) - _MOST_PARENTS} more", class_="more")


def _parent(chapter: Chapter, parent: Parent) -> Html:
    name = chapter.source(parent)
    mini = chapter.shelf.mini(parent.artifact, "") if parent.artifact else None
    inside = (mini, tag("span", tag("b", name), tag("small", parent.path)))
    if parent.cell in chapter.review.cells:
        return tag("a", *inside, href=f"#{chapter.anchor('picture', parent.cell)}")
    return tag("span", *inside)


def _about(chapter: Chapter, cell: ReviewedCell) -> Iterator[Html]:
    model = cell.model
    if model is not None:
        yield _row("Model", f"{model.id}" if cell.planned.is_local else f"{model.id}, {model.provider}")
    if cell.shown is not None:
        yield _row("Size", _size(cell.shown.artifact))
        yield _row("Digest", cell.shown.artifact.sha256[:16])
    if cell.planned.to_send:
        yield _row("Would cost", chapter.price(cell))
    if cell.paid:
        calls = f", {plural(len(cell.paid), 'call')}" if len(cell.paid) > 1 else ""
        yield _row(chapter.word.capitalize(), f"{_paid(chapter, cell)}{calls}")
    keys = [call.key[:8] for call in cell.planned.calls if call.key]
    if keys:
        yield _row("Requests" if len(keys) > 1 else "Request", " ".join(keys))


def _paid(chapter: Chapter, cell: ReviewedCell) -> str:
    return "not told by the reply" if set(cell.paid.values()) == {None} else chapter.charges(cell)


def _size(artifact: Artifact) -> str:
    kind = artifact.media_type.partition("/")[2].upper()
    return f"{size(artifact)} {kind}" + (f", {artifact.bytes / 1000:,.0f} kB" if artifact.bytes else "")


def _row(name: str, value: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", value))


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, File):
        return f"a file, {value.sha256[:8]}"
    return value.text if isinstance(value, Link) else canonical(value)
