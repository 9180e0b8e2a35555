"""The JSON shapes of plans and runs. Fields may be added, never renamed; money is text, null where unknown."""

from typing import TYPE_CHECKING, Any

from flowrunner import money
from flowrunner.artifact import Artifact
from flowrunner.checks.verdict import Verdict
from flowrunner.decisions import Cost, Decision, Plan, PlannedCall, PlannedCell, cost

if TYPE_CHECKING:
    from flowrunner.ended import CellResult
    from flowrunner.result import Drift, RunResult
    from flowrunner.review import Parent, Review, ReviewedCell
    from flowrunner.store.records import RunRecord


def dollars(amount: money.Nano | None) -> str | None:
    """Text, or null for what nobody knows."""
    return None if amount is None else money.text(amount)


def plan_document(found: Plan) -> dict[str, Any]:
    """The shape of `plan --format json`."""
    return {
        "pipeline": found.graph.pipeline.file,
        "cells": [_planned(cell) for cell in found.cells.values()],
        "totals": _totals(found),
    }


def _planned(planned: PlannedCell) -> dict[str, Any]:
    cell = planned.cell
    return {
        "cell": cell.id,
        "step": cell.step.id,
        "coordinates": cell.coordinates,
        "model": cell.model.id if cell.model else None,
        "provider": cell.model.provider if cell.model else None,
        "decision": planned.decision.value,
        "reason": planned.reason,
        "because": list(planned.because),
        "calls": [_call(call) for call in planned.calls],
        "estimate_usd": dollars(planned.estimate),
        "anew_usd": dollars(planned.anew) if planned.decision is Decision.MISSING and not planned.because else None,
        "accepted": accepted_document(planned),
    }


def _call(call: PlannedCall) -> dict[str, Any]:
    """`held` says why nobody is paid for a call of a cell that runs: `reply`, `unknown`, `moderated`, `charged`."""
    held = call.held.name.lower() if call.held else None
    return {"key": call.key, "decision": call.decision.value, "held": held}


def accepted_document(planned: PlannedCell | None) -> dict[str, Any] | None:
    """Who lets the cell's locked result stand for a changed request, and why; null where nobody does."""
    found = planned.accepted if planned else None
    if found is None:
        return None
    return {"by": found.said.by or None, "why": found.said.why, "stands": found.said.stands, "for": found.said.for_}


def _totals(found: Plan) -> dict[str, Any]:
    totals: dict[str, Any] = {decision.value: len(found.of(decision)) for decision in Decision}
    return {**totals, **cost_document(cost(found.before_picks)), "after_picks": cost_document(cost(found.after_picks))}


def cost_document(of: Cost) -> dict[str, Any]:
    """`estimate_usd` is null while the price of one call is unknown; `priced_usd` is that of all others."""
    return {
        "calls": of.calls,
        "estimate_usd": dollars(of.whole),
        "unpriced": of.unpriced,
        "priced_usd": dollars(of.known),
    }


def run_document(result: "RunResult") -> dict[str, Any]:
    """The shape of `run --format json`, and what `runs show` prints of an old run."""
    return {
        "run": result.run or None,
        "pipeline": result.pipeline,
        "simulated": result.simulated,
        "status": result.status.value,
        "cells": [_result(found, result) for found in result.results.values()],
        "outputs": result.published.outputs,
        "paid_calls": result.calls,
        "paid_usd": money.stated(result.paid, result.unstated),
        "unstated": result.unstated,
        "maybe_billed": result.maybe_billed,
        "drifts": [_drift(drift) for drift in result.drifts],
    }


def spent_document(record: "RunRecord") -> dict[str, Any]:
    """What the ledger says of the money of a run that did not come to its end."""
    return {
        "paid_calls": record.calls,
        "paid_usd": money.stated(record.paid, record.unstated),
        "unstated": record.unstated,
        "maybe_billed": list(dict.fromkeys(one.cell for one in record.attempts if one.maybe_billed)),
    }


def _drift(drift: "Drift") -> dict[str, Any]:
    return {
        "provider": drift.provider,
        "model": drift.model,
        "calls": drift.calls,
        "paid_calls": drift.paid,
        "estimate_usd": money.text(drift.estimate),
        "charged_usd": money.text(drift.charged),
    }


def _result(found: "CellResult", result: "RunResult") -> dict[str, Any]:
    paths = result.published.candidates.get(found.cell.id) or [""] * len(found.candidates)
    keys = [call.key for call in found.planned.calls] if found.planned else []
    error = found.failures[0].error if found.failures else None
    return {
        "cell": found.cell.id,
        "status": found.status.value,
        "reason": found.reason,
        "keys": [key for key in keys if key],
        "images": [
            _image(artifact, path, picked=number == found.picked)
            for number, (artifact, path) in enumerate(zip(found.candidates, paths, strict=False), 1)
            if artifact is not None
        ],
        "checks": [
            check_document(verdict, number) for number, verdicts in enumerate(found.verdicts, 1) for verdict in verdicts
        ],
        "paid_usd": money.stated(found.paid, found.charges.count(None)),
        "seconds": round(found.seconds, 3),
        "error": error,
        "accepted": accepted_document(found.planned),
    }


def check_document(verdict: Verdict, candidate: int) -> dict[str, Any]:
    """What a check found of a candidate, which counts from 1."""
    return {
        "candidate": candidate,
        "check": verdict.check,
        "level": verdict.level.value,
        "result": verdict.result.value,
        "measured": verdict.measured,
        "heatmap": verdict.heatmap or None,
    }


def _image(artifact: Artifact, path: str, *, picked: bool) -> dict[str, Any]:
    return {
        "path": path or None,
        "sha256": artifact.sha256,
        "media_type": artifact.media_type,
        "width": artifact.width,
        "height": artifact.height,
        "bytes": artifact.bytes,
        "picked": picked,
    }


def review_document(found: "Review") -> dict[str, Any]:
    """The shape of `report --format json`: that of a plan, and with each cell what came of it."""
    planned = plan_document(found.plan)
    cells = [shape | _reviewed(cell, found) for shape, cell in zip(planned["cells"], found.cells.values(), strict=True)]
    return {**planned, "simulated": found.simulated, "paid_usd": money.text(found.paid()), "cells": cells}


def _reviewed(cell: "ReviewedCell", found: "Review") -> dict[str, Any]:
    choice = cell.choice
    return {
        "standing": cell.standing.value,
        "images": [
            {"n": picture.number, **_image(picture.artifact, "", picked=picture.number == cell.picked)}
            for picture in cell.pictures
        ],
        "pick": {"image": choice.image, "by": choice.by, "why": choice.why} if choice else None,
        "parents": [_parent(parent) for parent in cell.parents],
        "texts": [
            {"path": one.path, "text": one.text, "file": one.span and one.span.file, "line": one.span and one.span.line}
            for one in cell.wordings
        ],
        "paid_usd": None if None in cell.paid.values() else money.text(found.paid(cell.id)),
    }


def _parent(parent: "Parent") -> dict[str, Any]:
    digest = parent.artifact.sha256 if parent.artifact else None
    return {
        "path": parent.path,
        "cell": parent.cell or None,
        "file": parent.file or None,
        "link": parent.link or None,
        "sha256": digest,
    }
