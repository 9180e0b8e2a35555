"""What a plan says: of every cell what becomes of it, why, and for how much at most."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from flowrunner.acceptance import Accepted
from flowrunner.binding import Bound
from flowrunner.call import Call
from flowrunner.changes import Change
from flowrunner.graph import Graph
from flowrunner.loading.cells import Cell
from flowrunner.money import Nano
from flowrunner.problems import Problem
from flowrunner.providers.registry import LOCAL
from flowrunner.slotted import dataclass, replace


class Decision(StrEnum):
    """What becomes of a cell."""

    REUSE = "reuse"
    RUN = "run"
    AWAIT = "await"
    SKIP = "skip"
    MISSING = "missing"


class Choice(StrEnum):
    """Where a cell's choice among its candidates stands."""

    MADE = "made"
    NEW = "new"
    STALE = "stale"
    NONE = "none"


class Held(StrEnum):
    """What is known of a call that was sent and of which there is no picture: it is not sent again unasked."""

    REPLY = "its reply is kept and is read again, for nothing"
    UNKNOWN = "an earlier call may have been billed; --on-unknown resend pays again"
    MODERATED = "moderation has refused it; only --force sends it again"
    CHARGED = "an earlier call was charged and gave no picture; --on-unknown resend pays again"


@dataclass(frozen=True, slots=True, kw_only=True)
class PickState:
    """The choice of one cell: `number` of the picked candidate where it is made; `why` it is open otherwise."""

    choice: Choice
    number: int = 0
    why: str = ""

    @property
    def is_open(self) -> bool:
        return self.choice is not Choice.MADE


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """One sample: its key (None while something it needs is not known) and whether it is sent."""

    key: str | None
    decision: Decision
    call: Call | None = None
    held: Held | None = None
    """Why nobody is paid for it though it has no picture yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell with what would be done, why, and at most for how much."""

    cell: Cell
    bound: Bound | None
    decision: Decision
    reason: str = ""
    because: tuple[str, ...] = ()
    """Cells that the reason is about: what it waits for, what is skipped or missing, whose new picture it takes."""
    calls: tuple[PlannedCall, ...] = ()
    estimate: Nano | None = 0
    """Upper bound of what its calls that are sent cost; None where the price of one is unknown."""
    anew: Nano | None = 0
    """Upper bound of what a result that is not here costs if it is made anew; None where that is unknown."""
    along: tuple[str, ...] = ()
    """Cells whose pictures it would take to make a missing one anew, and which are not here either; told of the first
    cell that needs them."""
    behind_pick: bool = False
    pick: PickState | None = None
    changes: tuple[Change, ...] = ()
    accepted: Accepted | None = None
    """The locked result that stands for its changed request; `changes` says what changed."""
    remake: bool = False
    """A local result that is locked but not here, and is needed: it is made again and must give the same pixels."""

    @property
    def is_local(self) -> bool:
        """Nobody is paid for it."""
        return self.cell.model is not None and self.cell.model.provider == LOCAL

    @property
    def to_send(self) -> int:
        """Calls that would be sent to a paid provider."""
        if self.decision not in (Decision.RUN, Decision.AWAIT) or self.is_local:
            return 0
        return sum(call.decision in (Decision.RUN, Decision.AWAIT) and call.held is None for call in self.calls)

    @property
    def calls_open(self) -> bool:
        """Some of its pictures are not there yet."""
        return any(call.decision is not Decision.REUSE for call in self.calls)

    @property
    def is_refused(self) -> bool:
        """None of its candidates would do: it lacks others, not a choice."""
        return self.decision is Decision.REUSE and self.pick is not None and self.pick.choice is Choice.NONE

    @property
    def unpriced(self) -> int:
        return self.to_send if self.estimate is None else 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls cost at most: those with a price, and how many more have none that anybody here knows."""

    priced: Nano = 0
    unpriced: int = 0
    calls: int = 0

    @property
    def whole(self) -> Nano | None:
        """None while the price of one is unknown: what nobody knows is not 0."""
        return None if self.unpriced else self.priced

    @property
    def known(self) -> Nano | None:
        """The part with a price; None where there is no such part."""
        return None if self.unpriced and self.unpriced == self.calls else self.priced


def cost(cells: Iterable[PlannedCell]) -> Cost:
    """What the calls of these cells that are sent cost."""
    sent = [cell for cell in cells if cell.to_send]
    priced = sum(cell.estimate or 0 for cell in sent)
    return Cost(priced, sum(cell.unpriced for cell in sent), sum(cell.to_send for cell in sent))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All cells of a run, in order."""

    graph: Graph
    cells: Mapping[str, PlannedCell]
    problems: tuple[Problem, ...] = ()

    def of(self, *decisions: Decision) -> list[PlannedCell]:
        return [cell for cell in self.cells.values() if cell.decision in decisions]

    @property
    def before_picks(self) -> list[PlannedCell]:
        """Cells that are sent, or follow without a choice."""
        return [cell for cell in self.of(Decision.RUN, Decision.AWAIT) if not cell.behind_pick]

    @property
    def after_picks(self) -> list[PlannedCell]:
        return [cell for cell in self.of(Decision.RUN, Decision.AWAIT) if cell.behind_pick]

    @property
    def lost(self) -> list[PlannedCell]:
        """Cells whose own locked pictures are needed and not here."""
        return [cell for cell in self.of(Decision.MISSING) if not cell.because]

    @property
    def anew(self) -> list[PlannedCell]:
        """Cells that have to be made anew to have again what is lost."""
        names = {name for cell in self.lost for name in (cell.cell.id, *cell.along)}
        return [cell for name, cell in self.cells.items() if name in names]

    @property
    def open_picks(self) -> list[PlannedCell]:
        """Cells that someone must choose in, now or once they have run."""
        return [cell for cell in self.cells.values() if cell.pick is not None and cell.pick.is_open]


def once(planned: PlannedCell, sent: dict[str, str]) -> PlannedCell:
    """A request that an earlier cell of the plan sends is not sent again: its pictures are those of that cell."""
    keys = [call.key for call in planned.calls if call.decision is Decision.RUN and call.key is not None]
    again = [key for key in keys if key in sent]
    sent.update({key: planned.cell.id for key in keys if key not in sent})
    if not again:
        return planned
    calls = tuple(replace(call, decision=Decision.REUSE) if call.key in again else call for call in planned.calls)
    left = len(keys) - len(again)
    price = None if planned.estimate is None else planned.estimate // len(keys) * left
    if left:
        return replace(planned, calls=calls, estimate=price)
    reason = f"the same request as {sent[again[0]]}"
    return replace(
        planned, decision=Decision.REUSE, calls=calls, estimate=price, reason=reason, because=(sent[again[0]],)
    )


def held(planned: PlannedCell, other: PlannedCell) -> PlannedCell:
    """A cell that is to come after one which does not run yet."""
    calls = tuple(
        replace(call, key=None, decision=Decision.AWAIT) if call.decision is Decision.RUN else call
        for call in planned.calls
    )
    because = (other.cell.id,)
    return replace(
        planned, decision=Decision.AWAIT, reason=other.reason, because=because, calls=calls, behind_pick=True
    )


def spared(planned: PlannedCell, known: Callable[[str], Held | None]) -> PlannedCell:
    """A cell without the price of those of its calls that were sent before, and are not sent again unasked."""
    if planned.decision is not Decision.RUN or planned.is_local:
        return planned
    run = [call for call in planned.calls if call.decision is Decision.RUN]
    kept = {call.key: found for call in run if call.key and (found := known(call.key))}
    if not kept:
        return planned
    calls = tuple(replace(call, held=kept.get(call.key or "")) if call in run else call for call in planned.calls)
    left = len(run) - sum(call.held is not None for call in calls)
    each = None if planned.estimate is None else planned.estimate // len(run)
    why = next(iter(kept.values())).value
    return replace(
        planned,
        calls=calls,
        estimate=0 if not left else None if each is None else each * left,
        reason=f"{planned.reason}; {why}" if left else why,
    )
