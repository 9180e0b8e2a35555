"""Keeping pictures: from what a reply delivers to bytes in the store, judged before anything trusts them."""

import asyncio
from dataclasses import dataclass, field, replace

from flowrunner import imagehead
from flowrunner.artifact import Artifact
from flowrunner.digest import sha256
from flowrunner.downloads import Downloads, FetchFailed
from flowrunner.errors import FlowError, StoreError
from flowrunner.jobs import Stop
from flowrunner.providers.base import Delivery
from flowrunner.store.objects import Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps the pictures of one run."""

    simulated: bool
    objects: Objects
    downloads: Downloads
    stop: Stop
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Pictures that are decoded at once: the largest one takes 400 MB."""

    async def keep(self, delivery: Delivery) -> Artifact | FetchFailed:
        """The picture in the store, or why it cannot be had."""
        if delivery.data is not None:
            return await self._stored(delivery.data, await self._judged(delivery.data))
        if delivery.url is None:
            return FetchFailed(reason="the reply names no picture")
        return await self._downloaded(delivery.url)

    async def _downloaded(self, url: str) -> Artifact | FetchFailed:
        """A file that is no picture is fetched once more: a gateway's page, a stale edge. The same bytes are final."""
        found = await self.downloads.get(url)
        if isinstance(found, FetchFailed):
            return found
        judged = await self._judged(found.data)
        if isinstance(judged, Artifact):
            return await self._stored(found.data, judged)
        again = await self.downloads.get(url)
        if isinstance(again, FetchFailed):
            return again
        if sha256(again.data) == sha256(found.data):
            return replace(judged, reason=f"{judged.reason}; fetched again, it is the same")
        return await self._stored(again.data, await self._judged(again.data))

    async def _judged(self, data: bytes) -> Artifact | FetchFailed:
        try:
            image = imagehead.artifact(data)
            async with self.slots:
                await asyncio.to_thread(_decoded, data)
        except FlowError as fault:
            return FetchFailed(reason=fault.message)
        return image

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
