"""From the results of a run to the lock."""

from collections.abc import Mapping
from typing import Any

from flowrunner.ended import CellResult
from flowrunner.graph import Graph
from flowrunner.pipeline import PickRule
from flowrunner.planning import Decision
from flowrunner.slotted import replace
from flowrunner.store.locked import Acceptance, Lock, LockedCell, LockedSample, Pick

BY_CHECK = "check"
"""Whoever chose, in the lock, where it was no person."""


def locked(lock: Lock, graph: Graph, results: Mapping[str, CellResult], inputs: Mapping[str, Any]) -> Lock:
    """The lock after a run: what it settled stands anew, what it did not touch stays, cells that the pipeline no
    longer has go. Picks stay, whatever became of their cells."""
    cells = {name: cell for name, cell in lock.cells.items() if name in graph.cells and name not in graph.skipped}
    for name, result in results.items():
        made = _cell(result, lock.cells.get(name))
        if made is not None:
            cells[name] = made
    models = {cell.model: lock.models[cell.model] for cell in cells.values() if cell.model in lock.models}
    for name, cell in cells.items():
        model = graph.cells[name].model
        if model is not None and model.id == cell.model and (name in results or model.id not in models):
            models[model.id] = model.digest
    picks = {**_picks(lock, cells, results), **_passed(cells, results)}
    accepts = _accepts(lock, cells, results)
    return Lock(inputs=dict(inputs), picks=picks, accepts=accepts, models=models, cells=cells)


def _passed(cells: Mapping[str, LockedCell], results: Mapping[str, CellResult]) -> dict[str, Pick]:
    """What the checks chose, for those who have the lock without the pictures."""
    found = {}
    for name, result in results.items():
        artifact = result.candidates[result.picked - 1] if result.picked else None
        if result.cell.step.pick.rule is PickRule.CHECK and artifact is not None and name in cells:
            found[name] = Pick(image=result.picked, digest=artifact.sha256, by=BY_CHECK, for_=cells[name].key)
    return found


def _cell(result: CellResult, before: LockedCell | None) -> LockedCell | None:
    bound = result.planned.bound if result.planned is not None else None
    if result.planned is None or bound is None or not any(result.outcomes):
        return None
    if result.planned.accepted is not None:  # what was sent then, not what would be sent now
        return replace(result.planned.accepted.locked, cell=result.cell.id)
    samples = [
        LockedSample(key=call.key, images=outcome.artifacts, paid=outcome.paid or None)
        for call, outcome in zip(bound.calls, result.outcomes, strict=True)
        if outcome is not None
    ]
    if before is not None and result.planned.decision is Decision.REUSE:
        samples = [_kept(sample, before) for sample in samples]
    call = bound.calls[0]
    return LockedCell(cell=result.cell.id, model=call.model, with_=call.shown, samples=tuple(samples), key=bound.key)


def _kept(made: LockedSample, before: LockedCell) -> LockedSample:
    """As it is locked, where a picture was made again with the same pixels, packed in another way."""
    return next((sample for sample in before.samples if sample.key == made.key and sample.looks_like(made)), made)


def _accepts(lock: Lock, cells: Mapping[str, LockedCell], results: Mapping[str, CellResult]) -> dict[str, Acceptance]:
    """They move along with a renamed step; one goes where its result does not stand any more, or stands by itself."""
    homes = {cell.key: name for name, cell in cells.items()}
    found = {}
    for name, one in lock.accepts.items():
        home = name if name in cells and cells[name].key == one.stands else homes.get(one.stands)
        if home is not None and not _stands_by_itself(results.get(home)):
            found[home] = one
    return found


def _stands_by_itself(result: CellResult | None) -> bool:
    return result is not None and any(result.outcomes) and not (result.planned and result.planned.accepted)


def _picks(lock: Lock, cells: Mapping[str, LockedCell], results: Mapping[str, CellResult]) -> dict[str, Pick]:
    """A pick belongs to a key: where a step was renamed it moves along. One written by hand is completed."""
    kept = {name: pick for name, pick in lock.picks.items() if not _is_void(pick, cells.get(name), results.get(name))}
    picks = {name: _completed(pick, cells.get(name), results.get(name)) for name, pick in kept.items()}
    by_key = {cell.key: name for name, cell in cells.items()}
    for name, pick in tuple(picks.items()):
        stays = name in cells and cells[name].key == pick.for_
        home = by_key.get(pick.for_, name)
        if not stays and home not in picks:
            del picks[name]
            picks[home] = pick
    return picks


def _is_void(pick: Pick, cell: LockedCell | None, result: CellResult | None) -> bool:
    """The checks chose it, and now they choose otherwise, or none; or all candidates were refused, and these are
    others."""
    if pick.by == BY_CHECK:
        return result is not None and bool(result.verdicts)
    return pick.image is None and cell is not None and pick.for_ in ("", cell.key) and _is_made_anew(result)


def _is_made_anew(result: CellResult | None) -> bool:
    planned = result.planned if result is not None and any(result.outcomes) else None
    return planned is not None and planned.decision is Decision.RUN and not planned.remake


def _completed(pick: Pick, cell: LockedCell | None, result: CellResult | None) -> Pick:
    if pick.for_ or cell is None or result is None or not result.picked:
        return pick
    artifact = result.candidates[result.picked - 1]
    return replace(pick, for_=cell.key, digest=artifact.sha256 if artifact else pick.digest)
