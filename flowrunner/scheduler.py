"""Running cells: each starts the moment its own inputs are there, never level by level."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Any, Protocol, TypeAlias, TypeVar

from flowrunner.call import Billed, Failure, Outcome
from flowrunner.ended import CellResult, Status
from flowrunner.events import Done, Event, Failed, Noted
from flowrunner.frontier import Frontier, Lines, Way, ways
from flowrunner.graph import Graph
from flowrunner.jobs import Job, Stop
from flowrunner.loading.cells import Cell
from flowrunner.planning import Decision, PlannedCell, Planner
from flowrunner.providers.registry import LOCAL
from flowrunner.settled import Judges, Settled, to_judge
from flowrunner.slotted import dataclass, field, replace

T = TypeVar("T")


class Performs(Protocol):
    """What the scheduler asks of a performer."""

    async def perform(self, job: Job) -> Outcome | Failure:
        """What came of a call."""


_Found: TypeAlias = tuple[Outcome | Failure, bool]
"""What a sample gave, and whether this run performed it."""


@dataclass(slots=True, kw_only=True)
class _Begun:
    """A cell whose samples are under way, or wait for it."""

    planned: PlannedCell
    found: list[_Found | None]
    given: set[int] = field(default_factory=set)
    """Samples whose slots were given away."""

    @property
    def is_open(self) -> bool:
        return None in self.found


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
    slots: Mapping[str, int] = field(default_factory=dict)
    """Calls of a provider at once; as many as there are, where it is not named."""
    results: dict[str, CellResult] = field(default_factory=dict)
    _frontier: Frontier = field(init=False)
    _lines: Lines[tuple[_Begun, int]] = field(init=False)
    _ways: Mapping[str, Way] = field(init=False)
    _places: Mapping[str, int] = field(init=False)
    _ready: list[tuple[int, int, int, str]] = field(default_factory=list)
    """Cells of which is to be decided what becomes of them: a heap in the order of the lines."""
    _under_way: "dict[asyncio.Future[Any], Callable[[Any], None]]" = field(default_factory=dict)
    """What is awaited, each with what follows from it."""
    _over: "asyncio.Queue[asyncio.Future[Any] | None]" = field(default_factory=asyncio.Queue)
    """What has ended; None where a slot may be free for another reason."""

    async def run(self, wanted: Collection[str]) -> None:
        """Every wanted cell gets a result."""
        self._frontier = Frontier(self.graph.needs, wanted)
        self._lines = Lines(self.slots)
        self._ways = ways(self.graph.needs, wanted, lambda name: _provider(self.graph.cells[name]) != LOCAL)
        self._places = {name: place for place, name in enumerate(self.graph.cells)}
        self._make_ready(self._frontier.ready())
        try:
            await self._walk()
        except BaseException as fault:
            await self._given_up(fault)
            raise

    async def _walk(self) -> None:
        """Whatever has ended shows what is ready, before a free slot goes to anyone. Calls leave, and have their turn,
        while of others it is still to be decided what becomes of them."""
        while True:
            self._decide_some()
            self._fill()
            if self._ready:
                await asyncio.sleep(0)
            elif self._under_way:
                self._take(await self._over.get())
            else:
                return
            while not self._over.empty():
                self._take(self._over.get_nowait())

    def _take(self, ended: "asyncio.Future[Any] | None") -> None:
        if ended is not None:
            self._under_way.pop(ended)(ended.result())

    def _fill(self) -> None:
        """Each free slot goes to who is first in line."""
        for provider, work in self._lines.taken():
            self._begin(self._sample(*work), partial(self._ended, provider, *work))

    def _begin(self, work: Coroutine[Any, Any, T], then: Callable[[T], None]) -> None:
        self._follow(asyncio.create_task(work), then)

    def _follow(self, work: "asyncio.Future[T]", then: Callable[[T], None]) -> None:
        self._under_way[work] = then
        work.add_done_callback(self._over.put_nowait)

    async def _given_up(self, fault: BaseException) -> None:
        """Nothing more is sent. What is under way is awaited, since it is paid for, unless the run itself is cancelled:
        then every call under way is written down as unknown before the ledger closes."""
        self.stop.request(str(fault) or "the run was given up")
        if isinstance(fault, asyncio.CancelledError):
            for task in self._under_way:
                task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _make_ready(self, names: Iterable[str]) -> None:
        for name in names:
            calls, cells = self._ways[name]
            heappush(self._ready, (-calls, -cells, self._places[name], name))

    def _decide_some(self) -> None:
        """Of a few cells that are ready what becomes of them, the longest way still to go first."""
        for _ in range(_AT_ONCE):
            if not self._ready:
                return
            result = self._decided(self.graph.cells[heappop(self._ready)[-1]])
            if result is not None:
                self._settle(result)

    def _settle(self, result: CellResult) -> None:
        self.results[result.cell.id] = result
        self._make_ready(self._frontier.done(result.cell.id))

    def _decided(self, cell: Cell) -> CellResult | None:
        """What becomes of a cell at once; None where it is to be performed, or looked at, first."""
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
            outcomes = self.planner.outcomes(planned)
            return self._looked_at(planned, outcomes, partial(self._with_pick, cell, planned, outcomes, Status.REUSED))
        return self._held_by_after(cell, planned) or self._lined_up(cell, planned)

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
        """Which candidate a cell needs that no picture came of, though its cell goes on with the others: a call failed,
        or a reply held fewer than were asked for."""
        for image in planned.bound.pending if planned.bound else ():
            settled = self.planner.settled.get(image.cell)
            lacking = settled.lacks(image.cell, image.number) if settled is not None else ""
            if lacking:
                found = self.results.get(image.cell)
                failed = f"it needs candidate {image.number} of {image.cell}, which failed"
                return failed if found is not None and found.failures else lacking
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

    def _lined_up(self, cell: Cell, planned: PlannedCell) -> CellResult | None:
        """Its samples wait for a slot, but for those that are known."""
        begun = _Begun(planned=planned, found=[None] * len(planned.calls))
        for index, entry in enumerate(planned.calls):
            assert entry.call is not None
            known = self.planner.outcome(entry.call.key) if entry.decision is Decision.REUSE else None
            if known is not None and cell.id not in self.remake:
                begun.found[index] = known, False
            else:
                place = self._places[cell.id], index
                self._lines.add(_provider(cell), self._ways[cell.id], place, (begun, index))
        return None if begun.is_open else self._performed(begun)

    def _ended(self, provider: str, begun: _Begun, index: int, found: _Found) -> None:
        if begun.found[index] is not None:  # told when its pictures were stored
            return
        self._lines.free(provider, given=index in begun.given)
        begun.found[index] = found
        if isinstance(found[0], Outcome):
            self.planner.take(found[0])
        result = None if begun.is_open else self._performed(begun)
        if result is not None:
            self._settle(result)

    def _performed(self, begun: _Begun) -> CellResult | None:
        """What came of a cell whose samples have all ended; None where it is to be looked at first."""
        planned, found = begun.planned, [one for one in begun.found if one is not None]
        cell = planned.cell
        outcomes = [item if isinstance(item, Outcome) else None for item, _ in found]
        failures = tuple(item for item, _ in found if isinstance(item, Failure))
        sent = [outcome for outcome, (_, fresh) in zip(outcomes, found, strict=True) if outcome and fresh]
        if any(outcomes) if cell.step.pick.rule.has_spares else all(outcomes):
            status = Status.DONE if sent else Status.REUSED
            finish = partial(self._with_pick, cell, planned, tuple(outcomes), status)
            return self._looked_at(planned, outcomes, lambda: self._with_cost(finish(), failures, sent))
        result = CellResult(
            cell=cell,
            status=_failed_as(failures),
            reason=failures[0].error if failures else "",
            planned=planned,
            outcomes=tuple(outcomes),
        )
        return self._with_cost(result, failures, sent)

    def _with_cost(self, result: CellResult, failures: tuple[Failure, ...], sent: Sequence[Outcome]) -> CellResult:
        seconds = max((outcome.seconds for outcome in sent), default=0.0)
        planned, model = result.planned, result.cell.model
        assert planned is not None
        assert planned.bound is not None
        if planned.is_local or model is None:
            return replace(result, failures=failures, seconds=seconds)
        billed = [one for one in failures if one.billed is not Billed.NO and not one.known]
        return replace(
            result,
            failures=failures,
            charges=(*(one.paid for one in sent), *(one.paid for one in billed if one.billed is Billed.YES)),
            price=self.planner.price(model, planned.bound),
            calls=len(sent) + len(billed),
            seconds=seconds,
        )

    async def _sample(self, begun: _Begun, index: int) -> _Found:
        """What one sample gave, and whether this run performed it. Where it breaks, the others come to their end, for
        they are paid for, and no more is sent."""
        try:
            return await self._paid_sample(begun, index)
        except BaseException as fault:
            self.stop.request(str(fault) or "the run was given up")
            raise

    async def _paid_sample(self, begun: _Begun, index: int) -> _Found:
        planned = begun.planned
        cell, call = planned.cell, planned.calls[index].call
        assert call is not None
        assert cell.model is not None
        assert planned.bound is not None
        job = Job(
            cell=cell.id,
            sample=index + 1,
            call=call,
            model=cell.model,
            estimate=self.planner.price(cell.model, planned.bound),
            timeout=cell.step.timeout or self.graph.pipeline.timeout or self.timeout_of(cell.model.provider),
            fresh=cell.id in self.planner.force,
            answered=partial(self._answered, begun, index),
            stored=partial(self._stored, begun, index),
        )
        found = await self.performer.perform(job)
        known = self.planner.outcome(call.key) if cell.id in self.remake else None
        if isinstance(found, Outcome) and known is not None:
            found = _same_pixels(found, known)
        self._tell(planned, index, found)
        return found, not (isinstance(found, Outcome) and found.known)

    def _answered(self, begun: _Begun, index: int) -> bool:
        """Its slot goes to the next, unless another call waits for its pictures: that one may have the longer way."""
        cell = begun.planned.cell
        if self.stop.requested or self._ways[cell.id][0] > 1 or not self._lines.give(_provider(cell)):
            return False
        begun.given.add(index)
        if self._ready:
            self._over.put_nowait(None)  # whatever is ready has to be decided first
        else:
            self._fill()
        return True

    def _stored(self, begun: _Begun, index: int, outcome: Outcome) -> bool:
        """Another call that waits for its pictures begins, and its intent is written down with what came of this."""
        cell = begun.planned.cell
        if self.stop.requested or self._ways[cell.id][0] <= 1:
            return False
        known: asyncio.Future[_Found] = asyncio.get_running_loop().create_future()
        known.set_result((outcome, True))
        self._follow(known, partial(self._ended, _provider(cell), begun, index))
        return True

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

    def _with_pick(
        self, cell: Cell, planned: PlannedCell, outcomes: Sequence[Outcome | None], status: Status
    ) -> CellResult:
        settled = self._settled(planned, outcomes)
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
            planned=planned if planned.pick is settled.pick else replace(planned, pick=settled.pick),
            candidates=settled.candidates,
            picked=picked,
            verdicts=settled.verdicts,
            outcomes=tuple(outcomes),
        )

    def _settled(self, planned: PlannedCell, outcomes: Sequence[Outcome | None]) -> Settled:
        """Anew, where more is known of it than when it was decided: of its calls, or of its pictures."""
        assert planned.bound is not None
        if planned.decision is Decision.REUSE and not planned.bound.checks:
            return self.planner.settled[planned.cell.id]
        return self.planner.settle(planned.cell, planned.bound, outcomes)

    def _looked_at(
        self, planned: PlannedCell, outcomes: Sequence[Outcome | None], finish: Callable[[], CellResult]
    ) -> CellResult | None:
        """What `finish` gives, at once where there are no checks. Else the pictures are looked at first, beside the
        event loop: they are large to decode and to compare."""
        judge, bound = self.judge, planned.bound
        if judge is None or bound is None or not bound.checks:
            return finish()
        asked = to_judge(planned.cell, bound, outcomes)
        look = asyncio.to_thread(lambda: [judge(check, artifact) for check, artifact in asked])
        self._begin(look, lambda _: self._settle(finish()))
        return None


_AT_ONCE = 64
"""Cells that are decided before calls under way have a turn: some milliseconds. Calls that leave after one another, and
not together, share no commit."""


def _provider(cell: Cell) -> str:
    return cell.model.provider if cell.model else LOCAL


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
