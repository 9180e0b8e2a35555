"""What the ledger takes and gives: runs, attempts, receipts, limits."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from flowrunner import money
from flowrunner.call import Billed, Outcome
from flowrunner.money import Nano
from flowrunner.slotted import dataclass, field


class RunStatus(StrEnum):
    """How a run stands; all but the first are final."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"


class State(StrEnum):
    """How far an attempt came. Only committed, failed, refused and unknown are ends, and a late reply ends unknown."""

    INTENT = "intent"
    """Written down, with its reservation; the first byte may leave only now, so it may have left."""
    SENT = "sent"
    """The request left completely; for people, nothing is decided by it."""
    REPLIED = "replied"
    """The reply is kept: it is read again rather than asked for again."""
    COMMITTED = "committed"
    FAILED = "failed"
    REFUSED = "refused"
    """The provider answered that it will not."""
    UNKNOWN = "unknown"
    """May have been executed and billed, and nobody can tell."""


class Cap(StrEnum):
    """The limits of a run and of a pipeline."""

    MAX_USD = "max_usd"
    TOTAL_USD = "total_usd"
    MAX_CALLS = "max_calls"
    UNPRICED = "unpriced"
    """A call whose price nobody knows, under a limit in dollars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What may be spent: None is no limit. `max_usd` and `max_calls` hold for one run, `total_usd` for all live runs
    of the pipeline's name. `unpriced` lets a call of unknown price pass a limit in dollars."""

    max_usd: Nano | None = None
    max_calls: int | None = None
    total_usd: Nano | None = None
    unpriced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OverBudget:
    """The limit that a call would pass; nothing was written. Amounts in nano-dollars, or calls for `max_calls`."""

    cap: Cap
    limit: int
    spent: int
    would_be: int

    def __str__(self) -> str:
        if self.cap is Cap.UNPRICED:
            return "its price is not known, and there is a limit in dollars"
        if self.cap is Cap.MAX_CALLS:
            return f"{self.cap} is {self.limit}, and {self.spent} were or may have been billed"
        shown, after = money.about(self.spent), money.about(self.would_be)
        return f"{self.cap} is {money.cap(self.limit)}; {shown} is spent or reserved, with this call about {after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A paid call about to be sent, for the `attempt`th time in this run. `estimate` is an upper bound, None where the
    price is not known."""

    run: str
    cell: str
    key: str
    provider: str
    model: str
    attempt: int
    estimate: Nano | None
    client_request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A reply as it came: `call` is the attempt's number in the ledger, `body` the decoded bytes, at most 16 MiB."""

    call: int
    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str = ""
    is_whole: bool = field(default=True, compare=False)
    """Whether the ledger has its body; if not, only this process does."""
    provider: str = field(default="", compare=False)
    """Whose reply it is, where it is read from the ledger."""
    run: str = field(default="", compare=False)
    """The run that got it, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt as the ledger knows it. Times in seconds since 1970, for people only."""

    id: int
    run: str
    cell: str
    key: str
    provider: str
    model: str
    attempt: int
    simulated: bool
    state: State
    billed: Billed
    reserved: Nano | None
    paid: Nano | None
    client_request_id: str
    request_id: str
    error: str
    begun: float
    sent: float | None
    replied: float | None
    ended: float | None

    @property
    def maybe_billed(self) -> bool:
        """Nobody can tell. A reply that is kept can, once it is read."""
        return self.billed is Billed.MAYBE and not self.is_unread

    @property
    def is_unread(self) -> bool:
        """Answered, and the run ended before anything was done with the reply: the next one reads it, for nothing."""
        return self.billed is Billed.MAYBE and self.state is State.REPLIED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run. `calls` were or may have been billed; `paid` is what replies say was charged, `unstated` how many
    charged calls say nothing; `spent` also counts what is reserved and what may have been billed. The replies of
    `unread` ones are kept, and what they say is not known yet."""

    id: str
    pipeline: str
    name: str
    simulated: bool
    status: RunStatus
    started: float
    finished: float | None
    calls: int
    paid: Nano
    unstated: int
    spent: Nano
    maybe_billed: int
    unread: int
    document: Mapping[str, Any] | None
    """What the run said at its end; None for a run that is going on or was cut off."""
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a handle is good for: a provider at an origin, live or simulated."""

    provider: str
    origin: str
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """A provider's name for bytes that it has; `expires` in seconds since 1970, None for no stated end."""

    remote: Remote
    digest: str
    handle: str
    expires: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An outcome with the run that it belongs to."""

    run: str
    pipeline: str
    cell: str
    model: str
    simulated: bool
    outcome: Outcome
