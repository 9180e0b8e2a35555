"""Results that are locked and whose bytes are not here, as far as a call or an output needs them.

A local operation is done again. What was paid for is missing, and with it what would be made of it; a key follows from
a digest alone, so that all that is locked behind it still stands.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from flowrunner.artifact import Artifact
from flowrunner.binding import input_artifacts
from flowrunner.call import File, Outcome
from flowrunner.decisions import Decision, PlannedCell
from flowrunner.graph import Graph
from flowrunner.slotted import dataclass, field, replace
from flowrunner.store.locked import Lock, LockedCell, LockedSample

Present: TypeAlias = Callable[[Artifact | File], bool]
"""Whether the bytes of an artifact are at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One look for what is needed and not here. `planned` is changed in place; `made` holds what every settled cell
    has given."""

    graph: Graph
    planned: dict[str, PlannedCell]
    made: Mapping[str, Sequence[Artifact | None]]
    present: Present
    lost: list[str] = field(default_factory=list)
    """Cells whose own pictures are missing."""

    def mark(self, published: Iterable[tuple[str, Artifact]]) -> None:
        """`published` are the pictures of the outputs, each with its cell."""
        for name, artifact in published:
            if not self.present(artifact):
                self._lost(name)
        lacking = {}
        # From the end: whatever is made again needs pictures of its own, of cells that come before it.
        for name in reversed(list(self.planned)):
            lacked = self._lacks(self.planned[name])
            if lacked:
                lacking[name] = lacked
        self._pass_on(lacking)

    def _lost(self, name: str) -> None:
        planned = self.planned[name]
        if planned.decision is not Decision.REUSE:
            return
        if not planned.is_local or planned.accepted:
            self.planned[name] = replace(planned, decision=Decision.MISSING, reason="its locked picture is not here")
            self.lost.append(name)
            return
        calls = tuple(replace(call, decision=Decision.RUN) for call in planned.calls)
        reason = "its picture is not here: made again"
        self.planned[name] = replace(planned, decision=Decision.RUN, reason=reason, calls=calls, remake=True)

    def _lacks(self, planned: PlannedCell) -> str:
        """The first cell whose missing picture the calls of this one need."""
        if planned.decision not in (Decision.RUN, Decision.AWAIT) or planned.behind_pick:
            return ""
        makers = self._makers(planned.cell.id)
        for name in makers:
            self._lost(name)
        return next((name for name in makers if self.planned[name].decision is Decision.MISSING), "")

    def along(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Of each lost cell the paid cells whose pictures it would take to make it anew, and which are not here either:
        each of these once, though several need it."""
        seen = set(self.lost)
        for name in self.lost:
            found: list[str] = []
            ahead = [name]
            while ahead:
                makers = [maker for maker in self._makers(ahead.pop()) if maker not in seen]
                seen.update(makers)
                found += makers
                ahead += makers
            yield name, tuple(maker for maker in found if not self.planned[maker].is_local)

    def _makers(self, name: str) -> list[str]:
        """The cells whose pictures the calls of this one need, and which are not here."""
        bound = self.planned[name].bound
        gone = {one.sha256 for one in input_artifacts(bound) if not self.present(one)} if bound is not None else set()
        return [maker for maker in self._sources(name) if gone and self._gave(maker, gone)]

    def _sources(self, name: str) -> list[str]:
        return [need for need in self.graph.needs[name] if need in self.planned]

    def _gave(self, name: str, gone: set[str]) -> bool:
        return any(artifact is not None and artifact.sha256 in gone for artifact in self.made.get(name, ()))

    def _pass_on(self, lacking: Mapping[str, str]) -> None:
        """What lacks a picture is not made, nor is what would be made of it."""
        unmade: set[str] = set()
        for name, planned in self.planned.items():
            if planned.decision in (Decision.SKIP, Decision.MISSING):
                continue
            # A cell that is reused because of another one shares its request, and would have had its pictures.
            shared = planned.decision is Decision.REUSE
            needs = planned.because if shared else self._sources(name)
            lacked = lacking.get(name) or next((need for need in needs if need in unmade), "")
            if lacked:
                unmade.add(name)
                reason = f"the picture of {lacked} is not here"
                self.planned[name] = replace(planned, decision=Decision.MISSING, reason=reason, because=(lacked,))


def standing(lock: Lock, outcome: Callable[[str], Outcome | None], has: Callable[[str], bool]) -> Lock:
    """The lock with the local pictures that are here: where one was made again, its file may be packed in another way,
    and the same pixels stand for it."""

    def among(cell: LockedCell) -> LockedCell:
        samples = tuple(map(here, cell.samples))
        return cell if samples == cell.samples else replace(cell, samples=samples)

    def here(sample: LockedSample) -> LockedSample:
        if not all(image.pixels for image in sample.images) or all(has(image.sha256) for image in sample.images):
            return sample
        made = outcome(sample.key)
        other = replace(sample, images=made.artifacts) if made else sample
        return other if sample.looks_like(other) else sample

    cells = {name: among(cell) for name, cell in lock.cells.items()}
    return lock if cells == lock.cells else replace(lock, cells=cells)
