"""Placing inputs: the text by which a provider takes an image, be it a handle that it gave, a data URI or an upload."""

import asyncio
from collections.abc import Callable, Iterable

from flowrunner import exchange, network
from flowrunner.artifact import SUFFIXES, Artifact
from flowrunner.call import Failure, File, Input, Link
from flowrunner.images import Images, read
from flowrunner.jobs import Again, Door, Job
from flowrunner.providers.base import Delivery, Fate, Inline, Refused, Response, Transport
from flowrunner.slotted import dataclass, field
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Objects
from flowrunner.store.records import Handle, Remote

_UPLOADED_ANYWAY = (Fate.TRY_LATER, Fate.UNKNOWN)
"""An upload costs nothing: it is repeated also where nobody can tell whether it came through."""


@dataclass(slots=True, kw_only=True)
class Placer:
    """Places the inputs of one run's calls, and remembers under which names the providers have them."""

    simulated: bool
    ledger: Ledger
    objects: Objects
    images: Images
    wall: Callable[[], float]
    mask: Callable[[str], str]
    """Takes every key out of a text: what a stranger sends back is written down."""
    scope: str
    """Told apart from other runs' handles: set where handles die with this process."""
    _turns: dict[tuple[str, str], asyncio.Lock] = field(default_factory=dict)
    _given: dict[tuple[Remote, str], Handle] = field(default_factory=dict)
    """Those of this run's own pictures, which the ledger may not have yet."""
    _forgotten: set[tuple[Remote, str]] = field(default_factory=set)

    async def place(self, leaf: Input, job: Job, door: Door) -> str | Failure | Again:
        """What stands for an input in a request. Missing, Damaged, FileProblem or Pretended where its bytes
        cannot be had or must not be sent."""
        if isinstance(leaf, Link):
            return leaf.text
        if door.provider.transport is not Transport.UPLOAD:
            return self._handle(leaf, door) or Inline(_media_type(leaf), await self._read(leaf))
        # Cells that share an input upload it once.
        async with self._turns.setdefault((door.provider.name, leaf.sha256), asyncio.Lock()):
            return self._handle(leaf, door) or await self._uploaded(leaf, job, door)

    def handles(self, pictures: Iterable[tuple[Artifact, Delivery]], door: Door) -> list[Handle]:
        """The names under which the provider takes pictures of its own again, those that are good for some time."""
        remote, now, found = self._remote(door), self.wall(), []
        for image, delivery in pictures:
            expires = delivery.expires if delivery.expires is not None else now + door.provider.limits.lifetime
            if delivery.handle is not None and expires > now:
                handle = Handle(remote=remote, digest=image.sha256, handle=delivery.handle, expires=expires)
                self._given[remote, image.sha256] = handle
                found.append(handle)
        return found

    async def forget(self, leaves: Iterable[Input], door: Door) -> bool:
        """Forgets the names under which the provider has these inputs, so that it gets their bytes next time; whether
        there were any. Once in a run: where all calls are turned down, not each of them uploads a picture anew."""
        remote = self._remote(door)
        held = [leaf.sha256 for leaf in leaves if not isinstance(leaf, Link) and self._handle(leaf, door)]
        named = [digest for digest in held if (remote, digest) not in self._forgotten]
        for digest in named:
            self._given.pop((remote, digest), None)
            self._forgotten.add((remote, digest))
        if named:
            await self.ledger.durably(self.ledger.forget, remote, named)
        return bool(named)

    def masked(self, reply: Response) -> Response:
        """The reply without any key in it."""
        text = reply.body.decode("utf-8", "surrogateescape")
        masked = self.mask(text)
        # To look through all headers at once takes less than to look through each: in most replies there is nothing.
        head = "\n".join((*reply.headers, *reply.headers.values()))
        if masked == text and self.mask(head) == head:
            return reply
        body = reply.body if masked == text else masked.encode("utf-8", "surrogateescape")
        headers = {self.mask(name): self.mask(value) for name, value in reply.headers.items()}
        return Response(reply.status, headers, body)

    def _remote(self, door: Door) -> Remote:
        origin = network.origin(door.endpoint.base_url)
        return Remote(door.provider.name, f"{origin} {self.scope}".strip(), self.simulated)

    def _handle(self, leaf: Artifact | File, door: Door) -> str | None:
        remote, now = self._remote(door), self.wall()
        given = self._given.get((remote, leaf.sha256))
        if given is not None and (given.expires is None or given.expires > now):
            return given.handle
        return self.ledger.handle(remote, leaf.sha256, now)

    async def _read(self, leaf: Artifact | File) -> bytes:
        """Off the event loop: what is sent is hashed again."""
        return await asyncio.to_thread(lambda: read(leaf, self.images, self.objects, live=not self.simulated))

    async def _uploaded(self, leaf: Artifact | File, job: Job, door: Door) -> str | Failure | Again:
        media_type = _media_type(leaf)
        name = f"{leaf.sha256[:16]}.{SUFFIXES.get(media_type, 'bin')}"
        request = door.provider.upload(name, media_type, await self._read(leaf))
        reply = await exchange.send(door.endpoint, request, deadline_s=job.timeout)
        if not isinstance(reply, Response):
            return Again(_not_uploaded(job, reply.reason))
        handle = door.provider.uploaded(self.masked(reply))
        if isinstance(handle, Refused):
            return _refused(job, handle)
        expires = self.wall() + door.provider.limits.lifetime
        await self.ledger.durably(self.ledger.remember, self._remote(door), leaf.sha256, handle, expires)
        return handle


def _refused(job: Job, refusal: Refused) -> Failure | Again:
    stops = refusal.fate is Fate.STOP_RUN
    hint = "" if refusal.fate is Fate.UNKNOWN else refusal.hint  # whatever became of an upload, it costs nothing
    failure = _not_uploaded(job, refusal.told, hint, status=refusal.status, stops_run=stops)
    if refusal.fate in _UPLOADED_ANYWAY:
        return Again(failure, wait=refusal.retry_after, pauses=refusal.fate is Fate.TRY_LATER)
    return failure


def _not_uploaded(
    job: Job, reason: str, hint: str = "", *, status: int | None = None, stops_run: bool = False
) -> Failure:
    error = f"an input could not be uploaded: {reason}"
    hint = hint or "nothing was billed"
    return Failure(key=job.call.key, error=error, hint=hint, status=status, stops_run=stops_run)


def _media_type(leaf: Artifact | File) -> str:
    return leaf.media_type if isinstance(leaf, Artifact) else "application/octet-stream"
