"""Keeping pictures: from what a reply delivers to bytes in the store, judged before anything trusts them. What was paid
for and is no picture is set aside, for whoever asks for the money back."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread

from flowrunner import imagehead
from flowrunner.artifact import Artifact
from flowrunner.decoding import know_formats, probe
from flowrunner.downloads import Downloads, FetchFailed
from flowrunner.errors import FlowError, StoreError
from flowrunner.jobs import Stop
from flowrunner.providers.base import Delivery
from flowrunner.slotted import dataclass, field, replace
from flowrunner.store.objects import Objects, Writer
from flowrunner.store.syncing import Syncing

ROOM = 64 * 1024 * 1024
"""Bytes of pictures, as files and decoded, that are looked at at once; the largest one alone takes 400 MB."""
SEATS = 4
"""Pictures that are looked at at once."""
SMALL = 16 * 1024 * 1024
"""Bytes, as a file and decoded, that a picture may always take."""
BRIEF = 64 * 1024
"""Bytes of a file, and a quarter of the pixels in it, that are looked at within a few milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKept:
    """A picture that was paid for and is not here. `gone`: the provider has it no longer; `final`: to try again gives
    the same, since that is so, or since all of it came within the reply. `aside` says where that lies which came in its
    place, `unset` why it does not; both are empty where nothing came."""

    reason: str
    gone: bool = False
    final: bool = False
    aside: tuple[Path, ...] = ()
    unset: str = ""


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
    syncing: Syncing = field(default_factory=Syncing)

    def make_ready(self) -> None:
        """What decodes pictures is loaded while the first ones are made."""
        with suppress(RuntimeError):  # no thread can be begun: then it is loaded when it is needed
            Thread(target=know_formats, name="formats", daemon=True).start()

    def close(self) -> None:
        """Waits for what is under way on the disk."""
        self.syncing.close()

    async def keep(self, delivery: Delivery, attempt: int) -> Artifact | NotKept:
        """The picture in the store, or why it cannot be had; `attempt` is the ledger's number of what was paid for."""
        drafts: list[Writer] = []
        unfit: list[Writer] = []
        try:
            try:
                found = await self._had(delivery, drafts, unfit)
                is_whole = delivery.url is None
            except StoreError as fault:  # the next picture would be paid for in vain, too
                self.stop.request(fault.message)
                found, is_whole = FetchFailed(reason=fault.message), False
            if isinstance(found, Artifact):
                return found
            lost = NotKept(reason=found.reason, gone=found.gone, final=found.gone or is_whole)
            return await asyncio.to_thread(self._set_aside, lost, unfit, attempt)
        finally:
            for draft in drafts:
                draft.discard()

    async def _had(self, delivery: Delivery, drafts: list[Writer], unfit: list[Writer]) -> Artifact | FetchFailed:
        """Notes in `drafts` what is begun, and in `unfit` what came and is no picture."""
        found: Artifact | FetchFailed = FetchFailed(reason="the reply names no picture")
        if delivery.data is not None:
            found = await self._taken_in(self._begun(drafts), unfit, delivery.data)
        if isinstance(found, FetchFailed) and delivery.url is not None:
            found = await self._downloaded(delivery.url, drafts, unfit)
        return found

    def _begun(self, drafts: list[Writer]) -> Writer:
        drafts.append(self.objects.writer())
        return drafts[-1]

    async def _downloaded(self, url: str, drafts: list[Writer], unfit: list[Writer]) -> Artifact | FetchFailed:
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
        try:
            return await self._taken_here(draft, data) or await self._taken_apart(draft, data)
        except StoreError:
            raise
        except FlowError as fault:
            if not isinstance(fault, _Simulated):
                unfit.append(draft)
            return FetchFailed(reason=fault.message)

    async def _taken_here(self, draft: Writer, data: bytes) -> Artifact | None:
        """A picture that is looked at sooner than a thread is asked to; None for one that takes longer."""
        if max(len(data), draft.size) > BRIEF:
            return None
        if data:
            draft.write(data)
        seen = data or draft.read()
        image = self._judged(seen, draft.sha256)
        if image.width * image.height > 4 * BRIEF:
            return None
        needed = probe(seen, SMALL)
        assert not needed
        await self.syncing.commit(draft)
        return image

    async def _taken_apart(self, draft: Writer, data: bytes) -> Artifact:
        room, image = max(2 * (draft.size or len(data)), SMALL), None
        while image is None:
            async with self.desk.place(room):
                image, room = await asyncio.to_thread(self._stored, draft, room, b"" if draft.size else data)
        return image

    def _stored(self, draft: Writer, room: int, data: bytes) -> tuple[Artifact | None, int]:
        """The picture, once it is stored; none, and how many bytes it takes, where more than `room` are needed to tell.
        In a thread, all in one go."""
        if data:
            draft.write(data)
        seen = data or draft.read()
        image = self._judged(seen, draft.sha256)
        needed = probe(seen, room)
        if needed:
            return None, needed
        draft.commit()
        return image, 0

    def _judged(self, data: bytes, digest: str) -> Artifact:
        """The picture, not decoded yet. BadImage for what is none."""
        image = imagehead.artifact(data, digest)
        if imagehead.simulated(data) and not self.simulated:
            raise _Simulated("it carries the mark of the simulator, and this is a live run")
        return image

    def _set_aside(self, lost: NotKept, unfit: Sequence[Writer], attempt: int) -> NotKept:
        """With the places of evidence; a disk that does not take it changes nothing for the money."""
        for draft in unfit:
            try:
                lost = replace(lost, aside=(*lost.aside, self._aside(draft, attempt))) if draft.size else lost
            except StoreError as fault:
                return replace(lost, unset=fault.message)
        return lost

    def _aside(self, draft: Writer, attempt: int) -> Path:
        data = draft.read()
        # Latin-1 leaves every byte as it is, and a key has ASCII characters only.
        masked = self.mask(data.decode("latin-1")).encode("latin-1")
        if masked == data:
            return draft.set_aside(attempt)
        with self.objects.writer() as writer:
            writer.write(masked)
            return writer.set_aside(attempt)
