"""How a cell ended in a run."""

from enum import StrEnum

from flowrunner.artifact import Artifact
from flowrunner.call import Billed, Failure, Outcome
from flowrunner.checks.verdict import Result, Verdicts, of
from flowrunner.decisions import Decision, PlannedCell
from flowrunner.loading.cells import Cell
from flowrunner.money import Nano
from flowrunner.slotted import dataclass


class Status(StrEnum):
    """How a cell ended."""

    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"
    WAITING = "waiting"
    MISSING = "missing"
    UNKNOWN = "unknown"
    PENDING = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """A cell at the end of a run. `candidates` are numbered from 1; None stands for a failed sample's image."""

    cell: Cell
    status: Status
    reason: str = ""
    planned: PlannedCell | None = None
    candidates: tuple[Artifact | None, ...] = ()
    picked: int = 0
    """Number of the picked candidate; 0 where none is, or where its checks fail it."""
    verdicts: tuple[Verdicts, ...] = ()
    """What the checks found of each candidate; nothing of those that were not judged."""
    outcomes: tuple[Outcome | None, ...] = ()
    failures: tuple[Failure, ...] = ()
    charges: tuple[Nano | None, ...] = ()
    """What each call that this run paid was charged; None where the reply does not say."""
    price: Nano | None = None
    """What one of them was to cost at most."""
    calls: int = 0
    """Calls of this run that were, or may have been, charged."""
    seconds: float = 0.0

    @property
    def ended_well(self) -> bool:
        """Nothing is left to do in it but to choose; or there was nothing to do, for its `when` is false."""
        if self.status is Status.SKIPPED:
            return self.planned is not None and self.planned.decision is Decision.SKIP
        if self.status is Status.WAITING:
            return any(self.candidates)
        return self.status in (Status.DONE, Status.REUSED)

    @property
    def paid(self) -> Nano:
        """What this run paid for it, as far as the replies say."""
        return sum(charge or 0 for charge in self.charges)

    @property
    def failed_checks(self) -> bool:
        """Its pictures are there, and its checks fail them."""
        return self.status is Status.FAILED and any(of(found, Result.FAIL) for found in self.verdicts)

    @property
    def maybe_billed(self) -> bool:
        return any(failure.billed is Billed.MAYBE for failure in self.failures)
