"""What a cell has given: its candidates, what its checks found of them, and the choice among them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from flowrunner.artifact import Artifact
from flowrunner.binding import Bound, BoundCheck
from flowrunner.call import Outcome
from flowrunner.checks.verdict import Result, Verdict, Verdicts, of
from flowrunner.decisions import Decision, PickState, PlannedCell
from flowrunner.loading.cells import Cell
from flowrunner.slotted import dataclass, replace

Judges: TypeAlias = Callable[[BoundCheck, Artifact], Verdict]
"""What comes of a check on a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A cell whose calls have outcomes. A slot of `candidates` is None where its sample failed; `verdicts` holds what
    its checks found of each, nothing where it was not judged."""

    key: str
    candidates: tuple[Artifact | None, ...]
    pick: PickState
    verdicts: tuple[Verdicts, ...] = ()

    @property
    def failure(self) -> str:
        """Why its checks fail it, empty where they do not: of the picked candidate, or of all where none passes."""
        if self.pick.number:
            return _failing(self.verdicts[self.pick.number - 1]) if self.verdicts else ""
        if self.pick.is_open or self.unjudged:
            return ""
        failing = [f"{number}: {_failing(found)}" for number, found in enumerate(self.verdicts, 1) if found]
        return f"no candidate passes its checks: {' · '.join(failing)}" if failing else ""

    @property
    def unjudged(self) -> str:
        """Why its picture cannot be judged here, empty where it can."""
        decisive = self.verdicts[self.pick.number - 1 :][:1] if self.pick.number else self.verdicts
        lacking = [verdict for found in decisive for verdict in of(found, Result.MISSING)]
        return "" if self.pick.is_open or not lacking else lacking[0].measured

    def lacks(self, cell: str, number: int) -> str:
        """What to say to whoever needs a candidate that no reply held, empty where there is one. `cell` is this one."""
        if not number or self.candidates[number - 1] is not None:
            return ""
        came = sum(artifact is not None for artifact in self.candidates)
        return f"it needs candidate {number} of {cell}, of which {came} came; --force {cell} pays for others"

    def gave(self, digests: Collection[str]) -> bool:
        return any(artifact is not None and artifact.sha256 in digests for artifact in self.candidates)


def _failing(verdicts: Verdicts) -> str:
    return "; ".join(verdict.sentence for verdict in of(verdicts, Result.FAIL))


def slots_of(bound: Bound, outcomes: Sequence[Outcome | None]) -> list[Artifact | None]:
    """What the samples gave, as many of each as were planned."""
    slots: list[Artifact | None] = []
    for outcome in outcomes:
        images: list[Artifact | None] = list(outcome.artifacts) if outcome else []
        wanted = bound.images if len(outcomes) > 1 else max(bound.images, len(images))
        slots += [*images[:wanted], *[None] * (wanted - len(images))]
    return slots


def decisive(cell: Cell, slots: Sequence[Artifact | None]) -> list[Artifact | None]:
    """The candidates that checks decide about: all of them where somebody, or the checks, choose. None stands in the
    place of the others."""
    rule = cell.step.pick
    return [slot if rule.rule.has_spares or number == rule.number else None for number, slot in enumerate(slots, 1)]


def to_judge(cell: Cell, bound: Bound, outcomes: Sequence[Outcome | None]) -> list[tuple[BoundCheck, Artifact]]:
    """Each check with each picture that it decides about."""
    slots = [slot for slot in decisive(cell, slots_of(bound, outcomes)) if slot is not None]
    return [(check, slot) for slot in slots for check in bound.checks]


def judged(judges: Judges | None, cell: Cell, bound: Bound, slots: Sequence[Artifact | None]) -> tuple[Verdicts, ...]:
    """What the checks find of each candidate; nothing where nobody looks at pictures, or there are no checks."""
    if judges is None or not bound.checks:
        return ()
    return tuple(
        () if slot is None else tuple(judges(check, slot) for check in bound.checks) for slot in decisive(cell, slots)
    )


def compared(
    settled: Mapping[str, Settled], bound: Mapping[str, Bound], needs: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, Artifact]]:
    """The pictures that checks need where one of them is not here, each with its cell."""
    for name, one in settled.items():
        if one.unjudged:
            yield from ((name, artifact) for artifact in one.candidates if artifact is not None)
            others = {other.sha256 for check in bound[name].checks for other in check.pictures}
            for need in needs[name]:
                made = settled[need].candidates if need in settled else ()
                yield from ((need, artifact) for artifact in made if artifact and artifact.sha256 in others)


def unjudged(settled: Mapping[str, Settled], planned: Mapping[str, PlannedCell]) -> dict[str, PlannedCell]:
    """The cells that are locked and cannot be judged here."""
    found = {}
    for name, one in settled.items():
        if one.unjudged and planned[name].decision is Decision.REUSE:
            reason = f"its checks cannot be made: {one.unjudged}"
            found[name] = replace(planned[name], decision=Decision.MISSING, reason=reason)
    return found
