"""Planning: what would run, what is reused, what waits, and why. A plan is a run with the effects withheld."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Protocol

from flowrunner.acceptance import Accepted, accepted
from flowrunner.artifact import Artifact
from flowrunner.binding import Binder, Bound, standing
from flowrunner.call import Outcome
from flowrunner.catalog.model import Model, Price
from flowrunner.catalog.price import estimate
from flowrunner.changes import Change, changes
from flowrunner.choices import Choices
from flowrunner.decisions import Choice, Decision, Held, PickState, Plan, PlannedCall, PlannedCell, held, once, spared
from flowrunner.graph import FromCell, Graph
from flowrunner.loading.cells import Cell
from flowrunner.missing import Present, Search
from flowrunner.money import Nano
from flowrunner.pipeline import PickRule, Selector
from flowrunner.settled import Judges, Settled, compared, judged, slots_of, unjudged
from flowrunner.slotted import dataclass, field, replace
from flowrunner.store.locked import Lock, LockedCell, cell_key

__all__ = [
    "Choice",
    "Decision",
    "Held",
    "History",
    "Judges",
    "PickState",
    "Plan",
    "PlannedCall",
    "PlannedCell",
    "Planner",
    "Settled",
    "plan",
]


class History(Protocol):
    """What the ledger knows by key."""

    def ask(self, keys: Sequence[str]) -> None:
        """These outcomes will be asked for."""

    def outcome(self, key: str) -> Outcome | None:
        """The newest outcome of a call."""

    def held(self, key: str) -> Held | None:
        """Why a call without an outcome is not sent again unasked."""


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
    judges: Judges | None = None
    """Holds pictures against the checks of their steps; None where nobody looks at pictures."""
    settled: dict[str, Settled] = field(default_factory=dict)
    planned: dict[str, PlannedCell] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    """Cells whose checks fail, and in a plan those that would be skipped for it."""
    before: Mapping[str, tuple[PlannedCell, Settled]] = field(default_factory=dict)
    """What another planner of the same graph and lock decided to reuse: it stands where the request is the same."""
    _reused: dict[str, tuple[PlannedCell, Settled]] = field(default_factory=dict)
    _locked: dict[str, Outcome] = field(default_factory=dict)
    _made: dict[str, Outcome] = field(default_factory=dict)
    _priced: dict[str, tuple[Bound, Nano | None]] = field(default_factory=dict)
    _choices: Choices = field(init=False)
    _accepted: Mapping[str, Accepted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for locked in self.lock.cells.values():
            for sample in locked.samples:
                self._locked[sample.key] = Outcome(key=sample.key, artifacts=sample.images, paid=sample.paid)
        self._choices = Choices(self.lock)
        self._accepted = accepted(self.lock)

    def again(self, judges: Judges | None) -> "Planner":
        """A planner for the run that does what this one has planned."""
        fresh: dict[str, Any] = {"settled": {}, "planned": {}, "failing": set(), "_reused": {}, "_made": {}}
        return replace(self, judges=judges, before=self._reused, **fresh)

    def decide(self, cell: Cell) -> PlannedCell:
        """What becomes of a cell, given what is settled. Its outcomes are settled here if all are known."""
        planned = self._decide(cell)
        self.planned[cell.id] = planned
        return planned

    def foresee(self, cell: Cell, sent: dict[str, str]) -> PlannedCell:
        """The same for a plan, in which nothing is sent. `sent` holds the keys of the calls that cells before it send,
        and takes those of this one. Where only some of the samples are known, these are settled: so does a run."""
        planned = self._without_input(self.decide(cell))
        bound = planned.bound
        if planned.decision is Decision.RUN and bound is not None:
            other = self._held_by_after(cell)
            planned = held(planned, other) if other else self._spared(once(planned, sent))
            outcomes = self.outcomes(planned)
            # Where checks choose, a sample that is still to come may be the first that passes.
            if any(outcomes) and cell.id not in self.force and cell.step.pick.rule is not PickRule.CHECK:
                planned = replace(planned, pick=self.settle(cell, bound, outcomes).pick)
            self.planned[cell.id] = planned
        return planned

    def _without_input(self, planned: PlannedCell) -> PlannedCell:
        """A cell that a run would not come to, for what it needs fails its checks, or did not come."""
        name, reason = self._stopped_by(planned) if planned.decision is Decision.AWAIT else ("", "")
        if not name:
            return planned
        self.failing.add(planned.cell.id)
        found = replace(planned, decision=Decision.SKIP, reason=reason, because=(name,), calls=(), estimate=0)
        self.planned[planned.cell.id] = found
        return found

    def _stopped_by(self, planned: PlannedCell) -> tuple[str, str]:
        """The cell whose pictures are there and not those that another one needs, and why; nothing where none is."""
        for name in planned.because:
            if name in self.failing:
                return name, f"{name} fails its checks" if name in self.settled else self.planned[name].reason
        for image in planned.bound.pending if planned.bound else ():
            settled = self.settled.get(image.cell)
            if settled is not None and self.planned[image.cell].decision is Decision.REUSE:
                lacking = settled.lacks(image.cell, image.number or settled.pick.number)
                if lacking:
                    return image.cell, lacking
        return "", ""

    def _spared(self, planned: PlannedCell) -> PlannedCell:
        """Without the price of calls that were sent before, and are not sent again unasked."""
        return planned if planned.cell.id in self.force else spared(planned, self.history.held)

    def _held_by_after(self, cell: Cell) -> PlannedCell | None:
        """A cell that this one is to come after and that waits for a choice elsewhere."""
        names = (other.id for name, _ in cell.step.after for other in self.graph.index.aligned(name, cell.at))
        return next(
            (self.planned[name] for name in names if name in self.planned and self.planned[name].behind_pick), None
        )

    def ask(self, cells: Iterable[Cell]) -> None:
        """Has the ledger asked at once for the calls of these cells, as far as they are known."""
        if not self.frozen:
            bound = (self.binder.bind(cell, self.known) for cell in cells if cell.id not in self.graph.skipped)
            self.history.ask([call.key for one in bound for call in one.calls if call.key not in self._locked])

    def take(self, made: Outcome) -> None:
        """The run has an outcome, which no look at the ledger before can have told."""
        self._made[made.key] = made

    def outcome(self, key: str) -> Outcome | None:
        """What is known of a key: the lock's word first, then the ledger's."""
        found = self._locked.get(key) or self._made.get(key)
        return found if found is not None or self.frozen else self.history.outcome(key)

    def outcomes(self, planned: PlannedCell) -> Sequence[Outcome | None]:
        """What is known of a cell's calls, in order: of one whose result was accepted, what stands for them."""
        if planned.accepted is not None:
            return planned.accepted.outcomes
        return [self.outcome(call.key) for call in planned.calls if call.key is not None]

    def stands(self, bound: Bound) -> Accepted | None:
        """The locked result that was accepted for these very calls, unless the lock has one of their own."""
        return None if self.is_locked(bound) else self._accepted.get(bound.key)

    def is_locked(self, bound: Bound) -> bool:
        """Whether the lock has the results of these very calls."""
        return all(call.key in self._locked for call in bound.calls)

    def accept(self, cell: Cell, found: Accepted) -> PlannedCell:
        """Lets a result stand, and decides its cell anew."""
        self._accepted = {**self._accepted, found.said.for_: found}
        return self.decide(cell)

    def known(self, target: FromCell) -> Sequence[Artifact] | None:
        """The images that a target means, None while one of them is not known."""
        settled = self.settled.get(target.cell)
        if settled is None or target.cell in self.failing:
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
        """Records what a cell's samples gave, in order; None stands for a failed sample. What was accepted keeps the
        key that it was made for, and with it its pick."""
        keys = [outcome.key if outcome else call.key for call, outcome in zip(bound.calls, outcomes, strict=True)]
        key = bound.key if all(call.key == own for call, own in zip(bound.calls, keys, strict=True)) else cell_key(keys)
        slots = slots_of(bound, outcomes)
        verdicts = judged(self.judges, cell, bound, slots)
        pick = self._choices.made(cell, key, slots, verdicts)
        return self._settled(cell, Settled(key=key, candidates=tuple(slots), pick=pick, verdicts=verdicts))

    def _settled(self, cell: Cell, settled: Settled) -> Settled:
        self.settled[cell.id] = settled
        self.failing.discard(cell.id)
        if settled.failure:
            self.failing.add(cell.id)
        return settled

    def price(self, model: Model, bound: Bound) -> Nano | None:
        """Upper bound of one call."""
        before, price = self._priced.get(bound.cell.id, (None, None))
        if before is not bound:
            override = self.prices.get(f"{model.provider}:{model.id}")
            price = estimate(model, standing(bound.params), bound.input_sizes, override)
            self._priced[bound.cell.id] = bound, price
        return price

    def priced_anew(self, planned: PlannedCell) -> PlannedCell:
        """A cell whose picture is not here, with what it costs to make it anew."""
        model, bound = planned.cell.model, planned.bound
        assert model is not None
        assert bound is not None
        price = self.price(model, bound)
        return replace(planned, anew=None if price is None else price * len(bound.calls))

    def _decide(self, cell: Cell) -> PlannedCell:
        skip = self.graph.skipped.get(cell.id)
        if skip is not None:
            reason = f"{skip.because} is skipped" if skip.because else f"when: {_when(cell)} is false"
            because = (skip.because,) if skip.because else ()
            return PlannedCell(cell=cell, bound=None, decision=Decision.SKIP, reason=reason, because=because)
        bound = self.binder.bind(cell, self.known)
        if not bound.calls or bound.pending:
            return self._waiting(cell, bound)
        planned, settled = self.before.get(cell.id, (None, None))
        if planned is not None and settled is not None and planned.bound is bound:
            self._settled(cell, settled)
            return planned
        forced = cell.id in self.force
        stands = None if forced else self.stands(bound)
        if stands is not None:
            return self._standing(cell, bound, stands)
        outcomes = [self.outcome(call.key) for call in bound.calls]
        if all(outcomes) and not forced:
            settled = self.settle(cell, bound, outcomes)
            calls = tuple(PlannedCall(key=call.key, decision=Decision.REUSE, call=call) for call in bound.calls)
            reason = self._why_reused(cell, settled)
            planned = PlannedCell(
                cell=cell, bound=bound, decision=Decision.REUSE, reason=reason, calls=calls, pick=settled.pick
            )
            self._reused[cell.id] = planned, settled
            return planned
        return self._to_run(cell, bound, outcomes, forced=forced)

    def _standing(self, cell: Cell, bound: Bound, stands: Accepted) -> PlannedCell:
        settled = self.settle(cell, bound, stands.outcomes)
        open_pick = f"{self._why_reused(cell, settled)}; " if settled.pick.is_open or settled.failure else ""
        return PlannedCell(
            cell=cell,
            bound=bound,
            decision=Decision.REUSE,
            reason=f"{open_pick}{stands.reason}",
            calls=tuple(PlannedCall(key=call.key, decision=Decision.REUSE, call=call) for call in bound.calls),
            pick=settled.pick,
            changes=changes(stands.locked, cell, bound, self.graph.scope, self.binder.images.paths),
            accepted=stands,
        )

    def _to_run(self, cell: Cell, bound: Bound, outcomes: Sequence[Outcome | None], *, forced: bool) -> PlannedCell:
        assert cell.model is not None
        calls = tuple(
            PlannedCall(key=call.key, decision=Decision.RUN if forced or outcome is None else Decision.REUSE, call=call)
            for call, outcome in zip(bound.calls, outcomes, strict=True)
        )
        sent = sum(call.decision is Decision.RUN for call in calls)
        price = self.price(cell.model, bound)
        found = changes(self._locked_cell(cell), cell, bound, self.graph.scope, self.binder.images.paths)
        found = self._sourced(cell, found)
        reason = "forced" if forced else self._why_run(cell, sent, len(calls), found)
        return PlannedCell(
            cell=cell,
            bound=bound,
            decision=Decision.RUN,
            reason=reason,
            because=() if forced else self._gave(cell, found),
            calls=calls,
            estimate=None if price is None else price * sent,
            pick=self._choices.open(cell, bound.key),
            changes=found,
        )

    def _waiting(self, cell: Cell, bound: Bound) -> PlannedCell:
        model = cell.model
        picks = [name for name in bound.picks if self._awaits_pick(name)]
        behind = bool(picks) or any(self.planned[name].behind_pick for name in bound.awaited if name in self.planned)
        names = picks or list(bound.awaited)
        reason = _after(names, picked=bool(picks))
        price = self.price(model, bound) if model is not None else None
        calls = self._awaited(cell, bound)
        samples = sum(call.decision is Decision.AWAIT for call in calls)
        return PlannedCell(
            cell=cell,
            bound=bound,
            decision=Decision.AWAIT,
            reason=reason,
            because=bound.awaited,
            calls=calls,
            estimate=None if price is None else price * samples,
            behind_pick=behind,
            pick=self._choices.open(cell, ""),
        )

    def _awaited(self, cell: Cell, bound: Bound) -> tuple[PlannedCall, ...]:
        """Its samples; where only its checks wait, those that are known already are not paid again."""
        keys: list[str | None] = [call.key for call in bound.calls]
        keys = keys or [None] * cell.step.variants
        return tuple(
            PlannedCall(key=key, decision=Decision.REUSE, call=call)
            if key and call and cell.id not in self.force and self.outcome(key)
            else PlannedCall(key=None, decision=Decision.AWAIT)
            for key, call in zip_longest(keys, bound.calls)
        )

    def _awaits_pick(self, name: str) -> bool:
        settled, planned = self.settled.get(name), self.planned.get(name)
        if settled is not None:
            return settled.pick.is_open
        return planned is not None and planned.pick is not None and planned.pick.is_open

    def _gave(self, cell: Cell, found: Sequence[Change]) -> tuple[str, ...]:
        """The cells whose new pictures change the request."""
        new = {change.after.removeprefix("sha256:") for change in found if isinstance(change.after, str)}
        needs = self.graph.needs[cell.id] if found else ()
        return tuple(name for name in needs if name in self.settled and self.settled[name].gave(new))

    def _sourced(self, cell: Cell, found: tuple[Change, ...]) -> tuple[Change, ...]:
        """The changes with the cells that their pictures come from."""
        pictures = {
            f"sha256:{artifact.sha256}": name
            for name in (self.graph.needs[cell.id] if found else ())
            if name in self.settled
            for artifact in self.settled[name].candidates
            if artifact is not None
        }
        return tuple(
            replace(one, source=pictures[one.after])
            if not one.source and isinstance(one.after, str) and one.after in pictures
            else one
            for one in found
        )

    def _locked_cell(self, cell: Cell) -> LockedCell | None:
        return self.lock.cells.get(cell.id)

    def _why_reused(self, cell: Cell, settled: Settled) -> str:
        if settled.failure:
            return f"fails its checks: {settled.failure}" if settled.pick.number else settled.failure
        why = f": {settled.pick.why}" if settled.pick.why else ""
        match settled.pick.choice:
            case Choice.NEW:
                return "waits for a pick"
            case Choice.STALE:
                return f"its pick is stale{why}"
            case Choice.NONE:
                return f"no candidate will do{why}"
        return "locked" if self._locked_cell(cell) else "done before"

    def _why_run(self, cell: Cell, sent: int, planned: int, found: tuple[Change, ...]) -> str:
        if found:
            return found[0].sentence
        if sent < planned:
            return f"{sent} of {planned} samples {'is' if sent == 1 else 'are'} missing"
        return "nothing is known of it here" if self._locked_cell(cell) else "new"


def plan(planner: Planner, wanted: Collection[str] | None = None, present: Present | None = None) -> Plan:
    """The plan of all cells, or of those wanted. `present` says whether an artifact's bytes are at hand: what is
    missing is marked; without it nothing is looked up (a fork's check needs no bytes)."""
    sent: dict[str, str] = {}
    cells = [cell for cell in planner.graph.cells.values() if wanted is None or cell.id in wanted]
    planner.ask(cell for cell in cells if not planner.graph.needs[cell.id])
    for cell in cells:
        planner.foresee(cell, sent)
    if present is not None:
        made = {name: settled.candidates for name, settled in planner.settled.items()}
        search = Search(graph=planner.graph, planned=planner.planned, made=made, present=present)
        needs, bound = planner.graph.needs, planner.binder.bound
        search.mark([*_published(planner), *compared(planner.settled, bound, needs)])
        for lost, along in search.along():
            planner.planned[lost] = replace(planner.planned[lost], along=along)
            for name in (lost, *along):
                planner.planned[name] = planner.priced_anew(planner.planned[name])
        planner.planned.update(unjudged(planner.settled, planner.planned))
    problems = [problem for bound in planner.binder.bound.values() for problem in bound.problems]
    return Plan(graph=planner.graph, cells=planner.planned, problems=tuple(problems))


def _published(planner: Planner) -> Iterator[tuple[str, Artifact]]:
    """The pictures of the outputs that are known, each with its cell."""
    for spec in planner.graph.pipeline.outputs.values():
        for target, _ in planner.graph.output(spec):
            if isinstance(target, FromCell) and target.cell in planner.planned:
                yield from ((target.cell, artifact) for artifact in planner.known(target) or ())


def _after(names: Sequence[str], *, picked: bool) -> str:
    if not names:
        return "waits for an input"
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"after a pick of {names[0]}{more}" if picked else f"after {names[0]}{more}"


def _when(cell: Cell) -> str:
    return str(cell.step.when.scalar.value) if cell.step.when else ""
