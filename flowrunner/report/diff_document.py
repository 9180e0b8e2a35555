"""The JSON shape of `diff`. Fields may be added, never renamed; money is text, null where unknown."""

from typing import Any

from flowrunner import problems
from flowrunner.changes import Change
from flowrunner.comparing.compared import ComparedCell, Comparison, Ends, Kind, cost
from flowrunner.documents import accepted_document, cost_document, dollars


def diff_document(ends: Ends, found: Comparison) -> dict[str, Any]:
    """The shape of `diff --format json`, of one pipeline."""
    return {
        "base": ends.base_commit,
        "head": ends.head_commit or None,
        "pipeline": found.file,
        "was": found.was,
        "state": "new" if found.is_new else "removed" if found.is_gone else "changed" if found.is_changed else "same",
        "cells": [_compared(cell) for cell in found.cells.values()],
        "totals": _diff_totals(found),
        "models": list(found.models),
        "rules": [_field(change) for change in found.rules],
        "base_problems": problems.as_json(found.base_problems),
    }


def _compared(cell: ComparedCell) -> dict[str, Any]:
    return {
        "cell": cell.cell,
        "change": cell.kind.value,
        "because": list(cell.because),
        "was": cell.was,
        "pick": cell.choosing.value if cell.choosing else None,
        "fields": [_field(change) for change in cell.fields],
        "calls": cell.calls,
        "estimate_usd": dollars(cell.estimate),
        "paid_usd": dollars(cell.paid),
        "accepted": accepted_document(cell.planned),
    }


def _field(change: Change) -> dict[str, Any]:
    return {
        "path": change.path,
        "before": change.before,
        "after": change.after,
        "file": change.span.file if change.span else None,
        "line": change.span.line if change.span else None,
        "was_file": change.was.file if change.was else None,
        "was_line": change.was.line if change.was else None,
    }


def _diff_totals(found: Comparison) -> dict[str, Any]:
    totals: dict[str, Any] = {kind.value: len(found.of(kind)) for kind in Kind}
    return {
        **totals,
        **cost_document(cost(found.moving)),
        "before_picks": cost_document(cost(found.before_picks)),
        "after_picks": cost_document(cost(found.after_picks)),
        "to_choose": [cell.cell for cell in found.to_choose],
        "unmade": len(found.unmade),
    }
