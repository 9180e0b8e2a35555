"""The doors: load, plan and run a pipeline."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner.errors import InvalidPipeline
from flowrunner.events import Event
from flowrunner.planning import Plan
from flowrunner.problems import Problem
from flowrunner.problems import strict as strictly
from flowrunner.project import Opened, Options, checked, judge, looking, open_pipeline, open_project, planned, planner
from flowrunner.slotted import dataclass, replace

if TYPE_CHECKING:
    from flowrunner.inspection import Inspection
    from flowrunner.jobs import Stop
    from flowrunner.result import RunResult
    from flowrunner.review import Review
    from flowrunner.settled import Judges
    from flowrunner.store.records import RunRecord

__all__ = ["Options", "PipelineFile", "RunResult", "arun", "check", "load", "plan", "review", "run", "validate"]

Emit = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """A pipeline that was loaded without a fault: what `plan` and `run` take. `problems` are its warnings."""

    opened: Opened
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        return self.opened.pipeline.name

    @property
    def cells(self) -> tuple[str, ...]:
        """The ids of all cells, each behind what it needs."""
        return tuple(self.opened.graph.cells)


def load(path: str | Path, *, environment: Mapping[str, str] | None = None, **options: Any) -> PipelineFile:
    """Loads and checks one pipeline; nothing is sent, and no key is read. `options` are the fields of `Options`.

    InvalidPipeline holds every problem that a run with these inputs could meet; a missing input is none."""
    place = Path(path)
    opened = open_pipeline(open_project(place, environment), place, Options(**options))
    problems = checked(opened, as_given=True)
    if any(problem.is_error for problem in problems):
        raise InvalidPipeline(problems)
    return PipelineFile(opened, tuple(problems))


def validate(path: str | Path, *, environment: Mapping[str, str] | None = None, strict: bool = False) -> list[Problem]:
    """Every problem of one pipeline, sorted; empty when it is sound."""
    place = Path(path)
    try:
        return checked(open_pipeline(open_project(place, environment), place), strictly=strict)
    except InvalidPipeline as fault:
        return strictly(fault.problems) if strict else fault.problems


def plan(pipeline: str | Path | PipelineFile, **options: Any) -> Plan:
    """What a run would do, and why, and for how much at most. Nothing is sent; no key is read; nothing is written."""
    opened = _opened(pipeline, options)
    with opened.project.workspace.ledger(create=False) as ledger:
        return planned(opened, looking(opened, ledger), bytes_needed=not opened.options.frozen)


def review(pipeline: str | Path | PipelineFile, **options: Any) -> "Review":
    """The plan with what came of every cell, as the lock and the ledger know it: what reports are made of. Nothing is
    sent, and no picture is missed: one that is locked counts as done, wherever its bytes are. Where steps have checks,
    heat maps are written below the project's state."""
    from flowrunner.review import Trouble
    from flowrunner.review import review as reviewed

    opened = _opened(pipeline, options)
    simulated = opened.options.simulate
    with opened.project.workspace.ledger(create=False) as ledger:
        making = planner(opened, ledger, _judges(opened))
        found = planned(opened, making, bytes_needed=False)
        last = next((run.id for run in ledger.runs() if _is_of(run, opened)), "")
        record = ledger.run(last) if last else None
        attempts = record.attempts if record else ()
        troubles = {one.key: Trouble(error=one.error, maybe_billed=one.maybe_billed) for one in attempts if one.error}
        return reviewed(making, found, troubles=troubles, simulated=simulated)


def _judges(opened: Opened) -> "Judges | None":
    if not opened.has_checks:
        return None
    opened.project.workspace.prepare()
    return judge(opened, keep=True).verdict


def _is_of(run: "RunRecord", opened: Opened) -> bool:
    return (run.pipeline, run.simulated) == (opened.pipeline.file, opened.options.simulate)


def check(pipeline: str | Path | PipelineFile, **options: Any) -> "Inspection":
    """Holds the pictures that the lock names against the checks of their steps. Nothing is sent; heat maps are written
    below the project's state."""
    from flowrunner.inspection import inspect

    return inspect(_opened(pipeline, options))


def run(pipeline: str | Path | PipelineFile, **options: Any) -> "RunResult":
    """Does what the plan says, and goes on with whatever was begun. See `arun`."""
    import asyncio

    return asyncio.run(arun(pipeline, **options))


async def arun(
    pipeline: str | Path | PipelineFile,
    *,
    emit: Emit | None = None,
    confirm: Callable[[Plan], bool] | None = None,
    stop: "Stop | None" = None,
    **options: Any,
) -> "RunResult":
    """`run` for a program with an event loop. `emit` hears of everything as it happens; `confirm` sees the plan before
    anything is paid and may decline it; `stop` ends the run gracefully. RunRefused when nothing may be sent,
    InvalidPipeline and UsageError for what cannot be run; a cell's failure is part of the result."""
    from flowrunner.jobs import Stop
    from flowrunner.running import Run

    opened = _opened(pipeline, options)
    return await Run(opened, emit or _silent, stop or Stop()).run(confirm)


def _silent(_: Event) -> None:
    """Nobody listens."""


def _opened(pipeline: str | Path | PipelineFile, options: Mapping[str, Any]) -> Opened:
    environment = options.get("environment")
    rest = {name: value for name, value in options.items() if name != "environment"}
    if isinstance(pipeline, PipelineFile):
        if not rest:
            return pipeline.opened
        place = pipeline.opened.project.root / pipeline.opened.pipeline.file
        return open_pipeline(pipeline.opened.project, place, replace(pipeline.opened.options, **rest))
    place = Path(pipeline)
    return open_pipeline(open_project(place, environment), place, Options(**rest))


def __getattr__(name: str) -> Any:
    """What running brings is imported when it is first asked for: validate and plan need none of it."""
    if name == "RunResult":
        from flowrunner.result import RunResult

        return RunResult
    if name == "INTERRUPTED":
        from flowrunner.jobs import INTERRUPTED

        return INTERRUPTED
    raise AttributeError(f"module 'flowrunner.api' has no attribute {name!r}")
