"""Performing calls: the one place where money leaves.

    reserve → intent → send → receipt → read → download → put → commit

An intent is durable before the first byte of a paid request leaves, and a receipt before anything acts on the reply. A
call that was answered is never sent again: its receipt is read anew. A call whose fate is unknown is sent again only
on the user's word.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import assert_never

from flowrunner import exchange, imagehead
from flowrunner.artifact import Artifact
from flowrunner.call import Billed, Failure, Input, Outcome
from flowrunner.downloads import Downloads, FetchFailed
from flowrunner.errors import FlowError, RunRefused
from flowrunner.events import Event, Retried, Sent
from flowrunner.files import FileProblem
from flowrunner.images import Images
from flowrunner.jobs import Again, Door, Job, Missing, Stop, declined
from flowrunner.local import LocalPerformer
from flowrunner.money import Nano
from flowrunner.placing import Placer
from flowrunner.providers.base import Delivery, Fate, Finished, Refused, Request, Response
from flowrunner.providers.registry import LOCAL
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Damaged, Objects
from flowrunner.store.records import Attempt, Caps, Intent, OverBudget, Receipt

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
    local: LocalPerformer = field(init=False)
    placer: Placer = field(init=False)
    _fresh: set[str] = field(default_factory=set, init=False)

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

    async def perform(self, job: Job) -> Outcome | Failure:
        """What came of a call. The ledger knows it before this returns."""
        if job.call.provider == LOCAL:
            return await self.local.perform(job)
        door = self.doors[job.call.provider]
        async with door.slots:  # before the key's lock: a file is open for each that waits for one
            if self.stop.requested:
                return declined(job, self.stop.reason)
            async with self._alone(job):
                known = None if self._anew(job) else await self._known(job, door)
                return known or await self._paid(job, door)

    def _anew(self, job: Job) -> bool:
        """Whether it is sent whatever is known: once in a run, though several cells ask for the same."""
        anew = job.fresh and job.call.key not in self._fresh
        if anew:
            self._fresh.add(job.call.key)
        return anew

    def _alone(self, job: Job) -> AbstractAsyncContextManager[None]:
        """Several runs on one store never pay twice for a key: whoever waited looks again."""
        return self.ledger.key_lock(job.call.key)

    async def _known(self, job: Job, door: Door) -> Outcome | Failure | None:
        key = job.call.key
        receipt = self.ledger.receipt(key, simulated=self.simulated)
        if receipt is not None:
            return await self._reread(job, door, receipt)
        outcome = self.ledger.outcome(key, simulated=self.simulated)
        if outcome is not None:
            return replace(outcome, known=True)
        unknowns = self.ledger.unknowns(key, simulated=self.simulated)
        return _held(job, unknowns[-1]) if unknowns and not self.resend else None

    # -- paid calls -----------------------------------------------------------------------------------------------

    async def _paid(self, job: Job, door: Door) -> Outcome | Failure:
        if not door.endpoint.headers:
            return declined(job, f"there is no key for {job.call.provider}")
        for attempt in range(1, ATTEMPTS + 1):
            await self.stop.outlast(door.gate.turn())
            if self.stop.requested:
                return declined(job, self.stop.reason)
            found = await self._attempt(job, door, attempt)
            if isinstance(found, Failure) and found.stops_run:
                self.stop.request(found.error)
            if not isinstance(found, Again):
                return found
            wait = found.wait if found.wait is not None else exchange.jitter(attempt - 1, self.random)
            if found.pauses:
                door.gate.pause(wait)
            if attempt == ATTEMPTS:
                return found.failure
            self._tell_again(job, found, wait, attempt)
            if not found.pauses:
                await self.stop.outlast(_slept(self.sleep, wait))
        raise AssertionError("every attempt returns")

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
        number = self._reserve(job, attempt)
        if isinstance(number, Failure):
            return number
        self._tell_sent(job, number)
        begun = self.clock()
        reply = await self._send(job, door, request, number)
        if isinstance(reply, Failure):
            return reply
        if isinstance(reply, exchange.NotSent):
            self.ledger.not_sent(number, reply.reason)
            return Again(Failure(key=job.call.key, error=f"not sent: {reply.reason}", hint="nothing was billed"))
        if isinstance(reply, exchange.Lost):
            return self._unknown(job, number, f"sent, and no usable reply came: {reply.reason}")
        receipt = self._kept(number, reply)
        return await self._read(job, door, receipt, begun)

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

    def _reserve(self, job: Job, attempt: int) -> int | Failure:
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
        number = self.ledger.reserve(intent, replace(self.caps, unpriced=True) if passes else self.caps)
        if not isinstance(number, OverBudget):
            return number
        hint = "raise the limit, or run fewer cells with --only"
        return Failure(key=job.call.key, error=f"not sent: {number}", hint=hint, refused=True)

    async def _send(
        self, job: Job, door: Door, request: Request, number: int
    ) -> Response | exchange.NotSent | exchange.Lost | Failure:
        try:
            reply = await exchange.send(door.endpoint, request, deadline_s=job.timeout)
        except RunRefused as fault:  # it was not even begun: the model's path leads away from its provider
            self.ledger.not_sent(number, fault.message)
            return Failure(key=job.call.key, error=fault.message, hint=fault.hint, refused=True)
        except BaseException:
            # Cancelled, or our own bug: the request may have left, and the ledger must say so.
            self.ledger.unknown(number, self._maybe(job, "the run ended while the call was under way"))
            raise
        return self.placer.masked(reply) if isinstance(reply, Response) else reply

    def _kept(self, number: int, reply: Response) -> Receipt:
        headers = {name: value for name, value in reply.headers.items() if name not in ("set-cookie", "authorization")}
        request_id = reply.headers.get("x-inference-id", "")
        receipt = Receipt(call=number, status=reply.status, headers=headers, body=reply.body, request_id=request_id)
        self.ledger.replied(receipt)
        return receipt

    async def _reread(self, job: Job, door: Door, receipt: Receipt) -> Outcome | Failure | None:
        """What a kept reply gives, for nothing. None where the call may be sent after all: the reply says that nothing
        was done, or the user wants to pay again, or a simulator's picture has ended with its process."""
        found = await self._read(job, door, receipt, self.clock())
        if isinstance(found, Outcome):
            return replace(found, known=True)
        failure = found.failure if isinstance(found, Again) else found
        if self.simulated or failure.billed is Billed.NO:
            return None
        kept = self.ledger.receipt(job.call.key, simulated=False) is not None
        return replace(failure, known=True) if kept or not self.resend else None

    async def _read(self, job: Job, door: Door, receipt: Receipt, begun: float) -> Outcome | Failure | Again:
        if not self.simulated and MARK_HEADER in receipt.headers:
            failure = Failure(key=job.call.key, error="the reply comes from a simulator, and this is a live run")
            self.ledger.failed(receipt.call, failure)
            return failure
        reading = door.provider.read(Response(receipt.status, receipt.headers, receipt.body))
        match reading:
            case Finished():
                return await self._finish(job, door, receipt, reading, begun)
            case Refused():
                return self._refused(job, receipt, reading)
            case _:
                assert_never(reading)

    def _refused(self, job: Job, receipt: Receipt, refusal: Refused) -> Failure | Again:
        failure = Failure(
            key=job.call.key,
            error=refusal.message,
            hint=refusal.hint,
            request_id=refusal.request_id,
            status=refusal.status or None,
        )
        if refusal.fate is Fate.UNKNOWN:
            return self._unknown(job, receipt.call, refusal.message, refusal)
        if refusal.fate is Fate.CHARGED:
            failure = _billed(failure, refusal.paid)
            self.ledger.failed(receipt.call, failure)
            return failure
        if refusal.fate is Fate.TRY_LATER:
            self.ledger.failed(receipt.call, failure)
            return Again(failure, wait=refusal.retry_after, pauses=True)
        if refusal.fate is Fate.STOP_RUN:
            failure = replace(failure, stops_run=True)
        self.ledger.refused(receipt.call, failure)
        return failure

    def _unknown(self, job: Job, number: int, message: str, refusal: Refused | None = None) -> Failure:
        failure = self._maybe(job, message, refusal)
        self.ledger.unknown(number, failure)
        return failure

    def _maybe(self, job: Job, message: str, refusal: Refused | None = None) -> Failure:
        return Failure(
            key=job.call.key,
            error=message,
            hint=f"it may have been billed: look it up at {job.call.provider}, or pay again with --on-unknown resend",
            billed=Billed.MAYBE,
            paid=job.estimate,
            request_id=(refusal.request_id if refusal else "") or job.call.key[:32],
            status=(refusal.status or None) if refusal else None,
        )

    # -- results --------------------------------------------------------------------------------------------------

    async def _finish(
        self, job: Job, door: Door, receipt: Receipt, finished: Finished, begun: float
    ) -> Outcome | Failure:
        artifacts = []
        for delivery in finished.images:
            found = await self._stored(delivery)
            if isinstance(found, FetchFailed):
                self.ledger.stalled(receipt.call, found.reason)
                return _not_here(job, finished, found)
            artifacts.append(found)
            self.placer.remember(found, delivery, door)
        outcome = Outcome(
            key=job.call.key,
            artifacts=tuple(artifacts),
            paid=finished.paid,
            seconds=self.clock() - begun,
            usage=finished.usage,
        )
        self.ledger.committed(receipt.call, outcome)
        return outcome

    async def _stored(self, delivery: Delivery) -> Artifact | FetchFailed:
        """The image in the store, or why it cannot be had."""
        data = delivery.data
        if data is None and delivery.url is not None:
            found = await self.downloads.get(delivery.url)
            if isinstance(found, FetchFailed):
                return found
            data = found.data
        if data is None:
            return FetchFailed(reason="the reply names no picture")
        try:
            image = imagehead.artifact(data)
            if imagehead.simulated(data) and not self.simulated:
                return FetchFailed(reason="it carries the mark of the simulator, and this is a live run")
            await asyncio.to_thread(self.objects.put, data)
        except FlowError as fault:
            return FetchFailed(reason=fault.message)
        return image


def _held(job: Job, last: Attempt) -> Failure:
    """An earlier call that was, or may have been, charged and of which there is no picture."""
    provider, charged = job.call.provider, last.billed is Billed.YES
    was = "was charged and gave no picture" if charged else "may have been billed and its picture is not known"
    ask = f"ask {provider} for the money back" if charged else f"look it up at {provider}"
    return Failure(
        key=job.call.key,
        error=f"an earlier call {was}; it is not sent again",
        hint=f"{ask}, or pay again with --on-unknown resend",
        billed=last.billed,
        paid=last.paid if charged else last.reserved,
        request_id=last.request_id or last.client_request_id,
        known=True,
    )


def _not_here(job: Job, finished: Finished, found: FetchFailed) -> Failure:
    again = "run again: the reply is kept, and the call is not sent a second time"
    return Failure(
        key=job.call.key,
        error=f"paid, but the picture could not be kept: {found.reason}",
        hint=f"it is gone there; to pay for another picture: --force {job.cell}" if found.gone else again,
        billed=Billed.YES,
        paid=finished.paid,
        request_id=finished.request_id,
    )


def _billed(failure: Failure, paid: Nano | None) -> Failure:
    hint = failure.hint or "ask the provider for the money back, with the request id"
    return replace(failure, billed=Billed.YES, paid=paid, hint=hint)


async def _slept(sleep: exchange.Sleep, seconds: float) -> None:
    await sleep(seconds)
