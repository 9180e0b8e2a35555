"""Inspecting: the pictures that a lock names, held against the checks of their steps. Nothing is sent or paid."""

from collections.abc import Iterator

from flowrunner.artifact import Artifact
from flowrunner.checks.verdict import Result, Verdicts
from flowrunner.decisions import Decision
from flowrunner.loading.cells import Cell
from flowrunner.project import Opened, judge, planned, planner
from flowrunner.settled import Settled
from flowrunner.slotted import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """One picture of a cell: `candidate` counts from 1; `picked` where it is the one that goes on."""

    cell: str
    step: str
    candidate: int
    of: int
    """How many candidates the cell has."""
    picked: bool
    artifact: Artifact
    verdicts: Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the checks of a pipeline say of what its lock names."""

    opened: Opened
    pictures: tuple[Inspected, ...]
    failed: dict[str, str]
    """The cells that their checks fail, and why: a candidate that nobody picked fails none."""
    waiting: tuple[str, ...]
    """Cells with checks in which nobody has chosen yet."""
    unmade: tuple[str, ...]
    """Cells with checks whose request is not in the lock: there is no picture to look at."""
    to_make: bool
    """Whether a run would make one of them now; the others come after a choice."""

    @property
    def missing(self) -> list[Inspected]:
        """Pictures that could not be judged, for bytes are not here."""
        return [one for one in self.pictures if any(found.result is Result.MISSING for found in one.verdicts)]

    def count(self, result: Result) -> int:
        return sum(found.result is result for one in self.pictures for found in one.verdicts)

    @property
    def exit_code(self) -> int:
        """3 where something could not be looked at, 1 where a check fails a cell."""
        return 3 if self.missing else 1 if self.failed else 0


def inspect(opened: Opened) -> Inspection:
    """Runs the checks; heat maps lie below the state then. UsageError while an input has no value."""
    opened.project.workspace.prepare()
    opened = replace(opened, options=replace(opened.options, frozen=True))
    with opened.project.workspace.ledger(create=False) as ledger:
        making = planner(opened, ledger, judge(opened, keep=not opened.project.workspace.is_read_only).verdict)
        found = planned(opened, making, bytes_needed=False)
    checked = [cell for cell in found.cells.values() if cell.cell.step.checks and cell.decision is not Decision.SKIP]
    settled = {cell.cell.id: making.settled[cell.cell.id] for cell in checked if cell.cell.id in making.settled}
    unmade = [cell for cell in checked if cell.cell.id not in settled]
    return Inspection(
        opened=opened,
        pictures=tuple(one for name, cell in settled.items() for one in _pictures(making.graph.cells[name], cell)),
        failed={name: cell.failure for name, cell in settled.items() if cell.failure},
        waiting=tuple(name for name, cell in settled.items() if cell.pick.is_open),
        unmade=tuple(cell.cell.id for cell in unmade),
        to_make=not all(cell.behind_pick for cell in unmade),
    )


def _pictures(cell: Cell, settled: Settled) -> Iterator[Inspected]:
    for number, (artifact, verdicts) in enumerate(zip(settled.candidates, settled.verdicts, strict=True), 1):
        if artifact is not None and verdicts:
            picked = not settled.pick.is_open and number == settled.pick.number
            yield Inspected(
                cell=cell.id,
                step=cell.step.id,
                candidate=number,
                of=len(settled.candidates),
                picked=picked,
                artifact=artifact,
                verdicts=verdicts,
            )
