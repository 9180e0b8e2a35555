"""Local operations: performed with Pillow, off the event loop, free."""

import asyncio
import os
from collections.abc import Callable

from flowrunner.artifact import Artifact
from flowrunner.bodies import apart
from flowrunner.call import Failure, File, Input, Link, Outcome
from flowrunner.downloads import Downloads, FetchFailed
from flowrunner.errors import FlowError, RunRefused, StoreError
from flowrunner.events import Event, Sent
from flowrunner.exchange import Clock
from flowrunner.imagehead import simulated
from flowrunner.images import Images, Missing, read
from flowrunner.jobs import Job, Stop, declined
from flowrunner.slotted import dataclass
from flowrunner.store.ledger import Ledger
from flowrunner.store.objects import Damaged, Objects

AT_ONCE = max(2, os.cpu_count() or 2)
"""Operations at once: each takes a processor."""


@dataclass(slots=True, kw_only=True)
class LocalPerformer:
    """Performs the local operations of one run."""

    run: str
    simulated: bool
    ledger: Ledger
    objects: Objects
    images: Images
    stop: Stop
    emit: Callable[[Event], None]
    downloads: Downloads
    clock: Clock

    async def perform(self, job: Job) -> Outcome | Failure:
        """The operation's picture, in the store and known to the ledger."""
        if self.stop.requested:
            return declined(job, self.stop.reason)
        begun = self.clock()
        self.emit(Sent(cell=job.cell, sample=job.sample, model=job.model.id, estimate=0, local=True))
        fetched = await self._fetched(job)
        return fetched if isinstance(fetched, Failure) else await self._made(job, fetched, begun)

    async def _made(self, job: Job, fetched: dict[str, bytes], begun: float) -> Outcome | Failure:
        from flowrunner.providers import image

        def bytes_of(leaf: Input) -> bytes:
            return fetched[leaf.text] if isinstance(leaf, Link) else self._read(leaf)

        try:
            data, made = await asyncio.to_thread(image.perform, job.call, bytes_of)
            await asyncio.to_thread(self.objects.put, data)
        except (Missing, Damaged, RunRefused) as fault:
            return Failure(key=job.call.key, error=fault.message, hint=fault.hint, refused=True)
        except StoreError:
            raise
        except FlowError as fault:
            return Failure(key=job.call.key, error=fault.message, hint=fault.hint)
        outcome = Outcome(key=job.call.key, artifacts=(made,), paid=0, seconds=self.clock() - begun)
        await self.ledger.durably(self.ledger.record, self.run, job.cell, job.call, outcome)
        return outcome

    def _read(self, leaf: Artifact | File) -> bytes:
        return read(leaf, self.images, self.objects, live=not self.simulated)

    async def _fetched(self, job: Job) -> dict[str, bytes] | Failure:
        """The bytes behind URLs: a local operation is the one thing for which such a URL is fetched."""
        found: dict[str, bytes] = {}
        for leaf in job.call.inputs:
            if isinstance(leaf, Link):
                data = await self._linked(leaf)
                if isinstance(data, str):
                    return Failure(key=job.call.key, error=f"{leaf.text}: {data}")
                found[leaf.text] = data
        return found

    async def _linked(self, leaf: Link) -> bytes | str:
        if leaf.text.startswith("asset:"):
            return "an asset lies at its provider and cannot be read here"
        if self.simulated:
            return "a simulated run fetches nothing: use a file of the project"
        found = await self.downloads.get(leaf.text)
        if isinstance(found, FetchFailed):
            return found.reason
        marked = await apart(len(found.data), simulated, found.data)
        return "it carries the mark of the simulator, and this is a live run" if marked else found.data
