"""Jobs: one call to perform, the door to whoever performs it and the word that ends a run."""

import asyncio
from collections.abc import Awaitable, Callable

from flowrunner.call import Call, Failure, Outcome
from flowrunner.catalog.model import Model
from flowrunner.exchange import Endpoint, Gate
from flowrunner.money import Nano
from flowrunner.providers.base import Provider
from flowrunner.slotted import dataclass, field

INTERRUPTED = "interrupted"
"""The reason of a Stop that a person asked for."""


@dataclass(slots=True)
class Stop:
    """Tells a run to send nothing more; `reason` is why."""

    reason: str = ""
    _heard: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def requested(self) -> bool:
        return bool(self.reason)

    def request(self, reason: str) -> None:
        """From within the run's event loop."""
        self.reason = self.reason or reason
        self._heard.set()

    async def outlast(self, waiting: Awaitable[object]) -> None:
        """Waits, but no longer than until the run is told to stop."""
        waits = asyncio.ensure_future(waiting)
        heard = asyncio.ensure_future(self._heard.wait())
        try:
            await asyncio.wait({waits, heard}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (waits, heard):
                task.cancel()
        if waits.done() and not waits.cancelled():
            waits.result()


def unheard(_: Outcome) -> bool:
    """Nothing begins before the ledger knows."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call to perform: `sample` counts from 1 for people; `fresh` asks for a new result whatever is known.
    `answered` is called once the provider has done its part and its reply is kept: whether another call begins now.
    `stored` is called with what came of it, before the ledger knows: whether what needs its pictures begins now."""

    cell: str
    sample: int
    call: Call
    model: Model
    estimate: Nano | None
    timeout: float
    fresh: bool = False
    answered: Callable[[], bool] = bool
    stored: Callable[[Outcome], bool] = unheard


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How one provider is reached: its origin with its key, and at which pace."""

    provider: Provider
    endpoint: Endpoint
    gate: Gate
    forgets: bool = False
    """Its pictures end with this process: a simulator inside it."""


@dataclass(frozen=True, slots=True)
class Again:
    """Proof that nothing was executed that is paid: the call may be sent again, after `wait` seconds where the provider
    says how many. `pauses` holds all workers of the provider."""

    failure: Failure
    wait: float | None = None
    pauses: bool = False


def declined(job: Job, reason: str) -> Failure:
    """Flowrunner itself did not send it."""
    return Failure(key=job.call.key, error=f"not sent: {reason}", refused=True)
