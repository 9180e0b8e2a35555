"""One run at a terminal or in a job: its event loop, and what a signal does."""

import asyncio
import signal
from typing import TYPE_CHECKING

from flowrunner.api import PipelineFile, arun
from flowrunner.errors import StoreError
from flowrunner.events import Begun, Done, Event, Failed, Retried, Sent, Waits
from flowrunner.jobs import INTERRUPTED, Stop
from flowrunner.report.groups import plural

if TYPE_CHECKING:
    from flowrunner.commands.question import Question
    from flowrunner.decisions import Plan
    from flowrunner.progress.shown import Progress
    from flowrunner.project import Opened
    from flowrunner.result import RunResult
    from flowrunner.store.records import RunRecord

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Session:
    """`run` may be called once. The first SIGINT or SIGTERM lets what is under way end, within the time of its calls;
    the second cancels it, and the ledger holds it as perhaps billed. Before the run has begun they are what they
    always are: nothing was sent."""

    def __init__(self, opened: "Opened", progress: "Progress", *, asks: "Question | None") -> None:
        """`asks` is the question before paying; None where nobody is asked."""
        self.opened = opened
        self.progress = progress
        self.waits: list[Waits] = []
        self._asks = asks
        self._run = ""
        self._stop = Stop()
        self._under_way: set[tuple[str, int]] = set()
        self._task: asyncio.Task[RunResult] | None = None
        self.halted = False

    def run(self) -> "RunResult | None":
        """What the run did; None where it was interrupted twice."""
        loop = asyncio.new_event_loop()
        try:
            with self.progress:
                return loop.run_until_complete(self._main(loop))
        finally:
            _cancel_all(loop)
            if not self.halted:  # a thread that draws cannot be cancelled, and somebody said "at once"
                loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    @property
    def has_begun(self) -> bool:
        """Whether the ledger was told of this run, whatever has become of that."""
        return bool(self._run)

    def record(self) -> "RunRecord | None":
        """What the ledger knows of this run; None where it did not begin, or the ledger can no longer tell."""
        if not self.has_begun:
            return None
        try:
            with self.opened.project.workspace.ledger(create=False) as ledger:
                return ledger.run(self._run)
        except StoreError:
            return None

    async def _main(self, loop: asyncio.AbstractEventLoop) -> "RunResult | None":
        work = arun(PipelineFile(self.opened), emit=self._heard, confirm=self._confirmed, stop=self._stop)
        self._task = loop.create_task(work)
        try:
            return await self._task
        except asyncio.CancelledError:
            if self.halted:
                return None
            raise
        finally:
            for number in _SIGNALS:
                if loop.remove_signal_handler(number):
                    signal.signal(number, signal.default_int_handler)

    def _confirmed(self, found: "Plan") -> bool:
        self.progress.facts.planned(found)
        return self._asks is None or self._asks.agreed(self.opened, found)

    def _heard(self, event: Event) -> None:
        match event:
            case Begun():
                self._run = event.run
                for number in _SIGNALS:
                    asyncio.get_running_loop().add_signal_handler(number, self._interrupted)
            case Sent():
                self._under_way.add((event.cell, event.sample))
            case Done() | Failed() | Retried():
                self._under_way.discard((event.cell, event.sample))
            case Waits():
                self.waits.append(event)
            case _:
                pass
        self.progress(event)

    def _interrupted(self) -> None:
        if self._stop.reason != INTERRUPTED:
            self._stop.reason = ""
            self._stop.request(INTERRUPTED)
            doing = f"finishing {plural(len(self._under_way), 'call')} in flight" if self._under_way else "stopping"
            self.progress.say(self.progress.facts.line("note", f"{doing}; again to stop at once"))
        elif self._task is not None:
            self.halted = True
            self._task.cancel()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left))
    loop.run_until_complete(loop.shutdown_asyncgens())
