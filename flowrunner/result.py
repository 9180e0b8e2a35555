"""What a run did, for whoever asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flowrunner import money
from flowrunner.planning import Plan
from flowrunner.project import Opened
from flowrunner.publish import Published
from flowrunner.scheduler import CellResult, Status
from flowrunner.store.records import RunStatus


@dataclass(slots=True, kw_only=True)
class RunResult:
    """What a run did. `status` is done, failed, waiting, refused or interrupted; amounts are nano-dollars."""

    run: str
    opened: Opened
    plan: Plan
    status: RunStatus
    results: Mapping[str, CellResult]
    published: Published
    lock_written: bool = False
    refusal: str = ""
    notes: tuple[str, ...] = ()

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
