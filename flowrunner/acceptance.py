"""Locked results that someone lets stand for a changed request, and for exactly that one."""

from collections.abc import Iterable, Mapping

from flowrunner.call import Outcome
from flowrunner.slotted import dataclass
from flowrunner.store.locked import Acceptance, Lock, LockedCell, cell_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A locked result that stands, with who says so and why."""

    said: Acceptance
    locked: LockedCell

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What its samples gave, under the keys of the requests that were sent."""
        return tuple(
            Outcome(key=sample.key, artifacts=sample.images, paid=sample.paid) for sample in self.locked.samples
        )

    @property
    def reason(self) -> str:
        by = f" by {self.said.by}" if self.said.by else ""
        return f"accepted{by}" + (f": {self.said.why}" if self.said.why else "")


def given_in(lock: Lock, said: Iterable[Acceptance]) -> list[str]:
    """The cells in which it was said: it holds for others, too, that ask for the same."""
    requests = {one.for_ for one in said}
    return [name for name, one in lock.accepts.items() if one.for_ in requests]


def accepted(lock: Lock) -> Mapping[str, Accepted]:
    """What stands in a lock, by the cell key of the changed request. As with picks the key counts, not the name: a
    renamed step keeps its acceptance."""
    stand = {one.stands for one in lock.accepts.values()}
    cells = {cell.key: cell for cell in lock.cells.values() if cell.key in stand and is_whole(cell)}
    return {
        one.for_: Accepted(said=one, locked=cells[one.stands]) for one in lock.accepts.values() if one.stands in cells
    }


def is_whole(cell: LockedCell) -> bool:
    """Whether none of its samples failed."""
    return cell_key([sample.key for sample in cell.samples]) == cell.key
