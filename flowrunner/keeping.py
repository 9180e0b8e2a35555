"""Keeping pictures: from what a reply delivers to bytes in the store, judged before anything trusts them. What was paid
for and is no picture is set aside, for whoever asks for the money back."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from flowrunner import imagehead
from flowrunner.artifact import Artifact
from flowrunner.decoding import probe
from flowrunner.downloads import Downloads, FetchFailed
from flowrunner.errors import FlowError, StoreError
from flowrunner.jobs import Stop
from flowrunner.providers.base import Delivery
from flowrunner.slotted import dataclass, field, replace
from flowrunner.store.objects import Objects, Writer

ROOM = 64 * 1024 * 1024
"""Bytes of pictures, as files and decoded, that are looked at at once; the largest one alone takes 400 MB."""
SEATS = 4
"""Pictures that are looked at at once."""
SMALL = 16 * 1024 * 1024
"""Bytes, as a file and decoded, that a picture may always take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKept:
    """A picture that was paid for and is not here. `gone`: the provider has it no longer; `aside` says where that lies
    which came in its place, empty where nothing came."""

    reason: str
    gone: bool = False
    aside: str = ""


class Desk:
    """Where pictures are looked at: `SEATS` at once, of `ROOM` bytes together; a larger one lies there alone. Who comes
    first is served first."""

    def __init__(self, room: int = ROOM, seats: int = SEATS) -> None:
        self._room = self._free = room
        self._seats = seats
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def place(self, size: int) -> AsyncIterator[None]:
        """Room for so many bytes, as long as the block lasts."""
        size = min(size, self._room)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._call()
        try:
            await turn
            yield
        finally:
            if not turn.cancelled():
                self._free += size
                self._seats += 1
            self._call()

    def _call(self) -> None:
        while self._waiting and self._seats and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= size
                self._seats -= 1
                turn.set_result(None)


class _Simulated(FlowError):
    """A picture of the simulator's, in a live run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps the pictures of one run. Their bytes lie in drafts of the store, and are read and decoded in threads."""

    simulated: bool
    objects: Objects
    downloads: Downloads
    stop: Stop
    mask: Callable[[str], str] = str
    """Takes every key out of a text: what a stranger sends is written down."""
    desk: Desk = field(default_factory=Desk)

    async def keep(self, delivery: Delivery, attempt: int) -> Artifact | NotKept:
        """The picture in the store, or why it cannot be had; `attempt` is the ledger's number of what was paid for."""
        with ExitStack() as drafts:
            unfit: list[Writer] = []
            try:
                found = await self._had(delivery, drafts, unfit)
            except StoreError as fault:  # the next picture would be paid for in vain, too
                self.stop.request(fault.message)
                found = FetchFailed(reason=fault.message)
            if isinstance(found, Artifact):
                return found
            aside = await asyncio.to_thread(self._set_aside, unfit, attempt)
            return NotKept(reason=found.reason, gone=found.gone, aside=aside)

    async def _had(self, delivery: Delivery, drafts: ExitStack, unfit: list[Writer]) -> Artifact | FetchFailed:
        """Notes in `drafts` what is begun, and in `unfit` what came and is no picture."""
        if delivery.data is not None:
            return await self._taken_in(self._begun(drafts), unfit, delivery.data)
        if delivery.url is None:
            return FetchFailed(reason="the reply names no picture")
        return await self._downloaded(delivery.url, drafts, unfit)

    def _begun(self, drafts: ExitStack) -> Writer:
        draft = self.objects.writer()
        drafts.callback(draft.discard)
        return draft

    async def _downloaded(self, url: str, drafts: ExitStack, unfit: list[Writer]) -> Artifact | FetchFailed:
        """A file that is no picture is fetched once more: a gateway's page, a stale edge. The same bytes are final."""
        found = await self.downloads.save(url, partial(self._begun, drafts))
        if isinstance(found, FetchFailed):
            return found
        judged = await self._taken_in(found, unfit)
        if found not in unfit:
            return judged
        again = await self.downloads.save(url, partial(self._begun, drafts))
        if isinstance(again, FetchFailed):
            return again
        if isinstance(judged, FetchFailed) and again.sha256 == found.sha256:
            return replace(judged, reason=f"{judged.reason}; fetched again, it is the same")
        return await self._taken_in(again, unfit)

    async def _taken_in(self, draft: Writer, unfit: list[Writer], data: bytes = b"") -> Artifact | FetchFailed:
        """What a draft, or the bytes that are to be written to it, became: a picture in the store, or nothing of it."""
        room, image = max(2 * (draft.size or len(data)), SMALL), None
        try:
            while image is None:
                async with self.desk.place(room):
                    image, room = await asyncio.to_thread(self._stored, draft, room, data)
                data = b""
        except StoreError:
            raise
        except FlowError as fault:
            if not isinstance(fault, _Simulated):
                unfit.append(draft)
            return FetchFailed(reason=fault.message)
        return image

    def _stored(self, draft: Writer, room: int, data: bytes) -> tuple[Artifact | None, int]:
        """In a thread, all in one go. BadImage or Undecodable for what is no picture; no picture yet where it takes
        more room to tell."""
        if data:
            draft.write(data)
        seen = data or draft.read()
        image = imagehead.artifact(seen, draft.sha256)
        needed = probe(seen, room)
        if needed:
            return None, needed
        if imagehead.simulated(seen) and not self.simulated:
            raise _Simulated("it carries the mark of the simulator, and this is a live run")
        draft.commit()
        return image, 0

    def _set_aside(self, unfit: Sequence[Writer], attempt: int) -> str:
        """Where evidence lies, in a clause; a disk that does not take it changes nothing for the money."""
        places = []
        for draft in unfit:
            try:
                places += [self._aside(draft, attempt)] if draft.size else []
            except StoreError as fault:
                return f"what came cannot be set aside: {fault.message}"
        more = f", and {len(places) - 1} more" if len(places) > 1 else ""
        return f"what came was set aside as {places[0]}{more}" if places else ""

    def _aside(self, draft: Writer, attempt: int) -> Path:
        data = draft.read()
        # Latin-1 leaves every byte as it is, and a key has ASCII characters only.
        masked = self.mask(data.decode("latin-1")).encode("latin-1")
        if masked == data:
            return draft.set_aside(attempt)
        with self.objects.writer() as writer:
            writer.write(masked)
            return writer.set_aside(attempt)
