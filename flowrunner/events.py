"""What happens in a run, as it happens: for live progress and the run's own summary only."""

from typing import TypeAlias

from flowrunner.artifact import Artifact
from flowrunner.call import Failure
from flowrunner.money import Nano
from flowrunner.slotted import dataclass


@dataclass(frozen=True, slots=True)
class Begun:
    """Nothing stands in the way: the run has its id in the ledger and starts."""

    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A call is on its way. `sample` counts from 1; `estimate` is None where the price is unknown."""

    cell: str
    sample: int
    model: str
    estimate: Nano | None
    local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """A call that was provably not executed is sent again after `wait` seconds; `attempt` of `attempts`."""

    cell: str
    sample: int
    reason: str
    wait: float
    attempt: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A call gave its images. `paid` is None where the reply does not say; `replayed` means that nothing was sent."""

    cell: str
    sample: int
    seconds: float
    paid: Nano | None
    artifacts: tuple[Artifact, ...]
    local: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A call gave no image."""

    cell: str
    sample: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """A cell waits for someone to choose; `sheet` is the path of its numbered contact sheet."""

    cell: str
    candidates: int
    sheet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something that a person should know, in one line."""

    text: str


Event: TypeAlias = Begun | Sent | Retried | Done | Failed | Waits | Noted
"""Ids of cells are text; whoever shows them escapes what comes from outside."""
