"""What the pipelines of one command share: its limits in dollars and calls, and what is left of them for the next."""

from pathlib import Path
from typing import TYPE_CHECKING

from flowrunner.commands import ending
from flowrunner.decisions import cost
from flowrunner.errors import FlowError
from flowrunner.money import Nano
from flowrunner.project import Opened, Options, looking, open_pipeline, open_project, planned
from flowrunner.slotted import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flowrunner.decisions import Plan
    from flowrunner.errors import RunRefused
    from flowrunner.store.ledger import Ledger
    from flowrunner.store.records import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One pipeline with its plan. `spent` is what its runs before this command paid or may have paid."""

    opened: Opened
    plan: "Plan"
    spent: Nano
    refused: "RunRefused | None"


class Together:
    """Goes from pipeline to pipeline. What one of them takes of a limit is no longer there for the next."""

    def __init__(self, options: Options) -> None:
        self._given = options
        self._calls = 0
        self._usd: Nano = 0
        self._records: list[RunRecord] = []
        self._named: dict[tuple[Path, str], Nano] = {}

    @property
    def options(self) -> Options:
        """Those of the next pipeline."""
        given = self._given
        if not self._calls:
            return given
        usd = None if given.max_usd is None else max(0, given.max_usd - self._usd)
        calls = None if given.max_calls is None else max(0, given.max_calls - self._calls)
        return replace(given, max_usd=usd, max_calls=calls, shared=True)

    def look(self, path: Path, asked: "Callable[[Opened, Ledger], None] | None" = None) -> Looked:
        """Plans the next pipeline, which takes what its plan costs unless it would be refused. `asked` is told of the
        ledger that knew. FlowError for a pipeline that cannot be run."""
        from flowrunner.limits import refusal

        opened = open_pipeline(open_project(path), path, self.options)
        name = opened.project.workspace.store, opened.pipeline.name
        with opened.project.workspace.ledger(create=False) as ledger:
            found = planned(opened, looking(opened, ledger), bytes_needed=not opened.options.frozen)
            spent = ledger.spent(opened.pipeline.name)
            if asked is not None:
                asked(opened, ledger)
        ahead = self._named.get(name, 0)
        refused = refusal(opened, found, spent, ahead)
        if refused is None:
            needed = cost(found.before_picks)
            self._named[name] = ahead + needed.priced
            self._take(needed.calls, needed.priced)
        return Looked(opened=opened, plan=found, spent=spent, refused=refused)

    def faults(self, paths: "Iterable[Path]", foresee: "Callable[[Looked], None]") -> dict[Path, FlowError]:
        """Looks at all of them, and lets somebody else see each: what is wrong with those that cannot be run."""
        found = {}
        for path in paths:
            try:
                foresee(self.look(path))
            except FlowError as fault:
                found[path] = fault
        return found

    def ran(self, records: "Iterable[RunRecord | None]") -> None:
        """The next pipeline has had its turn: what its run took, with what may have been billed."""
        for record in records:
            if record is not None:
                self._records.append(record)
                self._take(record.calls, record.spent)

    def nothing(self) -> str:
        """What is said of a pipeline of which nothing was sent: what was paid before its turn is not kept from view."""
        cost = self.cost()
        return f"Nothing of it was sent. Earlier pipelines of this command: {cost}." if cost else ending.NOTHING

    def cost(self) -> str:
        """What the runs of this command have paid; empty where they sent nothing."""
        records = [record for record in self._records if record.calls]
        if not records:
            return ""
        from flowrunner.progress.facts import Facts
        from flowrunner.report.groups import billed

        paid, unstated = sum(one.paid for one in records), sum(one.unstated for one in records)
        charges = Facts(simulated=records[0].simulated).charges(paid, unstated)
        maybe, unread = sum(one.maybe_billed for one in records), sum(one.unread for one in records)
        return billed(sum(one.calls for one in records), charges, maybe, unread)

    def _take(self, calls: int, usd: Nano) -> None:
        self._calls += calls
        self._usd += usd
