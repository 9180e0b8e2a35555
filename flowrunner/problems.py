"""What is wrong with something that a person wrote: where, what, and what to do."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from flowrunner import escape
from flowrunner.slotted import dataclass, replace
from flowrunner.source import Span

SHOWN = 100
"""Problems that are shown at once: whoever has more mends these first."""


class Severity(StrEnum):
    """How bad a problem is; errors sort first."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault. A fault that touches many cells is told once: `cells` are those of its steps, `of` how many they
    have."""

    code: str
    message: str
    span: Span | None = None
    hint: str = ""
    severity: Severity = Severity.ERROR
    cells: tuple[str, ...] = ()
    of: int = 0
    step: Span | None = None
    """What is written of the step, of several the first. It is named when the fault stands elsewhere, or touches
    several cells."""
    file: str = ""
    """The file at fault where there is no place in it (a missing file, say)."""

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


def error(code: str, message: str, span: Span | None = None, hint: str = "") -> Problem:
    return Problem(code=code, message=message, span=span, hint=hint)


def warning(code: str, message: str, span: Span | None = None, hint: str = "") -> Problem:
    return Problem(code=code, message=message, span=span, hint=hint, severity=Severity.WARNING)


def tidy(problems: Iterable[Problem]) -> list[Problem]:
    """Folded (one fault, one problem, with all its cells) and sorted by file, place and severity."""
    folded: dict[tuple[object, ...], tuple[Problem, dict[str, None]]] = {}
    for problem in problems:
        _, cells = folded.setdefault(_fault(problem), (problem, {}))
        cells.update(dict.fromkeys(problem.cells))
    return sorted(_over_steps(replace(found, cells=tuple(cells)) for found, cells in folded.values()), key=_order)


def _over_steps(problems: Iterable[Problem]) -> Iterator[Problem]:
    """What stands in the way of several steps, in `defaults` say, once for all of them."""
    folded: dict[tuple[object, ...], list[Problem]] = {}
    for problem in problems:
        key = (_fault(replace(problem, step=None)), problem.message, problem.hint, problem.step and problem.step.file)
        folded.setdefault(key, []).append(problem)
    for same in folded.values():
        cells = tuple(cell for problem in same for cell in problem.cells)
        yield replace(same[0], cells=cells, of=sum(problem.of for problem in same))


_NAMED = 4
"""Steps that a note names."""
_OWN = re.compile(r'"[^"]*"|(?<![\w./$-])\d+(?:\.\d+)?(?![\w./-])')
"""What differs from cell to cell in a message about one fault: a quoted text, a number that stands alone."""


def _fault(problem: Problem) -> tuple[object, ...]:
    """Equal for problems that are one fault. Of cells, the values that they give to what is at fault may differ."""
    place = problem.span and (problem.span.file, problem.span.start, problem.span.end)
    told = (_OWN.sub("…", problem.message),) if problem.cells else (problem.message, problem.hint)
    return (problem.code, told, problem.severity, place, problem.step, problem.file)


def _order(problem: Problem) -> tuple[str, int, int, str, str, str]:
    span = problem.span
    if span is None:
        return (problem.file, 0, 0, problem.severity, problem.code, problem.message)
    return (span.file, span.start, span.end, problem.severity, problem.code, problem.message)


def strict(problems: Iterable[Problem]) -> list[Problem]:
    """Every warning made an error."""
    return [replace(problem, severity=Severity.ERROR) for problem in problems]


def as_text(problems: Sequence[Problem]) -> str:
    """Every problem as a person reads it: place, message, line, caret, what to do. Of very many the first ones."""
    shown = _first(problems)
    rest = len(problems) - len(shown)
    return "\n".join([*map(_shown, shown), *([f"and {rest:,} more"] if rest else [])])


def _first(problems: Sequence[Problem]) -> Sequence[Problem]:
    """As many as anyone reads, in their order; errors before warnings."""
    if len(problems) <= SHOWN:
        return problems
    errors = [problem for problem in problems if problem.is_error][:SHOWN]
    others = [problem for problem in problems if not problem.is_error][: SHOWN - len(errors)]
    chosen = set(map(id, (*errors, *others)))
    return [problem for problem in problems if id(problem) in chosen]


def tally(problems: Sequence[Problem], files: int) -> str:
    """`2 errors and 1 warning in 1 file`; `no problems in 3 files`."""
    counts = [
        _plural(sum(problem.severity is severity for problem in problems), severity.value) for severity in Severity
    ]
    found = " and ".join(count for count in counts if not count.startswith("0 ")) or "no problems"
    return f"{found} in {_plural(files, 'file')}"


def as_json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """The shape that `validate --format json` promises."""
    return [_record(problem) for problem in problems]


def as_annotations(problems: Sequence[Problem]) -> str:
    """GitHub workflow commands, one line each."""
    return "\n".join(map(_annotation, _first(problems)))


def dump(problems: Sequence[Problem]) -> str:
    return json.dumps({"problems": as_json(problems)}, ensure_ascii=False, indent=2)


def _shown(problem: Problem) -> str:
    span = problem.span
    place = f"{escape.line(span.file, 1000)}:{span.line}:{span.column}: " if span else ""
    if span is None and problem.file:
        place = f"{escape.line(problem.file, 1000)}: "
    head = f"{place}{problem.severity}: {escape.line(problem.message, 1000)}  [{problem.code}]"
    note = _touched(problem)
    notes = [note] if note else []
    if span is None:
        rows = [f"     = {row}" for row in ([escape.line(problem.hint, 600)] if problem.hint else []) + notes]
    else:
        rows = _excerpt(span, problem.hint) + [f"{' ' * (_gutter(span) + 1)}= {row}" for row in notes]
    return "\n".join([head, *rows])


def _gutter(span: Span) -> int:
    return max(4, len(str(span.line)) + 2)


def _excerpt(span: Span, hint: str) -> list[str]:
    before, marked, after = _cut(span)
    width = _gutter(span)
    shown = [f"{span.line:>{width}} | {before}{marked}{after}"]
    length = escape.width(marked)
    caret = "^" + "~" * (min(length, 48) - 1) if length else "^"
    tail = f" {escape.line(hint, 600)}" if hint else ""
    shown.append(f"{' ' * width} | {' ' * escape.width(before)}{caret}{tail}")
    return shown


def _cut(span: Span) -> tuple[str, str, str]:
    """The line around a span in three parts, made visible; a long line is cut to a window around the place."""
    text, start = span.source.text, span.start
    begin, stop = span.source.bounds(span.line)
    end = max(start, span.end) if span.end_line == span.line else stop
    first = max(begin, start - 60) if stop - begin > 140 else begin
    last = min(stop, max(end, first + 130)) if stop - begin > 140 else stop
    last = min(last, start + 200)
    before = ("…" if first > begin else "") + escape.visible(text[first:start]).replace("\\t", " ")
    marked = escape.line(text[start : min(end, last)], 400)
    after = escape.line(text[min(end, last) : last], 400) + ("…" if last < stop else "")
    return before, marked.rstrip(), after if marked.rstrip() == marked else marked[len(marked.rstrip()) :] + after


def _touched(problem: Problem) -> str:
    if not problem.cells:
        return ""
    steps = list(dict.fromkeys(cell.split("/", 1)[0] for cell in problem.cells))
    step = ", ".join(steps[:_NAMED]) + (f" and {len(steps) - _NAMED} more" if len(steps) > _NAMED else "")
    place = f" ({escape.line(problem.step.file)}:{problem.step.line})" if problem.step and len(steps) == 1 else ""
    if len(problem.cells) == 1 and problem.of <= 1:
        return f"{escape.line(step)}{place}" if place and _elsewhere(problem) else ""
    of = f" of {problem.of}" if problem.of else ""
    noun = "cell" if (problem.of or len(problem.cells)) == 1 else "cells"
    return f"{escape.line(step)}{place}: {len(problem.cells)}{of} {noun}, first {escape.line(problem.cells[0])}"


def _elsewhere(problem: Problem) -> bool:
    span, step = problem.span, problem.step
    if span is None or step is None or span.file != step.file:
        return step is not None
    return not step.start <= span.start <= step.end


def _record(problem: Problem) -> dict[str, Any]:
    span = problem.span
    return {
        "code": problem.code,
        "severity": problem.severity.value,
        "message": bounded(problem.message),
        "hint": bounded(problem.hint),
        "file": span.file if span else problem.file,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
        "cells": list(problem.cells),
    }


def _annotation(problem: Problem) -> str:
    span = problem.span
    place = {"file": span.file if span else problem.file}
    if span:
        place |= {"line": str(span.line), "col": str(span.column)}
        place |= {"endLine": str(span.end_line), "endColumn": str(span.end_column)}
    place["title"] = problem.code
    properties = ",".join(f"{k}={escape.annotation(v, inside='property')}" for k, v in place.items() if v)
    body = "\n".join(escape.line(text, 1000) for text in (problem.message, problem.hint) if text)
    return f"::{problem.severity} {properties}::{escape.annotation(body)}"


def bounded(text: str) -> str:
    """A message may quote what somebody else has written; JSON has its own rules for what is hidden in it."""
    return text if len(text) <= 1000 else f"{text[:1000]}…"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
