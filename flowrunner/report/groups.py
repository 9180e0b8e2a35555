"""A plan on one screen: its cells put together by step, decision and reason, however many there are."""

from collections.abc import Iterable, Sequence

from flowrunner.decisions import Cost, Decision, Plan, PlannedCell, cost
from flowrunner.providers.registry import LOCAL
from flowrunner.slotted import dataclass

MOST = 30
"""Groups on a screen; beyond them, those that cost nothing share a line for each decision."""
_EACH = 3
"""Reasons that one step tells apart."""
_ORDER = (Decision.RUN, Decision.AWAIT, Decision.MISSING, Decision.REUSE, Decision.SKIP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cells of one decision for one reason. `name` is a cell's id, a step's, or `N steps`."""

    name: str
    decision: Decision
    reason: str
    cells: tuple[PlannedCell, ...]

    @property
    def calls(self) -> int:
        """Calls that are sent to a paid provider."""
        return sum(cell.to_send for cell in self.cells)

    @property
    def is_local(self) -> bool:
        return all(cell.cell.model is not None and cell.cell.model.provider == LOCAL for cell in self.cells)

    @property
    def cost(self) -> Cost:
        return cost(self.cells)


def groups(plan: Plan, *, each_cell: bool = False) -> list[Group]:
    """The lines of a plan: by decision, each in the order of the steps. `each_cell` puts nothing together."""
    if each_cell:
        return sorted((_group([cell], cell.reason) for cell in plan.cells.values()), key=_rank)
    steps: dict[tuple[str, Decision], list[PlannedCell]] = {}
    for cell in plan.cells.values():
        steps.setdefault((cell.cell.step.id, cell.decision), []).append(cell)
    found = sorted((group for cells in steps.values() for group in _by_reason(cells)), key=_rank)
    return found if len(found) <= MOST else _squeezed(found)


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def billed(calls: int, charges: str, maybe: int, unread: int = 0) -> str:
    """`7 calls, paid $0.088, 1 may have been billed`, and of how many the reply is kept and not read yet."""
    told = f"{plural(calls, 'call')}, {charges}, {maybe} may have been billed"
    return f"{told}, {unread} answered and not read yet" if unread else told


def _rank(group: Group) -> int:
    return _ORDER.index(group.decision)


def _group(cells: Sequence[PlannedCell], reason: str) -> Group:
    first = cells[0]
    name = first.cell.id if len(cells) == 1 else first.cell.step.id
    return Group(name=name, decision=first.decision, reason=reason, cells=tuple(cells))


def _by_reason(cells: Sequence[PlannedCell]) -> list[Group]:
    """The cells of one step and decision, by their reason; by what changed where the reasons are many; else all."""
    found = _parted((reason_of(cell, many=len(cells) > 1), cell) for cell in cells)
    if len(found) > _EACH:
        found = _parted((_place_of(cell), cell) for cell in cells)
        found = {_first(place, alike): alike for place, alike in found.items()}
    if len(found) > _EACH:
        found = {f"{len(found)} reasons, the first: {next(iter(found))}": list(cells)}
    return [_group(alike, reason) for reason, alike in found.items()]


def _parted(pairs: Iterable[tuple[str, PlannedCell]]) -> dict[str, list[PlannedCell]]:
    found: dict[str, list[PlannedCell]] = {}
    for reason, cell in pairs:
        found.setdefault(reason, []).append(cell)
    return found


def reason_of(planned: PlannedCell, *, many: bool = False) -> str:
    """Why a cell is decided so; for `many` cells of a step, or where it needs many, with steps in place of cells."""
    reason = planned.reason
    if len(planned.changes) > 1 and reason == planned.changes[0].sentence:
        reason = f"{reason}, and {len(planned.changes) - 1} more"
    if not planned.because or not (many or len(planned.because) > 1):
        return reason
    steps = list(dict.fromkeys(name.partition("/")[0] for name in planned.because))
    if planned.decision is Decision.AWAIT:
        return f"{'after a pick of' if planned.reason.startswith('after a pick') else 'after'} {' and '.join(steps)}"
    for name in planned.because:
        reason = reason.replace(name, name.partition("/")[0])
    return reason


def _place_of(planned: PlannedCell) -> str:
    """What changed, without the words that differ from cell to cell."""
    if not planned.changes or planned.reason != planned.changes[0].sentence:
        return planned.reason
    change = planned.changes[0]
    place = f" ({change.span.file}:{change.span.line})" if change.span else ""
    return f"{change.path} changed{place}"


def _first(reason: str, cells: Sequence[PlannedCell]) -> str:
    """A reason that many cells share, with the first one's own words."""
    first = cells[0]
    if len(cells) == 1 or first.reason == reason:
        return first.reason
    words = first.changes[0].sentence.removeprefix(f"{first.changes[0].path}: ").partition(" (")[0]
    return f"{reason}, first {first.cell.id}: {words}"


def _squeezed(found: Sequence[Group]) -> list[Group]:
    """One line for all that is reused, and one for all that is skipped."""
    kept = [group for group in found if group.decision not in (Decision.REUSE, Decision.SKIP)]
    for decision in (Decision.REUSE, Decision.SKIP):
        alike = [group for group in found if group.decision is decision]
        if alike:
            kept.append(_together(alike))
    return kept


def _together(alike: Sequence[Group]) -> Group:
    if len(alike) == 1:
        return alike[0]
    cells = tuple(cell for group in alike for cell in group.cells)
    steps = len({cell.cell.step.id for cell in cells})
    reasons = list(dict.fromkeys(group.reason for group in alike))
    more = f", and {plural(len(reasons) - 1, 'other reason')}" if len(reasons) > 1 else ""
    return Group(name=f"{steps} steps", decision=alike[0].decision, reason=f"{reasons[0]}{more}", cells=cells)
