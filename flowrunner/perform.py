"""Performing calls: the one place where money leaves.

    reserve → intent → send → receipt → read → download → put → commit

An intent is durable before the first byte of a paid request leaves, and a receipt before anything acts on the reply. A
call that was answered is never sent again: its receipt is read anew. A call whose fate is unknown is sent again only
on the user's word.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from email.utils import formatdate
from typing import TYPE_CHECKING, assert_never

from flowrunner import exchange, failures
from flowrunner.bodies import BLOCK, apart
from flowrunner.call import Billed, Failure, Input, Outcome
from flowrunner.catalog.sizes import planned_images
from flowrunner.downloads import Downloads
from flowrunner.errors import RunRefused
from flowrunner.events import Event, Noted, Retried, Sent
from flowrunner.files import FileProblem
from flowrunner.images import Images, Missing
from flowrunner.jobs import Again, Door, Job, Stop, declined, unheard
from flowrunner.keeping import Keeper, NotKept
from flowrunner.known import forbidden
from flowrunner.leaving import Leaving
from flowrunner.local import LocalPerformer
from flowrunner.patience import Patience
from flowrunner.placing import Placer
from flowrunner.providers.base import Delivery, Fate, Finished, Refused, Request, Response
from flowrunner.providers.registry import LOCAL
from flowrunner.room import Room
from flowrunner.slotted import dataclass, field, replace
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Damaged, Objects
from flowrunner.store.records import Caps, Intent, OverBudget, Receipt

if TYPE_CHECKING:
    from flowrunner.artifact import Artifact

ATTEMPTS = 3
"""Times that a call is sent which provably was not executed."""
MARK_HEADER = "x-flowrunner-simulated"
SAMPLE_HEADER = "x-flowrunner-sample"


@dataclass(slots=True, kw_only=True)
class Performer:
    """Performs the calls of one run."""

    run: str
    simulated: bool
    ledger: Ledger
    objects: Objects
    images: Images
    doors: Mapping[str, Door]
    caps: Caps
    unpriced: Collection[str] = ()
    """Models whose calls of unknown price pass a limit in dollars; `*` for all."""
    stop: Stop
    emit: Callable[[Event], None]
    downloads: Downloads
    clock: exchange.Clock
    wall: Callable[[], float]
    sleep: exchange.Sleep
    random: exchange.Random
    mask: Callable[[str], str] = str
    """Takes every key out of a text: what a stranger sends back is written down."""
    scope: str = ""
    """Told apart from other runs' handles: set where handles die with this process."""
    resend: bool = False
    """`--on-unknown resend`."""
    patience: Patience = field(default_factory=lambda: Patience.of(0))
    local: LocalPerformer = field(init=False)
    placer: Placer = field(init=False)
    keeper: Keeper = field(init=False)
    room: Room = field(init=False)
    leaving: Leaving = field(default_factory=Leaving, init=False)
    _skewed: set[str] = field(default_factory=set, init=False)
    _fresh: set[str] = field(default_factory=set, init=False)
    _readying: "asyncio.Task[None] | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.local = LocalPerformer(
            run=self.run,
            simulated=self.simulated,
            ledger=self.ledger,
            objects=self.objects,
            images=self.images,
            stop=self.stop,
            emit=self.emit,
            downloads=self.downloads,
            clock=self.clock,
        )
        self.placer = Placer(
            simulated=self.simulated,
            ledger=self.ledger,
            objects=self.objects,
            images=self.images,
            wall=self.wall,
            mask=self.mask,
            scope=self.scope,
        )
        self.keeper = Keeper(
            simulated=self.simulated,
            objects=self.objects,
            downloads=self.downloads,
            stop=self.stop,
            mask=self.mask,
        )
        self.room = Room(objects=self.objects, stop=self.stop)

    def close(self) -> None:
        """Waits for what is under way on the disk."""
        if self._readying is not None:
            self._readying.cancel()
        self.keeper.close()

    async def perform(self, job: Job) -> Outcome | Failure:
        """What came of a call. The ledger knows it before this returns."""
        if job.call.provider == LOCAL:
            return await self.local.perform(job)
        door = self.doors[job.call.provider]
        if self.stop.requested:
            return declined(job, self.stop.reason)
        async with self._alone(job) as turn:
            if not turn:
                return declined(job, self.stop.reason)
            known = await (self._unread(job, door) if self._anew(job) else self._known(job, door))
            return known or await self.room.within(job, lambda: self._paid(job, door))

    def _anew(self, job: Job) -> bool:
        """Whether it is sent though its outcome is known: once in a run, though several cells ask for the same."""
        anew = job.fresh and job.call.key not in self._fresh
        if anew:
            self._fresh.add(job.call.key)
        return anew

    def _alone(self, job: Job) -> AbstractAsyncContextManager[bool]:
        """Several runs on one store never pay twice for a key: whoever waited looks again. False where the run was told
        to stop while it waited."""
        return self.ledger.key_lock(job.call.key, lambda: self.stop.requested)

    async def _unread(self, job: Job, door: Door) -> Outcome | None:
        """The pictures of a reply that came after every outcome and was not read to its end: they are paid for, and as
        new as those that another call would give."""
        receipt = self.ledger.receipt(job.call.key, simulated=self.simulated)
        found = await self._reread(job, door, receipt) if receipt is not None else None
        return found if isinstance(found, Outcome) else None

    async def _known(self, job: Job, door: Door) -> Outcome | Failure | None:
        key = job.call.key
        if not self.ledger.knows(key, simulated=self.simulated):
            return None
        receipt = self.ledger.receipt(key, simulated=self.simulated)
        if receipt is not None:
            return await self._reread(job, door, receipt) or self._forbidden(job, door)
        outcome = self.ledger.outcome(key, simulated=self.simulated)
        if outcome is not None:
            return replace(outcome, known=True)
        forbidden = self._forbidden(job, door)
        if forbidden is not None:
            return forbidden
        unknowns = self.ledger.unknowns(key, simulated=self.simulated)
        # The user's word is for one more call, though several cells ask for it.
        again = self.resend and unknowns and unknowns[-1].run != self.run
        return failures.held(job, unknowns[-1]) if unknowns and not again else None

    def _forbidden(self, job: Job, door: Door) -> Failure | None:
        """What moderation has refused is never sent again: the same prompt is refused again, and the account noted."""
        receipt = self.ledger.refusal(job.call.key, simulated=self.simulated)
        refused = forbidden(receipt, door.provider) if receipt else None
        return replace(failures.moderated(job, refused), known=True, run=receipt.run) if receipt and refused else None

    # -- paid calls -----------------------------------------------------------------------------------------------

    async def _paid(self, job: Job, door: Door) -> Outcome | Failure:
        if not door.endpoint.headers:
            return declined(job, f"there is no key for {job.call.provider}")
        for attempt in range(1, ATTEMPTS + 1):
            await (door.gate.turn() if door.gate.is_open else self.stop.outlast(door.gate.turn()))
            if self.stop.requested:
                return declined(job, self.stop.reason)
            found = await self._attempt(job, door, attempt)
            if not isinstance(found, Again):
                return self._weighed(found, job, attempt)
            if self.stop.requested:
                return declined(job, self.stop.reason)
            wait = found.wait if found.wait is not None else exchange.jitter(attempt - 1, self.random)
            if found.pauses:
                door.gate.pause(wait)
            if attempt == ATTEMPTS or not self.patience.again():
                return self._given_up(found, job, attempt)
            self._tell_again(job, found, wait, attempt)
            if not found.pauses:
                await self.stop.outlast(self.sleep(wait))
        raise AssertionError("every attempt returns")

    def _weighed(self, found: Outcome | Failure, job: Job, attempt: int) -> Outcome | Failure:
        """Ends the run where no other call can work, or where one after the other is lost."""
        provider = job.call.provider
        if isinstance(found, Outcome):
            self.patience.worked(provider, attempt - 1)
        elif found.stops_run:
            self.stop.request(found.error)
        elif found.billed is Billed.MAYBE:
            self._lose_patience(provider)
        return found

    def _given_up(self, again: Again, job: Job, attempts: int) -> Failure:
        self._lose_patience(job.call.provider)
        times = f"; tried {attempts} times" if attempts > 1 else "; this run has tried often enough"
        return replace(again.failure, error=f"{again.failure.error}{times}")

    def _lose_patience(self, provider: str) -> None:
        why = self.patience.failed(provider)
        if why:
            self.stop.request(why)

    def _tell_again(self, job: Job, again: Again, wait: float, attempt: int) -> None:
        self.emit(
            Retried(
                cell=job.cell,
                sample=job.sample,
                reason=again.failure.error,
                wait=wait,
                attempt=attempt,
                attempts=ATTEMPTS,
            )
        )

    async def _attempt(self, job: Job, door: Door, attempt: int) -> Outcome | Failure | Again:
        try:
            request = await self._request(job, door)
        except (Missing, Damaged, FileProblem, RunRefused) as fault:
            return Failure(key=job.call.key, error=fault.message, hint=fault.hint, refused=True)
        if not isinstance(request, Request):
            return request
        if self.stop.requested:  # while an input was uploaded
            return declined(job, self.stop.reason)
        with self.leaving:
            number = await self._reserve(job, attempt)
            if isinstance(number, Failure):
                return number
            self._tell_sent(job, number)
        self._readying = self._readying or asyncio.create_task(self._made_ready())
        begun = self.clock()
        reply = await self._send(job, door, request, number)
        if isinstance(reply, Failure):
            return reply
        if isinstance(reply, exchange.NotSent):
            await self.ledger.durably(self.ledger.not_sent, number, reply.reason)
            return Again(Failure(key=job.call.key, error=f"not sent: {reply.reason}", hint="nothing was billed"))
        if isinstance(reply, exchange.Lost):
            return await self._lost(job, number, reply)
        receipt = await self._kept(number, reply)
        self._check_clock(door, reply)
        found = await self._read(job, door, receipt, begun)
        return await self._doubted(job, door, found) if isinstance(found, Failure) else found

    async def _doubted(self, job: Job, door: Door, found: Failure) -> Failure:
        """A call may be turned down for a picture that the provider has no longer, whatever it says: the next time it
        gets the bytes."""
        if found.status is None or found.billed is Billed.YES or found.stops_run or found.moderated:
            return found
        if not await self.placer.forget(job.call.inputs, door) or found.billed is Billed.MAYBE:
            return found
        again = "if it is about a picture, run again: it is sent anew then"
        return replace(found, hint="; ".join(filter(None, (found.hint, again))))

    async def _made_ready(self) -> None:
        """What the first picture needs is loaded while its call is under way, but after those that leave with it."""
        await self.leaving.none()
        self.keeper.make_ready()

    def _tell_sent(self, job: Job, number: int) -> None:
        try:
            self.emit(Sent(cell=job.cell, sample=job.sample, model=job.model.id, estimate=job.estimate))
        except BaseException:
            self.ledger.not_sent(number, "the run ended before it was sent")
            raise

    async def _request(self, job: Job, door: Door) -> Request | Failure | Again:
        places: dict[Input, str] = {}
        for leaf in job.call.inputs:
            place = await self.placer.place(leaf, job, door)
            if not isinstance(place, str):
                return place
            places[leaf] = place
        request = door.provider.request(job.call, job.model, places.__getitem__)
        identified = {**request.headers, "X-Client-Request-Id": job.call.key[:32]}
        if self.simulated and job.call.sample:
            # A model's chance would tell equal requests apart; the simulator has none.
            identified[SAMPLE_HEADER] = str(job.call.sample)
        return Request(path=request.path, json=request.json, part=request.part, file=request.file, headers=identified)

    async def _reserve(self, job: Job, attempt: int) -> int | Failure:
        intent = Intent(
            run=self.run,
            cell=job.cell,
            key=job.call.key,
            provider=job.call.provider,
            model=job.call.model,
            attempt=attempt,
            estimate=job.estimate,
            client_request_id=job.call.key[:32],
        )
        passes = bool({"*", job.model.id} & {*self.unpriced})
        caps = replace(self.caps, unpriced=True) if passes else self.caps
        number = await self.ledger.durably(self.ledger.reserve, intent, caps)
        if not isinstance(number, OverBudget):
            return number
        hint = "raise the limit, or run fewer cells with --only"
        return Failure(key=job.call.key, error=f"not sent: {number}", hint=hint, refused=True)

    async def _send(
        self, job: Job, door: Door, request: Request, number: int
    ) -> Response | exchange.NotSent | exchange.Lost | Failure:
        try:
            reply = await exchange.send(
                door.endpoint, request, deadline_s=job.timeout, stopped=lambda: self.stop.reason
            )
        except exchange.Withdrawn:
            self.ledger.not_sent(number, "the run ended before it was sent")
            raise
        except RunRefused as fault:  # it was not even begun: the model's path leads away from its provider
            self.ledger.not_sent(number, fault.message)
            return Failure(key=job.call.key, error=fault.message, hint=fault.hint, refused=True)
        except BaseException:
            # Cancelled, or our own bug: the request may have left, and the ledger must say so.
            self.ledger.unknown(number, failures.maybe(job, "the run ended while the call was under way"))
            raise
        return self.placer.masked(reply) if isinstance(reply, Response) else reply

    async def _lost(self, job: Job, number: int, lost: exchange.Lost) -> Failure:
        """What came of a reply is kept: it may hold the provider's name for the call."""
        request_id = ""
        if lost.status is not None:
            partial = self.placer.masked(Response(lost.status, lost.headers, lost.partial))
            request_id = (await self._kept(number, partial)).request_id
        failure = failures.maybe(job, failures.lost(lost))
        failure = replace(failure, request_id=request_id or failure.request_id)
        await self.ledger.durably(self.ledger.unknown, number, failure)
        return failure

    def _check_clock(self, door: Door, reply: Response) -> None:
        """Says once of a provider that its clock and ours differ: stated ends of URLs and waits go by the clock."""
        told = failures.skew(door.provider.name, reply, self.wall())
        if told and door.provider.name not in self._skewed:
            self._skewed.add(door.provider.name)
            self.emit(Noted(text=told))

    async def _kept(self, number: int, reply: Response) -> Receipt:
        headers = {name: value for name, value in reply.headers.items() if name not in ("set-cookie", "authorization")}
        # RFC 9110, 6.6.1: a reply without a date has the time of its arrival. A wait until a date counts from there.
        headers.setdefault("date", formatdate(self.wall(), usegmt=True))
        request_id = reply.headers.get("x-inference-id", "")[:128]
        receipt = Receipt(call=number, status=reply.status, headers=headers, body=reply.body, request_id=request_id)
        is_whole = await self.ledger.durably(self.ledger.replied, receipt)
        return receipt if is_whole else replace(receipt, is_whole=False)

    async def _reread(self, job: Job, door: Door, receipt: Receipt) -> Outcome | Failure | None:
        """What a kept reply gives, for nothing. None where the call may be sent after all: the reply says that nothing
        was done, or the user wants to pay again, or a simulator's picture has ended with its process."""
        alone = replace(job, answered=bool, stored=unheard)  # it may have to be sent all the same
        found = await self._read(alone, door, receipt, self.clock())
        if isinstance(found, Outcome):
            return replace(found, known=True)
        failure = found.failure if isinstance(found, Again) else found
        if door.forgets or failure.billed is Billed.NO:
            return None
        kept = self.ledger.receipt(job.call.key, simulated=self.simulated) is not None
        return replace(failure, known=True, run=receipt.run) if kept or not self.resend else None

    async def _read(self, job: Job, door: Door, receipt: Receipt, begun: float) -> Outcome | Failure | Again:
        if not self.simulated and MARK_HEADER in receipt.headers:
            hint = f"give --simulate, or unset {job.call.provider.upper()}_BASE_URL"
            error = "the reply comes from a simulator, and this is a live run"
            failure = Failure(key=job.call.key, error=error, hint=hint)
            await self.ledger.durably(self.ledger.failed, receipt.call, failure)
            return failure
        reply = Response(receipt.status, receipt.headers, receipt.body)
        reading = await apart(len(reply.body), door.provider.read, reply)
        match reading:
            case Finished():
                if (reading.paid or 0) > (job.estimate or 0):  # before other calls are held against the limits
                    await self.ledger.durably(self.ledger.charged, receipt.call, reading.paid)
                self._tell_fewer(job, reading)
                # A reply that holds its pictures takes room in memory as long as a call that is under way.
                if len(reply.body) <= BLOCK and job.answered():
                    await self.leaving.none()
                return await self._finish(job, door, receipt, reading, begun)
            case Refused():
                return await self._refused(job, receipt, reading)
            case _:
                assert_never(reading)

    def _tell_fewer(self, job: Job, finished: Finished) -> None:
        """A reply that lists more pictures than it holds, or holds fewer than were asked for: what it holds is paid
        for, and kept."""
        held, asked = len(finished.images), planned_images(job.model, job.call.params)
        if finished.empty:
            told = f"the reply lists {held + finished.empty} pictures and holds {held}: those after a gap move up"
            self.emit(Noted(text=f"{job.cell}: {told}"))
        elif held < asked:
            self.emit(Noted(text=f"{job.cell}: {held} of the {asked} pictures that were asked for came"))

    async def _refused(self, job: Job, receipt: Receipt, refusal: Refused) -> Failure | Again:
        if refusal.fate is Fate.MODERATED:
            return await self._settled(receipt, failures.moderated(job, refusal))
        if refusal.fate is Fate.UNKNOWN:
            return await self._settled(receipt, failures.maybe(job, refusal.told, refusal))
        failure = replace(failures.refusal(job, refusal), stops_run=refusal.fate is Fate.STOP_RUN)
        if refusal.fate is Fate.CHARGED or refusal.paid:
            return await self._settled(receipt, failures.charged(failure, refusal.paid))
        if refusal.fate is Fate.TRY_LATER:
            await self.ledger.durably(self.ledger.failed, receipt.call, failure)
            return Again(failure, wait=refusal.retry_after, pauses=True)
        return await self._settled(receipt, failure)

    async def _settled(self, receipt: Receipt, failure: Failure) -> Failure:
        """A failure, written down as what it means for the money."""
        write = {
            Billed.NO: self.ledger.refused,
            Billed.YES: self.ledger.failed,
            Billed.MAYBE: self.ledger.unknown,
        }[failure.billed]
        await self.ledger.durably(write, receipt.call, failure)
        return failure

    async def _finish(
        self, job: Job, door: Door, receipt: Receipt, finished: Finished, begun: float
    ) -> Outcome | Failure:
        artifacts: list[Artifact] = []
        came: list[Delivery] = []
        lost: list[NotKept] = []
        for delivery in finished.images:  # each, before any is despaired of: the others may be gone by the next time
            found = await self.keeper.keep(delivery, receipt.call)
            if isinstance(found, NotKept):
                lost.append(found)
            else:
                artifacts.append(found)
                came.append(delivery)
        if lost and not artifacts and not receipt.is_whole:
            return await self._settled(receipt, failures.unkept(job, finished, lost[0]))
        again = receipt.is_whole and not all(one.final for one in lost)
        if again or (lost and not artifacts):
            failure = failures.not_here(job, finished, lost)
            await self.ledger.durably(self.ledger.stalled, receipt.call, failure)
            return failure
        if lost:
            self.emit(Noted(text=failures.fewer(job, finished, lost)))
        outcome = Outcome(
            key=job.call.key,
            artifacts=tuple(artifacts),
            paid=finished.paid,
            seconds=self.clock() - begun,
            usage=finished.usage,
        )
        handles = self.placer.handles(zip(artifacts, came, strict=True), door)
        # The next intent can share its commit: none is written before it, and until then the receipt stands for it, if
        # that is whole.
        commit = self.ledger.in_time if receipt.is_whole and job.stored(outcome) else self.ledger.durably
        await commit(self.ledger.committed, receipt.call, outcome, handles)
        return outcome
