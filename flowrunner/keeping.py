"""Keeping pictures: from what a reply delivers to bytes in the store, judged before anything trusts them. What was paid
for and is no picture is set aside, for whoever asks for the money back."""

import asyncio
from collections.abc import Callable, Sequence

from flowrunner import imagehead
from flowrunner.artifact import Artifact
from flowrunner.digest import sha256
from flowrunner.downloads import Downloads, FetchFailed
from flowrunner.errors import FlowError, StoreError
from flowrunner.jobs import Stop
from flowrunner.providers.base import Delivery
from flowrunner.slotted import dataclass, field, replace
from flowrunner.store.objects import Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKept:
    """A picture that was paid for and is not here. `gone`: the provider has it no longer; `aside` says where that lies
    which came in its place, empty where nothing came."""

    reason: str
    gone: bool = False
    aside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps the pictures of one run."""

    simulated: bool
    objects: Objects
    downloads: Downloads
    stop: Stop
    mask: Callable[[str], str] = str
    """Takes every key out of a text: what a stranger sends is written down."""
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Pictures that are decoded at once: the largest one takes 400 MB."""

    async def keep(self, delivery: Delivery, attempt: int) -> Artifact | NotKept:
        """The picture in the store, or why it cannot be had; `attempt` is the ledger's number of what was paid for."""
        unfit: list[bytes] = []
        found = await self._had(delivery, unfit)
        if isinstance(found, Artifact):
            return found
        aside = await asyncio.to_thread(self._set_aside, unfit, attempt)
        return NotKept(reason=found.reason, gone=found.gone, aside=aside)

    async def _had(self, delivery: Delivery, unfit: list[bytes]) -> Artifact | FetchFailed:
        """Notes in `unfit` what came and is no picture."""
        if delivery.data is not None:
            return await self._stored(delivery.data, await self._judged(delivery.data, unfit))
        if delivery.url is None:
            return FetchFailed(reason="the reply names no picture")
        return await self._downloaded(delivery.url, unfit)

    async def _downloaded(self, url: str, unfit: list[bytes]) -> Artifact | FetchFailed:
        """A file that is no picture is fetched once more: a gateway's page, a stale edge. The same bytes are final."""
        found = await self.downloads.get(url)
        if isinstance(found, FetchFailed):
            return found
        judged = await self._judged(found.data, unfit)
        if isinstance(judged, Artifact):
            return await self._stored(found.data, judged)
        again = await self.downloads.get(url)
        if isinstance(again, FetchFailed):
            return again
        if sha256(again.data) == sha256(found.data):
            return replace(judged, reason=f"{judged.reason}; fetched again, it is the same")
        return await self._stored(again.data, await self._judged(again.data, unfit))

    async def _judged(self, data: bytes, unfit: list[bytes]) -> Artifact | FetchFailed:
        try:
            image = imagehead.artifact(data)
            async with self.slots:
                await asyncio.to_thread(_decoded, data)
        except FlowError as fault:
            unfit.append(data)
            return FetchFailed(reason=fault.message)
        return image

    def _set_aside(self, unfit: Sequence[bytes], attempt: int) -> str:
        """Where evidence lies, in a clause; a disk that does not take it changes nothing for the money."""
        places = []
        for data in filter(None, unfit):
            # Latin-1 leaves every byte as it is, and a key has ASCII characters only.
            masked = self.mask(data.decode("latin-1")).encode("latin-1")
            try:
                with self.objects.writer() as writer:
                    writer.write(masked)
                    places.append(writer.set_aside(attempt))
            except StoreError as fault:
                return f"what came cannot be set aside: {fault.message}"
        more = f", and {len(places) - 1} more" if len(places) > 1 else ""
        return f"what came was set aside as {places[0]}{more}" if places else ""

    async def _stored(self, data: bytes, image: Artifact | FetchFailed) -> Artifact | FetchFailed:
        if isinstance(image, FetchFailed):
            return image
        if imagehead.simulated(data) and not self.simulated:
            return FetchFailed(reason="it carries the mark of the simulator, and this is a live run")
        try:
            await asyncio.to_thread(self.objects.put, data)
        except StoreError as fault:  # the next picture would be paid for in vain, too
            self.stop.request(fault.message)
            return FetchFailed(reason=fault.message)
        return image


def _decoded(data: bytes) -> None:
    """OperationError for what no viewer could show either: a right frame around wrong pixels."""
    from flowrunner.imaging.picture import decode

    decode(data)
