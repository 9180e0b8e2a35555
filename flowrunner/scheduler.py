"""Running cells: each starts the moment its own inputs are there, never level by level."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from flowrunner.artifact import Artifact
from flowrunner.binding import Bound
from flowrunner.call import Billed, Failure, Outcome
from flowrunner.checks.verdict import Result, Verdicts, of
from flowrunner.events import Done, Event, Failed, Noted
from flowrunner.graph import Graph
from flowrunner.jobs import Job, Stop
from flowrunner.loading.cells import Cell
from flowrunner.money import Nano
from flowrunner.planning import Decision, PlannedCell, Planner
from flowrunner.settled import Judges, to_judge
from flowrunner.slotted import dataclass, field, replace


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


class Performs(Protocol):
    """What the scheduler asks of a performer."""

    async def perform(self, job: Job) -> Outcome | Failure:
        """What came of a call."""


class Frontier:
    """Which cells are ready, and which become so."""

    def __init__(self, needs: Mapping[str, Collection[str]], wanted: Collection[str]) -> None:
        kept = set(wanted)
        self._left = {name: {need for need in needs[name] if need in kept} for name in needs if name in kept}
        self._behind: dict[str, list[str]] = {}
        for name, needed in self._left.items():
            for need in needed:
                self._behind.setdefault(need, []).append(name)

    def ready(self) -> list[str]:
        """Cells that need nothing any more, each given out once."""
        found = [name for name, needed in self._left.items() if not needed]
        for name in found:
            del self._left[name]
        return found

    def done(self, name: str) -> list[str]:
        """Cells that become ready because this one is done, each given out once."""
        found = []
        for behind in self._behind.pop(name, ()):
            needed = self._left[behind]
            needed.discard(name)
            if not needed:
                del self._left[behind]
                found.append(behind)
        return found


@dataclass(slots=True, kw_only=True)
class Scheduler:
    """Runs the cells of a graph: asks the planner what becomes of each, and the performer for its calls."""

    graph: Graph
    planner: Planner
    performer: Performs
    stop: Stop
    emit: Callable[[Event], None]
    timeout_of: Callable[[str], float]
    """Seconds for a call of a provider where neither step nor defaults say."""
    remake: Collection[str] = ()
    """Local cells whose pictures are not here and are made again."""
    missing: Mapping[str, PlannedCell] = field(default_factory=dict)
    judge: Judges | None = None
    """Looks at pictures, in a thread; the planner is then asked with what it has found."""
    results: dict[str, CellResult] = field(default_factory=dict)

    async def run(self, wanted: Collection[str]) -> None:
        """Every wanted cell gets a result."""
        frontier = Frontier(self.graph.needs, wanted)
        order = {name: index for index, name in enumerate(self.graph.cells)}
        tasks: dict[asyncio.Task[CellResult], str] = {}
        ready = frontier.ready()
        try:
            while ready or tasks:
                for name in sorted(ready, key=order.__getitem__):
                    tasks[asyncio.create_task(self._cell(self.graph.cells[name]))] = name
                ready = []
                finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in finished:
                    name = tasks.pop(task)
                    self.results[name] = task.result()
                    ready += frontier.done(name)
        except BaseException as fault:
            await self._given_up(tasks, fault)
            raise

    async def _given_up(self, tasks: Collection[asyncio.Task[CellResult]], fault: BaseException) -> None:
        """Nothing more is sent. What is under way is awaited, since it is paid for, unless the run itself is cancelled:
        then every call under way is written down as unknown before the ledger closes."""
        self.stop.request(str(fault) or "the run was given up")
        if isinstance(fault, asyncio.CancelledError):
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cell(self, cell: Cell) -> CellResult:
        if cell.id in self.missing:
            # Its bytes are not here, but its digest may be known, and what is locked behind it follows from that.
            self.planner.decide(cell)
            planned = self.missing[cell.id]
            return CellResult(cell=cell, status=Status.MISSING, reason=planned.reason, planned=planned)
        planned = self.planner.decide(cell)
        if planned.decision is Decision.SKIP:
            return CellResult(cell=cell, status=Status.SKIPPED, reason=planned.reason, planned=planned)
        wrong = (
            next((problem for problem in planned.bound.problems if problem.is_error), None) if planned.bound else None
        )
        if wrong is not None:  # of pictures that came out otherwise than they were asked for
            return CellResult(cell=cell, status=Status.FAILED, reason=wrong.message, planned=planned)
        if planned.decision is Decision.AWAIT:
            return self._blocked(cell, planned)
        if planned.decision is Decision.REUSE and cell.id not in self.remake:
            return await self._reused(cell, planned)
        return self._held_by_after(cell, planned) or await self._performed(cell, planned)

    def _held_by_after(self, cell: Cell, planned: PlannedCell) -> CellResult | None:
        """A cell does not start behind one that it is told to wait for and that has not ended well."""
        for name, _ in cell.step.after:
            for other in self.graph.index.aligned(name, cell.at):
                found = self.results.get(other.id)
                if found is not None and not found.ended_well:
                    return self._behind(cell, other.id, found, planned)
        return None

    def _blocked(self, cell: Cell, planned: PlannedCell) -> CellResult:
        """What a cell waits for did not come: the first of its needs that says why."""
        lost = self._lost(planned)
        if lost:
            return CellResult(cell=cell, status=Status.FAILED, reason=lost, planned=planned)
        for name in planned.because:
            found = self.results.get(name)
            if found is not None and found.status not in (Status.DONE, Status.REUSED):
                return self._behind(cell, name, found, planned)
        return CellResult(cell=cell, status=Status.SKIPPED, reason=planned.reason, planned=planned)

    def _lost(self, planned: PlannedCell) -> str:
        """Which candidate a cell needs that no picture came of, though its cell goes on with the others."""
        for image in planned.bound.pending if planned.bound else ():
            settled = self.planner.settled.get(image.cell)
            if settled is not None and image.number and settled.candidates[image.number - 1] is None:
                return f"it needs candidate {image.number} of {image.cell}, which failed"
        return ""

    def _behind(self, cell: Cell, name: str, found: CellResult, planned: PlannedCell | None) -> CellResult:
        if found.status is Status.WAITING:
            picked = found.planned is not None and found.planned.pick is not None and not found.planned.behind_pick
            reason = f"after a pick of {name}" if picked else found.reason
            return CellResult(cell=cell, status=Status.WAITING, reason=reason, planned=planned)
        if found.status is Status.PENDING:
            return CellResult(cell=cell, status=Status.PENDING, reason=found.reason, planned=planned)
        if found.status is Status.MISSING:
            reason = f"the picture of {name} is not here"
            return CellResult(cell=cell, status=Status.MISSING, reason=reason, planned=planned)
        reason = found.reason if found.status is Status.SKIPPED else f"{name} failed"
        return CellResult(cell=cell, status=Status.SKIPPED, reason=reason, planned=planned)

    async def _reused(self, cell: Cell, planned: PlannedCell) -> CellResult:
        return await self._with_pick(cell, planned, self.planner.outcomes(planned), Status.REUSED)

    async def _performed(self, cell: Cell, planned: PlannedCell) -> CellResult:
        found = await self._samples(cell, planned)
        outcomes = [item if isinstance(item, Outcome) else None for item, _ in found]
        failures = tuple(item for item, _ in found if isinstance(item, Failure))
        sent = [outcome for outcome, (_, fresh) in zip(outcomes, found, strict=True) if outcome and fresh]
        enough = any(outcomes) if cell.step.pick.rule.has_spares else all(outcomes)
        billed = [one for one in failures if one.billed is not Billed.NO and not one.known]
        charges = [*(one.paid for one in sent), *(one.paid for one in billed if one.billed is Billed.YES)]
        seconds = max((outcome.seconds for outcome in sent), default=0.0)
        if enough:
            result = await self._with_pick(cell, planned, tuple(outcomes), Status.DONE if sent else Status.REUSED)
        else:
            result = CellResult(
                cell=cell,
                status=_failed_as(failures),
                reason=failures[0].error if failures else "",
                planned=planned,
                outcomes=tuple(outcomes),
            )
        if planned.is_local:
            return replace(result, failures=failures, seconds=seconds)
        assert cell.model is not None
        assert planned.bound is not None
        return replace(
            result,
            failures=failures,
            charges=tuple(charges),
            price=self.planner.price(cell.model, planned.bound),
            calls=len(sent) + len(billed),
            seconds=seconds,
        )

    async def _samples(self, cell: Cell, planned: PlannedCell) -> list[tuple[Outcome | Failure, bool]]:
        """All samples, each to its end also where another one breaks: what is under way is paid for."""

        async def one(index: int) -> tuple[Outcome | Failure, bool]:
            try:
                return await self._sample(cell, planned, index)
            except BaseException as fault:
                self.stop.request(str(fault) or "the run was given up")
                raise

        found = await asyncio.gather(*map(one, range(len(planned.calls))), return_exceptions=True)
        return [_sound(item) for item in found]

    async def _sample(self, cell: Cell, planned: PlannedCell, index: int) -> tuple[Outcome | Failure, bool]:
        """What one sample gave, and whether this run performed it."""
        entry = planned.calls[index]
        assert entry.call is not None
        assert cell.model is not None
        assert planned.bound is not None
        known = self.planner.outcome(entry.call.key)
        if entry.decision is Decision.REUSE and known is not None and cell.id not in self.remake:
            return known, False
        timeout = cell.step.timeout or self.graph.pipeline.timeout or self.timeout_of(cell.model.provider)
        job = Job(
            cell=cell.id,
            sample=index + 1,
            call=entry.call,
            model=cell.model,
            estimate=self.planner.price(cell.model, planned.bound),
            timeout=timeout,
            fresh=cell.id in self.planner.force,
        )
        found = await self.performer.perform(job)
        if cell.id in self.remake and isinstance(found, Outcome) and known is not None:
            found = _same_pixels(found, known)
        self._tell(planned, index, found)
        return found, not (isinstance(found, Outcome) and found.known)

    def _tell(self, planned: PlannedCell, index: int, found: Outcome | Failure) -> None:
        if isinstance(found, Failure):
            self.emit(Failed(cell=planned.cell.id, sample=index + 1, failure=found))
            return
        self.emit(
            Done(
                cell=planned.cell.id,
                sample=index + 1,
                seconds=found.seconds,
                paid=found.paid,
                artifacts=found.artifacts,
                local=planned.is_local,
                replayed=found.known,
            )
        )
        self._tell_sizes(planned, found)

    def _tell_sizes(self, planned: PlannedCell, found: Outcome) -> None:
        """A picture of another size than was asked for, before anything is made of it."""
        asked = planned.bound.size if planned.bound and not planned.is_local and not found.known else None
        for width, height in dict.fromkeys((one.width, one.height) for one in found.artifacts):
            if asked is not None and (width, height) != tuple(asked):
                came = f"{width}x{height} came where {asked[0]}x{asked[1]} was asked for"
                self.emit(Noted(text=f"{planned.cell.id}: {came}"))

    async def _with_pick(
        self, cell: Cell, planned: PlannedCell, outcomes: Sequence[Outcome | None], status: Status
    ) -> CellResult:
        assert planned.bound is not None
        await self._judged(cell, planned.bound, outcomes)
        settled = self.planner.settle(cell, planned.bound, outcomes)
        picked = 0 if settled.pick.is_open else settled.pick.number
        reason = planned.reason
        if settled.pick.is_open:
            status = Status.WAITING
            reason = settled.pick.why or f"choose one of {len(settled.candidates)}"
        elif settled.failure:
            status, reason, picked = Status.FAILED, settled.failure, 0
        elif settled.unjudged:
            status, reason, picked = Status.MISSING, f"its checks cannot be made: {settled.unjudged}", 0
        elif not picked or picked > len(settled.candidates) or settled.candidates[picked - 1] is None:
            status, reason = Status.FAILED, f"there is no candidate {picked or 'left'}"
        return CellResult(
            cell=cell,
            status=status,
            reason=reason,
            planned=replace(planned, pick=settled.pick),
            candidates=settled.candidates,
            picked=picked,
            verdicts=settled.verdicts,
            outcomes=tuple(outcomes),
        )

    async def _judged(self, cell: Cell, bound: Bound, outcomes: Sequence[Outcome | None]) -> None:
        """Whatever is large to decode and to compare is done beside the event loop."""
        judge = self.judge
        if judge is None or not bound.checks:
            return
        asked = to_judge(cell, bound, outcomes)
        await asyncio.to_thread(lambda: [judge(check, artifact) for check, artifact in asked])


def _sound(item: tuple[Outcome | Failure, bool] | BaseException) -> tuple[Outcome | Failure, bool]:
    if isinstance(item, BaseException):
        raise item
    return item


def _failed_as(failures: Sequence[Failure]) -> Status:
    if any(failure.billed is Billed.MAYBE for failure in failures):
        return Status.UNKNOWN
    if failures and all(failure.refused for failure in failures):
        return Status.PENDING
    return Status.FAILED


def _same_pixels(found: Outcome, known: Outcome) -> Outcome | Failure:
    """A local result that is made again must give the locked pixels."""
    pairs = zip(found.artifacts, known.artifacts, strict=False)
    if all(one.pixels == two.pixels for one, two in pairs):
        return found
    return Failure(
        key=found.key,
        error="made again, the operation gives other pixels than the lock names",
        hint="run it with --force to take the new picture",
    )
