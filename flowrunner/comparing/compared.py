"""What a comparison of two revisions of a pipeline says: what becomes of each picture, why, and for how much."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from flowrunner.changes import Change
from flowrunner.decisions import Cost, PlannedCell
from flowrunner.decisions import cost as planned_cost
from flowrunner.errors import FlowError, InvalidPipeline, StoreError
from flowrunner.graph import Graph
from flowrunner.loading import LOCK_SUFFIXES
from flowrunner.money import Nano
from flowrunner.problems import Problem
from flowrunner.slotted import dataclass, field
from flowrunner.store.locked import Pick


class Kind(StrEnum):
    """What becomes of a cell's picture."""

    UNCHANGED = "unchanged"
    RENDER = "render"
    NEW = "new"
    REMOVED = "removed"
    RENAMED = "renamed"
    ACCEPTED = "accepted"


class Choosing(StrEnum):
    """What becomes of a person's choice in a cell."""

    KEPT = "kept"
    STALE = "stale"
    NEEDED = "needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCell:
    """One cell. `fields` are what was changed in its own request or result, `because` the cells whose change makes it
    follow; `was` its id in the base where that is another one; `choosing` is None where nobody chooses."""

    cell: str
    kind: Kind
    planned: PlannedCell
    """As the head plans it; as the base did, where the head has no such cell."""
    because: tuple[str, ...] = ()
    was: str | None = None
    choosing: Choosing | None = None
    chosen: Pick | None = None
    """The choice of the base, where there was one."""
    picked: Pick | None = None
    """That of the head, where it stands."""
    fields: tuple[Change, ...] = ()
    paid: Nano | None = 0
    """What was paid for its new pictures, as far as they are made; None where nobody said."""

    @property
    def step(self) -> str:
        return self.cell.partition("/")[0]

    @property
    def repicked(self) -> bool:
        """Somebody has chosen another picture, and nothing else was changed."""
        return self.picked is not None and any(change.path == "pick" for change in self.fields)

    @property
    def moves(self) -> bool:
        """Its picture is another one, or comes to be."""
        return self.kind in (Kind.RENDER, Kind.NEW)

    @property
    def calls(self) -> int:
        """Calls that are still to be sent for the change."""
        return self.planned.to_send if self.moves else 0

    @property
    def estimate(self) -> Nano | None:
        """What they cost at most; None where that is unknown."""
        return self.planned.estimate if self.calls else 0

    @property
    def is_made(self) -> bool:
        """Its new pictures are there."""
        return self.moves and not self.planned.calls_open


def cost(cells: Iterable[ComparedCell]) -> Cost:
    """What is still to be paid for the pictures of these cells that change."""
    return planned_cost(cell.planned for cell in cells if cell.moves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One pipeline in two revisions. `file` is its path from the project's root, `was` the one in the base where that
    is another; `is_new` and `is_gone` say that a side has none."""

    file: str
    name: str
    cells: Mapping[str, ComparedCell]
    was: str | None = None
    is_new: bool = False
    is_gone: bool = False
    graph: Graph | None = None
    """The head's; None where it has none."""
    models: tuple[str, ...] = ()
    """Models whose request schema is another one now."""
    rules: tuple[Change, ...] = ()
    """What was edited beside the requests: limits, checks, who chooses, outputs."""
    left_lock: str = ""
    """The base's lock of a pipeline that was moved without it."""
    unmade: tuple[str, ...] = ()
    """Cells that the change does not touch and whose pictures are not made."""
    base_problems: tuple[Problem, ...] = ()
    """What is wrong with the base: what it made is then compared by the base's lock, as far as that goes."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Digests of the project's own files to their paths."""

    def of(self, *kinds: Kind) -> list[ComparedCell]:
        return [cell for cell in self.cells.values() if cell.kind in kinds]

    @property
    def moving(self) -> list[ComparedCell]:
        return [cell for cell in self.cells.values() if cell.moves]

    @property
    def to_choose(self) -> list[ComparedCell]:
        """Cells in which this change asks for a choice."""
        return [cell for cell in self.moving if cell.choosing in (Choosing.STALE, Choosing.NEEDED)]

    @property
    def is_changed(self) -> bool:
        """The recipe gives other pictures than before, or more, or fewer."""
        return any(cell.kind not in (Kind.UNCHANGED, Kind.RENAMED) for cell in self.cells.values())

    @property
    def before_picks(self) -> list[ComparedCell]:
        return [cell for cell in self.moving if not cell.planned.behind_pick]

    @property
    def after_picks(self) -> list[ComparedCell]:
        return [cell for cell in self.moving if cell.planned.behind_pick]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A pipeline that cannot be compared: its head is at fault."""

    file: str
    fault: FlowError

    @property
    def problems(self) -> Sequence[Problem]:
        return self.fault.problems if isinstance(self.fault, InvalidPipeline) else ()

    @property
    def by_lock(self) -> bool:
        """Whether its lock is at fault, and nothing else of it."""
        if isinstance(self.fault, StoreError):
            return self.fault.path.endswith(LOCK_SUFFIXES)
        return all_in_locks(self.problems)


def all_in_locks(found: Sequence[Problem]) -> bool:
    files = [problem.span.file if problem.span else problem.file for problem in found]
    return bool(files) and all(file.endswith(LOCK_SUFFIXES) for file in files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The two revisions, as people call them: `main` at `1a2b3c4`; the head's `commit` is empty for the work tree."""

    base: str
    base_commit: str
    head: str
    head_commit: str = ""
