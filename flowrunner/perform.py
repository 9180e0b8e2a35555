"""Performing calls: the one place where money leaves.

    reserve → intent → send → receipt → read → download → put → commit

An intent is durable before the first byte of a paid request leaves, and a receipt before anything acts on the reply. A
call that was answered is never sent again: its receipt is read anew. A call whose fate is unknown is sent again only
on the user's word.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import assert_never

from flowrunner import exchange, imagehead, network
from flowrunner.artifact import SUFFIXES, Artifact
from flowrunner.call import Billed, Failure, File, Input, Link, Outcome
from flowrunner.downloads import Downloads, FetchFailed
from flowrunner.errors import FlowError, RunRefused
from flowrunner.events import Event, Retried, Sent
from flowrunner.files import FileProblem
from flowrunner.images import Images
from flowrunner.jobs import Job, Missing, Stop, declined, read
from flowrunner.local import LocalPerformer
from flowrunner.money import Nano
from flowrunner.providers.base import Delivery, Fate, Finished, Provider, Refused, Request, Response, Transport
from flowrunner.providers.registry import LOCAL
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Damaged, Objects
from flowrunner.store.records import Caps, Intent, OverBudget, Receipt, Remote

ATTEMPTS = 3
"""Times that a call is sent which provably was not executed."""
MARK_HEADER = "x-flowrunner-simulated"
SAMPLE_HEADER = "x-flowrunner-sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How one provider is reached: its origin with its key, and how many calls at once."""

    provider: Provider
    endpoint: exchange.Endpoint
    slots: asyncio.Semaphore
    gate: exchange.Gate


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

    async def perform(self, job: Job) -> Outcome | Failure:
        """What came of a call. The ledger knows it before this returns."""
        if job.call.provider == LOCAL:
            return await self.local.perform(job)
        async with self._alone(job):
            if not job.fresh:
                known = self._known(job)
                if known is not None:
                    return await known if isinstance(known, Awaitable) else known
            return await self._paid(job)

    def _alone(self, job: Job) -> AbstractAsyncContextManager[None]:
        """Several runs on one store never pay twice for a key: whoever waited looks again."""
        return self.ledger.key_lock(job.call.key)

    def _known(self, job: Job) -> Outcome | Failure | Awaitable[Outcome | Failure] | None:
        key = job.call.key
        receipt = self.ledger.receipt(key, simulated=self.simulated)
        if receipt is not None:
            return self._reread(job, receipt)
        outcome = self.ledger.outcome(key, simulated=self.simulated)
        if outcome is not None:
            return replace(outcome, known=True)
        unknowns = self.ledger.unknowns(key, simulated=self.simulated)
        if unknowns and not self.resend:
            last = unknowns[-1]
            return Failure(
                key=key,
                error="an earlier call may have been billed and its picture is not known; it is not sent again",
                hint=f"look it up at {job.call.provider}, or pay again with --on-unknown resend",
                billed=Billed.MAYBE,
                paid=last.reserved,
                request_id=last.request_id or last.client_request_id,
                known=True,
            )
        return None

    # -- paid calls -----------------------------------------------------------------------------------------------

    async def _paid(self, job: Job) -> Outcome | Failure:
        door = self.doors[job.call.provider]
        for attempt in range(1, ATTEMPTS + 1):
            async with door.slots:
                await self.stop.outlast(door.gate.turn())
                if self.stop.requested:
                    return declined(job, self.stop.reason)
                found = await self._attempt(job, door, attempt)
            if not isinstance(found, _Again):
                return found
            if attempt == ATTEMPTS:
                return found.failure
            wait = found.wait if found.wait is not None else exchange.jitter(attempt - 1, self.random)
            self.emit(
                Retried(
                    cell=job.cell,
                    sample=job.sample,
                    reason=found.failure.error,
                    wait=wait,
                    attempt=attempt,
                    attempts=ATTEMPTS,
                )
            )
            if found.pauses:
                door.gate.pause(wait)
            else:
                await self.stop.outlast(_slept(self.sleep, wait))
        raise AssertionError("every attempt returns")

    async def _attempt(self, job: Job, door: Door, attempt: int) -> "Outcome | Failure | _Again":
        try:
            request = await self._request(job, door)
        except (Missing, Damaged, FileProblem, RunRefused) as fault:
            return Failure(key=job.call.key, error=fault.message, hint=fault.hint, refused=True)
        if isinstance(request, Failure):
            return request
        if self.stop.requested:  # while an input was uploaded
            return declined(job, self.stop.reason)
        number = self._reserve(job, attempt)
        if isinstance(number, Failure):
            return number
        self.emit(Sent(cell=job.cell, sample=job.sample, model=job.model.id, estimate=job.estimate))
        begun = self.clock()
        reply = await self._send(job, door, request, number)
        if isinstance(reply, Failure):
            return reply
        if isinstance(reply, exchange.NotSent):
            self.ledger.not_sent(number, reply.reason)
            return _Again(Failure(key=job.call.key, error=f"not sent: {reply.reason}", hint="nothing was billed"))
        if isinstance(reply, exchange.Lost):
            return self._unknown(job, number, f"sent, and no usable reply came: {reply.reason}")
        receipt = self._kept(number, reply)
        return await self._read(job, door, receipt, begun)

    async def _request(self, job: Job, door: Door) -> Request | Failure:
        places: dict[Input, str] = {}
        for leaf in job.call.inputs:
            place = await self._place(leaf, job, door)
            if isinstance(place, Failure):
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
        number = self.ledger.reserve(intent, self.caps)
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
        return self._masked(reply) if isinstance(reply, Response) else reply

    def _masked(self, reply: Response) -> Response:
        body = self.mask(reply.body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        headers = {name: self.mask(value) for name, value in reply.headers.items()}
        return Response(reply.status, headers, body)

    def _kept(self, number: int, reply: Response) -> Receipt:
        headers = {name: value for name, value in reply.headers.items() if name not in ("set-cookie", "authorization")}
        request_id = reply.headers.get("x-inference-id", "")
        receipt = Receipt(call=number, status=reply.status, headers=headers, body=reply.body, request_id=request_id)
        self.ledger.replied(receipt)
        return receipt

    async def _reread(self, job: Job, receipt: Receipt) -> Outcome | Failure:
        found = await self._read(job, self.doors[job.call.provider], receipt, self.clock())
        if isinstance(found, Outcome):
            return replace(found, known=True)
        return found.failure if isinstance(found, _Again) else found

    async def _read(self, job: Job, door: Door, receipt: Receipt, begun: float) -> "Outcome | Failure | _Again":
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

    def _refused(self, job: Job, receipt: Receipt, refusal: Refused) -> "Failure | _Again":
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
            return _Again(failure, wait=refusal.retry_after, pauses=True)
        if refusal.fate is Fate.STOP_RUN:
            failure = _stopping(failure)
            self.stop.request(refusal.message)
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
            if isinstance(found, str):
                self.ledger.stalled(receipt.call, found)
                return self._not_here(job, finished, found)
            artifacts.append(found)
            if delivery.handle:
                self._remember(door, found, delivery)
        outcome = Outcome(
            key=job.call.key,
            artifacts=tuple(artifacts),
            paid=finished.paid,
            seconds=self.clock() - begun,
            usage=finished.usage,
        )
        self.ledger.committed(receipt.call, outcome)
        return outcome

    def _not_here(self, job: Job, finished: Finished, reason: str) -> Failure:
        return Failure(
            key=job.call.key,
            error=f"paid, but the picture could not be kept: {reason}",
            hint="run again: the reply is kept, and the call is not sent a second time",
            billed=Billed.YES,
            paid=finished.paid,
            request_id=finished.request_id,
        )

    async def _stored(self, delivery: Delivery) -> Artifact | str:
        """The image in the store, or why it cannot be had."""
        data = delivery.data
        if data is None and delivery.url is not None:
            found = await self.downloads.get(delivery.url)
            if isinstance(found, FetchFailed):
                return found.reason
            data = found.data
        if data is None:
            return "the reply names no picture"
        try:
            image = imagehead.artifact(data)
            if imagehead.simulated(data) and not self.simulated:
                return "it carries the mark of the simulator, and this is a live run"
            await asyncio.to_thread(self.objects.put, data)
        except FlowError as fault:
            return fault.message
        return image

    def _remember(self, door: Door, image: Artifact, delivery: Delivery) -> None:
        expires = delivery.expires
        if expires is None:
            expires = self.wall() + door.provider.limits.lifetime
        if delivery.handle is not None and expires > self.wall():
            self.ledger.remember(self._remote(door), image.sha256, delivery.handle, expires)

    def _remote(self, door: Door) -> Remote:
        origin = network.origin(door.endpoint.base_url)
        return Remote(door.provider.name, f"{origin} {self.scope}".strip(), self.simulated)

    # -- inputs ---------------------------------------------------------------------------------------------------

    async def _place(self, leaf: Input, job: Job, door: Door) -> str | Failure:
        """The text that stands for an input: what the provider has already, a data URI, or a new upload."""
        if isinstance(leaf, Link):
            return leaf.text
        handle = self.ledger.handle(self._remote(door), leaf.sha256, self.wall())
        if handle is not None:
            return handle
        data = read(leaf, self.images, self.objects)
        media_type = leaf.media_type if isinstance(leaf, Artifact) else "application/octet-stream"
        if door.provider.transport is Transport.DATA_URI:
            return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        return await self._uploaded(leaf, media_type, data, job, door)

    async def _uploaded(
        self, leaf: Artifact | File, media_type: str, data: bytes, job: Job, door: Door
    ) -> str | Failure:
        name = f"{leaf.sha256[:16]}.{SUFFIXES.get(media_type, 'bin')}"
        request = door.provider.upload(name, media_type, data)
        reply = await exchange.send(door.endpoint, request, deadline_s=job.timeout)
        if not isinstance(reply, Response):
            return Failure(key=job.call.key, error=f"an input could not be uploaded: {reply.reason}")
        handle = door.provider.uploaded(self._masked(reply))
        if isinstance(handle, Refused):
            stops = handle.fate is Fate.STOP_RUN
            if stops:
                self.stop.request(handle.message)
            error = f"an input could not be uploaded: {handle.message}"
            return Failure(key=job.call.key, error=error, hint=handle.hint, stops_run=stops, status=handle.status)
        self.ledger.remember(self._remote(door), leaf.sha256, handle, self.wall() + door.provider.limits.lifetime)
        return handle


@dataclass(frozen=True, slots=True)
class _Again:
    """Proof that nothing was executed: the call may be sent again. `pauses` holds all workers of the provider."""

    failure: Failure
    wait: float | None = None
    pauses: bool = False


def _billed(failure: Failure, paid: Nano | None) -> Failure:
    hint = failure.hint or "ask the provider for the money back, with the request id"
    return replace(failure, billed=Billed.YES, paid=paid, hint=hint)


def _stopping(failure: Failure) -> Failure:
    return replace(failure, stops_run=True)


async def _slept(sleep: exchange.Sleep, seconds: float) -> None:
    await sleep(seconds)
