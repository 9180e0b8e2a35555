"""Planning: what would run, what is reused, what waits, and why. A plan is a run with the effects withheld."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from flowrunner.artifact import Artifact
from flowrunner.binding import Binder, Bound, input_artifacts, standing
from flowrunner.call import Call, File, Outcome
from flowrunner.catalog.model import Model, Price
from flowrunner.catalog.price import estimate
from flowrunner.changes import Change, changes
from flowrunner.graph import FromCell, Graph
from flowrunner.loading.cells import Cell
from flowrunner.money import Nano
from flowrunner.pipeline import PickRule, Selector
from flowrunner.problems import Problem
from flowrunner.store.locked import Lock, LockedCell, cell_key
from flowrunner.store.locked import Pick as LockedPick


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell with what would be done, why, and at most for how much."""

    cell: Cell
    bound: Bound | None
    decision: Decision
    reason: str = ""
    because: tuple[str, ...] = ()
    calls: tuple[PlannedCall, ...] = ()
    estimate: Nano | None = 0
    """Upper bound of what its calls that are sent cost; None where the price of one is unknown."""
    behind_pick: bool = False
    pick: PickState | None = None
    changes: tuple[Change, ...] = ()
    remake: bool = False
    """A local result that is locked but not here, and is needed: it is made again and must give the same pixels."""

    @property
    def to_send(self) -> int:
        """Calls that would be sent to a paid provider."""
        if self.decision not in (Decision.RUN, Decision.AWAIT) or _is_local(self.cell):
            return 0
        return sum(call.decision in (Decision.RUN, Decision.AWAIT) for call in self.calls)

    @property
    def unpriced(self) -> int:
        return self.to_send if self.estimate is None else 0


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
    def open_picks(self) -> list[PlannedCell]:
        """Cells that someone must choose in, now or once they have run."""
        return [cell for cell in self.cells.values() if cell.pick is not None and cell.pick.is_open]


class History(Protocol):
    """What the ledger knows by key."""

    def outcome(self, key: str) -> Outcome | None:
        """The newest outcome of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A cell whose calls have outcomes. A slot of `candidates` is None where its sample failed."""

    key: str
    candidates: tuple[Artifact | None, ...]
    pick: PickState


@dataclass(slots=True, kw_only=True)
class Planner:
    """Decides cell by cell, in the graph's order; a run settles each cell before it asks for those behind."""

    graph: Graph
    binder: Binder
    lock: Lock
    history: History
    prices: Mapping[str, Price] = field(default_factory=dict)
    """Prices of the settings, by `provider:model`."""
    force: Collection[str] = ()
    frozen: bool = False
    """Only what the lock names counts as known."""
    settled: dict[str, Settled] = field(default_factory=dict)
    planned: dict[str, PlannedCell] = field(default_factory=dict)
    _locked: dict[str, Outcome] = field(default_factory=dict)
    _picks: dict[str, LockedPick] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for locked in self.lock.cells.values():
            for sample in locked.samples:
                self._locked[sample.key] = Outcome(key=sample.key, artifacts=sample.images, paid=sample.paid)
        self._picks = {pick.for_: pick for pick in self.lock.picks.values() if pick.for_}

    def decide(self, cell: Cell) -> PlannedCell:
        """What becomes of a cell, given what is settled. Its outcomes are settled here if all are known."""
        planned = self._decide(cell)
        self.planned[cell.id] = planned
        return planned

    def outcome(self, key: str) -> Outcome | None:
        """What is known of a key: the lock's word first, then the ledger's."""
        found = self._locked.get(key)
        return found if found is not None or self.frozen else self.history.outcome(key)

    def known(self, target: FromCell) -> Sequence[Artifact] | None:
        """The images that a target means, None while one of them is not known."""
        settled = self.settled.get(target.cell)
        if settled is None:
            return None
        slots: Sequence[Artifact | None]
        if target.selector is Selector.IMAGES:
            slots = settled.candidates
        elif target.selector is Selector.CANDIDATE:
            slots = settled.candidates[target.number - 1 : target.number] or (None,)
        elif settled.pick.is_open:
            return None
        else:
            slots = settled.candidates[settled.pick.number - 1 : settled.pick.number] or (None,)
        found = [slot for slot in slots if slot is not None]
        return found if len(found) == len(slots) else None

    def settle(self, cell: Cell, bound: Bound, outcomes: Sequence[Outcome | None]) -> Settled:
        """Records what a cell's samples gave, in order; None stands for a failed sample."""
        key = cell_key([call.key for call in bound.calls])
        slots: list[Artifact | None] = []
        for outcome in outcomes:
            images: list[Artifact | None] = list(outcome.artifacts) if outcome else []
            wanted = bound.images if len(outcomes) > 1 else max(bound.images, len(images))
            slots += [*images[:wanted], *[None] * (wanted - len(images))]
        settled = Settled(key=key, candidates=tuple(slots), pick=self._choice(cell, key, slots))
        self.settled[cell.id] = settled
        return settled

    def price(self, model: Model, bound: Bound) -> Nano | None:
        """Upper bound of one call."""
        override = self.prices.get(f"{model.provider}:{model.id}")
        return estimate(model, standing(bound.params), bound.input_sizes, override)

    def _decide(self, cell: Cell) -> PlannedCell:
        skip = self.graph.skipped.get(cell.id)
        if skip is not None:
            reason = f"{skip.because} is skipped" if skip.because else f"when: {_when(cell)} is false"
            because = (skip.because,) if skip.because else ()
            return PlannedCell(cell=cell, bound=None, decision=Decision.SKIP, reason=reason, because=because)
        bound = self.binder.bind(cell, self.known)
        if not bound.calls:
            return self._waiting(cell, bound)
        outcomes = [self.outcome(call.key) for call in bound.calls]
        forced = cell.id in self.force
        if all(outcomes) and not forced:
            settled = self.settle(cell, bound, outcomes)
            calls = tuple(PlannedCall(key=call.key, decision=Decision.REUSE, call=call) for call in bound.calls)
            reason = self._why_reused(cell, settled)
            return PlannedCell(
                cell=cell, bound=bound, decision=Decision.REUSE, reason=reason, calls=calls, pick=settled.pick
            )
        return self._to_run(cell, bound, outcomes, forced=forced)

    def _to_run(self, cell: Cell, bound: Bound, outcomes: Sequence[Outcome | None], *, forced: bool) -> PlannedCell:
        assert cell.model is not None
        calls = tuple(
            PlannedCall(key=call.key, decision=Decision.RUN if forced or outcome is None else Decision.REUSE, call=call)
            for call, outcome in zip(bound.calls, outcomes, strict=True)
        )
        sent = sum(call.decision is Decision.RUN for call in calls)
        price = self.price(cell.model, bound)
        found = changes(self._locked_cell(cell), cell, bound)
        reason = "forced" if forced else self._why_run(cell, sent, len(calls), found)
        return PlannedCell(
            cell=cell,
            bound=bound,
            decision=Decision.RUN,
            reason=reason,
            calls=calls,
            estimate=None if price is None else price * sent,
            pick=_open_pick(cell),
            changes=found,
        )

    def _waiting(self, cell: Cell, bound: Bound) -> PlannedCell:
        model = cell.model
        picks = [name for name in bound.picks if self._awaits_pick(name)]
        behind = bool(picks) or any(self.planned[name].behind_pick for name in bound.pending if name in self.planned)
        names = picks or list(bound.pending)
        reason = _after(names, picked=bool(picks))
        price = self.price(model, bound) if model is not None else None
        samples = cell.step.variants
        calls = tuple(PlannedCall(key=None, decision=Decision.AWAIT) for _ in range(samples))
        return PlannedCell(
            cell=cell,
            bound=bound,
            decision=Decision.AWAIT,
            reason=reason,
            because=tuple(bound.pending),
            calls=calls,
            estimate=None if price is None else price * samples,
            behind_pick=behind,
            pick=_open_pick(cell),
        )

    def _awaits_pick(self, name: str) -> bool:
        settled, planned = self.settled.get(name), self.planned.get(name)
        if settled is not None:
            return settled.pick.is_open
        return planned is not None and planned.pick is not None and planned.pick.is_open

    def _choice(self, cell: Cell, key: str, slots: Sequence[Artifact | None]) -> PickState:
        rule = cell.step.pick
        if rule.rule is not PickRule.HUMAN:
            return PickState(choice=Choice.MADE, number=rule.number)
        pick = self._picks.get(key)
        written = self.lock.picks.get(cell.id)
        if pick is None and written is not None and not written.for_:
            pick = written  # by hand, for whatever stands here now
        if pick is None:
            why = "the request behind the pick has changed" if written else ""
            return PickState(choice=Choice.STALE if written else Choice.NEW, why=why)
        if pick.image is None:
            return PickState(choice=Choice.NONE, why=pick.why)
        slot = slots[pick.image - 1] if 1 <= pick.image <= len(slots) else None
        if slot is None or (pick.digest and pick.digest.removeprefix("sha256:") != slot.sha256):
            return PickState(choice=Choice.STALE, why=f"candidate {pick.image} is not the picture that was picked")
        return PickState(choice=Choice.MADE, number=pick.image)

    def _locked_cell(self, cell: Cell) -> LockedCell | None:
        return self.lock.cells.get(cell.id)

    def _why_reused(self, cell: Cell, settled: Settled) -> str:
        if settled.pick.choice in (Choice.NEW, Choice.STALE, Choice.NONE):
            return {"new": "waits for a pick", "stale": "its pick is stale", "none": "no candidate will do"}[
                settled.pick.choice
            ]
        return "locked" if self._locked_cell(cell) else "done before"

    def _why_run(self, cell: Cell, sent: int, planned: int, found: tuple[Change, ...]) -> str:
        if sent < planned:
            return f"{sent} of {planned} samples are missing"
        if self._locked_cell(cell) is None:
            return "new"
        return found[0].sentence if found else "nothing is known of it here"


def plan(
    planner: Planner, wanted: Collection[str] | None = None, present: Callable[[Artifact | File], bool] | None = None
) -> Plan:
    """The plan of all cells, or of those wanted. `present` says whether an artifact's bytes are at hand: what is
    missing is marked; without it nothing is looked up (a fork's check needs no bytes)."""
    for cell in planner.graph.cells.values():
        if wanted is None or cell.id in wanted:
            planner.decide(cell)
    if present is not None:
        _mark_missing(planner, present)
    problems = [problem for bound in planner.binder.bound.values() for problem in bound.problems]
    return Plan(graph=planner.graph, cells=planner.planned, problems=tuple(problems))


def _mark_missing(planner: Planner, present: Callable[[Artifact | File], bool]) -> None:
    """Bytes that a call or an output needs and that are not here: a local result is made again, others are missing."""
    makers = {
        artifact.sha256: name
        for name, settled in planner.settled.items()
        for artifact in settled.candidates
        if artifact is not None
    }
    for name in reversed(list(planner.planned)):
        planned = planner.planned[name]
        needs_inputs = planned.decision in (Decision.RUN, Decision.AWAIT) and not planned.behind_pick
        if needs_inputs and planned.bound is not None:
            for artifact in input_artifacts(planned.bound):
                _need(planner, artifact, makers, present, consumer=name)
    for spec in planner.graph.pipeline.outputs.values():
        for target, _ in planner.graph.output(spec):
            if isinstance(target, FromCell) and target.cell in planner.planned:
                for artifact in planner.known(target) or ():
                    _need(planner, artifact, makers, present)


def _need(
    planner: Planner,
    artifact: Artifact | File,
    makers: Mapping[str, str],
    present: Callable[[Artifact | File], bool],
    consumer: str | None = None,
) -> None:
    if present(artifact):
        return
    maker = makers.get(artifact.sha256)
    planned = planner.planned.get(maker) if maker else None
    if planned is None or maker is None:
        return
    if planned.decision is Decision.REUSE and _is_local(planned.cell):
        calls = tuple(replace(call, decision=Decision.RUN) for call in planned.calls)
        reason = "its picture is not here: made again"
        planner.planned[maker] = replace(planned, decision=Decision.RUN, reason=reason, calls=calls, remake=True)
        for needed in input_artifacts(planned.bound) if planned.bound else ():
            _need(planner, needed, makers, present, consumer=maker)
        planned = planner.planned[maker]
    elif planned.decision is Decision.REUSE:
        planned = replace(planned, decision=Decision.MISSING, reason="its locked picture is not here")
        planner.planned[maker] = planned
    if planned.decision is Decision.MISSING and consumer is not None:
        _lacks(planner, consumer, maker)


def _lacks(planner: Planner, name: str, maker: str) -> None:
    planned = planner.planned[name]
    if planned.decision is not Decision.MISSING:
        reason = f"the picture of {maker} is not here"
        planner.planned[name] = replace(planned, decision=Decision.MISSING, reason=reason, because=(maker,))
        for behind, needs in planner.graph.needs.items():
            if name in needs and behind in planner.planned and planner.planned[behind].decision is not Decision.REUSE:
                _lacks(planner, behind, name)


def _open_pick(cell: Cell) -> PickState | None:
    return PickState(choice=Choice.NEW) if cell.step.pick.rule is PickRule.HUMAN else None


def _is_local(cell: Cell) -> bool:
    return cell.model is not None and cell.model.provider == "image"


def _after(names: Sequence[str], *, picked: bool) -> str:
    if not names:
        return "waits for an input"
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"after a pick of {names[0]}{more}" if picked else f"after {names[0]}{more}"


def _when(cell: Cell) -> str:
    return str(cell.step.when.scalar.value) if cell.step.when else ""
