"""What a run did, for whoever asked for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowrunner import money
from flowrunner.ended import CellResult, Status
from flowrunner.planning import Plan
from flowrunner.project import Opened
from flowrunner.publish import Published
from flowrunner.slotted import dataclass, field
from flowrunner.store.records import RunStatus

_FIFTH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A model whose charges are not what was estimated: `calls` of the `paid` ones are off by more than a fifth, and
    `charged` is the one farthest off, which was to cost `estimate` at most."""

    provider: str
    model: str
    calls: int
    paid: int
    estimate: money.Nano
    charged: money.Nano


@dataclass(slots=True, kw_only=True)
class RunResult:
    """What a run did. `status` is done, failed, waiting, refused or interrupted; amounts are nano-dollars.

    Its `repr` leaves out what grows with the cells: asyncio makes one of the task that ends with it."""

    run: str
    """Its id in the ledger; empty where the store is read-only, and nothing was to be made."""
    opened: Opened = field(repr=False)
    plan: Plan = field(repr=False)
    status: RunStatus
    results: Mapping[str, CellResult] = field(repr=False)
    published: Published = field(repr=False)
    lock_written: bool = False
    previews: str = ""
    """The folder of the previews, from the project's root, where any of them changed."""
    refusal: str = ""
    notes: tuple[str, ...] = ()
    document: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)
    """The shape of `run --format json`, made once at the run's end: the ledger keeps it, the command line prints it."""

    @property
    def pipeline(self) -> str:
        return self.opened.pipeline.file

    @property
    def simulated(self) -> bool:
        return self.opened.options.simulate

    @property
    def paid(self) -> money.Nano:
        """What the replies say was charged."""
        return sum(result.paid for result in self.results.values())

    @property
    def unstated(self) -> int:
        """Calls that were charged, and whose replies do not say how much."""
        return sum(result.charges.count(None) for result in self.results.values())

    @property
    def drifts(self) -> list[Drift]:
        """The models whose charges are off by more than a fifth of the estimate, each once."""
        charged: dict[tuple[str, str], list[tuple[money.Nano, money.Nano]]] = {}
        for result in self.results.values():
            if result.cell.model is not None and result.price is not None:
                pairs = [(result.price, charge) for charge in result.charges if charge is not None]
                charged.setdefault((result.cell.model.provider, result.cell.model.id), []).extend(pairs)
        return [drift for model, pairs in charged.items() for drift in _drift(*model, pairs)]

    @property
    def calls(self) -> int:
        return sum(result.calls for result in self.results.values())

    @property
    def maybe_billed(self) -> list[str]:
        return [name for name, result in self.results.items() if result.maybe_billed]

    @property
    def outputs(self) -> dict[str, list[Path]]:
        """The published files by output."""
        root = self.opened.project.root
        return {name: [root / path for path in paths] for name, paths in self.published.outputs.items()}

    def of(self, *statuses: Status) -> list[CellResult]:
        return [result for result in self.results.values() if result.status in statuses]

    @property
    def exit_code(self) -> int:
        codes = {RunStatus.DONE: 0, RunStatus.FAILED: 1, RunStatus.REFUSED: 3, RunStatus.WAITING: 4}
        return codes.get(self.status, 130)


def _drift(provider: str, model: str, pairs: Sequence[tuple[money.Nano, money.Nano]]) -> list[Drift]:
    off = [(estimate, charge) for estimate, charge in pairs if abs(charge - estimate) * _FIFTH > estimate]
    if not off:
        return []
    estimate, charge = max(off, key=lambda pair: abs(pair[1] - pair[0]))
    return [Drift(provider=provider, model=model, calls=len(off), paid=len(pairs), estimate=estimate, charged=charge)]
