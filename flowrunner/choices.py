"""The choices among candidates: by the pipeline, by its checks, by a person, whose word stands in the lock."""

from collections.abc import Collection, Sequence

from flowrunner.artifact import Artifact
from flowrunner.checks.verdict import Result, Verdicts, first_passing, of
from flowrunner.decisions import Choice, PickState
from flowrunner.loading.cells import Cell
from flowrunner.pipeline import PickRule
from flowrunner.slotted import replace
from flowrunner.store.locked import Lock

_CHANGED = "the request behind the pick has changed"


class Choices:
    """What a lock says of choices, by the key that each was made for."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._picks = {pick.for_: pick for pick in lock.picks.values() if pick.for_}

    def made(self, cell: Cell, key: str, slots: Sequence[Artifact | None], verdicts: Sequence[Verdicts]) -> PickState:
        """The choice among the candidates of a cell with this key."""
        rule = cell.step.pick
        pick = self._picks.get(key)
        if rule.rule is PickRule.CHECK:
            # Where pictures are not here, or nobody looks at them, what passed before stands in the lock.
            judged = bool(verdicts) and not any(of(found, Result.MISSING) for found in verdicts)
            locked = pick.image if pick is not None and pick.image and not judged else 0
            number = first_passing(verdicts) or (locked if locked <= len(slots) else 0)
            return PickState(choice=Choice.MADE, number=number)
        if rule.rule is not PickRule.HUMAN:
            return PickState(choice=Choice.MADE, number=rule.number)
        written = self._lock.picks.get(cell.id)
        if pick is None and written is not None and not written.for_:
            pick = written  # by hand, for whatever stands here now
        if pick is None:
            return _stale(_CHANGED) if written else PickState(choice=Choice.NEW)
        if pick.image is None:
            return PickState(choice=Choice.NONE, why=pick.why)
        slot = slots[pick.image - 1] if 1 <= pick.image <= len(slots) else None
        if slot is None or (pick.digest and pick.digest.removeprefix("sha256:") != slot.sha256):
            return _stale(f"candidate {pick.image} is not the picture that was picked")
        return PickState(choice=Choice.MADE, number=pick.image)

    def open(self, cell: Cell, key: str) -> PickState | None:
        """The choice in a cell that has no candidates yet. `key` is empty while its request is not known."""
        if cell.step.pick.rule is not PickRule.HUMAN:
            return None
        written = self._lock.picks.get(cell.id)
        return _stale(_CHANGED) if written and key and written.for_ not in ("", key) else PickState(choice=Choice.NEW)


def without_refusals(lock: Lock, cells: Collection[str]) -> Lock:
    """The lock as it holds for cells that are made anew: whoever refused all candidates has not seen the new ones."""
    picks = {name: pick for name, pick in lock.picks.items() if name not in cells or pick.image is not None}
    return lock if len(picks) == len(lock.picks) else replace(lock, picks=picks)


def _stale(why: str) -> PickState:
    return PickState(choice=Choice.STALE, why=why)
