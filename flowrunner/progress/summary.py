"""How a run ended, in lines: what was left, what waits, what was made, what it cost."""

import math
import posixpath
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from flowrunner import escape, money
from flowrunner.call import Billed
from flowrunner.checks.verdict import Result, Verdict, of
from flowrunner.decisions import Choice, Decision
from flowrunner.ended import CellResult, Status
from flowrunner.events import Waits
from flowrunner.progress.facts import Facts
from flowrunner.report.groups import billed, plural
from flowrunner.report.text import OTHERS, remedy

if TYPE_CHECKING:
    from flowrunner.result import Drift, RunResult

_MOST = 8
"""Lines of one kind."""
_NAMES = 3
"""Cells that a line names."""


def summary(result: "RunResult", waits: Sequence[Waits], facts: Facts) -> list[str]:
    """All lines but the last, `next`. Calls that failed were told when it happened."""
    lines = [
        *_checked("warn", Result.WARN, result, facts),
        *_checked("fail", Result.FAIL, result, facts),
        *_grouped("fail", [one for one in result.of(Status.FAILED) if _is_untold(one)], facts),
        *_grouped("left", result.of(Status.PENDING), facts),
        *_grouped("skip", [one for one in result.of(Status.SKIPPED) if _is_consequence(one)], facts),
        *_grouped("lack", result.of(Status.MISSING), facts),
        *_remedy(result),
        *_waiting(waits, result, facts),
        *_made(result, facts),
        *_drifts(result, facts),
    ]
    return [*lines, facts.line("end", result.status.value, _end(result, facts))]


def _checked(word: str, kind: Result, result: "RunResult", facts: Facts) -> list[str]:
    """What the checks say against pictures that are taken, or would have been; the picture is kept, and named."""
    lines = []
    for found in result.of(Status.DONE, Status.REUSED, Status.FAILED):
        for number, verdicts in enumerate(found.verdicts, 1):
            against = of(verdicts, kind) if not found.picked or number == found.picked else []
            label = f"{found.cell.id} #{number}" if len(found.candidates) > 1 else found.cell.id
            said = [facts.line(word, escape.visible(label), escape.line(one.sentence, 300)) for one in against]
            lines += said[:-1] + [f"{line}{_kept(found, number, against, result, facts)}" for line in said[-1:]]
    return _first(lines, lambda more: facts.line(word, f"… and {plural(more, 'more check')}"))


def _kept(found: CellResult, number: int, against: Sequence[Verdict], result: "RunResult", facts: Facts) -> str:
    """Where the picture is, and where it shows what was found."""
    paths = result.published.candidates.get(found.cell.id, [])[number - 1 : number]
    maps = [one.heatmap for one in against if one.heatmap]
    places = [f"kept as {facts.place(path)}" for path in paths if path]
    places += [f"see {facts.place(path)}" for path in maps]
    return f"\n      = {escape.visible(', '.join(places))}" if places else ""


def _is_consequence(result: CellResult) -> bool:
    """Skipped by what happened, not by `when`."""
    return result.planned is None or result.planned.decision is not Decision.SKIP


def _is_untold(result: CellResult) -> bool:
    """Failed without a call of its own and without a check: for what came of another cell."""
    return not result.failures and not result.failed_checks


def _grouped(word: str, results: Iterable[CellResult], facts: Facts) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for result in results:
        by_reason.setdefault(result.reason, []).append(result.cell.id)
    lines = [
        facts.line(word, names(cells), escape.line(facts.mask(reason), 300)) for reason, cells in by_reason.items()
    ]
    return _first(lines, lambda more: facts.line(word, f"… and {plural(more, 'other reason')}"))


def _remedy(result: "RunResult") -> list[str]:
    """What to do about locked pictures that are not here."""
    anew = result.plan.anew if result.of(Status.MISSING) else []
    return [f"      = {remedy(anew, simulated=result.simulated)}"] if anew else []


def _waiting(waits: Sequence[Waits], result: "RunResult", facts: Facts) -> list[str]:
    lines = [
        facts.line("wait", escape.visible(one.cell), _choice(one, result.results[one.cell], facts)) for one in waits
    ]
    return _first(lines, lambda more: facts.line("wait", f"… and {plural(more, 'more cell')}"))


def _choice(waits: Waits, result: CellResult, facts: Facts) -> str:
    """`choose one of 4: …/candidates.png`, and what became of an earlier choice; who refused all is not asked again."""
    pick = result.planned.pick if result.planned else None
    earlier = {Choice.STALE: "stale", Choice.NONE: "none would do"}.get(pick.choice, "") if pick else ""
    said = escape.line(pick.why, 200) if pick else ""
    why = ": ".join(part for part in (earlier, said) if part)
    sheet = escape.visible(facts.place(waits.sheet))
    if result.planned is not None and result.planned.is_refused:
        return f"none of {waits.candidates} would do: {sheet}  ({'; '.join(part for part in (said, OTHERS) if part)})"
    return f"choose one of {waits.candidates}: {sheet}" + (f"  ({why})" if why else "")


def _made(result: "RunResult", facts: Facts) -> list[str]:
    """Where the pictures are: by output, or all of them where the pipeline names no outputs."""
    outputs = {name: paths for name, paths in result.published.outputs.items() if paths}
    if not outputs:
        paths = [path for found in result.published.candidates.values() for path in found if path]
        outputs = {"": paths} if paths else {}
    lines = [
        facts.line("made", name, plural(len(paths), "picture"), _where(paths, facts)) for name, paths in outputs.items()
    ]
    return _first(lines, lambda more: facts.line("made", f"… and {plural(more, 'more output')}"))


def _where(paths: Sequence[str], facts: Facts) -> str:
    """The one path, or the deepest folder that holds all of them."""
    if len(paths) == 1:
        return escape.visible(facts.place(paths[0]))
    shared = posixpath.commonpath({posixpath.dirname(path) for path in paths})
    return f"{escape.visible(facts.place(shared))}/"


def _drifts(result: "RunResult", facts: Facts) -> list[str]:
    """Models whose charges are not what was estimated: the user's own price can stand in for the catalogue's."""
    lines = [facts.line("note", _drifted(drift, facts)) for drift in result.drifts]
    return _first(lines, lambda more: facts.line("note", f"… and {plural(more, 'other model')} with other charges"))


def _drifted(drift: "Drift", facts: Facts) -> str:
    """`flux-2-pro: paid $0.080000 where $0.031500 was estimated (+154 %), 2 of 3 calls; …`."""
    change = 100 * (drift.charged - drift.estimate) / drift.estimate if drift.estimate else math.inf
    figures = f"{facts.charge(drift.charged)} where {money.exact(drift.estimate)} was estimated ({change:+.0f} %)"
    remedy = "[prices] in flowrunner.toml sets another price"
    return f"{escape.line(drift.model)}: {figures}, {drift.calls} of {plural(drift.paid, 'call')}; {remedy}"


def _end(result: "RunResult", facts: Facts) -> str:
    # Cells that ask for the same share one call.
    maybe = len({one.key for found in result.results.values() for one in found.failures if one.billed is Billed.MAYBE})
    charges = facts.charges(result.paid, result.unstated)
    cost = billed(result.calls, charges, maybe)
    tail = ", ".join(_tally(result))
    return f"{cost}; {tail}" if tail else cost


def _tally(result: "RunResult") -> list[str]:
    accepted = sum(one.planned is not None and one.planned.accepted is not None for one in result.results.values())
    behind = [one for one in result.of(Status.WAITING) if not one.candidates]
    counts = {
        "reused": len(result.of(Status.REUSED)),
        "accepted": accepted,
        "failed": len(result.of(Status.FAILED, Status.UNKNOWN)),
        "not tried": len(result.of(Status.PENDING)),
        "skipped": sum(_is_consequence(one) for one in result.of(Status.SKIPPED)),
        "missing": len(result.of(Status.MISSING)),
    }
    found = [f"{number:,} {word}" for word, number in counts.items() if number]
    return found + ([f"{plural(len(behind), 'cell')} wait{'s' if len(behind) == 1 else ''}"] if behind else [])


def _first(lines: list[str], rest: Callable[[int], str]) -> list[str]:
    return lines if len(lines) <= _MOST else [*lines[:_MOST], rest(len(lines) - _MOST)]


def names(cells: Sequence[str]) -> str:
    """A few cells by name, and how many more."""
    more = f" and {len(cells) - _NAMES:,} more" if len(cells) > _NAMES else ""
    return escape.visible(", ".join(cells[:_NAMES])) + more
