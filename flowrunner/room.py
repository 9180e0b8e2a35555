"""Room on the disk, before anything is paid: a call is sent only where its reply and its pictures can be kept."""

from collections.abc import Awaitable, Callable

from flowrunner.call import Failure, Outcome
from flowrunner.catalog.sizes import largest_size, output_size, planned_images
from flowrunner.errors import StoreError
from flowrunner.jobs import Job, Stop
from flowrunner.slotted import dataclass, field
from flowrunner.store.objects import Objects

MARGIN = 16 * 1024 * 1024
"""Bytes that stay free beside what is expected: for the ledger, the lock, and replies that are longer than that."""
_USUAL = 2048 * 2048
"""Pixels of a picture whose size nothing bounds."""
_PER_PIXEL = 7
"""Bytes: three of the picture, four of its base64 in a reply that is kept."""


@dataclass(slots=True, kw_only=True)
class Room:
    """The room of one run's store. Calls that are under way have theirs, though nothing of it is written yet."""

    objects: Objects
    stop: Stop
    _promised: int = field(default=0, init=False)

    async def within(self, job: Job, pay: Callable[[], Awaitable[Outcome | Failure]]) -> Outcome | Failure:
        """What `pay` gives; where there is no room for it, nothing is paid, and the run sends nothing more."""
        size = expected(job)
        try:
            self.objects.ensure_room(self._promised + size + MARGIN)
        except StoreError as fault:
            self.stop.request(fault.message)
            return Failure(key=job.call.key, error=f"not sent: {fault.message}", hint=fault.hint, refused=True)
        self._promised += size
        try:
            return await pay()
        finally:
            self._promised -= size


def expected(job: Job) -> int:
    """Bytes that a call's reply and pictures may take."""
    width, height = output_size(job.model, job.call.params) or largest_size(job.model) or (_USUAL, 1)
    return planned_images(job.model, job.call.params) * width * height * _PER_PIXEL
