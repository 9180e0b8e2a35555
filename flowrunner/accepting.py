"""Accepting: the locked result of a changed request stands, on somebody's word; or, undone, no longer does."""

from collections.abc import Sequence

from flowrunner import git
from flowrunner.acceptance import Accepted, given_in, is_whole
from flowrunner.api import PipelineFile
from flowrunner.changes import Change, changes
from flowrunner.decisions import Decision, PlannedCell
from flowrunner.errors import UsageError
from flowrunner.planning import Planner
from flowrunner.project import Opened, planned, planner
from flowrunner.selection import selected
from flowrunner.slotted import dataclass, replace
from flowrunner.store.locked import Acceptance, Lock, LockedCell, cell_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was accepted in a cell: the changes of its request, and what was said about them."""

    cell: str
    said: Acceptance
    changes: tuple[Change, ...]


def accept(pipeline: PipelineFile, selectors: Sequence[str], why: str) -> list[Given]:
    """Writes to the lock that the results of the selected cells stand, all that selectors name or none; cells whose
    requests are as they were locked are passed over. UsageError for a selector of which none can be accepted, and where
    none of all has changed."""
    opened = pipeline.opened
    by = git.user_name(opened.project.root) or ""
    asked = {selector: selected(opened.graph, [selector]) for selector in selectors}
    with opened.project.workspace.ledger(create=False) as ledger:
        planned(opened, planner(opened, ledger), bytes_needed=False)  # nothing is accepted of what is invalid
        accepting = _Accepting(opened, planner(opened, ledger), why, by)
        found = accepting.walk({name for names in asked.values() for name in names})
    for names in asked.values():
        reasons = [accepting.refused[name] for name in names if name in accepting.refused]
        if len(reasons) == len(names):
            told = reasons if not found else [fault for fault in reasons if not isinstance(fault, _Unchanged)]
            if told:
                raise told[0]
    opened.lock_file.update(lambda lock: _with(lock, {one.cell: one.said for one in found}))
    return found


def undo(pipeline: PipelineFile, selectors: Sequence[str]) -> list[str]:
    """Takes acceptances back; the cells. UsageError for a selector that names no accepted cell."""
    opened = pipeline.opened
    names: set[str] = set()
    for selector in selectors:
        found = [name for name in selected(opened.graph, [selector]) if name in opened.lock.accepts]
        if not found:
            raise UsageError(f"nothing is accepted in {selector}", f"{opened.command('plan')} shows what is")
        names.update(found)
    opened.lock_file.update(lambda lock: _without(lock, names))
    return sorted(names)


def _with(lock: Lock, said: dict[str, Acceptance]) -> Lock:
    return replace(lock, accepts={**lock.accepts, **said})


def _without(lock: Lock, names: set[str]) -> Lock:
    return replace(lock, accepts={name: one for name, one in lock.accepts.items() if name not in names})


class _Unchanged(UsageError):
    """There is nothing to accept: what is locked is what is asked for."""


class _Accepting:
    """One walk through the graph: what is accepted decides the requests of the cells behind it."""

    def __init__(self, opened: Opened, making: Planner, why: str, by: str) -> None:
        self._opened = opened
        self._making = making
        self._why = " ".join(why.split())
        self._by = by
        self._given: set[str] = set()
        self.refused: dict[str, UsageError] = {}

    def walk(self, wanted: set[str]) -> list[Given]:
        found = []
        for cell in self._opened.graph.cells.values():
            planned = self._making.decide(cell)
            if cell.id in wanted:
                try:
                    found.append(self._accepted(planned))
                except UsageError as fault:
                    self.refused[cell.id] = fault
        return found

    def _accepted(self, planned: PlannedCell) -> Given:
        cell, bound = planned.cell, planned.bound
        locked = self._standing(planned)
        assert bound is not None
        said = Acceptance(
            stands=locked.key, for_=cell_key([call.key for call in bound.calls]), by=self._by, why=self._why
        )
        found = changes(locked, cell, bound, self._opened.graph.scope, self._making.binder.images.paths)
        self._making.accept(cell, Accepted(said=said, locked=locked))
        self._given.add(said.for_)
        return Given(cell=cell.id, said=said, changes=found)

    def _standing(self, planned: PlannedCell) -> LockedCell:
        """The locked result that can stand for a changed request. UsageError that says why none can."""
        name, bound, suggest = planned.cell.id, planned.bound, self._opened.command
        if planned.accepted is not None and planned.accepted.said.for_ in self._given:
            raise _Unchanged(f"the request of {name} is one that was just accepted")
        if planned.accepted is not None:
            given = given_in(self._opened.lock, [planned.accepted.said]) or [name]
            raise UsageError(f"{name} is {planned.reason}", f"{suggest('accept --undo', *given)} takes it back")
        if planned.decision is Decision.SKIP:
            raise UsageError(f"{name} is skipped: {planned.reason}")
        if bound is None or not bound.calls:
            raise UsageError(
                f"the request of {name} is not known yet: it comes {planned.reason}", "accept that first, or run it"
            )
        locked = self._opened.lock.cells.get(name)
        if locked is None:
            raise UsageError(f"{name} has no locked result", suggest("run"))
        if self._making.is_locked(bound):
            raise _Unchanged(f"the request of {name} has not changed: what is locked is its own result")
        fault = _unfit(locked, len(bound.calls), bound.images)
        if fault:
            raise UsageError(f"{name} {fault}", suggest("run"))
        return locked


def _unfit(locked: LockedCell, samples: int, images: int) -> str:
    if not is_whole(locked):
        return "is locked without some of its samples, which failed"
    if len(locked.samples) != samples:
        return f"has {len(locked.samples)} locked samples, and is to have {samples}"
    fewest = min(len(sample.images) for sample in locked.samples)
    return f"has {fewest} images in a sample, and is to have {images}" if fewest < images else ""
