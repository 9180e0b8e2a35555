"""One recipe of a page: what its sections share. A reader's words: picture, choice, recipe; never cell or await."""

from flowrunner import money
from flowrunner.artifact import Artifact
from flowrunner.decisions import Choice
from flowrunner.report.page.html import Html, tag
from flowrunner.report.page.shelf import Shelf
from flowrunner.report.text import about
from flowrunner.review import Parent, Review, ReviewedCell, Standing
from flowrunner.slotted import dataclass
from flowrunner.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """`prefix` tells the anchors of a page's recipes apart, empty where there is one; `command` takes the choices."""

    review: Review
    shelf: Shelf
    prefix: str = ""
    command: str

    @property
    def word(self) -> str:
        """What stands before an amount that a reply named."""
        return "simulated" if self.review.simulated else "paid"

    def anchor(self, kind: str, name: str = "") -> str:
        """An id of the page: `step/scene`, `picture/scene/lamp`."""
        return f"{self.prefix}{kind}/{name}" if name else f"{self.prefix}{kind}"

    def alt(self, cell: ReviewedCell, number: int = 0) -> str:
        """What a picture shows, as far as it is told: its place in the recipe, and the words of its request."""
        words = next((wording.text for wording in cell.wordings), "")
        told = " ".join(words.split())
        place = f"{cell.cell.step.id}, {title(cell)}" if cell.cell.at else cell.cell.step.id
        which = f", candidate {number}" if number else ""
        return f"{place}{which}: {told[:120]}{'…' if len(told) > 120 else ''}" if told else f"{place}{which}"

    def about(self, amount: money.Nano | None) -> str:
        return about(amount, simulated=self.review.simulated)

    def price(self, cell: ReviewedCell) -> str:
        """What would be paid for a picture that is to be rendered."""
        if cell.planned.is_local:
            return "free, made on this machine"
        return self.about(cell.planned.estimate) if cell.planned.to_send else "nothing to pay"

    def charged(self, *cells: ReviewedCell) -> str:
        """What was paid for pictures: `paid $0.025200, 1 not told`; empty where nobody is paid."""
        told = self.charges(*cells)
        if told and all(amount is None for cell in cells for amount in cell.paid.values()):
            return f"{self.word}, how much was not told"
        return f"{self.word} {told}" if told else ""

    def charges(self, *cells: ReviewedCell) -> str:
        """The same without the word, to the last digit, a call that pictures share once; empty where nobody is paid."""
        paid = {key: amount for cell in cells for key, amount in cell.paid.items()}
        told = [amount for amount in paid.values() if amount is not None]
        parts = [money.exact(sum(told))] if told else []
        return ", ".join([*parts, f"{len(paid) - len(told):,} not told"] if len(told) < len(paid) else parts)

    def source(self, parent: Parent) -> str:
        """Where an image of a request comes from, in a word."""
        return parent.cell or parent.file or parent.link or "an image that was given"


def title(cell: ReviewedCell) -> str:
    """`lamp · banner`, or the step where nothing multiplies it."""
    return " · ".join(value.id for value in cell.cell.at.values()) or cell.cell.step.id


def place(span: Span | None) -> str:
    return f"{span.file}:{span.line}" if span else ""


def stands(cell: ReviewedCell) -> str:
    """Where a picture stands, in a few words; empty for one that is done."""
    match cell.standing:
        case Standing.DONE:
            return "accepted" if cell.planned.accepted else ""
        case Standing.CHOICE:
            return {Choice.STALE: "the choice is out of date", Choice.NONE: "none would do"}.get(
                cell.planned.pick.choice if cell.planned.pick else Choice.NEW, "waits for a choice"
            )
        case Standing.RENDER:
            return "would be rendered"
        case Standing.LATER:
            return "would be rendered later"
        case Standing.FAILED:
            return "fails its checks"
        case Standing.MISSING:
            return "not on this machine"
        case Standing.SKIPPED:
            return "left out"


def why(cell: ReviewedCell) -> str:
    """Why a picture is not done, or stands although its request has changed, in a reader's words."""
    planned = cell.planned
    names = " and ".join(planned.because[:2]) + (f" and {len(planned.because) - 2} more" if planned.because[2:] else "")
    match cell.standing:
        case Standing.LATER if planned.behind_pick:
            return f"once a choice is made{f' in {names}' if _is_choice(cell) else ''}"
        case Standing.LATER:
            done = f"once {names} {'is' if len(planned.because) == 1 else 'are'} done"
            return done if names else "once its inputs are known"
        case Standing.RENDER if planned.changes:
            more = len(planned.changes) - 1
            return f"{planned.reason}, and {more} more" if more and is_of_a_change(cell) else planned.reason
        case Standing.RENDER:
            return {"new": "", "nothing is known of it here": ""}.get(planned.reason, planned.reason)
        case Standing.SKIPPED | Standing.MISSING:
            return planned.reason
        case Standing.DONE:
            return planned.accepted.reason if planned.accepted else ""
        case Standing.CHOICE:
            return planned.pick.why if planned.pick else ""
        case Standing.FAILED:
            return cell.failure


def is_of_a_change(cell: ReviewedCell) -> bool:
    """Whether what changed first is why a picture is not done."""
    return cell.planned.reason in {change.sentence for change in cell.planned.changes[:1]}


def _is_choice(cell: ReviewedCell) -> bool:
    return cell.planned.reason.startswith("after a pick")


def size(artifact: Artifact) -> str:
    return f"{artifact.width} × {artifact.height}" if artifact.width else "size unknown"


def chip(cell: ReviewedCell) -> Html | None:
    """The small mark of a picture that is not done."""
    words = stands(cell)
    return tag("span", words, class_=f"chip {cell.standing.value}") if words else None
