"""One run of a pipeline, from its plan to its lock."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from flowrunner import exchange, local, network
from flowrunner.artifact import Artifact
from flowrunner.call import Failure, Outcome
from flowrunner.collector import spared, uncollected
from flowrunner.documents import run_document, spent_document
from flowrunner.downloads import Downloads
from flowrunner.ended import CellResult, Status
from flowrunner.errors import RunRefused, StoreError, UsageError
from flowrunner.events import Begun, Event, Noted, Waits
from flowrunner.images import Pretended, read
from flowrunner.jobs import INTERRUPTED, Door, Job, Stop
from flowrunner.limits import own_limit, refusal
from flowrunner.locking import locked
from flowrunner.outputs import NotPublished
from flowrunner.patience import Patience
from flowrunner.perform import Performer
from flowrunner.planning import Decision, Plan, PlannedCell, Planner
from flowrunner.previews import shown
from flowrunner.project import Opened, judge, planned, planner, previewed
from flowrunner.providers.registry import LOCAL, PROVIDERS
from flowrunner.publish import Published, Publisher
from flowrunner.result import RunResult
from flowrunner.scheduler import Performs, Scheduler
from flowrunner.slotted import dataclass
from flowrunner.store.bounds import Bounds
from flowrunner.store.flocks import held
from flowrunner.store.ledger import Ledger
from flowrunner.store.locked import Lock
from flowrunner.store.records import Attempt, Caps, RunStatus
from flowrunner.unended import unended

T = TypeVar("T")

Emit = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Where a run has time and chance from: `clock` and `sleep` for waits, in seconds, `wall` for what others date."""

    clock: exchange.Clock = time.monotonic
    wall: exchange.Clock = time.time
    sleep: exchange.Sleep = asyncio.sleep
    random: exchange.Random = random.random


class Run:
    """One run from its plan to its lock."""

    timing: ClassVar[Timing] = Timing()

    def __init__(self, opened: Opened, emit: Emit, stop: Stop) -> None:
        self.opened = opened
        self.options = opened.options
        self.project = opened.project
        self.emit = emit
        self.stop = stop
        self.objects = opened.project.workspace.objects()
        self.read_only = opened.project.workspace.is_read_only
        self.judge = judge(opened, keep=not self.read_only)
        self.results: Mapping[str, CellResult] = {}

    async def run(self, confirm: Callable[[Plan], bool] | None) -> RunResult:
        self._check_faults()
        if not self.read_only:
            self.project.workspace.prepare()
        with self.project.workspace.ledger(create=True) as ledger:
            if not self.read_only:
                self._tell_cut_off(ledger.recover())
            with ExitStack() as stack:
                with uncollected():
                    making = planner(self.opened, ledger, self.judge.verdict)
                    found = planned(self.opened, making)
                    stack.enter_context(spared())
                return await self._planned(ledger, making, found, confirm)

    async def _planned(
        self, ledger: Ledger, making: Planner, found: Plan, confirm: Callable[[Plan], bool] | None
    ) -> RunResult:
        refused = refusal(self.opened, found, ledger.spent(self.opened.pipeline.name))
        if refused is not None:
            raise refused
        self._check_results()
        keys = self._keys(found)
        if confirm is not None and not confirm(found):
            raise RunRefused("declined", command="plan")
        if self.read_only:  # and nothing is to be made: what is there is published
            return await self._ended("", found, await self._walked(Nobody(), making, found))
        return await self._run(ledger, making, found, keys)

    def _tell_cut_off(self, attempts: Sequence[Attempt]) -> None:
        """Names the runs that were cut off with calls under way, also where nothing of them is asked for again: a call
        that was forced has an older picture, which stands."""
        for run, calls in Counter(attempt.run for attempt in attempts).items():
            were = "1 call that" if calls == 1 else f"{calls} calls that"
            self.emit(Noted(text=f"{run} was cut off, with {were} may have been billed: flowrunner runs show {run}"))

    def _check_faults(self) -> None:
        if not self.options.faults:
            return
        if not self.options.simulate:
            raise UsageError("faults are for simulated runs", "give simulate=True, too")
        from flowrunner.simulator.mishaps import read

        for rule in self.options.faults:
            read(rule)

    def _check_results(self) -> None:
        """Nothing is paid for pictures that could not be published."""
        out_of = Bounds(self.opened.results, self.project.root).left_by(self.opened.results)
        if out_of is not None:
            raise RunRefused(f"{self.opened.results} leads out of {out_of}", "remove the link", command="run")

    def _keys(self, found: Plan) -> dict[str, Mapping[str, str]]:
        """The credential of every provider that may be asked, before anything is sent; none where a key is not here
        and nothing needs it yet."""
        headers: dict[str, Mapping[str, str]] = {}
        for cell in found.of(Decision.RUN, Decision.AWAIT):
            provider = cell.cell.model.provider if cell.cell.model else LOCAL
            if provider != LOCAL and not headers.get(provider):
                headers[provider] = self._key(provider, cell)
        for provider in headers:  # what is wrong with its origin or its proxy is told before a run begins, too
            self._base(provider)
            self.project.operator.proxy(provider)
        return headers

    def _key(self, provider: str, needed_by: PlannedCell) -> Mapping[str, str]:
        credential = PROVIDERS[provider].credential
        if self.options.simulate:
            return {credential.header: credential.form.format("simulated")}
        key = self.project.operator.key(provider)
        if key is not None:
            return exchange.authorization(credential, key)
        if needed_by.behind_pick or not needed_by.to_send:
            return {}
        message = f"{credential.variable} is not set, and {needed_by.cell.id} needs {provider}"
        hint = f"export {credential.variable}=…, or try it for nothing with --simulate"
        raise RunRefused(message, hint, command="run --simulate")

    async def _run(
        self, ledger: Ledger, making: Planner, found: Plan, keys: Mapping[str, Mapping[str, str]]
    ) -> RunResult:
        pipeline = self.opened.pipeline
        for data in self.opened.given.outside.values():
            self.objects.put(data)
        run = ledger.begin(pipeline=pipeline.file, name=pipeline.name, simulated=self.options.simulate)
        self.emit(Begun(run=run))
        status = RunStatus.INTERRUPTED
        document: dict[str, Any] | None = None
        try:
            scheduler = await self._scheduled(run, ledger, making, found, keys)
            result = await self._ended(run, found, scheduler)
            if not found.of(Decision.RUN, Decision.AWAIT):
                self.project.asked.ledger(ledger, pipeline.name, simulated=self.options.simulate)
        except BaseException:
            with suppress(StoreError):
                document = self._broken_off(run, found, ledger)
            raise
        else:
            status, document = result.status, result.document
            return result
        finally:
            ledger.finish(run, status, document)

    def _broken_off(self, run: str, found: Plan, ledger: Ledger) -> dict[str, Any] | None:
        """What a run that did not come to its end says of itself: its cells as far as they are known."""
        record = ledger.run(run)
        if record is None:
            return None
        result = RunResult(
            run=run,
            opened=self.opened,
            plan=found,
            status=RunStatus.INTERRUPTED,
            results=unended(found, self.results, record),
            published=Published(),
        )
        return run_document(result) | spent_document(record)

    def _connections(self) -> exchange.Connections:
        if not self.options.simulate:
            return exchange.Connections()
        from flowrunner.simulator.transport import Mixed, transport

        in_process = transport(self.project.catalog, self.options.faults)
        return exchange.Connections(transport=Mixed(in_process) if any(map(self._served, PROVIDERS)) else in_process)

    def _served(self, name: str) -> bool:
        """A simulated run talks to a server on loopback where the environment names one."""
        base = self.project.operator.base_url(name)
        return base is not None and _on_loopback(base)

    def _forgets(self, name: str) -> bool:
        return self.options.simulate and not self._served(name)

    def _base(self, name: str) -> str:
        base = self.project.operator.base_url(name)
        usable = base is not None and (not self.options.simulate or self._served(name))
        return base if base is not None and usable else PROVIDERS[name].base_url

    async def _scheduled(
        self, run: str, ledger: Ledger, making: Planner, found: Plan, keys: Mapping[str, Mapping[str, str]]
    ) -> Scheduler:
        if not found.of(Decision.RUN, Decision.AWAIT):
            return await self._walked(Nobody(), making, found)
        with self.project.operator.masked_logs():
            return await self._connected(run, ledger, making, found, keys)

    async def _connected(
        self, run: str, ledger: Ledger, making: Planner, found: Plan, keys: Mapping[str, Mapping[str, str]]
    ) -> Scheduler:
        async with self._connections() as connections:
            calls = sum(cell.to_send for cell in found.of(Decision.RUN, Decision.AWAIT))
            with closing(self._performer(run, ledger, keys, connections, calls)) as performer:
                return await self._walked(performer, making, found)

    async def _walked(self, performer: Performs, making: Planner, found: Plan) -> Scheduler:
        scheduler = Scheduler(
            graph=self.opened.graph,
            planner=making.again(self.judge.known),
            judge=self.judge.verdict,
            performer=performer,
            stop=self.stop,
            emit=self.emit,
            timeout_of=self.project.settings.timeout_of,
            slots={LOCAL: local.AT_ONCE, **{name: self._at_once(name) for name in PROVIDERS}},
            remake={cell.cell.id for cell in found.of(Decision.RUN) if cell.remake},
            missing={cell.cell.id: cell for cell in found.of(Decision.MISSING)},
        )
        self.results = scheduler.results
        await scheduler.run(list(found.cells))
        return scheduler

    def _performer(
        self,
        run: str,
        ledger: Ledger,
        keys: Mapping[str, Mapping[str, str]],
        connections: exchange.Connections,
        calls: int,
    ) -> Performer:
        doors = {name: self._door(name, headers, connections) for name, headers in keys.items()}
        own = [self._base(name) for name in PROVIDERS if self.project.operator.base_url(name)]
        origins = [*own, SIMULATED_FILES] if self.options.simulate else own

        async def judge(url: str) -> network.Judged | network.Refusal:
            return await network.judge(url, allowed_origins=origins)

        budget, limit = self.opened.pipeline.budget, own_limit(self.opened)
        return Performer(
            run=run,
            simulated=self.options.simulate,
            ledger=ledger,
            objects=self.objects,
            images=self.opened.binder.images,
            doors=doors,
            caps=Caps(
                max_usd=limit[0] if limit else None,
                max_calls=self.options.max_calls,
                total_usd=None if self.options.simulate else budget.total_usd,
            ),
            unpriced=self.options.allow_unpriced,
            stop=self.stop,
            emit=self.emit,
            downloads=Downloads(
                transport=connections.downloads,
                judge=judge,
                clock=self.timing.clock,
                sleep=self.timing.sleep,
                random=self.timing.random,
            ),
            clock=self.timing.clock,
            wall=self.timing.wall,
            sleep=self.timing.sleep,
            random=self.timing.random,
            mask=self.project.operator.mask,
            # A simulator forgets its pictures when it ends: handles to them hold for this run only.
            scope=run if self.options.simulate else "",
            resend=self.options.resend,
            patience=Patience.of(calls),
        )

    def _at_once(self, name: str) -> int:
        """Calls of a provider that are under way together."""
        usual = self.project.settings.pace(name).concurrency or PROVIDERS[name].limits.concurrency
        return self.options.concurrency or usual

    def _door(self, name: str, headers: Mapping[str, str], connections: exchange.Connections) -> Door:
        provider = PROVIDERS[name]
        pace = self.project.settings.pace(name)
        per_minute = pace.requests_per_minute or provider.limits.requests_per_minute
        if self._forgets(name):
            per_minute = None
        return Door(
            provider=provider,
            endpoint=connections.endpoint(self._base(name), headers=headers, proxy=self.project.operator.proxy(name)),
            gate=exchange.Gate(per_minute, clock=self.timing.clock, sleep=self.timing.sleep),
            forgets=self._forgets(name),
        )

    async def _ended(self, run: str, found: Plan, scheduler: Scheduler) -> RunResult:
        results = {name: scheduler.results[name] for name in found.cells if name in scheduler.results}
        written, published, previews = await _to_its_end(lambda: self._left(results))
        for name, sheet in published.sheets.items():
            self.emit(Waits(cell=name, candidates=len(results[name].candidates), sheet=sheet))
        notes = self._notes(published)
        for note in notes:
            self.emit(Noted(text=note))
        result = RunResult(
            run=run,
            opened=self.opened,
            plan=found,
            status=_status(results, published, self.stop),
            results=results,
            published=published,
            lock_written=written,
            refusal=self.stop.reason,
            notes=tuple(notes),
            previews=previews,
        )
        result.document = run_document(result)
        return result

    def _left(self, results: Mapping[str, CellResult]) -> tuple[bool, Published, str]:
        """What a run leaves behind: whether the lock changed, the published files and the folder of the previews."""
        # The lock first: it says what was paid for, also where a picture cannot be copied.
        written = self._locked(results)
        published = self._published(results)
        return written, published, self._previewed(results, published)

    def _previewed(self, results: Mapping[str, CellResult], published: Published) -> str:
        try:
            return previewed(self.opened, self._bytes, shown(results))
        except StoreError as fault:
            published.failures.append(fault.message)
            return ""

    def _locked(self, results: Mapping[str, CellResult]) -> bool:
        def change(lock: Lock) -> Lock:
            return locked(lock, self.opened.graph, results, self.opened.given.record)

        if self.read_only and change(self.opened.lock) == self.opened.lock:
            return False  # the guard of its writers may lie in the store
        return self.opened.lock_file.update(change)

    def _published(self, results: Mapping[str, CellResult]) -> Published:
        workspace, edition = self.project.workspace, self.opened.edition
        file, named = self.opened.pipeline.file, self.options.output
        folder = self.opened.results
        # In a folder that somebody names each pipeline keeps to its own, and so do its simulated runs.
        whose = (file, edition.simulated) if named else ()
        note = _slug(folder, self.project.root, *whose)
        guard = workspace.state / "locks" / _slug(folder, self.project.root)
        publisher = Publisher(
            root=self.project.root,
            folder=folder,
            read=self._bytes,
            given=self.opened.binder.given,
            manifest=None if self.read_only else workspace.state / "published" / f"{note}.json",
            foreign=named is not None,
            sources=[Path(path) for path in self.project.asked.files],
        )
        # What did not come to its end keeps what was published of it before; beside another trial's pictures only what
        # is missing does, for its copy may be the last one.
        unended = _UNENDED if self.opened.edition.trial is None else (Status.MISSING,)
        ended = all(found.status not in unended for found in results.values())
        whole = len(results) == len(self.opened.graph.cells) and ended
        with nullcontext() if self.read_only else held(guard):
            return publisher.publish(self.opened.graph, results, whole=whole)

    def _bytes(self, artifact: Artifact) -> bytes:
        try:
            return read(artifact, self.opened.binder.images, self.objects, live=not self.options.simulate)
        except Pretended as fault:
            raise NotPublished(fault.message, fault.hint) from None

    def _notes(self, published: Published) -> list[str]:
        notes = list(dict.fromkeys(published.failures))
        if published.left_out:
            told = "1 picture is" if published.left_out == 1 else f"{published.left_out:,} pictures are"
            whose = "its copy is" if published.left_out == 1 else "their copies are"
            notes.append(f"{told} locked but not here; {whose} left out")
        if self.opened.edition.trial:
            where = self.opened.lock_name
            notes.append(f"a trial: other inputs than the lock has; its lock is {where} (--lock keeps the values)")
        return notes


async def _to_its_end(work: Callable[[], T]) -> T:
    """What takes a while in a thread; a task that is cancelled waits for its end all the same."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise


class Nobody:
    """Performs nothing: everything is known already."""

    async def perform(self, job: Job) -> Outcome | Failure:
        raise AssertionError(f"{job.cell} was to be sent, and the plan said that nothing would be")


_UNENDED = (Status.FAILED, Status.UNKNOWN, Status.PENDING, Status.MISSING)

SIMULATED_FILES = "https://cdn.simulated.invalid"
"""The origin of an in-process simulator's pictures; no such host exists."""


def _on_loopback(base: str) -> bool:
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    host = urlsplit(base).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _slug(folder: Path, root: Path, *whose: str | bool) -> str:
    from flowrunner.digest import tagged

    place = folder.absolute()
    shown = place.relative_to(root).as_posix() if place.is_relative_to(root) else str(place)
    return tagged("published/2", [shown, *whose]) if whose else tagged("published/1", shown)


def _status(results: Mapping[str, CellResult], published: Published, stop: Stop) -> RunStatus:
    statuses = {result.status for result in results.values()}
    failures = [failure for result in results.values() for failure in result.failures]
    if stop.reason == INTERRUPTED:
        return RunStatus.INTERRUPTED
    # What one failure has stopped was not refused: it is a consequence.
    stopped = stop.requested and bool(statuses & {Status.FAILED, Status.UNKNOWN})
    refused = Status.PENDING in statuses or any(failure.refused for failure in failures)
    if Status.MISSING in statuses or (refused and not stopped):
        return RunStatus.REFUSED
    if statuses & {Status.FAILED, Status.UNKNOWN} or failures or published.failures:
        return RunStatus.FAILED
    return RunStatus.WAITING if Status.WAITING in statuses else RunStatus.DONE
