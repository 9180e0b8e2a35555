"""What a person is to choose: candidates side by side, and the lines that record what was chosen on the page."""

from collections.abc import Sequence

from flowrunner.checks.verdict import Result, Verdict, of
from flowrunner.report.groups import plural
from flowrunner.report.page.chapter import Chapter, size, stands, title
from flowrunner.report.page.gallery import ghost
from flowrunner.report.page.html import Html, tag
from flowrunner.review import Picture, ReviewedCell, Standing

_DIGITS = 12
"""Of a candidate's digest in a line: a choice must not fall on another picture that took its number meanwhile."""
_NO_SCRIPTS = "No scripts run here, so nothing is written down: tell the numbers to whoever runs the recipe."


def choices(chapter: Chapter) -> Html | None:
    """Open choices first, then those that are made, which a reader may make otherwise. None where nobody is asked."""
    asked = [cell for cell in chapter.review.cells.values() if cell.asks_a_person and cell.pictures]
    waiting = [cell for cell in asked if cell.standing is Standing.CHOICE and not cell.planned.is_refused]
    made = [cell for cell in asked if cell.picked or cell.planned.is_refused]
    if not waiting and not made:
        return None
    return tag(
        "section",
        tag("h2", f"{plural(len(waiting), 'choice')} to make" if waiting else "Choices"),
        tag(
            "p",
            "Choose below, say why if you like, and send what “Copy picks” gives you to whoever runs the recipe.",
            class_="lead",
        )
        if waiting
        else None,
        tag("noscript", tag("p", _NO_SCRIPTS, class_="lead")) if waiting else None,
        [_ballot(chapter, cell) for cell in waiting],
        _made(chapter, made),
        id=chapter.anchor("choices"),
        class_="choices",
    )


def _made(chapter: Chapter, cells: Sequence[ReviewedCell]) -> Html | None:
    if not cells:
        return None
    return tag(
        "details",
        tag("summary", f"{plural(len(cells), 'choice')} already made"),
        [_ballot(chapter, cell) for cell in cells],
        class_="made",
    )


def _ballot(chapter: Chapter, cell: ReviewedCell) -> Html:
    name = chapter.anchor("choice", cell.id)
    kept = str(cell.picked) if cell.picked else "none" if cell.choice and cell.choice.image is None else ""
    legend = tag("legend", tag("span", cell.cell.step.id, class_="of"), title(cell) if cell.cell.at else None)
    return tag(
        "fieldset",
        legend,
        _said(cell),
        tag(
            "div",
            [_candidate(chapter, cell, picture, name, kept) for picture in cell.pictures],
            class_="candidates",
        ),
        tag(
            "div",
            tag("label", _radio(name, "none", kept), tag("span", "None of these", class_="none"), class_="candidate"),
            tag(
                "input",
                type="text",
                name=f"{name}/why",
                autocomplete="off",
                placeholder="Reason, if you like",
                aria_label=f"Reason for the choice in {cell.id}",
            ),
            tag(
                "a",
                "Look closer",
                href=f"#{chapter.anchor('picture', cell.id)}",
                aria_label=f"Look closer at {cell.id}",
            ),
            class_="reason",
        ),
        class_="ballot",
        data_cell=cell.id,
        data_kept=kept,
        data_command=chapter.command,
    )


def _said(cell: ReviewedCell) -> Html | None:
    """Who chose what, and why; why an earlier choice does not hold any more."""
    choice = cell.choice
    if choice is None:
        return None
    what = "none of them" if choice.image is None else f"number {choice.image}"
    because = f": {choice.why}" if choice.why else ""
    state = f" ({stands(cell)})" if not cell.picked and choice.image is not None else ""
    return tag("p", f"{choice.by or 'Somebody'} chose {what}{because}{state}", class_="said")


def _candidate(chapter: Chapter, cell: ReviewedCell, picture: Picture, name: str, kept: str) -> Html:
    number = str(picture.number)
    artifact = picture.artifact
    shown = chapter.shelf.large(artifact, chapter.alt(cell, picture.number))
    ratio = (artifact.width or 4, artifact.height or 3)
    return tag(
        "label",
        _radio(name, number, kept, artifact.sha256[:_DIGITS]),
        tag("span", number, class_="number", aria_hidden="true"),
        [_against(one, "bad") for one in of(cell.found_of(picture), Result.FAIL)],
        [_against(one, "warns") for one in of(cell.found_of(picture), Result.WARN)],
        shown or ghost("Not on this machine", f"{size(artifact)}, {artifact.sha256[:8]}", ratio),
        class_="candidate",
    )


def _against(verdict: Verdict, kind: str) -> Html:
    return tag("small", verdict.sentence, class_=kind)


def _radio(name: str, value: str, kept: str, digest: str = "") -> Html:
    label = "None of these" if value == "none" else f"Candidate {value}"
    return tag(
        "input",
        type="radio",
        name=name,
        value=value,
        checked=value == kept,
        data_digest=digest or None,
        aria_label=label,
    )
