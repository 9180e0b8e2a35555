"""The head of a recipe: its name, and in one sentence what is done, what waits, and what the rest would cost."""

from collections.abc import Sequence

from flowrunner.decisions import PlannedCell, cost
from flowrunner.report.groups import plural
from flowrunner.report.page.chapter import Chapter
from flowrunner.report.page.html import Html, tag
from flowrunner.report.text import price
from flowrunner.review import Standing


def head(chapter: Chapter) -> Html:
    review = chapter.review
    pipeline = review.pipeline
    return tag(
        "header",
        tag("p", pipeline.file, class_="file"),
        tag("h1", pipeline.name),
        tag("p", pipeline.description, class_="lead") if pipeline.description else None,
        tag("p", verdict(chapter), class_="verdict"),
        _simulated() if review.simulated else None,
        tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in _counts(chapter)], class_="counts"),
        class_="head",
    )


def _simulated() -> Html:
    return tag(
        "p",
        tag("b", "Simulated."),
        " No model was called; pictures are stand-ins, and prices were not charged.",
        class_="simulated",
    )


def verdict(chapter: Chapter) -> str:
    """`3 pictures wait for a choice; then 9 more would be rendered (about $0.265).`"""
    plan, review = chapter.review.plan, chapter.review
    choices = len(review.to_choose)
    refused = len(review.of(Standing.CHOICE)) - choices
    before, after = plan.before_picks, plan.after_picks
    parts = [f"{_pictures(choices)} {_verb(choices, 'wait')} for a choice"] if choices else []
    if refused:
        parts.append(f"of {_pictures(refused)} no candidate would do")
    if before:
        parts.append(f"{_pictures(len(before))} would be rendered ({_price(chapter, before)})")
    if after:
        when = (
            "then" if parts and not before else "after a choice" if len(plan.open_picks) == 1 else "after the choices"
        )
        verb = "" if before else " would be rendered"
        parts.append(f"{when} {len(after):,} {'more' if parts else _noun(after)}{verb} ({_price(chapter, after)})")
    failed = len(review.of(Standing.FAILED))
    if failed:
        parts.insert(0, f"{_pictures(failed)} {_verb(failed, 'fail')} {'its' if failed == 1 else 'their'} checks")
    gone = len(review.of(Standing.MISSING))
    if gone:
        parts.append(f"{_pictures(gone)} {_verb(gone, 'lack')} what they are made from")
    if parts:
        return f"{'; '.join(parts)}."
    done = len(review.of(Standing.DONE))
    gone = sum(cell.shown is not None and not chapter.shelf.has(cell.shown.artifact) for cell in review.cells.values())
    kept = f", {gone:,} of them not on this machine" if gone else ""
    many = "The one picture is" if done == 1 else f"All {done:,} pictures are"
    return f"{many} done{kept}." if done else "Nothing to show."


def _price(chapter: Chapter, cells: Sequence[PlannedCell]) -> str:
    found = cost(cells)
    return price(found, simulated=chapter.review.simulated) if found.calls else "free"


def _noun(cells: Sequence[PlannedCell]) -> str:
    return "picture" if len(cells) == 1 else "pictures"


def _pictures(number: int) -> str:
    return plural(number, "picture")


def _verb(number: int, verb: str) -> str:
    return f"{verb}s" if number == 1 else verb


def _counts(chapter: Chapter) -> list[tuple[str, str]]:
    """The numbers below the verdict; those that are 0 are left out."""
    review = chapter.review
    rows = [
        ("done", review.of(Standing.DONE)),
        ("to choose", review.to_choose),
        ("refused", [cell for cell in review.of(Standing.CHOICE) if cell.planned.is_refused]),
        ("to render", review.of(Standing.RENDER, Standing.LATER)),
        ("failed", review.of(Standing.FAILED)),
        ("not here", review.of(Standing.MISSING)),
        ("left out", review.of(Standing.SKIPPED)),
    ]
    found = [(name, f"{len(cells):,}") for name, cells in rows if cells]
    paid = chapter.charges(*review.cells.values())
    if paid:
        found.append((chapter.word, paid))
    return found
