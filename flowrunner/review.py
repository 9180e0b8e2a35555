"""What there is to review of a pipeline: its plan, and of every cell what came of it, who chose what, what was paid.

It is made from the lock and the ledger, so that a finished run and a fresh clone give the same data to every renderer.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from flowrunner.artifact import Artifact
from flowrunner.binding import Bound
from flowrunner.binding.bound import Path, Pending, PendingSize
from flowrunner.call import File, Link, Outcome
from flowrunner.catalog.model import Model
from flowrunner.changes import flat, spelled
from flowrunner.checks.verdict import Verdicts
from flowrunner.decisions import Decision, Plan, PlannedCell
from flowrunner.graph import FromCell
from flowrunner.loading.cells import Cell
from flowrunner.money import Nano
from flowrunner.pipeline import PickRule, Pipeline, Selector
from flowrunner.planning import Planner
from flowrunner.slotted import dataclass
from flowrunner.source import Span
from flowrunner.store.locked import LockedCell, Pick


class Standing(StrEnum):
    """Where a cell stands, for whoever looks at its picture."""

    DONE = "done"
    CHOICE = "choice"
    """It has its candidates, and nobody has chosen yet."""
    RENDER = "render"
    LATER = "later"
    """It would be rendered once something else is: a picture that it needs, or a choice."""
    FAILED = "failed"
    """Its checks fail it: what was paid for is kept, and nothing is made of it."""
    MISSING = "missing"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One candidate: `number` from 1, `key` of the call that gave it."""

    number: int
    artifact: Artifact
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An image that goes into a request, at `path` of its parameters: the picture of a `cell` (`number` of its
    candidate, 0 while it is not known), a `file` of the project, or a `link`. What does not apply is empty."""

    path: str
    cell: str = ""
    number: int = 0
    file: str = ""
    link: str = ""
    artifact: Artifact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text of a request as rendered; its template, or it itself, as `written`, and where that is."""

    path: str
    text: str
    written: str
    span: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a call of the last run gave no picture; `maybe_billed` where nobody can tell whether it was charged."""

    error: str
    maybe_billed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedCell:
    """A cell with everything that is known of it. `picked` is the number of the chosen candidate, 0 where none is."""

    planned: PlannedCell
    pictures: tuple[Picture, ...] = ()
    picked: int = 0
    choice: Pick | None = None
    """A person's choice as the lock holds it, be it for this request or for an earlier one."""
    paid: Mapping[str, Nano | None]
    """What was charged for each call, by key; None where the reply did not say."""
    was: tuple[Artifact, ...] = ()
    """The locked pictures of an earlier request, the chosen one first, where they would be rendered anew."""
    parents: tuple[Parent, ...] = ()
    wordings: tuple[Wording, ...] = ()
    settings: Mapping[str, Any]
    """All other parameters, by their path."""
    troubles: tuple[Trouble, ...] = ()
    verdicts: tuple[Verdicts, ...] = ()
    """What the checks of its step found of each candidate; nothing of those that were not judged."""
    failure: str = ""
    """Why its checks fail it; empty where they do not."""

    @property
    def cell(self) -> Cell:
        return self.planned.cell

    @property
    def id(self) -> str:
        return self.cell.id

    @property
    def model(self) -> Model | None:
        return self.cell.model

    @property
    def asks_a_person(self) -> bool:
        return self.cell.step.pick.rule is PickRule.HUMAN

    @property
    def shown(self) -> Picture | None:
        """The picture that stands for the cell: the chosen one, else the first candidate."""
        chosen = [picture for picture in self.pictures if picture.number == self.picked]
        return next(iter(chosen or self.pictures), None)

    def found_of(self, picture: Picture) -> Verdicts:
        """What its checks found of one of its pictures."""
        return self.verdicts[picture.number - 1] if picture.number <= len(self.verdicts) else ()

    @property
    def standing(self) -> Standing:
        if self.failure:
            return Standing.FAILED
        match self.planned.decision:
            case Decision.SKIP:
                return Standing.SKIPPED
            case Decision.MISSING:
                return Standing.MISSING
            case Decision.RUN:
                return Standing.RENDER
            case Decision.AWAIT:
                return Standing.LATER
            case Decision.REUSE:
                is_open = self.planned.pick is not None and self.planned.pick.is_open
                return Standing.CHOICE if is_open else Standing.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A pipeline with all its cells in order."""

    plan: Plan
    cells: Mapping[str, ReviewedCell]
    simulated: bool

    @property
    def pipeline(self) -> Pipeline:
        return self.plan.graph.pipeline

    def of(self, *standings: Standing) -> list[ReviewedCell]:
        return [cell for cell in self.cells.values() if cell.standing in standings]

    @property
    def to_choose(self) -> list[ReviewedCell]:
        """Cells that ask for a choice: nobody has chosen, or refused all there is to choose from."""
        return [cell for cell in self.of(Standing.CHOICE) if not cell.planned.is_refused]

    def step(self, name: str) -> list[ReviewedCell]:
        """The cells of a step, those apart that are not part of the plan."""
        return [self.cells[cell.id] for cell in self.plan.graph.index.cells[name] if cell.id in self.cells]

    def paid(self, *names: str) -> Nano:
        """What replies say was charged for these cells, by default for all: a call that cells share counts once."""
        cells = [self.cells[name] for name in names] if names else list(self.cells.values())
        return sum(amount or 0 for amount in {key: paid for cell in cells for key, paid in cell.paid.items()}.values())


def review(making: Planner, found: Plan, *, troubles: Mapping[str, Trouble], simulated: bool) -> Review:
    """The review of a plan, by the planner that made it. `troubles` of the last run, by request key."""
    cells = {name: _reviewed(making, planned, troubles) for name, planned in found.cells.items()}
    return Review(plan=found, cells=cells, simulated=simulated)


def _reviewed(making: Planner, planned: PlannedCell, troubles: Mapping[str, Trouble]) -> ReviewedCell:
    bound, settled = planned.bound, making.settled.get(planned.cell.id)
    outcomes = making.outcomes(planned) if bound and bound.calls else []
    is_chosen = settled is not None and not settled.pick.is_open
    return ReviewedCell(
        planned=planned,
        pictures=tuple(_pictures(bound, outcomes)) if bound and settled else (),
        picked=settled.pick.number if settled is not None and is_chosen else 0,
        choice=_choice(making, planned.cell, settled.key if settled else ""),
        paid={} if planned.is_local else {found.key: found.paid for found in outcomes if found},
        was=_earlier(making, planned),
        parents=tuple(_parents(making, bound)) if bound else (),
        wordings=tuple(_wordings(bound)) if bound else (),
        settings=_settings(bound) if bound else {},
        troubles=tuple(_troubles(planned, troubles)),
        verdicts=settled.verdicts if settled is not None else (),
        failure=settled.failure if settled is not None else "",
    )


def _pictures(bound: Bound, outcomes: Sequence[Outcome | None]) -> Iterator[Picture]:
    """Numbered as `pick` numbers them: each sample takes as many places as were planned."""
    number = 1
    for outcome in outcomes:
        images = outcome.artifacts if outcome else ()
        room = bound.images if len(outcomes) > 1 else max(bound.images, len(images))
        if outcome is not None:
            for place, artifact in enumerate(images[:room]):
                yield Picture(number=number + place, artifact=artifact, key=outcome.key)
        number += room


def _choice(making: Planner, cell: Cell, key: str) -> Pick | None:
    if cell.step.pick.rule is not PickRule.HUMAN:
        return None
    by_key = next((pick for pick in making.lock.picks.values() if key and pick.for_ == key), None)
    return by_key or making.lock.picks.get(cell.id)


def _earlier(making: Planner, planned: PlannedCell) -> tuple[Artifact, ...]:
    locked = making.lock.cells.get(planned.cell.id)
    if locked is None or planned.decision not in (Decision.RUN, Decision.AWAIT) or planned.cell.id in making.settled:
        return ()
    return tuple(_chosen_first(locked, making.lock.picks.get(locked.cell)))


def _chosen_first(locked: LockedCell, pick: Pick | None) -> list[Artifact]:
    images = [image for sample in locked.samples for image in sample.images]
    chosen = pick.digest.removeprefix("sha256:") if pick else ""
    return sorted(images, key=lambda image: image.sha256 != chosen)


def _troubles(planned: PlannedCell, troubles: Mapping[str, Trouble]) -> Iterator[Trouble]:
    for call in planned.calls:
        trouble = troubles.get(call.key or "")
        if call.decision is Decision.RUN and trouble is not None:
            yield trouble


def _parents(making: Planner, bound: Bound) -> Iterator[Parent]:
    for path, leaf in flat(bound.params):
        name = spelled(path)
        if isinstance(leaf, Artifact):
            yield _parent(making, bound.cell, name, leaf)
        elif isinstance(leaf, Link):
            yield Parent(path=name, link=leaf.text)
        elif isinstance(leaf, Pending):
            yield Parent(path=name, cell=leaf.cell, number=leaf.number)


def _parent(making: Planner, cell: Cell, path: str, artifact: Artifact) -> Parent:
    """Where an image comes from: from a cell that this one needs, else from a file."""
    for name in making.graph.needs[cell.id]:
        images = making.known(FromCell(name, Selector.IMAGES, 0)) or ()
        number = next((number for number, one in enumerate(images, 1) if one.sha256 == artifact.sha256), 0)
        if number:
            return Parent(path=path, cell=name, number=number, artifact=artifact)
    return Parent(path=path, file=making.binder.images.paths.get(artifact.sha256, ""), artifact=artifact)


def _wordings(bound: Bound) -> Iterator[Wording]:
    for path, leaf in flat(bound.params):
        if _is_wording(path, leaf):
            template = bound.templates.get(path)
            span = template.span if template else _origin(bound, path)
            written = str(template.scalar.value) if template else leaf
            yield Wording(path=spelled(path), text=leaf, written=written, span=span)


def _is_wording(path: Path, leaf: Any) -> bool:
    """Words for a person to read: a prompt, or any text of several words."""
    return isinstance(leaf, str) and len(path) == 1 and ("prompt" in str(path[0]).lower() or len(leaf.split()) > 1)


def _origin(bound: Bound, path: Path) -> Span | None:
    found = (bound.origins.get(path[:length]) for length in range(len(path), 0, -1))
    return next((span for span in found if span is not None), None)


def _settings(bound: Bound) -> dict[str, Any]:
    return {
        spelled(path): _size(leaf) if isinstance(leaf, PendingSize) else leaf
        for path, leaf in flat(bound.params)
        if not isinstance(leaf, Artifact | Link | Pending | File) and not _is_wording(path, leaf)
    }


def _size(leaf: PendingSize) -> str:
    return f"{leaf.size[0]}x{leaf.size[1]}" if leaf.known else f"the size of {leaf.image.cell}"
