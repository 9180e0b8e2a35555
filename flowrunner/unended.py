"""What is known of the cells of a run that broke off: of those that have ended what came of them, of the others what
the ledger tells of their calls."""

from collections.abc import Mapping, Sequence

from flowrunner.call import Billed, Failure
from flowrunner.decisions import Decision, Plan, PlannedCell
from flowrunner.ended import CellResult, Status
from flowrunner.store.records import Attempt, RunRecord

_UNDER_WAY = "the run ended while the call was under way"


def unended(found: Plan, results: Mapping[str, CellResult], record: RunRecord) -> dict[str, CellResult]:
    """Every cell of the plan, as it stood when the run broke off."""
    sent: dict[str, list[Attempt]] = {}
    for attempt in record.attempts:
        sent.setdefault(attempt.cell, []).append(attempt)
    return {name: results.get(name) or _left(planned, sent.get(name, ())) for name, planned in found.cells.items()}


def _left(planned: PlannedCell, attempts: Sequence[Attempt]) -> CellResult:
    """A cell that did not come to its end."""
    doubtful = [one for one in attempts if one.maybe_billed]
    status, reason = Status.PENDING, "not begun"
    if doubtful:
        status, reason = Status.UNKNOWN, doubtful[0].error or _UNDER_WAY
    elif attempts:
        reason = "broken off"
    elif planned.decision in (Decision.SKIP, Decision.MISSING):
        status, reason = _ENDS[planned.decision], planned.reason
    return CellResult(
        cell=planned.cell,
        status=status,
        reason=reason,
        planned=planned,
        failures=tuple(_failure(one) for one in doubtful),
        charges=tuple(one.paid for one in attempts if one.billed is Billed.YES),
        calls=sum(one.billed is Billed.YES or one.maybe_billed for one in attempts),
    )


_ENDS = {Decision.SKIP: Status.SKIPPED, Decision.MISSING: Status.MISSING}


def _failure(attempt: Attempt) -> Failure:
    return Failure(
        key=attempt.key, error=attempt.error or _UNDER_WAY, billed=Billed.MAYBE, paid=attempt.reserved, run=attempt.run
    )
