"""One page for whoever reviews pictures: it holds everything that it shows, and asks nobody for anything."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from flowrunner.artifact import Artifact
from flowrunner.report.groups import plural
from flowrunner.report.page.chapter import Chapter
from flowrunner.report.page.choices import choices
from flowrunner.report.page.costs import costs
from flowrunner.report.page.detail import details
from flowrunner.report.page.drawing import graph
from flowrunner.report.page.gallery import steps
from flowrunner.report.page.head import head
from flowrunner.report.page.html import Html, joined, tag
from flowrunner.report.page.kept import Kept
from flowrunner.report.page.results import results, sources
from flowrunner.report.page.shelf import Shelf, Supply
from flowrunner.review import Review, Standing
from flowrunner.slotted import dataclass

__all__ = ["Kept", "Part", "Supply", "page", "weight"]

_SIZE = Html("<!--size-->")
"""No text from outside can look like this: it is escaped."""
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A review with the command that takes its choices: `flowrunner pick PATH --from -`."""

    review: Review
    supply: Supply
    command: str


def page(parts: Sequence[Part]) -> str:
    """The whole document. The same reviews and pictures give the same bytes."""
    chapters = list(_chapters(parts))
    drawn = [graph(chapter) for chapter in chapters]
    body = joined(
        tag("a", "To the pictures", href="#content", class_="skip"),
        _rail(chapters),
        tag(
            "main",
            [_chapter(one, drawing) for one, (drawing, _) in zip(chapters, drawn, strict=True)],
            _foot(chapters),
            id="content",
            tabindex="-1",
        ),
        _bar(),
        [details(chapter) for chapter in chapters],
    )
    names = ", ".join(chapter.review.pipeline.name for chapter in chapters)
    text = f"<!doctype html>\n{_document(names, body, [rule for _, rule in drawn])}\n"
    return text.replace(_SIZE, weight(len(text.encode())), 1)


def weight(size: int) -> str:
    """Bytes of a page for people."""
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size / 1000:.0f} kB"


def _chapters(parts: Sequence[Part]) -> Iterator[Chapter]:
    for number, part in enumerate(parts, 1):
        shelf = Shelf(part.supply, f"{number}" if len(parts) > 1 else "")
        shelf.put(_wanted(part.review))
        prefix = f"{number}/" if len(parts) > 1 else ""
        yield Chapter(review=part.review, shelf=shelf, prefix=prefix, command=part.command)


def _wanted(review: Review) -> Iterator[Artifact]:
    """Every picture, those first that should be large: candidates of open choices, then edits with what they edit."""
    for cell in review.of(Standing.CHOICE):
        yield from (picture.artifact for picture in cell.pictures)
    for cell in review.cells.values():
        yield from (parent.artifact for parent in cell.parents if parent.artifact)
        yield from (cell.shown.artifact for _ in (1,) if cell.shown)
    for cell in review.cells.values():
        yield from (picture.artifact for picture in cell.pictures)
        yield from cell.was[:1]


def _chapter(chapter: Chapter, drawn: Html) -> Html:
    return tag(
        "article",
        head(chapter),
        choices(chapter),
        results(chapter),
        tag("section", tag("h2", "The recipe"), drawn, id=chapter.anchor("recipe"), class_="recipe"),
        tag("h2", "Step by step", id=chapter.anchor("steps")),
        list(steps(chapter)),
        sources(chapter),
        costs(chapter),
        id=chapter.anchor("top"),
    )


def _rail(chapters: Sequence[Chapter]) -> Html:
    """Where to go, with what waits there."""
    return tag("nav", [_links(chapter, alone=len(chapters) == 1) for chapter in chapters], aria_label="On this page")


def _links(chapter: Chapter, *, alone: bool) -> Html:
    review = chapter.review
    waiting = len(review.to_choose)
    asks = any(cell.asks_a_person and cell.pictures for cell in review.cells.values())
    links = [tag("li", _link(chapter, "choices", "Choices", str(waiting) if waiting else ""))] if asks else []
    links += [tag("li", _link(chapter, "recipe", "Recipe"))]
    steps = [name for name in review.plan.graph.steps if review.step(name)] if alone else []
    links += [tag("li", tag("a", name, href=f"#{chapter.anchor('step', name)}"), class_="minor") for name in steps]
    links += [tag("li", _link(chapter, "costs", "What it cost"))]
    return tag("div", tag("a", review.pipeline.name, href=f"#{chapter.anchor('top')}", class_="name"), tag("ul", links))


def _link(chapter: Chapter, kind: str, word: str, count: str = "") -> Html:
    badge = tag("span", count, class_="count") if count else None
    return tag("a", word, badge, href=f"#{chapter.anchor(kind)}")


def _bar() -> Html:
    """What was chosen on the page; the script shows it with the first choice."""
    return tag(
        "aside",
        tag("p", "", id="chosen", role="status"),
        tag(
            "textarea",
            "",
            id="lines",
            readonly=True,
            rows=3,
            spellcheck="false",
            aria_label="The lines of your choices",
        ),
        tag("button", "Copy picks", id="copy", type="button"),
        tag("p", "Whoever runs the recipe pastes them into ", tag("code", "", id="command"), class_="how"),
        id="bar",
        hidden=True,
        aria_label="Your choices",
    )


def _foot(chapters: Sequence[Chapter]) -> Html:
    pictures = sum(len(chapter.shelf.copies) for chapter in chapters)
    small = sum(chapter.shelf.small_only for chapter in chapters)
    only = f", {small:,} of them in a small copy only" if small else ""
    here = f" and holds {plural(pictures, 'picture')}{only}; it loads nothing and sends nothing."
    return tag(
        "footer", tag("p", "This page is ", _SIZE, here), tag("p", "Made by flowrunner from the recipe and its lock.")
    )


def _document(names: str, body: Html, rules: Sequence[str]) -> Html:
    style, script = Html("\n".join([_file("page.css"), *rules, ""])), _file("page.js")
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("meta", name="referrer", content="no-referrer"),
            tag("title", f"{names}: pictures to review"),
            tag("style", style),
        ),
        tag("body", body, tag("script", script)),
        lang="en",
    )


def _file(name: str) -> Html:
    return Html((_FOLDER / name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
